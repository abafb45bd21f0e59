// Windows are views: what reduces them reads the operand itself.
// RUN: sinter-opt %s -sinter-fuse | FileCheck %s
// RUN: sinter-opt %s "-sinter-fuse=fusion=false" | FileCheck %s --check-prefix=UNFUSED

!image = !sinter.tensor<f32[N, 8, 112, 112]>
!spread = !sinter.tensor<f32[N, 8, 112, 112, 3, 3]>
!windows = !sinter.tensor<f32[N, 8, 55, 55, 3, 3]>
!pooled = !sinter.tensor<f32[N, 8, 55, 55]>

// CHECK-LABEL: @max_pool_is_one_kernel
// CHECK: %[[F:.*]] = sinter.fused "reduce_max" (%{{.*}} = %arg0 : !sinter.tensor<f32[N, 8, 112, 112]>)
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]
// UNFUSED-LABEL: @max_pool_is_one_kernel
// UNFUSED: sinter.fused "broadcast"
// UNFUSED: sinter.fused "window_read"
// UNFUSED: sinter.fused "reduce_max"
func.func @max_pool_is_one_kernel(%x: !image) -> !pooled {
  %b = sinter.broadcast %x {dimensions = array<i64: 0, 1, 2, 3>} : (!image) -> !spread
  %w = sinter.window_read %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>} : (!spread) -> !windows
  %r = sinter.reduce_max %w {axes = array<i64: 4, 5>} : (!windows) -> !pooled
  return %r : !pooled
}

// A cheap producer is computed in each window that it is in.
// CHECK-LABEL: @relu_joins_the_pooling
// CHECK: %[[F:.*]] = sinter.fused
// CHECK: sinter.max
// CHECK: sinter.window_read
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]
func.func @relu_joins_the_pooling(%x: !image) -> !pooled {
  %zero = sinter.full 0.0 : f32 : !image
  %a = sinter.max %x, %zero : (!image, !image) -> !image
  %b = sinter.broadcast %a {dimensions = array<i64: 0, 1, 2, 3>} : (!image) -> !spread
  %w = sinter.window_read %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>} : (!spread) -> !windows
  %r = sinter.reduce_max %w {axes = array<i64: 4, 5>} : (!windows) -> !pooled
  return %r : !pooled
}

// A dear one is not: windows overlap, so it would be computed again.
// CHECK-LABEL: @tanh_is_computed_once
// CHECK: %[[T:.*]] = sinter.fused "tanh"
// CHECK: %[[F:.*]] = sinter.fused "reduce_max" (%{{.*}} = %[[T]]
// CHECK: return %[[F]]
func.func @tanh_is_computed_once(%x: !image) -> !pooled {
  %a = sinter.tanh %x : (!image) -> !image
  %b = sinter.broadcast %a {dimensions = array<i64: 0, 1, 2, 3>} : (!image) -> !spread
  %w = sinter.window_read %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>} : (!spread) -> !windows
  %r = sinter.reduce_max %w {axes = array<i64: 4, 5>} : (!windows) -> !pooled
  return %r : !pooled
}

// What a gradient of a pooling is: windows written back, and added up.
// CHECK-LABEL: @overlaps_add_up_in_one_kernel
// CHECK: %[[F:.*]] = sinter.fused
// CHECK: sinter.window_write
// CHECK: sinter.reduce_sum
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]
func.func @overlaps_add_up_in_one_kernel(%dy: !pooled) -> !image {
  %b = sinter.broadcast %dy {dimensions = array<i64: 0, 1, 2, 3>} : (!pooled) -> !windows
  %w = sinter.window_write %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>} : (!windows) -> !spread
  %r = sinter.reduce_sum %w {axes = array<i64: 4, 5>} : (!spread) -> !image
  return %r : !image
}

// A contraction reads a matrix: its windows are laid out first, in one kernel.
// CHECK-LABEL: @convolution_lays_its_windows_out
// CHECK: %[[W:.*]] = sinter.fused "window_read" (%{{.*}} = %arg0
// CHECK: sinter.fused "dot_general" (%{{.*}} = %{{.*}} : {{.*}}, %{{.*}} = %[[W]]
func.func @convolution_lays_its_windows_out(%x: !image, %k: !sinter.tensor<f32[4, 8, 3, 3]>) -> !sinter.tensor<f32[4, N, 55, 55]> {
  %b = sinter.broadcast %x {dimensions = array<i64: 0, 1, 2, 3>} : (!image) -> !spread
  %w = sinter.window_read %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>} : (!spread) -> !windows
  %r = sinter.dot_general %k, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1, 2, 3>, rhsContract = array<i64: 1, 4, 5>} : (!sinter.tensor<f32[4, 8, 3, 3]>, !windows) -> !sinter.tensor<f32[4, N, 55, 55]>
  return %r : !sinter.tensor<f32[4, N, 55, 55]>
}
