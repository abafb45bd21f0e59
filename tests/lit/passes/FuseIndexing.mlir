// RUN: sinter-opt %s -sinter-fuse -split-input-file | FileCheck %s
// What may share a kernel with look-ups, scatters, sorts and running reductions, and what must not.

!x = !sinter.tensor<f32[N, 64]>
!r = !sinter.tensor<f32[M, 64]>
!i = !sinter.tensor<i32[M]>
!ii = !sinter.tensor<i32[M, 64]>
!l = !sinter.tensor<i64[N, 64]>

// The indices are computed where they are needed, and so is what is looked up.
// CHECK-LABEL: @gather_with_indices_and_epilogue
// CHECK: sinter.fused "add_gather_exp"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @gather_with_indices_and_epilogue(%x: !x, %i: !i, %j: !i) -> !r {
  %k = sinter.add %i, %j : (!i, !i) -> !i
  %b = sinter.broadcast %k {dimensions = array<i64: 0>} : (!i) -> !ii
  %g = sinter.gather %x, %b {dims = array<i64: -1, 1>} : (!x, !ii) -> !r
  %e = sinter.exp %g : (!r) -> !r
  return %e : !r
}

// A chain of look-ups is one kernel: the second looks up what the first would have stored.
// CHECK-LABEL: @chain_of_gathers
// CHECK: sinter.fused "gather"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @chain_of_gathers(%x: !x, %i: !i) -> !r {
  %b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!i) -> !ii
  %g = sinter.gather %x, %b {dims = array<i64: -1, 1>} : (!x, !ii) -> !r
  %h = sinter.gather %g, %b {dims = array<i64: -1, 1>} : (!r, !ii) -> !r
  return %h : !r
}

// A row's softmax is not there yet when another row looks it up.
// CHECK-LABEL: @gather_of_a_row_result_stays_apart
// CHECK: sinter.fused "exp_reduce_sum"
// CHECK: sinter.fused "div_gather"
func.func @gather_of_a_row_result_stays_apart(%x: !x, %i: !i) -> !r {
  %e = sinter.exp %x : (!x) -> !x
  %s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!x) -> !sinter.tensor<f32[N]>
  %t = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !x
  %d = sinter.div %e, %t : (!x, !x) -> !x
  %b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!i) -> !ii
  %g = sinter.gather %d, %b {dims = array<i64: -1, 1>} : (!x, !ii) -> !r
  return %g : !r
}

// A scatter computes its updates, its indices and what it starts from.
// CHECK-LABEL: @scatter_with_producers
// CHECK: sinter.fused "neg_mul_scatter"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @scatter_with_producers(%x: !x, %u: !r, %i: !i) -> !x {
  %n = sinter.neg %x : (!x) -> !x
  %v = sinter.mul %u, %u : (!r, !r) -> !r
  %b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!i) -> !ii
  %s = sinter.scatter %n, %v, %b {dims = array<i64: -1, 1>, mode = "add"} : (!x, !r, !ii) -> !x
  return %s : !x
}

// What is computed from a scatter waits until all updates are in.
// CHECK-LABEL: @nothing_follows_a_scatter
// CHECK: sinter.fused "scatter"
// CHECK: sinter.fused "exp"
func.func @nothing_follows_a_scatter(%x: !x, %u: !r, %i: !ii) -> !x {
  %s = sinter.scatter %x, %u, %i {dims = array<i64: -1, 1>, mode = "set"} : (!x, !r, !ii) -> !x
  %e = sinter.exp %s : (!x) -> !x
  return %e : !x
}

// CHECK-LABEL: @running_sum_with_producer_and_epilogue
// CHECK: sinter.fused "exp_cumsum_log"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @running_sum_with_producer_and_epilogue(%x: !x) -> !x {
  %e = sinter.exp %x : (!x) -> !x
  %c = sinter.cumsum %e {axis = 1 : i64} : (!x) -> !x
  %l = sinter.log %c : (!x) -> !x
  return %l : !x
}

// Along one axis in one direction running reductions advance together, also one of another.
// CHECK-LABEL: @running_reductions_go_together
// CHECK: sinter.fused "cumsum_cummax"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @running_reductions_go_together(%x: !x) -> (!x, !x) {
  %c = sinter.cumsum %x {axis = 0 : i64} : (!x) -> !x
  %m = sinter.cummax %c {axis = 0 : i64, exclusive} : (!x) -> !x
  return %c, %m : !x, !x
}

// CHECK-LABEL: @other_direction_stays_apart
// CHECK: sinter.fused "cumsum"
// CHECK: sinter.fused "cumsum"
func.func @other_direction_stays_apart(%x: !x) -> !x {
  %c = sinter.cumsum %x {axis = 0 : i64} : (!x) -> !x
  %m = sinter.cumsum %c {axis = 0 : i64, reverse} : (!x) -> !x
  return %m : !x
}

// A running sum is no reduction: nothing of it is left in fewer dims.
// CHECK-LABEL: @running_sum_is_no_reduction
// CHECK: sinter.fused "cumsum"
// CHECK: sinter.fused "reduce_sum"
func.func @running_sum_is_no_reduction(%x: !x) -> !sinter.tensor<f32[N]> {
  %c = sinter.cumsum %x {axis = 1 : i64} : (!x) -> !x
  %s = sinter.reduce_sum %c {axes = array<i64: 1>} : (!x) -> !sinter.tensor<f32[N]>
  return %s : !sinter.tensor<f32[N]>
}

// A value that is still running is not read at other points.
// CHECK-LABEL: @transposed_running_sum_stays_apart
// CHECK: sinter.fused "cumsum"
// CHECK: sinter.fused "transpose"
func.func @transposed_running_sum_stays_apart(%x: !x) -> !sinter.tensor<f32[64, N]> {
  %c = sinter.cumsum %x {axis = 1 : i64} : (!x) -> !x
  %t = sinter.transpose %c {permutation = array<i64: 1, 0>} : (!x) -> !sinter.tensor<f32[64, N]>
  return %t : !sinter.tensor<f32[64, N]>
}

// A sort computes its keys, and what follows from an index; the sorted elements are another kernel.
// CHECK-LABEL: @sort
// CHECK: sinter.fused "abs_argsort_add"
// CHECK: sinter.fused "gather"
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @sort(%x: !x, %o: !l) -> (!l, !x) {
  %a = sinter.abs %x : (!x) -> !x
  %s = sinter.argsort %a {axis = 1 : i64} : (!x) -> !l
  %t = sinter.add %s, %o : (!l, !l) -> !l
  %g = sinter.gather %x, %t {dims = array<i64: 0, -1>} : (!x, !l) -> !x
  return %t, %g : !l, !x
}

// -----

!long = !sinter.tensor<f32[100000]>

// One long row has no parallel work to share with what comes before.
// CHECK-LABEL: @long_row_stays_alone
// CHECK: sinter.fused "exp"
// CHECK: sinter.fused "cumsum"
func.func @long_row_stays_alone(%x: !long) -> !long {
  %e = sinter.exp %x : (!long) -> !long
  %c = sinter.cumsum %e {axis = 0 : i64} : (!long) -> !long
  return %c : !long
}
