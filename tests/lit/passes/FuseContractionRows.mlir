// RUN: sinter-opt %s -sinter-fuse=explain=true -split-input-file | FileCheck %s
// RUN: sinter-opt %s "-sinter-fuse=explain=true gpu=true" -split-input-file | FileCheck %s --check-prefix=GPU
// Reductions of a product's rows are part of its kernel where a unit, or a block, has whole rows.

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>
!v = !sinter.tensor<f32[N]>
!c = !sinter.tensor<f32[10]>

// CHECK-LABEL: @softmax_behind_a_layer
// CHECK: sinter.fused "dot_general_add_reduce_max_sub_exp_etc"
// CHECK-NOT: sinter.fused
// GPU-LABEL: @softmax_behind_a_layer
// GPU: sinter.fused "dot_general_add_reduce_max_sub_exp_etc"
// GPU-NOT: sinter.fused
// GPU: return
func.func @softmax_behind_a_layer(%x: !x, %w: !w, %b: !c) -> !y {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %bb = sinter.broadcast %b {dimensions = array<i64: 1>} : (!c) -> !y
  %z = sinter.add %d, %bb : (!y, !y) -> !y
  %max = sinter.reduce_max %z {axes = array<i64: 1>} : (!y) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %z, %mb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  %tb = sinter.broadcast %t {dimensions = array<i64: 0>} : (!v) -> !y
  %p = sinter.div %e, %tb : (!y, !y) -> !y
  return %p : !y
}

// -----

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>
!v = !sinter.tensor<f32[N]>

// What is reduced need not be stored.
// CHECK-LABEL: @only_the_largest
// CHECK: sinter.fused "dot_general_argmax" {{.*}} -> (!sinter.tensor<i64[N]>)
// CHECK-NOT: sinter.fused
func.func @only_the_largest(%x: !x, %w: !w) -> !sinter.tensor<i64[N]> {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %a = sinter.argmax %d {axis = 1 : i64} : (!y) -> !sinter.tensor<i64[N]>
  return %a : !sinter.tensor<i64[N]>
}

// -----

!x = !sinter.tensor<f32[N, 1024]>
!w = !sinter.tensor<f32[1024, 4096]>
!y = !sinter.tensor<f32[N, 4096]>
!v = !sinter.tensor<f32[N]>

// CHECK-LABEL: @long_rows_stay_apart
// CHECK-SAME: reason = "the rows of its contraction are made in several pieces, or by several threads"
// CHECK: sinter.fused "dot_general"
// CHECK: sinter.fused "reduce_sum"
// GPU-LABEL: @long_rows_stay_apart
// GPU-SAME: reason = "the rows of its contraction are longer than a block's tile"
// GPU: sinter.fused "dot_general"
// GPU: sinter.fused "reduce_sum"
func.func @long_rows_stay_apart(%x: !x, %w: !w) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %s = sinter.reduce_sum %d {axes = array<i64: 1>} : (!y) -> !v
  return %s : !v
}

// -----

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>
!c = !sinter.tensor<f32[10]>

// Sums over the rows, such as the gradient of a bias: a GPU's blocks have many rows.
// CHECK-LABEL: @columns
// CHECK-SAME: reason = "columns of a product are added up faster from memory"
// CHECK: sinter.fused "dot_general"
// CHECK: sinter.fused "reduce_sum"
// GPU-LABEL: @columns
// GPU: sinter.fused "dot_general_reduce_sum"
// GPU-NOT: sinter.fused
// GPU: return
func.func @columns(%x: !x, %w: !w) -> (!y, !c) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %s = sinter.reduce_sum %d {axes = array<i64: 0>} : (!y) -> !c
  return %d, %s : !y, !c
}

// -----

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>

// A sum of everything goes over no rows.
// CHECK-LABEL: @everything
// CHECK-SAME: reason = "its reductions do not go over the rows of its contraction"
// CHECK: sinter.fused "dot_general"
// CHECK: sinter.fused "reduce_sum"
func.func @everything(%x: !x, %w: !w) -> !sinter.tensor<f32[]> {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %s = sinter.reduce_sum %d {axes = array<i64: 0, 1>} : (!y) -> !sinter.tensor<f32[]>
  return %s : !sinter.tensor<f32[]>
}

// -----

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>
!v = !sinter.tensor<f32[N]>
!i = !sinter.tensor<i32[N]>

// An element of its own row is at hand; one of another row is not.
// CHECK-LABEL: @loss_of_labels
// CHECK: sinter.fused "dot_general_reduce_max_pick_sub" {{.*}} -> (!sinter.tensor<f32[N]>)
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @loss_of_labels(%x: !x, %w: !w, %labels: !i) -> !v {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %m = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %p = sinter.pick %d, %labels : (!y, !i) -> !v
  %r = sinter.sub %m, %p : (!v, !v) -> !v
  return %r : !v
}

// -----

!x = !sinter.tensor<f32[N, 32]>
!w = !sinter.tensor<f32[32, 10]>
!y = !sinter.tensor<f32[N, 10]>
!v = !sinter.tensor<f32[N]>

// CHECK-LABEL: @neighbours
// CHECK-SAME: reason = "it moves elements of a value that is computed in the kernel"
// CHECK: sinter.fused "dot_general
// CHECK: sinter.fused
func.func @neighbours(%x: !x, %w: !w) -> (!v, !sinter.tensor<f32[10, N]>) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %m = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %r = sinter.transpose %d {permutation = array<i64: 1, 0>} : (!y) -> !sinter.tensor<f32[10, N]>
  return %m, %r : !v, !sinter.tensor<f32[10, N]>
}
