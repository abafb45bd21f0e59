// Which kernel a contraction becomes: by dtype, sizes, strides and architecture alone.

// Tensor cores multiply 16-bit floats: by wgmma where the copy engine can read both operands, and only on sm_90a.
// RUN: sed 's/DTYPE/bf16/g; s/M_/N/g; s/K_/768/g; s/N_/3072/g' %s | graph-compile - --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=HOPPER
// HOPPER: typedef Brain Multiplied;
// HOPPER: const __grid_constant__ TensorMap aMap,
// HOPPER-NEXT: const __grid_constant__ TensorMap bMap,
// HOPPER-NEXT: const __grid_constant__ Sizes sizes, long long *status) {
// HOPPER: gemmHopper<{{[0-9]+, [0-9]+}}, 1>(region, &aMap, &bMap);
// Where there are blocks enough, two that stand above each other share the right operand.
// RUN: sed 's/DTYPE/f16/g; s/M_/8192/g; s/K_/8192/g; s/N_/8192/g' %s | graph-compile - --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=PAIR
// PAIR: gemmHopper<256, {{[0-9]+}}, 2>(region, &aMap, &bMap);
// RUN: sed 's/DTYPE/bf16/g; s/M_/N/g; s/K_/768/g; s/N_/3072/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=MATRIX
// RUN: sed 's/DTYPE/bf16/g; s/M_/N/g; s/K_/768/g; s/N_/3072/g' %s | graph-compile - --target=cuda:sm_90 --emit=cuda | FileCheck %s --check-prefix=MATRIX
// RUN: sed 's/DTYPE/bf16/g; s/M_/N/g; s/K_/768/g; s/N_/3072/g' %s | graph-compile - --target=cuda:sm_100 --emit=cuda | FileCheck %s --check-prefix=MATRIX
// MATRIX: typedef Brain Multiplied;
// MATRIX: static constexpr int aPack = 8;
// MATRIX: static constexpr int bPack = 8;
// MATRIX-NOT: gemmHopper<{{.*}}(region
// MATRIX: gemmMatrix<{{.*}}>(region);

// Rows of 77 elements do not begin at 16-byte boundaries: neither the copy engine nor asynchronous copies
// read them.
// RUN: sed 's/DTYPE/f16/g; s/M_/100/g; s/K_/77/g; s/N_/512/g' %s | graph-compile - --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=ODD
// ODD-NOT: TensorMap aMap
// ODD: static constexpr int aPack = 0;
// ODD: static constexpr int bPack = 8;
// ODD: gemmMatrix<{{.*}}>(region);

// f32 is exact, unless tf32 is asked for.
// RUN: sed 's/DTYPE/f32/g; s/M_/1024/g; s/K_/1024/g; s/N_/1024/g' %s | graph-compile - --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=EXACT
// EXACT-NOT: Multiplied;
// EXACT: gemmSimt<{{.*}}>(region);
// RUN: sed 's/DTYPE/f32/g; s/M_/1024/g; s/K_/1024/g; s/N_/1024/g' %s | graph-compile - --target=cuda:sm_90a --tf32 --emit=cuda | FileCheck %s --check-prefix=TF32
// TF32: typedef float Multiplied;
// TF32: gemmMatrix<{{.*}}>(region);
// RUN: sed 's/DTYPE/f64/g; s/M_/1024/g; s/K_/1024/g; s/N_/1024/g' %s | graph-compile - --target=cuda:sm_90a --tf32 --emit=cuda | FileCheck %s --check-prefix=EXACT

// At most 8 vectors: the matrix is read once, along its rows.
// RUN: sed 's/DTYPE/f32/g; s/M_/8/g; s/K_/4096/g; s/N_/4096/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=FEW
// FEW: gemvColumns<false, 8, 8>(region);
// RUN: sed 's/DTYPE/f32/g; s/M_/4096/g; s/K_/4096/g; s/N_/2/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=ROWS
// ROWS: gemvRows<true, 2>(region);
// RUN: sed 's/DTYPE/f32/g; s/M_/9/g; s/K_/4096/g; s/N_/4096/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=NINE
// NINE-NOT: gemv{{[A-Z].*}}(region);
// NINE: gemmSimt<{{.*}}>(region);

// A small result of long k: parts of k, added in order by a second kernel, which does what follows. One of many
// blocks has none.
// RUN: sed 's/DTYPE/f32/g; s/M_/64/g; s/K_/8192/g; s/N_/64/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=PARTS
// PARTS: static constexpr int parts = [[PARTS:[0-9]+]];
// PARTS: storePack<V>((Sum *){{.*}} + ((part * batches() + batch)
// PARTS: gemmSimt<{{.*}}>(region);
// PARTS: static constexpr int parts = [[PARTS]];
// PARTS: addParts(region);
// RUN: sed 's/DTYPE/f32/g; s/M_/2048/g; s/K_/8192/g; s/N_/2048/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=WHOLE
// WHOLE: static constexpr int parts = 1;
// WHOLE-NOT: addParts(region);

// Small matrices, and hardly any k: a thread has a few sums. Longer sums are shared out.
// RUN: sed 's/DTYPE/f32/g; s/M_/16/g; s/K_/64/g; s/N_/16/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=TINY
// RUN: sed 's/DTYPE/f32/g; s/M_/4096/g; s/K_/2/g; s/N_/4096/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=TINY
// TINY: gemmTiny(region);
// RUN: sed 's/DTYPE/f32/g; s/M_/16/g; s/K_/65/g; s/N_/16/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=TILED
// TILED-NOT: gemmTiny(region);
// TILED: gemmSimt<32, 32, {{.*}}>(region);
func.func @main(%x: !sinter.tensor<DTYPE[M_, K_]> {sinter.name = "x"}, %w: !sinter.tensor<DTYPE[K_, N_]> {sinter.name = "w"})
    -> (!sinter.tensor<DTYPE[M_, N_]> {sinter.name = "y"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<DTYPE[M_, K_]>, !sinter.tensor<DTYPE[K_, N_]>) -> !sinter.tensor<DTYPE[M_, N_]>
  return %0 : !sinter.tensor<DTYPE[M_, N_]>
}
