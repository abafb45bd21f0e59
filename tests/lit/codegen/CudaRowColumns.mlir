// Sums over the rows are taken in the kernel that reads these: in registers, for a group of rows whose
// number follows from the sizes; a second kernel combines the groups in order.
// RUN: graph-compile %s --emit=cuda | FileCheck %s
// CHECK: : row, 512 groups of 32 rows, a block each, read once
// CHECK: for (long long unit = block();
// CHECK: float sums[8];
// CHECK: for (long long row =
// CHECK: storePack<4>(&dx[
// CHECK: storePack<4>(&((float *)temporary
// CHECK: : row, 2048 columns, 32 a block, whose partial sums are combined
// CHECK: #pragma unroll 8
// CHECK-NEXT: for (int unit = {{.*}}; unit < 512; unit += 8) {
// CHECK: __syncthreads();
// CHECK: dgain[
// CHECK-NOT: atomic
// CHECK-NOT: __global__

// Rows that are too long for that: the sums are a kernel of their own.
// RUN: sed -e 's/2048/65536/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=LONG
// LONG: : row, 16384 rows, a
// LONG-NOT: sums[
// LONG: : reduce, 
!m = !sinter.tensor<f32[16384, 2048]>
!v = !sinter.tensor<f32[16384]>
!g = !sinter.tensor<f32[2048]>
func.func @main(%x: !m {sinter.name = "x"}, %dy: !m {sinter.name = "dy"})
    -> (!m {sinter.name = "dx"}, !g {sinter.name = "dgain"}) {
  %0 = sinter.mul %x, %dy : (!m, !m) -> !m
  %1 = sinter.reduce_sum %0 {axes = array<i64: 1>} : (!m) -> !v
  %2 = sinter.broadcast %1 {dimensions = array<i64: 0>} : (!v) -> !m
  %3 = sinter.mul %x, %2 : (!m, !m) -> !m
  %4 = sinter.sub %dy, %3 : (!m, !m) -> !m
  %5 = sinter.reduce_sum %4 {axes = array<i64: 0>} : (!m) -> !g
  return %4, %5 : !m, !g
}
