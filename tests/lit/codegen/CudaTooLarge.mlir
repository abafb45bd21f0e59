// A GPU's products count rows in 32 bits: a size that is too large is the user's error.
// RUN: sed 's/ROWS/3000000000/g' %s > %t.mlir
// RUN: %exits 4 graph-compile %t.mlir --emit=cuda 2>&1 | FileCheck %s
// CHECK: :8:{{[0-9]+}}: error: dot_general: it is too large for a GPU's kernel, which counts 3000000000 elements in 32 bits
// CHECK: hint: --target=cpu runs it
func.func @main(%x: !sinter.tensor<f32[ROWS, 8]> {sinter.name = "x"}, %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w"})
    -> (!sinter.tensor<f32[ROWS, 3]> {sinter.name = "y"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[ROWS, 8]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[ROWS, 3]>
  return %0 : !sinter.tensor<f32[ROWS, 3]>
}
