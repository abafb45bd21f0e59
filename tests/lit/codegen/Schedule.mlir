// RUN: graph-compile %s --target=cpu:x86-64-v4 --stop-after=scheduled | FileCheck %s
// RUN: graph-compile %s --target=cpu:x86-64 --stop-after=scheduled | FileCheck %s --check-prefix=SSE
// Lanes follow the target's vectors; large results bypass the cache, others do not.

func.func @main(%x: !sinter.tensor<f32[16777216]> {sinter.name = "x"},
                %r: !sinter.tensor<f32[N, 1000]> {sinter.name = "r"},
                %c: !sinter.tensor<f32[4096, 64]> {sinter.name = "c"})
    -> (!sinter.tensor<f32[16777216]> {sinter.name = "e"}, !sinter.tensor<f32[N]> {sinter.name = "m"},
        !sinter.tensor<f32[64]> {sinter.name = "s"}) {
  // CHECK: sinter.fused "exp"
  // CHECK-SAME: form = "loop"
  // CHECK-SAME: lanes = 16
  // CHECK-SAME: streamStores = 1
  // SSE: sinter.fused "exp"
  // SSE-SAME: lanes = 4
  %e = sinter.exp %x : (!sinter.tensor<f32[16777216]>) -> !sinter.tensor<f32[16777216]>
  // CHECK: sinter.fused "reduce_max"
  // CHECK-SAME: form = "row"
  // CHECK-SAME: streamStores = 0
  %m = sinter.reduce_max %r {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 1000]>) -> !sinter.tensor<f32[N]>
  // 4096 rows are summed in chunks that do not depend on the number of threads.
  // CHECK: sinter.fused "reduce_sum"
  // CHECK-SAME: block = 256
  // CHECK-SAME: form = "reduce"
  %s = sinter.reduce_sum %c {axes = array<i64: 0>} : (!sinter.tensor<f32[4096, 64]>) -> !sinter.tensor<f32[64]>
  return %e, %m, %s : !sinter.tensor<f32[16777216]>, !sinter.tensor<f32[N]>, !sinter.tensor<f32[64]>
}
