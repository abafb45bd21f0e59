// RUN: sinter-opt %s -sinter-split-rows -split-input-file | FileCheck %s
// RUN: sinter-opt %s "-sinter-split-rows=gpu=true" -split-input-file | FileCheck %s --check-prefix=GPU
// RUN: sinter-opt %s -sinter-split-rows -sinter-fuse -split-input-file | FileCheck %s --check-prefix=FUSED
// Rows of a product are cut into tiles where nothing needs them whole, and the product is far away.

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[8192, 96]>
!y = !sinter.tensor<f32[1024, 8192]>
!b = !sinter.tensor<f32[8192]>
!v = !sinter.tensor<f32[1024]>
!l = !sinter.tensor<i32[1024]>

// The weights and the bias are views of themselves; the label picks in every tile, then its tile.
// CHECK-LABEL: @loss_of_labels
// CHECK: %[[W:.*]] = sinter.reshape %arg1 : (!sinter.tensor<f32[8192, 96]>) -> !sinter.tensor<f32[32, 256, 96]>
// CHECK: sinter.dot_general %arg0, %[[W]] {{.*}} rhsContract = array<i64: 2>{{.*}} -> !sinter.tensor<f32[1024, 32, 256]>
// CHECK: sinter.reshape %arg2 : (!sinter.tensor<f32[8192]>) -> !sinter.tensor<f32[32, 256]>
// CHECK: sinter.add {{.*}} -> !sinter.tensor<f32[1024, 32, 256]>
// CHECK: %[[T:.*]] = sinter.reduce_max %{{.*}} {axes = array<i64: 2>}
// CHECK: sinter.reshape %[[T]] : (!sinter.tensor<f32[1024, 32]>) -> !sinter.tensor<f32[32768]>
// CHECK: sinter.reduce_max %{{.*}} {axes = array<i64: 1>}
// CHECK: sinter.select
// CHECK: sinter.exp %{{.*}} -> !sinter.tensor<f32[1024, 32, 256]>
// CHECK: sinter.reduce_sum %{{.*}} {axes = array<i64: 2>}
// CHECK: sinter.exp %{{.*}} -> !sinter.tensor<f32[1024, 32]>
// CHECK: sinter.reduce_sum %{{.*}} {axes = array<i64: 1>}
// CHECK: sinter.pick %{{.*}} {sinter.pick_in_tiles}
// CHECK: sinter.pick %{{.*}} {sinter.pick_tile = 256 : i64}
// CHECK-NOT: 1024, 8192]
// CHECK: return

// The tiles of the GPU are another number.
// GPU-LABEL: @loss_of_labels
// GPU: sinter.dot_general {{.*}} -> !sinter.tensor<f32[1024, 64, 128]>
// GPU: sinter.pick_tile = 128

// FUSED-LABEL: @loss_of_labels
// FUSED: sinter.fused "dot_general_
// FUSED-SAME: -> (!sinter.tensor<f32[1024, 32]>, !sinter.tensor<f32[1024, 32]>, !sinter.tensor<f32[1024, 32]>)
// FUSED: sinter.fused "reduce_max_
// FUSED-NOT: sinter.fused
// FUSED: return
func.func @loss_of_labels(%x: !x, %w: !w, %b: !b, %labels: !l) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 1>} : (!x, !w) -> !y
  %bb = sinter.broadcast %b {dimensions = array<i64: 1>} : (!b) -> !y
  %z = sinter.add %d, %bb : (!y, !y) -> !y
  %max = sinter.reduce_max %z {axes = array<i64: 1>} : (!y) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %z, %mb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  %lse = sinter.log %t : (!v) -> !v
  %p = sinter.pick %z, %labels : (!y, !l) -> !v
  %q = sinter.sub %p, %max : (!v, !v) -> !v
  %loss = sinter.sub %lse, %q : (!v, !v) -> !v
  return %loss : !v
}

// -----

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[96, 8192]>
!y = !sinter.tensor<f32[1024, 8192]>
!v = !sinter.tensor<f32[1024]>

// Stored anyway: a CPU reads it from a cache, a GPU does not read it again.
// CHECK-LABEL: @stored
// CHECK: sinter.dot_general {{.*}} -> !sinter.tensor<f32[1024, 8192]>
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @stored
// GPU: %[[D:.*]] = sinter.dot_general {{.*}} -> !sinter.tensor<f32[1024, 64, 128]>
// GPU: %[[Y:.*]] = sinter.reshape %[[D]] : (!sinter.tensor<f32[1024, 64, 128]>) -> !sinter.tensor<f32[1024, 8192]>
// GPU: sinter.argmax %[[D]] {axis = 2 : i64}
// GPU: return %[[Y]]
// FUSED-LABEL: @stored
func.func @stored(%x: !x, %w: !w) -> (!y, !sinter.tensor<i64[1024]>) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %which = sinter.argmax %d {axis = 1 : i64} : (!y) -> !sinter.tensor<i64[1024]>
  return %d, %which : !y, !sinter.tensor<i64[1024]>
}

// -----

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[96, 8192]>
!y = !sinter.tensor<f32[1024, 8192]>
!v = !sinter.tensor<f32[1024]>

// A softmax reads the product again, and reduces it then.
// CHECK-LABEL: @softmax
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @softmax
// GPU-NOT: reshape
// GPU: return
// FUSED-LABEL: @softmax
func.func @softmax(%x: !x, %w: !w) -> !y {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %d, %mb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  %tb = sinter.broadcast %t {dimensions = array<i64: 0>} : (!v) -> !y
  %p = sinter.div %e, %tb : (!y, !y) -> !y
  return %p : !y
}

// -----

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[96, 8191]>
!y = !sinter.tensor<f32[1024, 8191]>
!v = !sinter.tensor<f32[1024]>

// No tile divides a prime number.
// CHECK-LABEL: @prime
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @prime
// GPU-NOT: reshape
// GPU: return
// FUSED-LABEL: @prime
func.func @prime(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  return %max : !v
}

// -----

!x = !sinter.tensor<f16[1024, 96]>
!w = !sinter.tensor<f16[96, 8192]>
!y = !sinter.tensor<f16[1024, 8192]>
!v = !sinter.tensor<f16[1024]>

// Partial sums of 16 bits are kept in 32.
// CHECK-LABEL: @narrow_sums
// CHECK: %[[D:.*]] = sinter.dot_general
// CHECK: %[[E:.*]] = sinter.exp %[[D]]
// CHECK: %[[C:.*]] = sinter.cast %[[E]] : (!sinter.tensor<f16[1024, 32, 256]>) -> !sinter.tensor<f32[1024, 32, 256]>
// CHECK: sinter.reduce_sum %[[C]] {axes = array<i64: 2>}
// CHECK: %[[S:.*]] = sinter.reduce_sum {{.*}} {axes = array<i64: 1>} : (!sinter.tensor<f32[1024, 32]>) -> !sinter.tensor<f32[1024]>
// CHECK: sinter.cast %[[S]] : (!sinter.tensor<f32[1024]>) -> !sinter.tensor<f16[1024]>
// GPU-LABEL: @narrow_sums
// FUSED-LABEL: @narrow_sums
func.func @narrow_sums(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %e = sinter.exp %d : (!y) -> !y
  %s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  return %s : !v
}

// -----

!x = !sinter.tensor<f16[1024, 96]>
!w = !sinter.tensor<f16[96, 8192]>
!y = !sinter.tensor<f16[1024, 8192]>
!v = !sinter.tensor<f16[1024]>

// What is subtracted would be rounded to 16 bits, and what it is subtracted from not.
// CHECK-LABEL: @narrow_shift
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @narrow_shift
// GPU-NOT: reshape
// GPU: return
// FUSED-LABEL: @narrow_shift
func.func @narrow_shift(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %d, %mb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  return %t : !v
}

// -----

!x = !sinter.tensor<f32[64, 96]>
!w = !sinter.tensor<f32[96, 131072]>
!y = !sinter.tensor<f32[64, 131072]>
!v = !sinter.tensor<f32[64]>

// Few rows are little beside the weights.
// CHECK-LABEL: @few_rows
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @few_rows
// GPU-NOT: reshape
// GPU: return
// FUSED-LABEL: @few_rows
func.func @few_rows(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  return %max : !v
}

// -----

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[96, 8192]>
!y = !sinter.tensor<f32[1024, 8192]>
!v = !sinter.tensor<f32[1024]>

// Where the smallest is -inf the sum is NaN, and no sum of a tile knows.
// CHECK-LABEL: @shift_by_smallest
// CHECK-NOT: reshape
// CHECK: return
// GPU-LABEL: @shift_by_smallest
// GPU-NOT: reshape
// GPU: return
// FUSED-LABEL: @shift_by_smallest
func.func @shift_by_smallest(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %least = sinter.reduce_min %d {axes = array<i64: 1>} : (!y) -> !v
  %lb = sinter.broadcast %least {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %d, %lb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  return %t : !v
}

// -----

!x = !sinter.tensor<f32[1024, 96]>
!w = !sinter.tensor<f32[96, 8192]>
!y = !sinter.tensor<f32[1024, 8192]>
!v = !sinter.tensor<f32[1024]>
!c = !sinter.tensor<i1[1024]>

// The largest, where it is finite: what logsumexp subtracts.
// CHECK-LABEL: @shift_by_finite
// CHECK: sinter.dot_general {{.*}} -> !sinter.tensor<f32[1024, 32, 256]>
// GPU-LABEL: @shift_by_finite
// GPU: sinter.dot_general {{.*}} -> !sinter.tensor<f32[1024, 64, 128]>
// FUSED-LABEL: @shift_by_finite
func.func @shift_by_finite(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %size = sinter.abs %max : (!v) -> !v
  %inf = sinter.full 0x7F800000 : f32 : !v
  %zero = sinter.full 0.0 : f32 : !v
  %finite = sinter.less %size, %inf : (!v, !v) -> !c
  %shift = sinter.select %finite, %max, %zero : (!c, !v, !v) -> !v
  %sb = sinter.broadcast %shift {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %d, %sb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  return %t : !v
}
