// RUN: graph-compile %s --target=cpu:x86-64-v4 --emit=schedule | FileCheck %s
// Gradients of weights: with enough channels of y lanes run along those (0), and taps of a row, or all of a window,
// share a tile. Must not: a few channels would leave most lanes empty, and sizes of rows that are not known have no
// offsets; lanes run along positions there (2).

// CHECK: kernel
// CHECK: form convolution
// CHECK: tileForm 0
// CHECK: mr 12
// CHECK: nr 32
// CHECK: kernel
// CHECK: form convolution
// CHECK: tileForm 2
// CHECK: kernel
// CHECK: form convolution
// CHECK: tileForm 2
func.func @main(%x: !sinter.tensor<f32[32, 32, 16, 16]> {sinter.name = "x"},
                %y: !sinter.tensor<f32[32, 32, 16, 16]> {sinter.name = "y"},
                %f: !sinter.tensor<f32[32, 3, 16, 16]> {sinter.name = "f"},
                %p: !sinter.tensor<f32[32, 32, 16, W]> {sinter.name = "p"},
                %q: !sinter.tensor<f32[32, 32, 16, W]> {sinter.name = "q"})
    -> (!sinter.tensor<f32[32, 32, 3, 3]> {sinter.name = "a"}, !sinter.tensor<f32[3, 32, 3, 3]> {sinter.name = "b"},
        !sinter.tensor<f32[32, 32, 3, 3]> {sinter.name = "c"}) {
  %a = sinter.convolution %x, %y {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[32, 32, 16, 16]>, !sinter.tensor<f32[32, 32, 16, 16]>) -> !sinter.tensor<f32[32, 32, 3, 3]>
  %b = sinter.convolution %x, %f {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[32, 32, 16, 16]>, !sinter.tensor<f32[32, 3, 16, 16]>) -> !sinter.tensor<f32[3, 32, 3, 3]>
  %c = sinter.convolution %p, %q {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[32, 32, 16, W]>, !sinter.tensor<f32[32, 32, 16, W]>) -> !sinter.tensor<f32[32, 32, 3, 3]>
  return %a, %b, %c : !sinter.tensor<f32[32, 32, 3, 3]>, !sinter.tensor<f32[3, 32, 3, 3]>, !sinter.tensor<f32[32, 32, 3, 3]>
}
