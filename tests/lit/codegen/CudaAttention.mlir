// RUN: graph-compile %s --emit=cuda --target=cuda:sm_90a | FileCheck %s
// RUN: graph-compile %s --emit=cuda --target=cuda:sm_90a --disable-pass=attention 2>&1 | FileCheck %s --check-prefix=EXPANDED
// Attention of 16-bit floats in three launches, none of which holds the scores: tensor cores, one group
// of keys' heads for three of queries, a causal offset, sizes that are not known. Nothing is added up atomically.
// CHECK-NOT: atomicAdd
// CHECK: {{.*}}: attention, {{.*}} blocks of 128 queries, 64 keys at a time
// CHECK: struct [[FORWARD:[a-z_0-9]+]]_Region {
// CHECK: long long queries() const {
// CHECK-NEXT: const long long L = table[{{[0-9]}}];
// CHECK: long long servedBatch(long long batch) const {
// CHECK-NEXT: quotient(batch, 3)
// CHECK: using Element = Half;
// CHECK: static constexpr int width = 64;
// CHECK: static constexpr bool hasMask = false;
// CHECK: static constexpr bool causal = true;
// CHECK: __launch_bounds__(128, 1) [[FORWARD]](
// CHECK: using Tiles = MatrixTiles<Half, 4, 2, 64>;
// CHECK-NEXT: attentionForward<[[FORWARD]]_Region, Tiles>(
// CHECK: (Half *)region.out, (Tiles::Sum *)region.{{[a-z0-9_]+}});
// CHECK: {{.*}}: attention, {{.*}} blocks of 64 keys, 64 queries at a time
// CHECK: long long queryOfServed(long long served) const {
// CHECK: long long queryOfRepeat(long long repeat) const {
// CHECK: attentionBackward<{{.*}}_Region, Tiles, /*rowsAreQueries=*/false, /*makesSlopes=*/true, /*makesWeighted=*/true>(
// CHECK: (Half *)region.dk, (Half *)region.dv);
// CHECK: {{.*}}: attention, {{.*}} blocks of 64 queries, 64 keys at a time
// CHECK: attentionBackward<{{.*}}_Region, Tiles, /*rowsAreQueries=*/true, /*makesSlopes=*/true, /*makesWeighted=*/false>(
// CHECK: (Half *)region.dq, (Half *)nullptr);
// CHECK-NOT: __global__
// EXPANDED-NOT: attentionForward
// EXPANDED: : contraction, 
// EXPANDED-NOT: attentionBackward
!q = !sinter.tensor<f16[N, 3, L, 64]>
!k = !sinter.tensor<f16[N, 1, S, 64]>
!row = !sinter.tensor<f32[N, 3, L]>
func.func @main(%q: !q {sinter.name = "q"}, %k: !k {sinter.name = "k"}, %v: !k {sinter.name = "v"},
                %delta: !row {sinter.name = "delta"}, %dout: !q {sinter.name = "dout"})
    -> (!q {sinter.name = "out"}, !q {sinter.name = "dq"}, !k {sinter.name = "dk"}, !k {sinter.name = "dv"}) {
  %y, %lse = sinter.attention %q, %k, %v {scale = 0.125 : f64, causal = [2]} : (!q, !k, !k) -> (!q, !row)
  %g:3 = sinter.attention_backward %q, %k, %v, %lse, %delta, %dout {scale = 0.125 : f64, causal = [2]} : (!q, !k, !k, !row, !row, !q) -> (!q, !k, !k)
  return %y, %g#0, %g#1, %g#2 : !q, !q, !k, !k
}
