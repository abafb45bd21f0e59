// With one channel in a group there is no product of matrices: a thread per element.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s
// CHECK-NOT: convolveTiles<{{.*}}(region);
// CHECK: convolveDirect<ConvolveToX>(region);
!x = !sinter.tensor<f32[N, 8, 20, 9]>
!w = !sinter.tensor<f32[8, 1, 3, 3]>
!y = !sinter.tensor<f32[N, 8, 20, 9]>
func.func @main(%w: !w {sinter.name = "w"}, %y: !y {sinter.name = "y"}) -> (!x {sinter.name = "x"}) {
  %0 = sinter.convolution %w, %y {part = "x", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64} : (!w, !y) -> !x
  return %0 : !x
}
