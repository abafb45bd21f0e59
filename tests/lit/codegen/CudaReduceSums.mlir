// Sizes that are sums: the formulas of chunks and blocks stay short, because chunks do not follow from how many columns there are.
// RUN: graph-compile %s --stop-after=planned --target=cuda:sm_90a | FileCheck %s
// CHECK: arena -64*M*M*max(1, ceildiv(K, max(128, ceildiv(K, 1024))))
func.func @main(%x: !sinter.tensor<f32["M+N-1", K, "N-M+1"]> {sinter.kind = "placeholder", sinter.name = "x"})
    -> (!sinter.tensor<f32["M+N-1", "N-M+1"]> {sinter.name = "y"}) {
  %1 = sinter.reduce_sum %x {axes = array<i64: 1>} : (!sinter.tensor<f32["M+N-1", K, "N-M+1"]>) -> !sinter.tensor<f32["M+N-1", "N-M+1"]>
  return %1 : !sinter.tensor<f32["M+N-1", "N-M+1"]>
}
