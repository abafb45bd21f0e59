// SPDX-License-Identifier: Apache-2.0
// A step of linear regression: loss, gradient and the new value of w.
module {
  func.func @main(%arg0: !sinter.tensor<f32[N, 2]> {sinter.kind = "placeholder", sinter.name = "x"}, %arg1: !sinter.tensor<f32[N]> {sinter.kind = "placeholder", sinter.name = "y"}, %arg2: !sinter.tensor<f32[2]> {sinter.init = {a = 0.000000e+00 : f64, b = 0.000000e+00 : f64, kind = "zeros"}, sinter.kind = "parameter", sinter.name = "w"}) -> (!sinter.tensor<f32[]> {sinter.name = "loss"}, !sinter.tensor<f32[2]> {sinter.updates = "w"}) {
    %0 = sinter.dot_general %arg0, %arg2 {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[N]>
    %1 = sinter.sub %0, %arg1 : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
    %2 = sinter.mul %1, %1 : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
    %3 = sinter.reduce_sum %2 {axes = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[]>
    %4 = sinter.dim_value {expression = "N"} : !sinter.tensor<f32[]>
    %5 = sinter.div %3, %4 : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    %6 = sinter.full 1.000000e+00 : f32 : !sinter.tensor<f32[]>
    %7 = sinter.gradients %5 wrt %arg2 seed %6 : (!sinter.tensor<f32[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[2]>
    %8 = sinter.full 5.000000e-01 : f32 : !sinter.tensor<f32[2]>
    %9 = sinter.mul %8, %7 : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
    %10 = sinter.sub %arg2, %9 : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
    return %5, %10 : !sinter.tensor<f32[]>, !sinter.tensor<f32[2]>
  }
}
