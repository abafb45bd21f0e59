// One tap that moves nothing, 16 bits, rows that begin at 16 bytes: the kernel of matrix products, a batch per image. The
// gradient of the weights adds up over images, which is none.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s
// With steps, padding, odd rows or exactly: not so.
// RUN: sed 's/28, 28\]/28, 27]/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// RUN: sed 's/low = \[0, 0\]/low = [1, 0]/; s/bf16\[32, 80, 28, 28\]/bf16[32, 80, 29, 28]/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// RUN: sed 's/bf16/f32/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// NONE-NOT: gemmMatrix<{{[^>]*}}>(region);
// NONE: convolve{{.*}}(region);
// NONE-NOT: gemmMatrix<{{[^>]*}}>(region);

// CHECK: tanhf(
// CHECK: typedef Brain Multiplied;
// CHECK: static constexpr int aAlongK = 1;
// CHECK: gemmMatrix<128, 128, 64, 32, 4>(region);
// CHECK: static constexpr int aAlongK = 0;
// CHECK: gemmMatrix<64, 64, 32, 32, 4>(region);
// CHECK: convolvePatchesToW<
!x = !sinter.tensor<bf16[32, 64, 28, 28]>
!w = !sinter.tensor<bf16[80, 64, 1, 1]>
!y = !sinter.tensor<bf16[32, 80, 28, 28]>
func.func @main(%x: !x {sinter.name = "x"}, %w: !w {sinter.name = "w"}, %y: !y {sinter.name = "y"}) -> (!y {sinter.name = "a"}, !x {sinter.name = "b"}, !w {sinter.name = "c"}) {
  %0 = sinter.convolution %x, %w {part = "y", low = [0, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !w) -> !y
  %1 = sinter.tanh %0 : (!y) -> !y
  %2 = sinter.convolution %w, %y {part = "x", low = [0, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!w, !y) -> !x
  %3 = sinter.convolution %x, %y {part = "w", low = [0, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !y) -> !w
  return %1, %2, %3 : !y, !x, !w
}
