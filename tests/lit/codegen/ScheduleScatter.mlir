// RUN: graph-compile %s --target=cpu:x86-64-v4 --emit=schedule | FileCheck %s
// Rows that are written once, in order, into a result that no cache holds bypass it. Must not: 128 rows, which are
// scanned and stay in the cache.

// CHECK: form scatter
// CHECK: streamStores 1
// CHECK: form scatter
// CHECK: streamStores 0
func.func @main(%i: !sinter.tensor<i32[65536]> {sinter.name = "i"}, %u: !sinter.tensor<f32[65536, 256]> {sinter.name = "u"})
    -> (!sinter.tensor<f32[32000, 256]> {sinter.name = "large"}, !sinter.tensor<f32[128, 256]> {sinter.name = "small"}) {
  %large = sinter.scatter_add_rows %i, %u : (!sinter.tensor<i32[65536]>, !sinter.tensor<f32[65536, 256]>) -> !sinter.tensor<f32[32000, 256]>
  %small = sinter.scatter_add_rows %i, %u : (!sinter.tensor<i32[65536]>, !sinter.tensor<f32[65536, 256]>) -> !sinter.tensor<f32[128, 256]>
  return %large, %small : !sinter.tensor<f32[32000, 256]>, !sinter.tensor<f32[128, 256]>
}
