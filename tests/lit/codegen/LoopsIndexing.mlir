// RUN: graph-compile %s --target=cpu:x86-64-v4 --emit=loops | FileCheck %s
// A look-up of whole rows reads them in vectors: one index and one check serve all lanes.

func.func @main(%x: !sinter.tensor<f32[N, 64]> {sinter.name = "x"}, %i: !sinter.tensor<i32[M]> {sinter.name = "i"}) -> (!sinter.tensor<f32[M, 64]> {sinter.name = "y"}) {
  // CHECK: func.func @kernel
  // CHECK-NOT: llvm.intr.masked.gather
  // CHECK: llvm.load {{.*}} -> i32
  // CHECK: arith.cmpi ult
  // CHECK: llvm.load {{.*}} -> vector<16xf32>
  // CHECK-NOT: llvm.intr.masked.gather
  // CHECK: llvm.store {{.*}} vector<16xf32>
  %b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!sinter.tensor<i32[M]>) -> !sinter.tensor<i32[M, 64]>
  %g = sinter.gather %x, %b {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[N, 64]>, !sinter.tensor<i32[M, 64]>) -> !sinter.tensor<f32[M, 64]>
  return %g : !sinter.tensor<f32[M, 64]>
}
