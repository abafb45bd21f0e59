// RUN: graph-compile %s --emit=cuda | FileCheck %s
// Columns: a block per column. Integer sums wrap. The first of equal elements is the largest.
// CHECK-LABEL: // tanh_reduce_sum_kernel: reduce, 30 rows, a block each
// CHECK: for (long long i = block(); i < 30; i += blocks()) {
// CHECK: for (long long [[I:.*]] = thread(); [[I]] < N; [[I]] += threads()) {
// CHECK-NEXT: {{.*}} = x[([[I]] * 30) + i];
// CHECK: tanhf(
// CHECK: if (thread() == 0) {
// CHECK-NEXT: columns[i] =
// CHECK-LABEL: // argmax_kernel: row
// CHECK: const long long [[BEST:.*]] = blockArgMax([[VALUE:.*]], [[INDEX:.*]]);
// CHECK-LABEL: // reduce_sum_kernel: row
// CHECK: wrapAdd<int>(
// CHECK: const int {{.*}} = blockSum(
!m = !sinter.tensor<f32[N, 30]>
!i = !sinter.tensor<i32[N, 30]>
!c = !sinter.tensor<f32[30]>
!k = !sinter.tensor<i64[N]>
!s = !sinter.tensor<i32[N]>
func.func @main(%x: !m {sinter.name = "x"}, %n: !i {sinter.name = "n"})
    -> (!c {sinter.name = "columns"}, !k {sinter.name = "best"}, !s {sinter.name = "total"}) {
  %0 = sinter.tanh %x : (!m) -> !m
  %1 = sinter.reduce_sum %0 {axes = array<i64: 0>} : (!m) -> !c
  %2 = sinter.argmax %x {axis = 1 : i64} : (!m) -> !k
  %3 = sinter.reduce_sum %n {axes = array<i64: 1>} : (!i) -> !s
  return %1, %2, %3 : !c, !k, !s
}
