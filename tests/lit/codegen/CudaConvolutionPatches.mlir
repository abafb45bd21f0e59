// Many channels of 16 bits at known places: what taps of neighbouring places read together is a patch in shared memory, and
// weights are brought into the order of the taps by a launch before. The gradient of the weights needs no such launch.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=PATCHES
// Without their sizes, with few channels, or exactly: no patches.
// RUN: sed 's/, 20, 16\]>/, H, 16]>/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// RUN: sed 's/16\[2, 48,/16[2, 12,/g; s/16\[40, 48,/16[10, 12,/g; s/16\[2, 40,/16[2, 10,/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// RUN: sed 's/bf16/f32/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NONE
// NONE-NOT: convolvePatches{{[^_]*}}(region);
// NONE-NOT: convolutionPrepare<{{.*}}(region);
// NONE: {{convolve(Matrix|Tiles)<ConvolveToY.*}}(region);
// NONE: {{convolve(Matrix|Tiles)<ConvolveToX.*}}(region);
// NONE: {{convolve(Matrix|Tiles)<ConvolveToW.*}}(region);
// NONE-NOT: convolvePatches{{[^_]*}}(region);

// PATCHES: convolutionPrepare<PatchToY>(region);
// 128 places of rows of 16, two rows of 16 and two places: 162.
// PATCHES: static constexpr int patch = 256;
// PATCHES: static constexpr int patchBefore = 0;
// PATCHES: static constexpr int patchPairs = 1;
// PATCHES: convolvePatches<PatchToY, 64, 4>(region);
// PATCHES: convolutionPrepare<PatchToX>(region);
// Taps go backwards.
// PATCHES: static constexpr int patchBefore = 34;
// PATCHES: convolvePatches<PatchToX, 64, 4>(region);
// PATCHES-NOT: convolutionPrepare<
// 64 places: 98.
// PATCHES: static constexpr int patch = 128;
// PATCHES: convolvePatchesToW<64>(region);
!x = !sinter.tensor<bf16[2, 48, 20, 16]>
!w = !sinter.tensor<bf16[40, 48, 3, 3]>
!y = !sinter.tensor<bf16[2, 40, 20, 16]>
func.func @main(%x: !x {sinter.name = "x"}, %w: !w {sinter.name = "w"}, %y: !y {sinter.name = "y"}) -> (!y {sinter.name = "a"}, !x {sinter.name = "b"}, !w {sinter.name = "c"}) {
  %0 = sinter.convolution %x, %w {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !w) -> !y
  %1 = sinter.convolution %w, %y {part = "x", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!w, !y) -> !x
  %2 = sinter.convolution %x, %y {part = "w", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!x, !y) -> !w
  return %0, %1, %2 : !y, !x, !w
}
