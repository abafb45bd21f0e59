// RUN: graph-compile %s --emit=cuda | FileCheck %s
// One kernel: a block per row, two reductions over the block, one last pass that writes.
// CHECK: : row, N rows, a block each
// CHECK: __global__ void {{.*}}(
// CHECK: for (long long i = block(); i < N; i += blocks()) {
// CHECK: float [[M:.*]] = __int_as_float(0xff800000);
// CHECK: for (long long [[I:.*]] = thread(); [[I]] < 1000; [[I]] += threads()) {
// CHECK: [[M]] =
// CHECK: const float [[MAX:.*]] = blockMax([[M]]);
// CHECK: float [[S:.*]] = 0.0f;
// CHECK: const float [[SUB:.*]] = {{.*}} - [[MAX]];
// CHECK: expf([[SUB]])
// CHECK: const float [[SUM:.*]] = blockSum([[S]]);
// CHECK: expf(
// CHECK: const float [[DIV:.*]] = {{.*}} / [[SUM]];
// CHECK-NEXT: softmax[{{.*}}] = [[DIV]];
// CHECK-NOT: __global__
!m = !sinter.tensor<f32[N, 1000]>
!v = !sinter.tensor<f32[N]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!m {sinter.name = "softmax"}) {
  %0 = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v
  %1 = sinter.broadcast %0 {dimensions = array<i64: 0>} : (!v) -> !m
  %2 = sinter.sub %x, %1 : (!m, !m) -> !m
  %3 = sinter.exp %2 : (!m) -> !m
  %4 = sinter.reduce_sum %3 {axes = array<i64: 1>} : (!m) -> !v
  %5 = sinter.broadcast %4 {dimensions = array<i64: 0>} : (!v) -> !m
  %6 = sinter.div %3, %5 : (!m, !m) -> !m
  return %6 : !m
}
