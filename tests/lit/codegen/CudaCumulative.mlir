// Short rows: some lanes each, a tile after the other; no barrier.
// RUN: sed -e 's/SHAPE/N, 1000/;s/AXIS/1/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=SHORT
// SHORT: : cumulative, N rows or columns
// SHORT: float carry[1];
// SHORT: for (int tile = 0; tile < 1000; tile += 256) {
// SHORT: loadPack<8>(x_pack, &x[
// SHORT: scanLanes<32, Sum>({{.*}}, carry);
// SHORT: storePack<8>(&y[
// SHORT-NOT: __syncthreads
// SHORT-NOT: __global__

// A few long rows are cut into chunks, whose totals come first.
// RUN: sed -e 's/SHAPE/2, 1048576/;s/AXIS/1/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=LONG
// LONG: : cumulative, 512 chunks of which the totals are found
// LONG: leave<Sum>(
// LONG-NOT: storePack
// LONG: : cumulative, 512 chunks that go on from the totals before them
// LONG: total = take<8, Sum>(
// LONG: scanBlock<8, Sum>(
// LONG: storePack<8>(&y[

// Along another dim a thread takes a column.
// RUN: sed -e 's/SHAPE/100, N/;s/AXIS/0/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=COLUMN
// COLUMN: : cumulative, N rows or columns
// COLUMN: for (long long column = {{.*}}; column < N;
// COLUMN: float x_pack[4];
// COLUMN-NOT: {{scan|shared}}
!m = !sinter.tensor<f32[SHAPE]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!m {sinter.name = "y"}) {
  %0 = sinter.cumsum %x {axis = AXIS : i64} : (!m) -> !m
  return %0 : !m
}
