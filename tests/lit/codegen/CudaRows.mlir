// Rows of a length that is not known are read in every phase, and their starts are not known to be
// aligned.
// RUN: sed -e 's/LENGTH/L/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: : row, N rows, a block each, read in every phase
// UNKNOWN-NOT: loadPack
// UNKNOWN-COUNT-2: {{= x\[.*\];}}
// UNKNOWN-NOT: clusterArrive

// A block holds a row of 4096; a barrier for each of its two phases.
// RUN: sed -e 's/LENGTH/4096/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=BLOCK
// BLOCK: : row, N rows, a block each, read once
// BLOCK: __launch_bounds__(256)
// BLOCK: __shared__ float [[SLOTS:slots.*]][8];
// BLOCK: loadPack<4>(&x_row[part * 4], &x[
// BLOCK: const long long next = {{.*}} * 4096;
// BLOCK: prefetch(&x[next + 
// BLOCK: leave<Max>([[SLOTS]],
// BLOCK-NEXT: __syncthreads();
// BLOCK-NEXT: take<8, Max>([[SLOTS]])
// BLOCK-NOT: loadPack
// BLOCK: leave<Sum>(
// BLOCK-NEXT: __syncthreads();
// BLOCK-NOT: __syncthreads

// A cluster holds a longer one, where there are clusters.
// RUN: sed -e 's/LENGTH/131072/' %s | graph-compile - --emit=cuda --target=cuda:sm_90a | FileCheck %s --check-prefix=CLUSTER
// CLUSTER: : row, N rows, a cluster of 8 blocks each, read once
// CLUSTER: leaveToAll<8, Max>(
// CLUSTER-NEXT: clusterArrive();
// CLUSTER-NEXT: clusterWait();
// CLUSTER-NEXT: take<128, Max>(
// CLUSTER-NOT: __syncthreads
// RUN: sed -e 's/LENGTH/131072/' %s | graph-compile - --emit=cuda --target=cuda:sm_80 | FileCheck %s --check-prefix=AGAIN
// AGAIN: : row, N rows, a block each, read in every phase
// AGAIN-NOT: cluster
// AGAIN: for (int tile = 0; tile < 131072;
// AGAIN: loadPack<4>(x_pack, &x[
// AGAIN: for (int {{.*}} = 0; {{.*}} < 131072;
// AGAIN: loadPack<4>(x_pack{{.*}}, &x[
!m = !sinter.tensor<f32[N, LENGTH]>
!v = !sinter.tensor<f32[N]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!v {sinter.name = "logsumexp"}) {
  %0 = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v
  %1 = sinter.broadcast %0 {dimensions = array<i64: 0>} : (!v) -> !m
  %2 = sinter.sub %x, %1 : (!m, !m) -> !m
  %3 = sinter.exp %2 : (!m) -> !m
  %4 = sinter.reduce_sum %3 {axes = array<i64: 1>} : (!m) -> !v
  %5 = sinter.log %4 : (!v) -> !v
  %6 = sinter.add %5, %0 : (!v, !v) -> !v
  return %6 : !v
}
