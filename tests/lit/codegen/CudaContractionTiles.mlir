// RUN: graph-compile %s --emit=cuda --target=cuda:sm_80 | FileCheck %s
// RUN: sed -e 's/\bf32\b/bf16/g' %s | graph-compile - --emit=cuda --target=cuda:sm_90a | FileCheck %s --check-prefix=HOPPER
// RUN: graph-compile %s --emit=cuda --target=cuda:sm_80 --disable-pass=split-rows | FileCheck %s --check-prefix=APART
// The largest and the sum of rows of 4096 columns: tiles of 128 reduce theirs in the product's kernel.

!x = !sinter.tensor<f32[1024, 256]>
!w = !sinter.tensor<f32[256, 4096]>
!y = !sinter.tensor<f32[1024, 4096]>
!v = !sinter.tensor<f32[1024]>

// CHECK-LABEL: struct dot_general_{{.*}}_Region {
// CHECK: static constexpr int wholeRows = 1;
// CHECK: static constexpr int rowTiles = 32;
// CHECK: void rowsBehind(long long unit, long long row, long long count, const Sum *sums, long long pitch) const {
// CHECK: acrossLanes<16, Max>(
// CHECK: acrossLanes<16, ::Sum>(
// CHECK: gemmSimt<128, 128, 8, 8, 8>(region);
// The rows that are left are 32 long.
// CHECK: reduce_max_kernel: row, 1024 rows
// CHECK-NOT: 4096
// CHECK-NOT: gemm

// HOPPER: static constexpr int rowTiles = 32;
// HOPPER: gemmHopper<128, 6, 1>(region, &aMap, &bMap);

// APART: static constexpr int wholeRows = 0;
// APART-NOT: rowTiles = 32
// APART: kernel: row, 1024 rows
func.func @main(%x: !x {sinter.kind = "placeholder", sinter.name = "x"}, %w: !w {sinter.kind = "placeholder", sinter.name = "w"})
    -> (!v {sinter.name = "max"}, !v {sinter.name = "sum"}) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %sum = sinter.reduce_sum %d {axes = array<i64: 1>} : (!y) -> !v
  return %max, %sum : !v, !v
}
