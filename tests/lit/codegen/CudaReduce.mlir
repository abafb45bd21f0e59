// RUN: graph-compile %s --emit=cuda | FileCheck %s
// Columns: threads side by side have packs of neighbouring columns, those below each other share the rows of a chunk,
// several of which are read at once; what they found is combined in shared memory, in the order of the rows.
// CHECK-LABEL: // tanh_reduce_sum_argmax_kernel: reduce, {{.*}} blocks of columns and rows
// CHECK: alignas(16) float mine_0[4];
// The compiler unrolls neither this loop, whose body has four rows, nor that over blocks.
// CHECK: #pragma unroll 1
// CHECK-NEXT: for (long long row = {{.*}}; row < to; row += 32) {
// CHECK: alignas(16) float x_pack[16];
// CHECK: for (int k = 0; k < 4; ++k) {
// CHECK-NEXT: const long long [[AT:.*]] = row + (k * 8);
// CHECK: loadPack<4>(&x_pack[k * 4], &x[([[AT]] * 768) + {{.*}}]);
// CHECK-NOT: x[
// CHECK: tanhf(
// CHECK: __shared__ {{.*}}all_0[1024];
// CHECK: __syncthreads();
// CHECK: __syncthreads();
// CHECK: for (int line = 1; line < 8; ++line) {
// One chunk is the result; the partial results of several are combined by a second launch.
// CHECK: if ({{.*}} == 1) {
// CHECK: columns[
// CHECK: if (1 < {{.*}}) {
// CHECK: ((float *)temporary{{[0-9]+}})[
// CHECK-LABEL: // tanh_reduce_sum_argmax_kernel_1: reduce, 24 points, whose chunks a block combines
// CHECK-NOT: x[
// CHECK-NOT: tanhf(
// CHECK: columns[
// CHECK: best[
// Integer sums wrap. Chunks of packs, whose number follows from the size; a rest of a pack is single elements that
// count once.
// CHECK-LABEL: // reduce_sum_kernel: reduce, 245 chunks of rows, a block each
// CHECK: loadPack<4>(&n_pack[{{.*}}], &n[{{.*}}], [[WHOLE:at.*]]);
// CHECK: const int {{.*}} = ({{.*}} || (e == 0)) ? wrapAdd<int>(
// CHECK: const int [[SUM:.*]] = blockSum<8>(
// CHECK: ((int *)temporary{{[0-9]+}})[{{.*}}] = [[SUM]];
// CHECK-NOT: atomic
// CHECK-LABEL: // reduce_sum_kernel_1: reduce, 1 points, whose chunks a block combines
// CHECK: #pragma unroll 1
// CHECK-NEXT: for ({{.*}} unit =
// Partial results are independent accesses: some of them are under way at once.
// CHECK: #pragma unroll 4
// CHECK-NEXT: for ({{.*}} chunk =
// CHECK: blockSum<8>(
// CHECK: total[0] =
// A row of unknown length is shared out like one of known length.
// CHECK-LABEL: // reduce_max_kernel: reduce, max(1, {{.*}}) chunks of rows, a block each
// CHECK: blockMax<8>(
// CHECK-LABEL: // reduce_max_kernel_1: reduce, 1 points
!m = !sinter.tensor<f32[N, 768]>
!i = !sinter.tensor<i32[1000003]>
!v = !sinter.tensor<f32[N]>
!c = !sinter.tensor<f32[768]>
!k = !sinter.tensor<i64[768]>
!s = !sinter.tensor<i32[]>
!z = !sinter.tensor<f32[]>
func.func @main(%x: !m {sinter.name = "x"}, %n: !i {sinter.name = "n"}, %v: !v {sinter.name = "v"})
    -> (!c {sinter.name = "columns"}, !k {sinter.name = "best"}, !s {sinter.name = "total"}, !z {sinter.name = "largest"}) {
  %0 = sinter.tanh %x : (!m) -> !m
  %1 = sinter.reduce_sum %0 {axes = array<i64: 0>} : (!m) -> !c
  %2 = sinter.argmax %x {axis = 0 : i64} : (!m) -> !k
  %3 = sinter.reduce_sum %n {axes = array<i64: 0>} : (!i) -> !s
  %4 = sinter.reduce_max %v {axes = array<i64: 0>} : (!v) -> !z
  return %1, %2, %3, %4 : !c, !k, !s, !z
}
