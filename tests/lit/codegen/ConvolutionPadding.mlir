// RUN: graph-compile %s --no-cache --target=cpu:x86-64-v4 --emit=asm -o - | FileCheck %s
// Taps that read padding only are left out: row by row, and at the ends of rows, where the first and the last tile of
// a row have code of their own. Sums stay in registers.

// Of 28 columns, two tiles of 14: 84 pairs of products of three taps less one.
// CHECK-LABEL: {{^}}kernel_tile_1:
// CHECK-NOT: {{zmm[0-9]+, .*\(%rsp\)}}
// CHECK-COUNT-82: vfmadd
// CHECK-NOT: {{vfmadd|zmm[0-9]+, .*\(%rsp\)}}
// CHECK: ret
// CHECK-LABEL: {{^}}kernel_tile:
// CHECK-NOT: {{zmm[0-9]+, .*\(%rsp\)}}
// CHECK-COUNT-82: vfmadd
// CHECK-NOT: {{vfmadd|zmm[0-9]+, .*\(%rsp\)}}
// CHECK: ret
func.func @main(%w: !sinter.tensor<f32[128, 128, 3, 3]> {sinter.name = "w"},
                %dy: !sinter.tensor<f32[2, 128, 28, 28]> {sinter.name = "dy"})
    -> (!sinter.tensor<f32[2, 128, 28, 28]> {sinter.name = "dx"}) {
  %dx = sinter.convolution %w, %dy {part = "x", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[128, 128, 3, 3]>, !sinter.tensor<f32[2, 128, 28, 28]>) -> !sinter.tensor<f32[2, 128, 28, 28]>
  return %dx : !sinter.tensor<f32[2, 128, 28, 28]>
}
