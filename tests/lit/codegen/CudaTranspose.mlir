// RUN: graph-compile %s --emit=cuda | FileCheck %s
// What lies along another dim goes through a tile in shared memory: lanes run along x's memory while it is filled, and
// along z's while it is read. Rows of the tile are 33 long: no two lanes meet in a bank.
// CHECK-LABEL: // transpose_add_kernel: loop, {{.*}} tiles of 32 by 32, a block each
// CHECK: const int [[LANE:lane]] = modulo(thread(), 32);
// CHECK-NEXT: const int line = quotient(thread(), 32);
// CHECK: __shared__ {{.*}}x_tile[1056];
// CHECK-NEXT: __syncthreads();
// CHECK: const long long [[ALONG:at.*]] = {{.*}} + [[LANE]];
// CHECK: x[{{.*}} + [[ALONG]])];
// CHECK: x_tile[({{.*}} * 33) + [[LANE]]] =
// CHECK: __syncthreads();
// CHECK: = x_tile[([[LANE]] * 33) + {{.*}}];
// CHECK: = y[[[FLAT:at.*]]];
// CHECK: z[[[FLAT]]] =
// Few neighbours are no reason for tiles, nor are broadcasts: the lanes read one element together.
// CHECK-LABEL: // transpose_exp_kernel: loop
// CHECK-NOT: _tile
// CHECK-LABEL: // mul_kernel: loop
// CHECK-NOT: _tile
!m = !sinter.tensor<f32[B, 70, N]>
!t = !sinter.tensor<f32[B, N, 70]>
!n = !sinter.tensor<f32[N, 3]>
!w = !sinter.tensor<f32[3, N]>
!v = !sinter.tensor<f32[N]>
!s = !sinter.tensor<f32[N, 64]>
func.func @main(%x: !m {sinter.name = "x"}, %y: !t {sinter.name = "y"}, %n: !n {sinter.name = "n"}, %v: !v {sinter.name = "v"},
                %s: !s {sinter.name = "s"}) -> (!t {sinter.name = "z"}, !w {sinter.name = "w"}, !s {sinter.name = "p"}) {
  %0 = sinter.transpose %x {permutation = array<i64: 0, 2, 1>} : (!m) -> !t
  %1 = sinter.add %0, %y : (!t, !t) -> !t
  %2 = sinter.transpose %n {permutation = array<i64: 1, 0>} : (!n) -> !w
  %3 = sinter.exp %2 : (!w) -> !w
  %4 = sinter.broadcast %v {dimensions = array<i64: 0>} : (!v) -> !s
  %5 = sinter.mul %s, %4 : (!s, !s) -> !s
  return %1, %3, %5 : !t, !w, !s
}
