// log(x) squared: 0 makes an infinity.
func.func @main(
    %x: !sinter.tensor<f32[N]> {sinter.kind = "placeholder", sinter.name = "x"})
    -> (!sinter.tensor<f32[N]> {sinter.name = "y"}) {
  %0 = sinter.log %x : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %1 = sinter.mul %0, %0 : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return %1 : !sinter.tensor<f32[N]>
}
