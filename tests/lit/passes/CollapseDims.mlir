// RUN: sinter-opt %s -sinter-fuse -sinter-collapse-dims | FileCheck %s
// A second run finds nothing more.
// RUN: sinter-opt %s -sinter-fuse -sinter-collapse-dims -sinter-collapse-dims | FileCheck %s
// RUN: sinter-opt %s -sinter-fuse -sinter-collapse-dims | sinter-opt | FileCheck %s

!t = !sinter.tensor<f32[N, 8, 16]>
!v = !sinter.tensor<f32[16]>

// CHECK-LABEL: @elementwise_kernels_become_flat
// CHECK: sinter.fused "exp" (%{{.*}} = %arg0 : !sinter.tensor<f32[N, 8, 16]> as !sinter.tensor<f32["128*N"]>) -> (!sinter.tensor<f32[N, 8, 16]>)
// CHECK-NEXT: sinter.exp %{{.*}} : (!sinter.tensor<f32["128*N"]>)
func.func @elementwise_kernels_become_flat(%x: !t) -> !t {
  %e = sinter.exp %x : (!t) -> !t
  return %e : !t
}

// CHECK-LABEL: @broadcast_dims_stay_apart
// CHECK: as !sinter.tensor<f32["8*N", 16]>
// CHECK: sinter.broadcast %{{.*}} {dimensions = array<i64: 1>} : (!sinter.tensor<f32[16]>) -> !sinter.tensor<f32["8*N", 16]>
// CHECK: sinter.yield %{{.*}} : !sinter.tensor<f32["8*N", 16]>
func.func @broadcast_dims_stay_apart(%x: !t, %b: !v) -> !t {
  %bb = sinter.broadcast %b {dimensions = array<i64: 2>} : (!v) -> !t
  %s = sinter.add %x, %bb : (!t, !t) -> !t
  return %s : !t
}

// CHECK-LABEL: @leading_dims_of_row_kernels_merge
// CHECK: sinter.fused "reduce_max_sub"
// CHECK-NEXT: sinter.reduce_max %{{.*}} {axes = array<i64: 1>} : (!sinter.tensor<f32["8*N", 16]>) -> !sinter.tensor<f32["8*N"]>
// CHECK-NEXT: sinter.broadcast %{{.*}} {dimensions = array<i64: 0>} : (!sinter.tensor<f32["8*N"]>) -> !sinter.tensor<f32["8*N", 16]>
func.func @leading_dims_of_row_kernels_merge(%x: !t) -> !t {
  %m = sinter.reduce_max %x {axes = array<i64: 2>} : (!t) -> !sinter.tensor<f32[N, 8]>
  %b = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 8]>) -> !t
  %d = sinter.sub %x, %b : (!t, !t) -> !t
  return %d : !t
}

// CHECK-LABEL: @reduced_dims_merge
// CHECK: sinter.reduce_sum %{{.*}} {axes = array<i64: 0>} : (!sinter.tensor<f32["8*N", 16]>) -> !sinter.tensor<f32[16]>
func.func @reduced_dims_merge(%x: !t) -> !v {
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 1>} : (!t) -> !v
  return %s : !v
}

// CHECK-LABEL: @reduced_and_kept_dims_stay_apart
// CHECK: sinter.reduce_sum %{{.*}} {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 8, 16]>) -> !sinter.tensor<f32[N, 16]>
func.func @reduced_and_kept_dims_stay_apart(%x: !t) -> !sinter.tensor<f32[N, 16]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 1>} : (!t) -> !sinter.tensor<f32[N, 16]>
  return %s : !sinter.tensor<f32[N, 16]>
}

// CHECK-LABEL: @sizes_of_one_go
// CHECK: %{{.*}} = %arg0 : !sinter.tensor<f32[1, N, 1]> as !sinter.tensor<f32[N]>
// CHECK-NEXT: sinter.exp %{{.*}} : (!sinter.tensor<f32[N]>)
func.func @sizes_of_one_go(%x: !sinter.tensor<f32[1, N, 1]>) -> !sinter.tensor<f32[1, N, 1]> {
  %e = sinter.exp %x : (!sinter.tensor<f32[1, N, 1]>) -> !sinter.tensor<f32[1, N, 1]>
  return %e : !sinter.tensor<f32[1, N, 1]>
}

// CHECK-LABEL: @counted_dims_stay_apart
// CHECK: sinter.iota {axis = 1 : i64} : !sinter.tensor<f32["8*N", 16]>
func.func @counted_dims_stay_apart(%x: !t) -> !t {
  %i = sinter.iota {axis = 2 : i64} : !t
  %s = sinter.add %x, %i : (!t, !t) -> !t
  return %s : !t
}

// CHECK-LABEL: @permuted_dims_stay_apart
// CHECK: sinter.transpose %{{.*}} : (!sinter.tensor<f32[N, 8, 16]>) -> !sinter.tensor<f32[16, 8, N]>
func.func @permuted_dims_stay_apart(%x: !t) -> !sinter.tensor<f32[16, 8, N]> {
  %e = sinter.transpose %x {permutation = array<i64: 2, 1, 0>} : (!t) -> !sinter.tensor<f32[16, 8, N]>
  return %e : !sinter.tensor<f32[16, 8, N]>
}

// CHECK-LABEL: @contractions_keep_their_dims
// CHECK: sinter.fused "dot_general" (%{{.*}} = %arg0 : !sinter.tensor<f32[N, 8, 16]>, %{{.*}} = %arg1
func.func @contractions_keep_their_dims(%x: !t, %w: !sinter.tensor<f32[16, 4]>) -> !sinter.tensor<f32[N, 8, 4]> {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 2>, rhsContract = array<i64: 0>}
     : (!t, !sinter.tensor<f32[16, 4]>) -> !sinter.tensor<f32[N, 8, 4]>
  return %d : !sinter.tensor<f32[N, 8, 4]>
}

// The axis of a running sum stays what it is; the dims before it merge, and those behind it.
// CHECK-LABEL: @dims_beside_a_running_sum_merge
// CHECK: as !sinter.tensor<f32["2*N", 8, 16]>
// CHECK: sinter.cumsum %{{.*}} {axis = 1 : i64} : (!sinter.tensor<f32["2*N", 8, 16]>)
func.func @dims_beside_a_running_sum_merge(%x: !sinter.tensor<f32[N, 2, 8, 4, 4]>) -> !sinter.tensor<f32[N, 2, 8, 4, 4]> {
  %c = sinter.cumsum %x {axis = 2 : i64} : (!sinter.tensor<f32[N, 2, 8, 4, 4]>) -> !sinter.tensor<f32[N, 2, 8, 4, 4]>
  return %c : !sinter.tensor<f32[N, 2, 8, 4, 4]>
}
