// SPDX-License-Identifier: Apache-2.0
// The largest of what a window sees of softmax, one place padded with 0: its lane divides 0 by 0, which must not be seen.
// RUN: graph-run %s --target=cpu:x86-64 --input i13=1x4xf32=1,2,3,4 | FileCheck %s
// RUN: graph-run %s --input i13=1x4xf32=1,2,3,4 | FileCheck %s
// RUN: graph-run %s --engine=interpreter --input i13=1x4xf32=1,2,3,4 | FileCheck %s
// CHECK: o21 = f32[1, 1] = {{\[\[}}0.0871443]]
module {
  func.func @main(%arg0: !sinter.tensor<f32[1, 4]> {sinter.kind = "placeholder", sinter.name = "i13"}) -> (!sinter.tensor<f32[1, 1]> {sinter.name = "o21"}) {
    %0 = sinter.reduce_max %arg0 {axes = array<i64: 1>} : (!sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1]>
    %1 = sinter.reshape %0 : (!sinter.tensor<f32[1]>) -> !sinter.tensor<f32[1, 1]>
    %2 = sinter.stop_gradient %1 : (!sinter.tensor<f32[1, 1]>) -> !sinter.tensor<f32[1, 1]>
    %3 = sinter.broadcast %2 {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[1, 1]>) -> !sinter.tensor<f32[1, 4]>
    %4 = sinter.sub %arg0, %3 : (!sinter.tensor<f32[1, 4]>, !sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1, 4]>
    %5 = sinter.exp %4 : (!sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1, 4]>
    %6 = sinter.reduce_sum %5 {axes = array<i64: 1>} : (!sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1]>
    %7 = sinter.reshape %6 : (!sinter.tensor<f32[1]>) -> !sinter.tensor<f32[1, 1]>
    %8 = sinter.broadcast %7 {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[1, 1]>) -> !sinter.tensor<f32[1, 4]>
    %9 = sinter.div %5, %8 : (!sinter.tensor<f32[1, 4]>, !sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1, 4]>
    %10 = sinter.pad %9 {high = [0, 0], low = [0, 1], value = 0.000000e+00 : f64} : (!sinter.tensor<f32[1, 4]>) -> !sinter.tensor<f32[1, 5]>
    %11 = sinter.broadcast %10 {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[1, 5]>) -> !sinter.tensor<f32[1, 5, 2]>
    %12 = sinter.window_read %11 {dilations = array<i64: 2>, strides = array<i64: 3>} : (!sinter.tensor<f32[1, 5, 2]>) -> !sinter.tensor<f32[1, 1, 2]>
    %13 = sinter.reduce_max %12 {axes = array<i64: 2>} : (!sinter.tensor<f32[1, 1, 2]>) -> !sinter.tensor<f32[1, 1]>
    return %13 : !sinter.tensor<f32[1, 1]>
  }
}
