// A training step: squared scores minus the scores of the labels, and one step of gradient descent.
func.func @main(
    %x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"},
    %y: !sinter.tensor<i32[N]> {sinter.name = "y"},
    %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w", sinter.kind = "parameter",
                                   sinter.init = {kind = "uniform", a = -0.5, b = 0.5}})
    -> (!sinter.tensor<f32[]> {sinter.name = "loss"}, !sinter.tensor<f32[8, 3]> {sinter.updates = "w"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[N, 3]>
  %1 = sinter.tanh %0 : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %2 = sinter.mul %1, %1 : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %3 = sinter.reduce_sum %2 {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N]>
  %4 = sinter.pick %1, %y : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<i32[N]>) -> !sinter.tensor<f32[N]>
  %5 = sinter.sub %3, %4 : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %6 = sinter.reduce_sum %5 {axes = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[]>
  %7 = sinter.full 1.0 : f32 : !sinter.tensor<f32[]>
  %8 = sinter.gradients %6 wrt %w seed %7 : (!sinter.tensor<f32[]>, !sinter.tensor<f32[8, 3]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[8, 3]>
  %9 = sinter.full 0.125 : f32 : !sinter.tensor<f32[8, 3]>
  %10 = sinter.mul %8, %9 : (!sinter.tensor<f32[8, 3]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[8, 3]>
  %11 = sinter.sub %w, %10 : (!sinter.tensor<f32[8, 3]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[8, 3]>
  return %6, %11 : !sinter.tensor<f32[]>, !sinter.tensor<f32[8, 3]>
}
