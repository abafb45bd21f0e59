// RUN: graph-compile %s --target=cpu:x86-64-v4 --winograd --stop-after=scheduled | FileCheck %s
// Columns are numbered in 32 bits: Winograd's algorithm is not for paddings beyond.

// CHECK: winograd = 1
// CHECK-NOT: winograd = 1
func.func @main(%a: !sinter.tensor<f32[1, 16, 60, 60]> {sinter.kind = "placeholder", sinter.name = "a"}, %b: !sinter.tensor<f32[16, 16, 3, 3]> {sinter.kind = "placeholder", sinter.name = "b"}) -> (!sinter.tensor<f32[1, 16, 60, 60]> {sinter.name = "near"}, !sinter.tensor<f32[1, 16, 60, 60]> {sinter.name = "far"}) {
  %0 = "sinter.convolution"(%a, %b) {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 16, 60, 60]>, !sinter.tensor<f32[16, 16, 3, 3]>) -> !sinter.tensor<f32[1, 16, 60, 60]>
  %1 = "sinter.convolution"(%a, %b) {part = "y", low = [1, 4294967296], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 16, 60, 60]>, !sinter.tensor<f32[16, 16, 3, 3]>) -> !sinter.tensor<f32[1, 16, 60, 60]>
  return %0, %1 : !sinter.tensor<f32[1, 16, 60, 60]>, !sinter.tensor<f32[1, 16, 60, 60]>
}
