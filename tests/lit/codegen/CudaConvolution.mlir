// A convolution is a product of matrices in the prelude; sizes, strides and what follows the sums are a struct.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: sed 's/f32/bf16/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefixes=CHECK,MATRIX
// f32 is multiplied exactly: no units for matrices.
// EXACT-NOT: convolveMatrix<{{.*}}(region);
// MATRIX-NOT: convolveTiles<{{.*}}(region);
// CHECK: struct [[NAME:.*]]_Region {
// CHECK: tanhf(
// EXACT: using Element = float;
// MATRIX: using Element = Brain;
// CHECK: using Sum = float;
// CHECK: static constexpr int stride(int d) { return d == 0 ? 2 : 1; }
// CHECK: int low(int d) const { return d == 0 ? (int)low0() : (int)low1(); }
// CHECK: __global__ void {{.*}} [[NAME]](
// EXACT: convolveTiles<ConvolveToY, 64>(region);
// MATRIX: convolveMatrix<ConvolveToY, 64>(region);
// The batch has a name: there is one part of the depth, and one launch.
// CHECK-NOT: convolutionCombine(region)
!x = !sinter.tensor<f32[N, 8, 20, 9]>
!w = !sinter.tensor<f32[40, 8, 3, 3]>
!y = !sinter.tensor<f32[N, 40, 10, 9]>
func.func @main(%x: !x {sinter.name = "x"}, %w: !w {sinter.name = "w"}) -> (!y {sinter.name = "y"}) {
  %0 = sinter.convolution %x, %w {part = "y", low = [1, 1], strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !w) -> !y
  %1 = sinter.tanh %0 : (!y) -> !y
  return %1 : !y
}
