// Part of the interface of step.mlir and one result more, which alone a NaN in x reaches: whatever is fused, it is stored.
func.func @main(
    %x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"},
    %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w", sinter.kind = "parameter",
                                   sinter.init = {kind = "uniform", a = -0.5, b = 0.5}})
    -> (!sinter.tensor<f32[]> {sinter.name = "loss"}, !sinter.tensor<f32[N, 8]> {sinter.name = "z"},
        !sinter.tensor<f32[8, 3]> {sinter.updates = "w"}) {
  %0 = sinter.tanh %x : (!sinter.tensor<f32[N, 8]>) -> !sinter.tensor<f32[N, 8]>
  %1 = sinter.mul %w, %w : (!sinter.tensor<f32[8, 3]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[8, 3]>
  %2 = sinter.reduce_sum %1 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[]>
  return %2, %0, %1 : !sinter.tensor<f32[]>, !sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>
}
