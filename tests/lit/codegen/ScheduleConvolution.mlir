// RUN: graph-compile %s --target=cpu:x86-64-v4 --stop-after=fused | FileCheck %s --check-prefix=FUSED
// RUN: graph-compile %s --target=cpu:x86-64-v4 --stop-after=scheduled | FileCheck %s
// RUN: graph-compile %s --target=cpu:x86-64-v4 --winograd --stop-after=scheduled | FileCheck %s --check-prefix=WINOGRAD
// Bias and relu belong to the convolution's kernel. Winograd's algorithm is used on request, and not for windows that
// are not 3 x 3, steps, groups, or the gradient of the weights.

// FUSED: sinter.fused "convolution_add_relu"
// FUSED: sinter.convolution
// FUSED: sinter.relu
// FUSED: sinter.fused "convolution"
// FUSED: sinter.fused "convolution"
// FUSED: sinter.fused "convolution"
// FUSED-NOT: sinter.fused
// CHECK: sinter.fused "convolution_add_relu"
// CHECK-SAME: winograd = 0
// CHECK-NOT: winograd = 1
// WINOGRAD: sinter.fused "convolution_add_relu"
// WINOGRAD-SAME: winograd = 1
// WINOGRAD-NOT: winograd = 1
func.func @main(%x: !sinter.tensor<f32[N, 64, 56, 56]> {sinter.name = "x"},
                %w: !sinter.tensor<f32[64, 64, 3, 3]> {sinter.name = "w"},
                %v: !sinter.tensor<f32[64, 1, 3, 3]> {sinter.name = "v"},
                %b: !sinter.tensor<f32[64]> {sinter.name = "b"})
    -> (!sinter.tensor<f32[N, 64, 56, 56]> {sinter.name = "r"},
        !sinter.tensor<f32[N, 64, 28, 28]> {sinter.name = "s"},
        !sinter.tensor<f32[N, 64, 56, 56]> {sinter.name = "t"},
        !sinter.tensor<f32[64, 64, 3, 3]> {sinter.name = "u"}) {
  %y = sinter.convolution %x, %w {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[64, 64, 3, 3]>) -> !sinter.tensor<f32[N, 64, 56, 56]>
  %c = sinter.broadcast %b {dimensions = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[N, 64, 56, 56]>
  %a = sinter.add %y, %c : (!sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[N, 64, 56, 56]>) -> !sinter.tensor<f32[N, 64, 56, 56]>
  %r = sinter.relu %a : (!sinter.tensor<f32[N, 64, 56, 56]>) -> !sinter.tensor<f32[N, 64, 56, 56]>
  %s = sinter.convolution %x, %w {part = "y", low = [1, 1], strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[64, 64, 3, 3]>) -> !sinter.tensor<f32[N, 64, 28, 28]>
  %t = sinter.convolution %x, %v {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 64 : i64} : (!sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[64, 1, 3, 3]>) -> !sinter.tensor<f32[N, 64, 56, 56]>
  %u = sinter.convolution %x, %x {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[N, 64, 56, 56]>) -> !sinter.tensor<f32[64, 64, 3, 3]>
  return %r, %s, %t, %u : !sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[N, 64, 28, 28]>, !sinter.tensor<f32[N, 64, 56, 56]>, !sinter.tensor<f32[64, 64, 3, 3]>
}
