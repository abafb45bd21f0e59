// RUN: graph-compile %s --emit=cuda | FileCheck %s
// Indices are ints where the sizes prove that they fit.
// CHECK-LABEL: neg_kernel: loop, 268435456 packs of 4
// CHECK: const int first =
// CHECK: for (int pack = first; pack < 268435456; pack += step) {
// CHECK-NOT: long long
// CHECK: storePack<4>(
// Twice as much does not, though the number of a pack still does.
// CHECK-LABEL: exp_kernel: loop, 536870912 packs of 4
// CHECK: for (int pack = first; pack < 536870912; pack += step) {
// CHECK: loadPack<4>(&{{.*}}, &y[(long long)mine * 4]);
// CHECK: const long long at = (long long)mine_1 * 4;
// So is what is not known; what is inside of a row of known length fits all the same.
// CHECK-LABEL: add_kernel: loop, 16*N packs of 4
// CHECK: for (long long pack = first;
// CHECK: const long long [[AT:at.*]] = [[PACK:.*]] * 4;
// CHECK: loadPack<4>({{.*}}, &b[modulo([[AT]], 64)]);
// A row's number, which is data, is an int if it is one in memory; what it leads to may not fit.
// CHECK-LABEL: gather_rows_kernel: loop
// CHECK: const int [[ID:.*]] = ids[
// CHECK: if ((unsigned int)[[ID]] >= (unsigned int)100000000) {
// CHECK: ((long long)[[ID]] * 64)
!a = !sinter.tensor<f32[32768, 32768]>
!y = !sinter.tensor<f32[65536, 32768]>
!m = !sinter.tensor<f32[N, 64]>
!b = !sinter.tensor<f32[64]>
!t = !sinter.tensor<f32[100000000, 64]>
!i = !sinter.tensor<i32[M]>
!g = !sinter.tensor<f32[M, 64]>
func.func @main(%x: !a {sinter.name = "x"}, %y: !y {sinter.name = "y"}, %m: !m {sinter.name = "m"}, %b: !b {sinter.name = "b"},
                %t: !t {sinter.name = "t"}, %i: !i {sinter.name = "ids"}) -> (!a, !y, !m, !g) {
  %0 = sinter.neg %x : (!a) -> !a
  %1 = sinter.exp %y : (!y) -> !y
  %2 = sinter.broadcast %b {dimensions = array<i64: 1>} : (!b) -> !m
  %3 = sinter.add %m, %2 : (!m, !m) -> !m
  %4 = sinter.gather_rows %t, %i : (!t, !i) -> !g
  return %0, %1, %3, %4 : !a, !y, !m, !g
}
