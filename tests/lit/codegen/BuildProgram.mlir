// RUN: graph-compile %s --stop-after=planned | FileCheck %s
// Parameters are updated in their own buffer unless somebody still reads the old value.

// CHECK: arena 256 B
func.func @main(%w: !sinter.tensor<f32[64]> {sinter.name = "w", sinter.kind = "parameter"},
                %b: !sinter.tensor<f32[64]> {sinter.name = "b", sinter.kind = "parameter"})
    -> (!sinter.tensor<f32[64]> {sinter.name = "old"}, !sinter.tensor<f32[64]> {sinter.updates = "w"},
        !sinter.tensor<f32[64]> {sinter.updates = "b"}) {
  // In place: the only reader of b is its own update.
  // CHECK-DAG: launch neg (loop) {{.*}}: b b{{$}}
  %nb = sinter.neg %b : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[64]>
  // Not in place: the old w is also an output, and is copied before it is overwritten.
  // CHECK-DAG: launch exp (loop) {{.*}}: w arena[0 +256]
  %nw = sinter.exp %w : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[64]>
  // CHECK: copy w to =old
  // CHECK-NEXT: copy arena[0 +256] to w
  // CHECK-NOT: copy
  return %w, %nw, %nb : !sinter.tensor<f32[64]>, !sinter.tensor<f32[64]>, !sinter.tensor<f32[64]>
}
