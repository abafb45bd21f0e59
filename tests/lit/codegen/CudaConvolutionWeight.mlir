// The gradient of weights has few elements and a long depth: it is cut into parts, as the sizes say and
// not the device, which a second launch adds up in order; what follows is there.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s
// CHECK: static constexpr int splits = [[PARTS:[0-9]+]];
// CHECK: Sum *partials() const
// CHECK: convolveTiles<ConvolveToW, 64>(region);
// CHECK: elements whose [[PARTS]] parts are added up
// CHECK: expf(
// CHECK: convolutionCombine(region);
!x = !sinter.tensor<f32[64, 8, 20, 20]>
!w = !sinter.tensor<f32[40, 8, 3, 3]>
!y = !sinter.tensor<f32[64, 40, 20, 20]>
func.func @main(%x: !x {sinter.name = "x"}, %y: !y {sinter.name = "y"}) -> (!w {sinter.name = "w"}) {
  %0 = sinter.convolution %x, %y {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !y) -> !w
  %1 = sinter.exp %0 : (!w) -> !w
  return %1 : !w
}
