// A row of 600 floats is held by a warp: it is read once, in accesses of 16 bytes; no barrier.
// RUN: graph-compile %s --emit=cuda | FileCheck %s
// CHECK: : row, N rows, 32 lanes each, read once
// CHECK: __global__ void {{.*}}(
// CHECK: for (long long row = {{.*}}; row < N; row +=
// CHECK: float x_row[20];
// CHECK: loadPack<4>(&x_row[part * 4], &x[
// CHECK-NOT: loadPack
// CHECK: float [[M:.*]] = __int_as_float(0xff800000);
// CHECK: #pragma unroll
// CHECK: const float [[MAX:.*]] = acrossLanes<32, Max>([[M]]);
// CHECK: float exp_row[20];
// CHECK: - [[MAX]];
// CHECK: expf(
// CHECK: const float [[SUM:.*]] = acrossLanes<32, Sum>(
// CHECK-NOT: expf(
// CHECK: const float [[DIV:.*]] = {{.*}} / [[SUM]];
// CHECK: storePack<4>(&softmax[
// CHECK-NOT: __syncthreads
// CHECK-NOT: __global__
!m = !sinter.tensor<f32[N, 600]>
!v = !sinter.tensor<f32[N]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!m {sinter.name = "softmax"}) {
  %0 = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v
  %1 = sinter.broadcast %0 {dimensions = array<i64: 0>} : (!v) -> !m
  %2 = sinter.sub %x, %1 : (!m, !m) -> !m
  %3 = sinter.exp %2 : (!m) -> !m
  %4 = sinter.reduce_sum %3 {axes = array<i64: 1>} : (!m) -> !v
  %5 = sinter.broadcast %4 {dimensions = array<i64: 0>} : (!v) -> !m
  %6 = sinter.div %3, %5 : (!m, !m) -> !m
  return %6 : !m
}
