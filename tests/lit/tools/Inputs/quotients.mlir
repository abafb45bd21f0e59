// A size that a quotient hides, beside one that tells it.
func.func @main(%a: !sinter.tensor<f32["ceildiv(N, 2)"]> {sinter.name = "half"}, %b: !sinter.tensor<f32["2*N"]> {sinter.name = "twice"})
    -> (!sinter.tensor<f32["ceildiv(N, 2)"]> {sinter.name = "y"}, !sinter.tensor<f32["2*N"]> {sinter.name = "z"}) {
  %0 = sinter.exp %a : (!sinter.tensor<f32["ceildiv(N, 2)"]>) -> !sinter.tensor<f32["ceildiv(N, 2)"]>
  %1 = sinter.exp %b : (!sinter.tensor<f32["2*N"]>) -> !sinter.tensor<f32["2*N"]>
  return %0, %1 : !sinter.tensor<f32["ceildiv(N, 2)"]>, !sinter.tensor<f32["2*N"]>
}
