// Contractions come later; the error says which kernel and which line.
// RUN: %exits 4 graph-compile %s --emit=cuda 2>&1 | FileCheck %s
// CHECK: CudaContraction.mlir:[[@LINE+3]]:{{[0-9]+}}: error: {{.*}}dot_general{{.*}}kernels of the form 'contraction' cannot be printed for a GPU yet
func.func @main(%x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"}, %w: !sinter.tensor<f32[8, 3]> {sinter.name = "w"})
    -> (!sinter.tensor<f32[N, 3]> {sinter.name = "y"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 3]>) -> !sinter.tensor<f32[N, 3]>
  return %0 : !sinter.tensor<f32[N, 3]>
}
