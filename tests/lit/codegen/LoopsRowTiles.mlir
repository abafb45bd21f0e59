// RUN: split-file %s %t
// RUN: graph-compile %t/pairs.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/pairs.mlir
// RUN: graph-compile %t/pairs.mlir --target=cpu:x86-64-v3 --emit=loops | FileCheck %t/pairs.mlir --check-prefix=NARROW
// RUN: graph-compile %t/line.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/line.mlir
// RUN: graph-compile %t/apart.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/apart.mlir
// RUN: graph-compile %t/prime.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/prime.mlir
// RUN: graph-compile %t/dear.mlir --target=cpu:x86-64-v4 --emit=loops | FileCheck %t/dear.mlir
// Rows that read the same are reduced in tiles: as many sums as there are registers for, and every
// vector is loaded once for all rows that read it.

//--- pairs.mlir
func.func @main(%x: !sinter.tensor<f32[64, 160]> {sinter.name = "x"}, %y: !sinter.tensor<f32[32, 160]> {sinter.name = "y"}) -> (!sinter.tensor<f32[64, 32]> {sinter.name = "z"}) {
  // Four rows of x by four of y.
  // CHECK: iter_args
  // CHECK-COUNT-16: math.fma
  // CHECK-NOT: math.fma
  // CHECK: scf.yield
  // Half the registers, half the rows.
  // NARROW: iter_args
  // NARROW-COUNT-8: math.fma
  // NARROW-NOT: math.fma
  // NARROW: scf.yield
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!sinter.tensor<f32[64, 160]>) -> !sinter.tensor<f32[64, 32, 160]>
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!sinter.tensor<f32[32, 160]>) -> !sinter.tensor<f32[64, 32, 160]>
  %d = sinter.sub %a, %b : (!sinter.tensor<f32[64, 32, 160]>, !sinter.tensor<f32[64, 32, 160]>) -> !sinter.tensor<f32[64, 32, 160]>
  %s = sinter.mul %d, %d : (!sinter.tensor<f32[64, 32, 160]>, !sinter.tensor<f32[64, 32, 160]>) -> !sinter.tensor<f32[64, 32, 160]>
  %z = sinter.reduce_sum %s {axes = array<i64: 2>} : (!sinter.tensor<f32[64, 32, 160]>) -> !sinter.tensor<f32[64, 32]>
  return %z : !sinter.tensor<f32[64, 32]>
}

//--- line.mlir
func.func @main(%x: !sinter.tensor<f32[64, 33, 160]> {sinter.name = "x"}, %y: !sinter.tensor<f32[64, 160]> {sinter.name = "y"}) -> (!sinter.tensor<f32[64, 33]> {sinter.name = "z"}) {
  // Rows of one line share y, three at a time; lines share nothing.
  // CHECK: iter_args
  // CHECK-COUNT-3: math.fma
  // CHECK-NOT: math.fma
  // CHECK: scf.yield
  %b = sinter.broadcast %y {dimensions = array<i64: 0, 2>} : (!sinter.tensor<f32[64, 160]>) -> !sinter.tensor<f32[64, 33, 160]>
  %d = sinter.sub %x, %b : (!sinter.tensor<f32[64, 33, 160]>, !sinter.tensor<f32[64, 33, 160]>) -> !sinter.tensor<f32[64, 33, 160]>
  %s = sinter.mul %d, %d : (!sinter.tensor<f32[64, 33, 160]>, !sinter.tensor<f32[64, 33, 160]>) -> !sinter.tensor<f32[64, 33, 160]>
  %z = sinter.reduce_sum %s {axes = array<i64: 2>} : (!sinter.tensor<f32[64, 33, 160]>) -> !sinter.tensor<f32[64, 33]>
  return %z : !sinter.tensor<f32[64, 33]>
}

//--- apart.mlir
func.func @main(%x: !sinter.tensor<f32[64, 32, 128]> {sinter.name = "x"}, %y: !sinter.tensor<f32[64, 32, 128]> {sinter.name = "y"}) -> (!sinter.tensor<f32[64, 32]> {sinter.name = "z"}) {
  // Nothing is shared: a row is a unit, its four vectors have sums of their own.
  // CHECK: iter_args
  // CHECK-COUNT-4: math.fma
  // CHECK-NOT: math.fma
  // CHECK: scf.yield
  %d = sinter.sub %x, %y : (!sinter.tensor<f32[64, 32, 128]>, !sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %s = sinter.mul %d, %d : (!sinter.tensor<f32[64, 32, 128]>, !sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %z = sinter.reduce_sum %s {axes = array<i64: 2>} : (!sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32]>
  return %z : !sinter.tensor<f32[64, 32]>
}

//--- prime.mlir
func.func @main(%x: !sinter.tensor<f32[61, 128]> {sinter.name = "x"}, %y: !sinter.tensor<f32[31, 128]> {sinter.name = "y"}) -> (!sinter.tensor<f32[61, 31]> {sinter.name = "z"}) {
  // No tile divides the rows; the sums are those of four vectors of a row.
  // CHECK: iter_args
  // CHECK-COUNT-4: math.fma
  // CHECK-NOT: math.fma
  // CHECK: scf.yield
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!sinter.tensor<f32[61, 128]>) -> !sinter.tensor<f32[61, 31, 128]>
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!sinter.tensor<f32[31, 128]>) -> !sinter.tensor<f32[61, 31, 128]>
  %d = sinter.sub %a, %b : (!sinter.tensor<f32[61, 31, 128]>, !sinter.tensor<f32[61, 31, 128]>) -> !sinter.tensor<f32[61, 31, 128]>
  %s = sinter.mul %d, %d : (!sinter.tensor<f32[61, 31, 128]>, !sinter.tensor<f32[61, 31, 128]>) -> !sinter.tensor<f32[61, 31, 128]>
  %z = sinter.reduce_sum %s {axes = array<i64: 2>} : (!sinter.tensor<f32[61, 31, 128]>) -> !sinter.tensor<f32[61, 31]>
  return %z : !sinter.tensor<f32[61, 31]>
}

//--- dear.mlir
func.func @main(%x: !sinter.tensor<f32[64, 128]> {sinter.name = "x"}, %y: !sinter.tensor<f32[32, 128]> {sinter.name = "y"}) -> (!sinter.tensor<f32[64, 32]> {sinter.name = "z"}) {
  // Computing takes longer than loading.
  // CHECK: func.func @kernel
  // CHECK-COUNT-2: math.exp
  // CHECK-NOT: math.exp
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!sinter.tensor<f32[64, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!sinter.tensor<f32[32, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %d = sinter.sub %a, %b : (!sinter.tensor<f32[64, 32, 128]>, !sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %e = sinter.exp %d : (!sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32, 128]>
  %z = sinter.reduce_sum %e {axes = array<i64: 2>} : (!sinter.tensor<f32[64, 32, 128]>) -> !sinter.tensor<f32[64, 32]>
  return %z : !sinter.tensor<f32[64, 32]>
}
