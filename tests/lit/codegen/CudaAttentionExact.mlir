// RUN: graph-compile %s --emit=cuda --target=cuda:sm_80 | FileCheck %s
// Floats are multiplied exactly, not on tensor cores; results that nobody reads are not computed: one
// launch gives the gradient of v, and lse is not written.
// CHECK-NOT: MatrixTiles
// CHECK: struct [[FORWARD:[a-z_0-9]+]]_Region {
// CHECK: long long maskBatch(long long batch) const {
// CHECK: long long maskRow() const {
// CHECK-NEXT: return 0;
// CHECK: long long maskColumn() const {
// CHECK-NEXT: return 1;
// CHECK: static constexpr bool hasMask = true;
// CHECK-NEXT: static constexpr bool addsMask = false;
// CHECK: static constexpr bool strictRows = true;
// CHECK: using Tiles = ScalarTiles<float, 8, {{[0-9]+}}, {{[0-9]+}}>;
// CHECK: (const unsigned char *)region.seen, (float *)region.out, (Tiles::Sum *)nullptr);
// CHECK: attentionBackward<{{.*}}, /*rowsAreQueries=*/false, /*makesSlopes=*/false, /*makesWeighted=*/true>(
// CHECK: (float *)nullptr, (float *)region.dv);
// CHECK-NOT: __global__
!m = !sinter.tensor<f32[4, 50, 40]>
!row = !sinter.tensor<f32[4, 50]>
!seen = !sinter.tensor<i1[4, 1, 50]>
func.func @main(%q: !m {sinter.name = "q"}, %seen: !seen {sinter.name = "seen"}, %lse: !row {sinter.name = "lse"},
                %dout: !m {sinter.name = "dout"}) -> (!m {sinter.name = "out"}, !m {sinter.name = "dv"}) {
  %y, %own = sinter.attention %q, %q, %q, %seen {scale = 1.0 : f64, strictRows} : (!m, !m, !m, !seen) -> (!m, !row)
  %g:3 = sinter.attention_backward %q, %q, %q, %lse, %lse, %dout {scale = 1.0 : f64} : (!m, !m, !m, !row, !row, !m) -> (!m, !m, !m)
  return %y, %g#2 : !m, !m
}
