// RUN: split-file %s %t
// RUN: graph-compile %t/norm.mlir --target=cpu:x86-64-v3 --emit=loops | FileCheck %t/norm.mlir --check-prefixes=CHECK,AHEAD
// RUN: graph-compile %t/norm.mlir --target=cpu:x86-64 --emit=loops | FileCheck %t/norm.mlir --check-prefix=PLAIN
// RUN: graph-compile %t/short.mlir --target=cpu:x86-64-v3 --emit=loops | FileCheck %t/short.mlir
// RUN: graph-compile %t/varies.mlir --target=cpu:x86-64-v3 --emit=loops | FileCheck %t/varies.mlir
// A row's elements are multiplied by the reciprocal of what they are all divided by, where the row
// is long and the target multiplies and adds in one. Rows of large tensors are asked for one ahead.

//--- norm.mlir
func.func @main(%x: !sinter.tensor<f32[4096, 512]> {sinter.name = "x"}) -> (!sinter.tensor<f32[4096, 512]> {sinter.name = "y"}) {
  // The first walk reads the row, the second finds it in the cache.
  // AHEAD: scf.for
  // AHEAD: scf.for
  // AHEAD-NOT: llvm.intr.prefetch
  // CHECK: arith.divf {{.*}} : f32
  // CHECK: scf.for
  // AHEAD: llvm.intr.prefetch
  // CHECK-NOT: arith.divf
  // CHECK: math.fma {{.*}} : vector<8xf32>
  // PLAIN: arith.divf {{.*}} : vector<4xf32>
  %s = sinter.reduce_sum %x {axes = array<i64: 1>} : (!sinter.tensor<f32[4096, 512]>) -> !sinter.tensor<f32[4096]>
  %b = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[4096]>) -> !sinter.tensor<f32[4096, 512]>
  %y = sinter.div %x, %b : (!sinter.tensor<f32[4096, 512]>, !sinter.tensor<f32[4096, 512]>) -> !sinter.tensor<f32[4096, 512]>
  return %y : !sinter.tensor<f32[4096, 512]>
}

//--- short.mlir
func.func @main(%x: !sinter.tensor<f32[4096, 32]> {sinter.name = "x"}) -> (!sinter.tensor<f32[4096, 32]> {sinter.name = "y"}) {
  // CHECK: func.func @kernel
  // CHECK-NOT: llvm.intr.prefetch
  // CHECK: arith.divf {{.*}} : vector<8xf32>
  %s = sinter.reduce_sum %x {axes = array<i64: 1>} : (!sinter.tensor<f32[4096, 32]>) -> !sinter.tensor<f32[4096]>
  %b = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[4096]>) -> !sinter.tensor<f32[4096, 32]>
  %y = sinter.div %x, %b : (!sinter.tensor<f32[4096, 32]>, !sinter.tensor<f32[4096, 32]>) -> !sinter.tensor<f32[4096, 32]>
  return %y : !sinter.tensor<f32[4096, 32]>
}

//--- varies.mlir
func.func @main(%x: !sinter.tensor<f32[4096, 512]> {sinter.name = "x"}, %w: !sinter.tensor<f32[512]> {sinter.name = "w"}) -> (!sinter.tensor<f32[4096, 512]> {sinter.name = "y"}) {
  // Divisors of their own.
  // CHECK: func.func @kernel
  // CHECK: arith.divf {{.*}} : vector<8xf32>
  %s = sinter.reduce_sum %x {axes = array<i64: 1>} : (!sinter.tensor<f32[4096, 512]>) -> !sinter.tensor<f32[4096]>
  %b = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[4096]>) -> !sinter.tensor<f32[4096, 512]>
  %v = sinter.broadcast %w {dimensions = array<i64: 1>} : (!sinter.tensor<f32[512]>) -> !sinter.tensor<f32[4096, 512]>
  %d = sinter.add %b, %v : (!sinter.tensor<f32[4096, 512]>, !sinter.tensor<f32[4096, 512]>) -> !sinter.tensor<f32[4096, 512]>
  %y = sinter.div %x, %d : (!sinter.tensor<f32[4096, 512]>, !sinter.tensor<f32[4096, 512]>) -> !sinter.tensor<f32[4096, 512]>
  return %y : !sinter.tensor<f32[4096, 512]>
}
