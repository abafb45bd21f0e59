// Sizes that a quotient and powers hide, before one that tells them.
func.func @main(%a: !sinter.tensor<f32["ceildiv(N, 2)"]> {sinter.name = "half"},
                %b: !sinter.tensor<f32["N*N - 4*N + 4"]> {sinter.name = "square"},
                %c: !sinter.tensor<f32["N*N*N - 3*N*N + 3*N"]> {sinter.name = "cube"},
                %d: !sinter.tensor<f32["2*N"]> {sinter.name = "twice"})
    -> (!sinter.tensor<f32["ceildiv(N, 2)"]> {sinter.name = "y"}, !sinter.tensor<f32["N*N - 4*N + 4"]> {sinter.name = "s"},
        !sinter.tensor<f32["N*N*N - 3*N*N + 3*N"]> {sinter.name = "c"}, !sinter.tensor<f32["2*N"]> {sinter.name = "z"}) {
  %0 = sinter.exp %a : (!sinter.tensor<f32["ceildiv(N, 2)"]>) -> !sinter.tensor<f32["ceildiv(N, 2)"]>
  %1 = sinter.exp %b : (!sinter.tensor<f32["N*N - 4*N + 4"]>) -> !sinter.tensor<f32["N*N - 4*N + 4"]>
  %2 = sinter.exp %c : (!sinter.tensor<f32["N*N*N - 3*N*N + 3*N"]>) -> !sinter.tensor<f32["N*N*N - 3*N*N + 3*N"]>
  %3 = sinter.exp %d : (!sinter.tensor<f32["2*N"]>) -> !sinter.tensor<f32["2*N"]>
  return %0, %1, %2, %3 : !sinter.tensor<f32["ceildiv(N, 2)"]>, !sinter.tensor<f32["N*N - 4*N + 4"]>, !sinter.tensor<f32["N*N*N - 3*N*N + 3*N"]>, !sinter.tensor<f32["2*N"]>
}
