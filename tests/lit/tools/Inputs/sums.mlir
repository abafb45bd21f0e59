// A size that no tensor tells: N and M are known as a sum only.
func.func @main(%a: !sinter.tensor<f32["N + M"]> {sinter.name = "a"}) -> (!sinter.tensor<f32["N + M"]> {sinter.name = "y"}) {
  %0 = sinter.add %a, %a : (!sinter.tensor<f32["N + M"]>, !sinter.tensor<f32["N + M"]>) -> !sinter.tensor<f32["N + M"]>
  return %0 : !sinter.tensor<f32["N + M"]>
}
