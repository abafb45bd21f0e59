// Sizes that are expressions, and an operation that does not exist for all of them.
func.func @main(%a: !sinter.tensor<f32["N + 2"]> {sinter.name = "a"}, %b: !sinter.tensor<f32["2*N"]> {sinter.name = "b"})
    -> (!sinter.tensor<f32["N - 3"]> {sinter.name = "y"}) {
  %0 = sinter.slice %a {starts = [5], limits = ["N + 2"], strides = array<i64: 1>} : (!sinter.tensor<f32["N + 2"]>) -> !sinter.tensor<f32["N - 3"]>
  %1 = sinter.slice %b {starts = [0], limits = ["N - 3"], strides = array<i64: 1>} : (!sinter.tensor<f32["2*N"]>) -> !sinter.tensor<f32["N - 3"]>
  %2 = sinter.add %0, %1 : (!sinter.tensor<f32["N - 3"]>, !sinter.tensor<f32["N - 3"]>) -> !sinter.tensor<f32["N - 3"]>
  return %2 : !sinter.tensor<f32["N - 3"]>
}
