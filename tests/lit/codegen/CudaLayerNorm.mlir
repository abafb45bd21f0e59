// One kernel; what is the same for a whole row is computed once per row, and written by one thread.
// RUN: graph-compile %s --emit=cuda | FileCheck %s
// CHECK: : row, N rows, 32 lanes each, read once
// CHECK-COUNT-1: &x[
// CHECK: const float [[SUM:.*]] = acrossLanes<32, Sum>(
// CHECK: const float [[MEAN:.*]] = [[SUM]] * 0.00130208326f;
// CHECK: const float [[SQUARES:.*]] = acrossLanes<32, Sum>(
// CHECK: const float [[RSQRT:.*]] = 1.0f / sqrtf(
// CHECK: loadPack<4>(gain_pack, &gain[
// CHECK: * [[RSQRT]];
// CHECK: storePack<4>(&normal[
// CHECK: if ({{.*}} == 0) {
// CHECK-NEXT: mean[row] = [[MEAN]];
// CHECK-NOT: __global__
!m = !sinter.tensor<f32[N, 768]>
!v = !sinter.tensor<f32[N]>
!g = !sinter.tensor<f32[768]>
func.func @main(%x: !m {sinter.name = "x"}, %gain: !g {sinter.name = "gain"})
    -> (!m {sinter.name = "normal"}, !v {sinter.name = "mean"}) {
  %c = sinter.full 0.0013020833 : f32 : !v
  %eps = sinter.full 1.0e-5 : f32 : !v
  %0 = sinter.reduce_sum %x {axes = array<i64: 1>} : (!m) -> !v
  %1 = sinter.mul %0, %c : (!v, !v) -> !v
  %2 = sinter.broadcast %1 {dimensions = array<i64: 0>} : (!v) -> !m
  %3 = sinter.sub %x, %2 : (!m, !m) -> !m
  %4 = sinter.mul %3, %3 : (!m, !m) -> !m
  %5 = sinter.reduce_sum %4 {axes = array<i64: 1>} : (!m) -> !v
  %6 = sinter.mul %5, %c : (!v, !v) -> !v
  %7 = sinter.add %6, %eps : (!v, !v) -> !v
  %8 = sinter.rsqrt %7 : (!v) -> !v
  %9 = sinter.broadcast %8 {dimensions = array<i64: 0>} : (!v) -> !m
  %10 = sinter.mul %3, %9 : (!m, !m) -> !m
  %11 = sinter.broadcast %gain {dimensions = array<i64: 1>} : (!g) -> !m
  %12 = sinter.mul %10, %11 : (!m, !m) -> !m
  return %12, %1 : !m, !v
}
