// Values of pairs of points are computed where they are added up: one kernel, and nothing of the size of all
// pairs is stored. A warp takes a point and shares out the others.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s
// RUN: graph-compile %s --target=cuda:sm_80 --disable-pass=fuse --emit=cuda | FileCheck %s --check-prefix=ALONE
// CHECK: 1000 points, a warp each
// CHECK: for (
// CHECK: expf(
// CHECK: = acrossLanes<32, Sum>(
// CHECK: f[
// CHECK-NOT: __global__
// ALONE-NOT: points, a warp each
!x = !sinter.tensor<f32[1000, 3]>
!y = !sinter.tensor<f32[700, 3]>
!d = !sinter.tensor<f32[1000, 700, 3]>
!k = !sinter.tensor<f32[1000, 700]>
!f = !sinter.tensor<f32[1000]>
func.func @main(%x: !x {sinter.name = "x"}, %y: !y {sinter.name = "y"}) -> (!f {sinter.name = "f"}) {
  %0 = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!x) -> !d
  %1 = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!y) -> !d
  %2 = sinter.sub %0, %1 : (!d, !d) -> !d
  %3 = sinter.mul %2, %2 : (!d, !d) -> !d
  %4 = sinter.reduce_sum %3 {axes = array<i64: 2>} : (!d) -> !k
  %5 = sinter.neg %4 : (!k) -> !k
  %6 = sinter.exp %5 : (!k) -> !k
  %7 = sinter.reduce_sum %6 {axes = array<i64: 1>} : (!k) -> !f
  return %7 : !f
}
