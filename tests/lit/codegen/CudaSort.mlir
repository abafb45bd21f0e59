// No GPU form yet; the error says which kernel and which line.
// RUN: %exits 4 graph-compile %s --emit=cuda 2>&1 | FileCheck %s
// CHECK: CudaSort.mlir:[[@LINE+3]]:{{[0-9]+}}: error: {{.*}}argsort{{.*}}kernels of the form 'sort' cannot be printed for a GPU yet
func.func @main(%x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"})
    -> (!sinter.tensor<i64[N, 8]> {sinter.name = "y"}) {
  %0 = sinter.argsort %x {axis = 1 : i64} : (!sinter.tensor<f32[N, 8]>) -> !sinter.tensor<i64[N, 8]>
  return %0 : !sinter.tensor<i64[N, 8]>
}
