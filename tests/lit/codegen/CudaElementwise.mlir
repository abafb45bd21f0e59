// RUN: graph-compile %s --emit=cuda --target=cuda:sm_90a | FileCheck %s
// A chain with two outputs is one kernel; reads come before writes; booleans are bytes in memory.
// CHECK: // main for cuda:sm_90a, for NVRTC with --std=c++17 --fmad=false
// CHECK-NOT: #include
// Threads move 16 bytes at once: packs of neighbours, read for all packs of a thread first.
// CHECK: // add_exp_max_mul_greater_kernel: loop, 16*N packs of 4, 2 at once in a thread
// CHECK: //   exp at {{.*}}CudaElementwise.mlir:[[#EXP:]]:
// CHECK: extern "C" __global__ void __launch_bounds__(256) add_exp_max_mul_greater_kernel(
// CHECK-NEXT: const float *x,
// CHECK-NEXT: const float *y,
// CHECK-NEXT: float *z,
// CHECK-NEXT: unsigned char *positive,
// CHECK-NEXT: __grid_constant__ const Sizes sizes, long long *status) {
// The host knows 16 * N.
// CHECK: const long long [[LAST:.*]] = table[{{[1-9][0-9]*}}];
// CHECK: for (long long pack = first; pack < [[LAST]]; pack += step) {
// CHECK: alignas(16) float x_pack[8];
// CHECK: for (int k = 0; k < 2; ++k) {
// CHECK: const long long [[UNIT:.*]] = pack + (k * 256);
// CHECK-NEXT: if ([[UNIT]] < [[LAST]]) {
// CHECK: loadPack<4>(&x_pack[{{.*}}], &x[{{.*}}]);
// CHECK-NEXT: loadPack<4>(&y_pack[{{.*}}], &y[{{.*}}]);
// CHECK: for (int e = 0; e < 4; ++e) {
// CHECK: const float [[X:.*]] = x_pack[
// CHECK-NEXT: const float [[Y:.*]] = y_pack[
// CHECK-NEXT: // add at
// CHECK-NEXT: const float [[ADD:.*]] = [[X]] + [[Y]];
// CHECK-NEXT: // exp at {{.*}}CudaElementwise.mlir:[[#EXP]]:
// CHECK-NEXT: const float [[E:.*]] = expf([[ADD]]);
// CHECK: const float [[MAX:.*]] = ([[E]] != [[E]]) ? [[E]] : (([[E]] > [[Y]]) ? [[E]] : [[Y]]);
// CHECK: const float [[MUL:.*]] = [[MAX]] * [[X]];
// CHECK: const bool [[GREATER:.*]] = [[MUL]] > [[Y]];
// CHECK-NEXT: z_pack[e] = [[MUL]];
// CHECK-NEXT: positive_pack[e] = {{.*}}[[GREATER]]
// CHECK: storePack<4>(&z[{{.*}}], z_pack);
// CHECK-NEXT: storePack<4>(&positive[{{.*}}], positive_pack);
// CHECK-NOT: __global__
!m = !sinter.tensor<f32[N, 64]>
!b = !sinter.tensor<i1[N, 64]>
func.func @main(%x: !m {sinter.name = "x"}, %y: !m {sinter.name = "y"})
    -> (!m {sinter.name = "z"}, !b {sinter.name = "positive"}) {
  %0 = sinter.add %x, %y : (!m, !m) -> !m
  %1 = sinter.exp %0 : (!m) -> !m
  %2 = sinter.max %1, %y : (!m, !m) -> !m
  %3 = sinter.mul %2, %x : (!m, !m) -> !m
  %4 = sinter.greater %3, %y : (!m, !m) -> !b
  return %3, %4 : !m, !b
}
