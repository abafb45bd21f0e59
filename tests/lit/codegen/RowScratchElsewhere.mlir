// RUN: graph-run %s --engine=interpreter --outputs %t.npz --input i4=5x5xf32=0.5,-0.25,0.125,1,-1,0.75,0.25,-0.5,0.5,0.25,1,-0.75,0.5,0.5,0.25,-0.125,0.5,0.75,-0.25,1,0.5,0.5,-0.5,0.25,0.75 --input i19=5x5xi1=1
// RUN: graph-run %s --no-cache --expect %t.npz --input i4=5x5xf32=0.5,-0.25,0.125,1,-1,0.75,0.25,-0.5,0.5,0.25,1,-0.75,0.5,0.5,0.25,-0.125,0.5,0.75,-0.25,1,0.5,0.5,-0.5,0.25,0.75 --input i19=5x5xi1=1
// RUN: graph-compile %s --stop-after=scheduled | FileCheck %s
// A row that keeps tanh in scratch, read by a window at other places than the walk's.

// CHECK: tanh_reduce_prod_add_window_write
// CHECK-SAME: form = "row"
module {
  func.func @main(%arg0: !sinter.tensor<f32[5, 5]> {sinter.kind = "placeholder", sinter.name = "i4"}, %arg1: !sinter.tensor<i1[5, 5]> {sinter.kind = "placeholder", sinter.name = "i19"}) -> (!sinter.tensor<f32[5, 5]> {sinter.name = "o25"}, !sinter.tensor<f32[5, 5]> {sinter.name = "o27"}) {
    %0 = sinter.tanh %arg0 : (!sinter.tensor<f32[5, 5]>) -> !sinter.tensor<f32[5, 5]>
    %1 = sinter.reduce_prod %0 {axes = array<i64: 1>} : (!sinter.tensor<f32[5, 5]>) -> !sinter.tensor<f32[5]>
    %2 = sinter.broadcast %1 {dimensions = array<i64: 1>} : (!sinter.tensor<f32[5]>) -> !sinter.tensor<f32[5, 5]>
    %3 = sinter.select %arg1, %0, %2 : (!sinter.tensor<i1[5, 5]>, !sinter.tensor<f32[5, 5]>, !sinter.tensor<f32[5, 5]>) -> !sinter.tensor<f32[5, 5]>
    %4 = sinter.broadcast %0 {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[5, 5]>) -> !sinter.tensor<f32[5, 5, 1]>
    %5 = sinter.window_read %4 {dilations = array<i64: 1>, strides = array<i64: 3>} : (!sinter.tensor<f32[5, 5, 1]>) -> !sinter.tensor<f32[5, 2, 1]>
    %6 = sinter.reduce_sum %5 {axes = array<i64: 2>} : (!sinter.tensor<f32[5, 2, 1]>) -> !sinter.tensor<f32[5, 2]>
    %7 = sinter.sub %3, %arg0 : (!sinter.tensor<f32[5, 5]>, !sinter.tensor<f32[5, 5]>) -> !sinter.tensor<f32[5, 5]>
    %8 = sinter.mul %6, %6 : (!sinter.tensor<f32[5, 2]>, !sinter.tensor<f32[5, 2]>) -> !sinter.tensor<f32[5, 2]>
    %9 = sinter.reduce_sum %8 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[5, 2]>) -> !sinter.tensor<f32[]>
    %10 = sinter.full 1.000000e+00 : f32 : !sinter.tensor<f32[]>
    %11 = sinter.gradients %9 wrt %arg0 seed %10 : (!sinter.tensor<f32[]>, !sinter.tensor<f32[5, 5]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[5, 5]>
    return %7, %11 : !sinter.tensor<f32[5, 5]>, !sinter.tensor<f32[5, 5]>
  }
}
