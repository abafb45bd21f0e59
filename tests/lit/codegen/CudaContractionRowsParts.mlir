// Few rows and deep k: k is cut, and the launch behind finishes the rows. Tiles need not hold them then: small ones leave more
// blocks. With little k a tile holds whole rows.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=PARTS
// RUN: graph-compile %s --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=PARTS
// RUN: sed 's/8192/96/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=WHOLE
// PARTS: static constexpr int parts = 16;
// PARTS: static constexpr int wholeRows = 0;
// PARTS-NOT: gemmMatrix<64, 256{{.*}}(region);
// PARTS: gemmMatrix<64, 64, 32, 32, 4>(region);
// PARTS: loadParts<
// WHOLE: static constexpr int parts = 1;
// WHOLE: static constexpr int wholeRows = 1;
// WHOLE: gemmMatrix<64, 256, 32, 64, 4>(region);
// WHOLE-NOT: loadParts<{{.*}}>(
!x = !sinter.tensor<f16[16, 8192]>
!w = !sinter.tensor<f16[8192, 256]>
!y = !sinter.tensor<f16[16, 256]>
!m = !sinter.tensor<f16[16]>
func.func @main(%x: !x {sinter.kind = "placeholder", sinter.name = "x"}, %w: !w {sinter.kind = "placeholder", sinter.name = "w"}) -> (!m {sinter.name = "m"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !y
  %1 = sinter.reduce_max %0 {axes = array<i64: 1>} : (!y) -> !m
  return %1 : !m
}
