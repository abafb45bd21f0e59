// RUN: graph-compile %s --target=cpu:x86-64-v4 --emit=loops | FileCheck %s
// Softmax over rows of 1000: three walks over the row, exp computed once and kept in scratch.

func.func @main(%x: !sinter.tensor<f32[N, 1000]> {sinter.name = "x"}) -> (!sinter.tensor<f32[N, 1000]> {sinter.name = "y"}) {
  // CHECK: func.func @kernel
  // CHECK: scf.for
  // The first walk: the maximum, per lane, then across lanes.
  // CHECK: scf.for {{.*}} iter_args
  // CHECK: arith.cmpf ogt
  // CHECK: vector.shuffle
  %m = sinter.reduce_max %x {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N]>
  %mb = sinter.broadcast %m {dimensions = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N, 1000]>
  %d = sinter.sub %x, %mb : (!sinter.tensor<f32[N, 1000]>, !sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N, 1000]>
  // The second: exp and its sum.
  // CHECK: math.exp
  // CHECK: arith.addf
  %e = sinter.exp %d : (!sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N, 1000]>
  %s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N]>
  %sb = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N, 1000]>
  // The third reads exp back and multiplies by the sum's reciprocal, in two parts.
  // CHECK: arith.divf {{.*}} : f32
  // CHECK: scf.for
  // CHECK-NOT: arith.divf
  // CHECK-NOT: math.exp
  // CHECK: math.fma {{.*}} : vector<16xf32>
  %y = sinter.div %e, %sb : (!sinter.tensor<f32[N, 1000]>, !sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N, 1000]>
  return %y : !sinter.tensor<f32[N, 1000]>
}
