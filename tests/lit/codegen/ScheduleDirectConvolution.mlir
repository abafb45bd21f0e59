// RUN: graph-compile %s --target=cpu:x86-64-v4 --stop-after=scheduled | FileCheck %s
// RUN: graph-compile %s --target=cpu:x86-64-v2 --stop-after=scheduled | FileCheck %s --check-prefix=PATCH
// What reads x where it lies has `block` > 0: windows over few channels (block is a row) and over one (rows that are
// computed together), of nBlock rows of a unit; windows of one element (block is positions). Planes of 48 x 48 are cut
// into parts that threads keep from layer to layer, those of 12 x 12 are whole and channels are cut. Windows over many
// channels are copied into planes, and so is all where lanes that are not loaded cost something.

// CHECK: sinter.fused "convolution_relu" (%{{.*}}f32[8, 3, 3, 3]
// CHECK-SAME: block = 1 : i64
// CHECK-SAME: mr = 8 : i64, nBlock = 6 : i64
// CHECK-SAME: nr = 16 : i64
// CHECK: sinter.fused "convolution_relu" (%{{.*}}f32[8, 1, 3, 3]
// CHECK-SAME: block = 3 : i64
// CHECK-SAME: nBlock = 6 : i64
// CHECK: sinter.fused "convolution_relu" (%{{.*}}f32[64, 8, 1, 1]
// CHECK-SAME: block = 288 : i64
// CHECK: sinter.fused "convolution_relu" (%{{.*}}f32[64, 64, 3, 3]
// CHECK-SAME: block = 0 : i64
// CHECK: sinter.fused "convolution_relu" (%{{.*}}f32[64, 1, 3, 3]
// CHECK-SAME: block = 12 : i64
// CHECK-SAME: nBlock = 12 : i64
// CHECK: sinter.fused "convolution" (%{{.*}}f32[64, 64, 1, 1]
// CHECK-SAME: block = 144 : i64
// PATCH-NOT: block = {{[1-9]}}
// PATCH: return
func.func @main(%x: !sinter.tensor<f32[1, 3, 96, 96]> {sinter.name = "x"},
                %a: !sinter.tensor<f32[8, 3, 3, 3]> {sinter.name = "a"},
                %b: !sinter.tensor<f32[8, 1, 3, 3]> {sinter.name = "b"},
                %c: !sinter.tensor<f32[64, 8, 1, 1]> {sinter.name = "c"},
                %d: !sinter.tensor<f32[64, 64, 3, 3]> {sinter.name = "d"},
                %e: !sinter.tensor<f32[64, 1, 3, 3]> {sinter.name = "e"},
                %f: !sinter.tensor<f32[64, 64, 1, 1]> {sinter.name = "f"})
    -> (!sinter.tensor<f32[1, 64, 12, 12]> {sinter.name = "y"}) {
  %0 = sinter.convolution %x, %a {part = "y", low = [1, 1], strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 3, 96, 96]>, !sinter.tensor<f32[8, 3, 3, 3]>) -> !sinter.tensor<f32[1, 8, 48, 48]>
  %1 = sinter.relu %0 : (!sinter.tensor<f32[1, 8, 48, 48]>) -> !sinter.tensor<f32[1, 8, 48, 48]>
  %2 = sinter.convolution %1, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64} : (!sinter.tensor<f32[1, 8, 48, 48]>, !sinter.tensor<f32[8, 1, 3, 3]>) -> !sinter.tensor<f32[1, 8, 48, 48]>
  %3 = sinter.relu %2 : (!sinter.tensor<f32[1, 8, 48, 48]>) -> !sinter.tensor<f32[1, 8, 48, 48]>
  %4 = sinter.convolution %3, %c {part = "y", low = [0, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 8, 48, 48]>, !sinter.tensor<f32[64, 8, 1, 1]>) -> !sinter.tensor<f32[1, 64, 48, 48]>
  %5 = sinter.relu %4 : (!sinter.tensor<f32[1, 64, 48, 48]>) -> !sinter.tensor<f32[1, 64, 48, 48]>
  %6 = sinter.convolution %5, %d {part = "y", low = [1, 1], strides = array<i64: 4, 4>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 64, 48, 48]>, !sinter.tensor<f32[64, 64, 3, 3]>) -> !sinter.tensor<f32[1, 64, 12, 12]>
  %7 = sinter.relu %6 : (!sinter.tensor<f32[1, 64, 12, 12]>) -> !sinter.tensor<f32[1, 64, 12, 12]>
  %8 = sinter.convolution %7, %e {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 64 : i64} : (!sinter.tensor<f32[1, 64, 12, 12]>, !sinter.tensor<f32[64, 1, 3, 3]>) -> !sinter.tensor<f32[1, 64, 12, 12]>
  %9 = sinter.relu %8 : (!sinter.tensor<f32[1, 64, 12, 12]>) -> !sinter.tensor<f32[1, 64, 12, 12]>
  %y = sinter.convolution %9, %f {part = "y", low = [0, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!sinter.tensor<f32[1, 64, 12, 12]>, !sinter.tensor<f32[64, 64, 1, 1]>) -> !sinter.tensor<f32[1, 64, 12, 12]>
  return %y : !sinter.tensor<f32[1, 64, 12, 12]>
}
