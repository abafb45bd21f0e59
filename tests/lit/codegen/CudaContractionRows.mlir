// RUN: graph-compile %s --emit=cuda --target=cuda:sm_80 | FileCheck %s
// RUN: sed -e 's/24, 10/24, 130/g' -e 's/64, 10/64, 130/g' -e 's/\[10\]/[130]/g' %s | graph-compile - --emit=cuda --target=cuda:sm_80 | FileCheck %s --check-prefix=LONG
// RUN: sed -e 's/64, 24/64, 2400/g' -e 's/24, 10/2400, 10/g' %s | graph-compile - --emit=cuda --target=cuda:sm_80 | FileCheck %s --check-prefix=SPLIT
// RUN: sed -e 's/"x"/"loadPack"/' -e 's/"w"/"gemmSimt"/' -e 's/"p"/"Max"/' %s | graph-compile - --emit=cuda --target=cuda:sm_80 | FileCheck %s --check-prefix=NAMES
// The loss of a classifier and its gradients, whole rows of the product being in a block's shared memory.

!x = !sinter.tensor<f32[64, 24]>
!w = !sinter.tensor<f32[24, 10]>
!y = !sinter.tensor<f32[64, 10]>
!v = !sinter.tensor<f32[64]>
!c = !sinter.tensor<f32[10]>

// Rows are shared by 8 lanes: no barrier.
// CHECK-LABEL: struct dot_general_{{.*}}_Region {
// CHECK: static constexpr int wholeRows = 1;
// CHECK: static constexpr int rowThreads = 8;
// CHECK-NEXT: static constexpr int rowsPerUnit = 8;
// CHECK: void rowsBehind(long long unit, long long row, long long count, const Sum *sums, long long pitch) const {
// CHECK-NOT: __syncthreads
// CHECK: loadPack<2>(sums_pack, &sums[
// CHECK: // reduce_max at
// CHECK: acrossLanes<8, Max>(
// The product at the label's column.
// CHECK: = sums[{{.*}} + labels_at];
// CHECK: // reduce_sum at
// CHECK: acrossLanes<8, ::Sum>(
// CHECK: storePack<2>(
// CHECK: gemmSimt<32, 32, 16, 2, 4>(region);
// The second launch combines the sums over the rows.
// CHECK: row, 10 columns, 32 a block, whose partial sums are combined
// CHECK-NOT: __global__{{.*}}dot_general{{.*}}__global__

// LONG: static constexpr int wholeRows = 0;
// LONG-NOT: rowsBehind
// LONG: gemmSimt<
// LONG: kernel: row, 

// Buffers hide nothing of the prelude.
// NAMES: struct dot_general_{{.*}}_Region {
// NAMES-NEXT: const float *loadPack_1;
// NAMES-NEXT: const float *gemmSimt_1;
// NAMES: float *Max_1;

// SPLIT: static constexpr int parts = {{[0-9]+}};
// SPLIT: static constexpr int wholeRows = 0;
// SPLIT: gemmSimt<
// SPLIT: rows of sums whose {{[0-9]+}} parts are added up
// SPLIT: loadParts<2, {{[0-9]+}}>(
func.func @main(%x: !x {sinter.kind = "placeholder", sinter.name = "x"}, %w: !w {sinter.kind = "placeholder", sinter.name = "w"},
                %labels: !sinter.tensor<i32[64]> {sinter.kind = "placeholder", sinter.name = "labels"})
    -> (!v {sinter.name = "loss"}, !y {sinter.name = "p"}, !c {sinter.name = "sum"}) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %max = sinter.reduce_max %d {axes = array<i64: 1>} : (!y) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !y
  %s = sinter.sub %d, %mb : (!y, !y) -> !y
  %e = sinter.exp %s : (!y) -> !y
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!y) -> !v
  %tb = sinter.broadcast %t {dimensions = array<i64: 0>} : (!v) -> !y
  %p = sinter.div %e, %tb : (!y, !y) -> !y
  %lse = sinter.log %t : (!v) -> !v
  %at = sinter.pick %s, %labels : (!y, !sinter.tensor<i32[64]>) -> !v
  %loss = sinter.sub %lse, %at : (!v, !v) -> !v
  %c = sinter.reduce_sum %p {axes = array<i64: 0>} : (!y) -> !c
  return %loss, %p, %c : !v, !y, !c
}
