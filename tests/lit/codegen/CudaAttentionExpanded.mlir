// RUN: graph-compile %s --emit=cuda --target=cuda:sm_90a | FileCheck %s
// No kernel of attention for one query, and none for rows wider than 256: they are written out in products.
// CHECK-NOT: attentionForward
// CHECK-DAG: : contraction
// CHECK-DAG: expf(
// CHECK-NOT: attentionForward
!one = !sinter.tensor<f32[8, 1, 64]>
!all = !sinter.tensor<f32[8, 100, 64]>
!first = !sinter.tensor<f32[8, 1]>
!wide = !sinter.tensor<f32[2, 100, 272]>
!rows = !sinter.tensor<f32[2, 100]>
func.func @main(%q: !one {sinter.name = "q"}, %k: !all {sinter.name = "k"}, %w: !wide {sinter.name = "w"})
    -> (!one {sinter.name = "y"}, !wide {sinter.name = "z"}) {
  %y, %a = sinter.attention %q, %k, %k {scale = 0.125 : f64} : (!one, !all, !all) -> (!one, !first)
  %z, %b = sinter.attention %w, %w, %w {scale = 0.125 : f64} : (!wide, !wide, !wide) -> (!wide, !rows)
  return %y, %z : !one, !wide
}
