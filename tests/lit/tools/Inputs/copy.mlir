// Two inputs as they are, under their own names.
func.func @main(
    %x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"},
    %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w"})
    -> (!sinter.tensor<f32[N, 8]> {sinter.name = "x"}, !sinter.tensor<f32[8, 3]> {sinter.name = "w"}) {
  return %x, %w : !sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>
}
