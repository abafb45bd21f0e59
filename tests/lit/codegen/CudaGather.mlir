// RUN: graph-compile %s --emit=cuda | FileCheck %s
// A bad index is reported once, with its site, and reads nothing. A tensor may be called what a parameter is called.
// CHECK: const double *[[T:table_1]],
// CHECK: __grid_constant__ const Sizes sizes, long long *status) {
// A row is read in whole packs, its number once a pack.
// CHECK: const int [[ID:.*]] = ids[
// CHECK: if ((unsigned int)[[ID]] >= (unsigned int)100) {
// CHECK-NEXT: const bool [[FIRST:.*]] = compareExchange(status, 0, 1);
// CHECK-NEXT: if ([[FIRST]]) {
// CHECK-NEXT: status[1] = 0;
// CHECK-NEXT: status[2] = [[ID]];
// CHECK-NEXT: status[3] = 100;
// CHECK: const long long [[AT:.*]] = ((long long)[[ID]] * 16) +
// CHECK: if ([[VALID:.*]]) {
// CHECK-NEXT: loadPack<2>(table_pack, &[[T]][[[AT]]]);
// CHECK: for (int e = 0; e < 2; ++e) {
// CHECK-NOT: [[T]][
// CHECK: // site 0: index of gather_rows at {{.*}}CudaGather.mlir:
!t = !sinter.tensor<f64[100, 16]>
!i = !sinter.tensor<i32[N]>
!r = !sinter.tensor<f64[N, 16]>
func.func @main(%table: !t {sinter.name = "table"}, %ids: !i {sinter.name = "ids"}) -> (!r {sinter.name = "rows"}) {
  %0 = sinter.gather_rows %table, %ids : (!t, !i) -> !r
  %1 = sinter.sqrt %0 : (!r) -> !r
  return %1 : !r
}
