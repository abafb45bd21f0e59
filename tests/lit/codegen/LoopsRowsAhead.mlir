// RUN: split-file %s %t
// RUN: graph-compile %t/large.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/large.mlir
// RUN: graph-compile %t/broadcast.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/broadcast.mlir
// RUN: graph-compile %t/small.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/small.mlir
// RUN: graph-compile %t/varies.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/varies.mlir
// Rows that are looked up in a large table are asked for some units before they are read, the first
// ones before the loop, all without a check of their index.

//--- large.mlir
func.func @main(%x: !sinter.tensor<f32[8000, 128]> {sinter.name = "x"}, %i: !sinter.tensor<i32[M]> {sinter.name = "i"}) -> (!sinter.tensor<f32[M, 128]> {sinter.name = "y"}) {
  // CHECK: scf.for
  // CHECK-NOT: arith.cmpi
  // CHECK-COUNT-8: llvm.intr.prefetch
  // CHECK-NOT: llvm.intr.prefetch
  // CHECK: scf.for
  // CHECK-NOT: arith.cmpi
  // CHECK-COUNT-8: llvm.intr.prefetch
  // CHECK: arith.cmpi ult
  %g = sinter.gather_rows %x, %i : (!sinter.tensor<f32[8000, 128]>, !sinter.tensor<i32[M]>) -> !sinter.tensor<f32[M, 128]>
  return %g : !sinter.tensor<f32[M, 128]>
}

//--- broadcast.mlir
func.func @main(%x: !sinter.tensor<f32[8000, 64]> {sinter.name = "x"}, %i: !sinter.tensor<i32[M]> {sinter.name = "i"}) -> (!sinter.tensor<f32[M, 64]> {sinter.name = "y"}) {
  // CHECK-COUNT-8: llvm.intr.prefetch
  // CHECK-NOT: llvm.intr.prefetch
  %b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!sinter.tensor<i32[M]>) -> !sinter.tensor<i32[M, 64]>
  %g = sinter.gather %x, %b {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[8000, 64]>, !sinter.tensor<i32[M, 64]>) -> !sinter.tensor<f32[M, 64]>
  return %g : !sinter.tensor<f32[M, 64]>
}

//--- small.mlir
func.func @main(%x: !sinter.tensor<f32[500, 128]> {sinter.name = "x"}, %i: !sinter.tensor<i32[M]> {sinter.name = "i"}) -> (!sinter.tensor<f32[M, 128]> {sinter.name = "y"}) {
  // CHECK: func.func @kernel
  // CHECK-NOT: llvm.intr.prefetch
  %g = sinter.gather_rows %x, %i : (!sinter.tensor<f32[500, 128]>, !sinter.tensor<i32[M]>) -> !sinter.tensor<f32[M, 128]>
  return %g : !sinter.tensor<f32[M, 128]>
}

//--- varies.mlir
func.func @main(%x: !sinter.tensor<f32[8000, 128]> {sinter.name = "x"}, %i: !sinter.tensor<i32[M, 128]> {sinter.name = "i"}) -> (!sinter.tensor<f32[M, 128]> {sinter.name = "y"}) {
  // Every element has an index of its own.
  // CHECK: func.func @kernel
  // CHECK-NOT: llvm.intr.prefetch
  %g = sinter.gather %x, %i {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[8000, 128]>, !sinter.tensor<i32[M, 128]>) -> !sinter.tensor<f32[M, 128]>
  return %g : !sinter.tensor<f32[M, 128]>
}
