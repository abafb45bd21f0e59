// REQUIRES: nvrtc
// What CudaTooLarge refuses is looked at when a named size is known: no entry of the table may be negative.
// RUN: graph-compile %s --emit=program --target=cuda:sm_80 | FileCheck %s
// CHECK: table "-N + 2147483
func.func @main(%x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"}, %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w"})
    -> (!sinter.tensor<f32[N, 3]> {sinter.name = "y"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[N, 3]>
  return %0 : !sinter.tensor<f32[N, 3]>
}
