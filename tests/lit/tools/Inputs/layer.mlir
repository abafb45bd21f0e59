// One layer on N rows: the graph of the tools' tests.
func.func @main(
    %x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"},
    %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w", sinter.kind = "parameter",
                                   sinter.init = {kind = "normal", a = 0.0, b = 0.5}})
    -> (!sinter.tensor<f32[N]> {sinter.name = "rows"}, !sinter.tensor<f32[]> {sinter.name = "loss"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[N, 3]>
  %1 = sinter.tanh %0 : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %2 = sinter.reduce_sum %1 {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N]>
  %3 = sinter.reduce_sum %2 {axes = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[]>
  return %2, %3 : !sinter.tensor<f32[N]>, !sinter.tensor<f32[]>
}
