// No GPU form yet; the error says which kernel and which line.
// RUN: %exits 4 graph-compile %s --emit=cuda 2>&1 | FileCheck %s
// CHECK: CudaCumulative.mlir:[[@LINE+3]]:{{[0-9]+}}: error: {{.*}}cumsum{{.*}}kernels of the form 'cumulative' cannot be printed for a GPU yet
func.func @main(%x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"})
    -> (!sinter.tensor<f32[N, 8]> {sinter.name = "y"}) {
  %0 = sinter.cumsum %x {axis = 1 : i64} : (!sinter.tensor<f32[N, 8]>) -> !sinter.tensor<f32[N, 8]>
  return %0 : !sinter.tensor<f32[N, 8]>
}
