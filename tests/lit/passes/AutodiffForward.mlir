// RUN: sinter-opt %s --sinter-autodiff --split-input-file --verify-diagnostics | FileCheck %s
// RUN: sinter-opt %s --sinter-autodiff --split-input-file --verify-diagnostics --mlir-print-debuginfo | FileCheck %s --check-prefix=LOC

// CHECK-LABEL: @expands_a_chain
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[N]>, %[[V:.*]]: !sinter.tensor<f32[N]>)
// CHECK: %[[Y:.*]] = sinter.exp %[[X]]
// CHECK: %[[Z:.*]] = sinter.sin %[[Y]]
// CHECK: %[[D:.*]] = sinter.mul %[[V]], %[[Y]]
// CHECK: %[[C:.*]] = sinter.cos %[[Y]]
// CHECK: %[[T:.*]] = sinter.mul %[[D]], %[[C]]
// CHECK-NOT: sinter.jvp
// CHECK: return %[[T]]
func.func @expands_a_chain(%x: !sinter.tensor<f32[N]>, %v: !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]> {
  %y = sinter.exp %x : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %z = sinter.sin %y : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %t = sinter.jvp %z wrt %x along %v : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return %t : !sinter.tensor<f32[N]>
}

// -----

// CHECK-LABEL: @adds_up_operands
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[A:.*]] = sinter.mul %[[V]], %[[X]]
// CHECK: %[[B:.*]] = sinter.mul %[[V]], %[[X]]
// CHECK: %[[T:.*]] = sinter.add %[[A]], %[[B]]
// CHECK: return %[[T]]
func.func @adds_up_operands(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.mul %x, %x : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}

// -----

// Only w moves: nothing is built for x, for the ops before w, or for those behind y.
// CHECK-LABEL: @skips_what_does_not_move
// CHECK: sinter.sin
// CHECK: sinter.dot_general
// CHECK: sinter.tanh
// CHECK-NOT: sinter.cos
// CHECK-NOT: sinter.full
// CHECK-COUNT-1: sinter.dot_general
// CHECK-NOT: sinter.{{[a-z_]+ %}}
// CHECK: return
func.func @skips_what_does_not_move(%x: !sinter.tensor<f32[N, 3]>, %w: !sinter.tensor<f32[3, 4]>, %v: !sinter.tensor<f32[3, 4]>) -> (!sinter.tensor<f32[N, 4]>, !sinter.tensor<f32[N, 4]>) {
  %s = sinter.sin %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %y = sinter.dot_general %s, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  %z = sinter.tanh %y : (!sinter.tensor<f32[N, 4]>) -> !sinter.tensor<f32[N, 4]>
  %t = sinter.jvp %y wrt %w along %v : (!sinter.tensor<f32[N, 4]>, !sinter.tensor<f32[3, 4]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return %t, %z : !sinter.tensor<f32[N, 4]>, !sinter.tensor<f32[N, 4]>
}

// -----

// CHECK-LABEL: @gives_zero_without_a_path
// CHECK: %[[T:.*]] = sinter.full 0.000000e+00 : f64 : !sinter.tensor<f64[]>
// CHECK: return %[[T]]
func.func @gives_zero_without_a_path(%x: !sinter.tensor<f32[N]>, %y: !sinter.tensor<f64[]>, %v: !sinter.tensor<f32[N]>) -> !sinter.tensor<f64[]> {
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f64[]>
  return %t : !sinter.tensor<f64[]>
}

// -----

// CHECK-LABEL: @stops_at_stop_gradient
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[S:.*]] = sinter.stop_gradient %[[X]]
// CHECK: %[[T:.*]] = sinter.mul %[[V]], %[[S]]
// CHECK: return %[[T]]
func.func @stops_at_stop_gradient(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %s = sinter.stop_gradient %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %y = sinter.mul %s, %x : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}

// -----

// h moves by its own tangent and with x; y may be an x itself.
// CHECK-LABEL: @an_x_that_depends_on_another
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>, %[[W:.*]]: !sinter.tensor<f32[]>)
// CHECK: sinter.neg %[[X]]
// CHECK: %[[N:.*]] = sinter.neg %[[V]]
// CHECK: %[[T:.*]] = sinter.add %[[W]], %[[N]]
// CHECK: return %[[T]], %[[V]]
func.func @an_x_that_depends_on_another(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>, %w: !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) {
  %h = sinter.neg %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t:2 = sinter.jvp %h, %x wrt %x, %h along %v, %w : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>)
  return %t#0, %t#1 : !sinter.tensor<f32[]>, !sinter.tensor<f32[]>
}

// -----

// Each nesting gives -v * w * sin x.
// CHECK-LABEL: @forward_over_reverse
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>, %[[W:.*]]: !sinter.tensor<f32[]>)
// CHECK-NOT: {{gradients|jvp}}
// CHECK: sinter.sin %[[X]]
// CHECK: sinter.cos %[[X]]
// CHECK: %[[S:.*]] = sinter.sin %[[X]]
// CHECK: sinter.mul %{{.*}}, %[[S]]
// CHECK: return
func.func @forward_over_reverse(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>, %w: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %w : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %h = sinter.jvp %g wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %h : !sinter.tensor<f32[]>
}

// CHECK-LABEL: @reverse_over_forward
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>, %[[W:.*]]: !sinter.tensor<f32[]>)
// CHECK-NOT: {{gradients|jvp}}
// CHECK: sinter.sin %[[X]]
// CHECK: sinter.cos %[[X]]
// CHECK: %[[S:.*]] = sinter.sin %[[X]]
// CHECK: sinter.mul %{{.*}}, %[[S]]
// CHECK: return
func.func @reverse_over_forward(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>, %w: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %h = sinter.gradients %t wrt %x seed %w : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %h : !sinter.tensor<f32[]>
}

// CHECK-LABEL: @forward_over_forward
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>, %[[W:.*]]: !sinter.tensor<f32[]>)
// CHECK-NOT: {{gradients|jvp}}
// CHECK: sinter.sin %[[X]]
// CHECK: sinter.cos %[[X]]
// CHECK: %[[S:.*]] = sinter.sin %[[X]]
// CHECK: sinter.mul %{{.*}}, %[[S]]
// CHECK: return
func.func @forward_over_forward(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>, %w: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %h = sinter.jvp %t wrt %x along %w : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %h : !sinter.tensor<f32[]>
}

// -----

// An index beside the path is no obstacle.
// CHECK-LABEL: @takes_indices_beside_a_path
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[2, 3]>, %[[V:.*]]: !sinter.tensor<f32[2, 3]>)
// CHECK: %[[I:.*]] = sinter.argmax %[[X]]
// CHECK: %[[T:.*]] = sinter.pick %[[V]], %[[I]]
// CHECK: return %[[T]]
func.func @takes_indices_beside_a_path(%x: !sinter.tensor<f32[2, 3]>, %v: !sinter.tensor<f32[2, 3]>) -> !sinter.tensor<f32[2]> {
  %i = sinter.argmax %x {axis = 1 : i64} : (!sinter.tensor<f32[2, 3]>) -> !sinter.tensor<i64[2]>
  %y = sinter.pick %x, %i : (!sinter.tensor<f32[2, 3]>, !sinter.tensor<i64[2]>) -> !sinter.tensor<f32[2]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2, 3]>, !sinter.tensor<f32[2, 3]>) -> !sinter.tensor<f32[2]>
  return %t : !sinter.tensor<f32[2]>
}

// -----

// bitcast looks at bits, but the tangent does not reach it.
// CHECK-LABEL: @an_op_that_the_tangent_does_not_reach
// CHECK: sinter.bitcast
// CHECK: return %{{.*}}
func.func @an_op_that_the_tangent_does_not_reach(%x: !sinter.tensor<f32[]>, %i: !sinter.tensor<i32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %s = sinter.stop_gradient %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %b = sinter.bitcast %s : (!sinter.tensor<f32[]>) -> !sinter.tensor<i32[]>
  %c = sinter.bitcast %b : (!sinter.tensor<i32[]>) -> !sinter.tensor<f32[]>
  %y = sinter.mul %c, %x : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}

// -----

func.func @refuses_a_path_of_indices_only(%x: !sinter.tensor<f32[3]>, %v: !sinter.tensor<f32[3]>) -> !sinter.tensor<f32[]> {
  // expected-error @+1 {{'sinter.argmax' op has no derivative: its result is an index}}
  %i = sinter.argmax %x {axis = 0 : i64} : (!sinter.tensor<f32[3]>) -> !sinter.tensor<i64[]>
  %y = sinter.cast %i : (!sinter.tensor<i64[]>) -> !sinter.tensor<f32[]>
  // expected-note @+1 {{the tangent asked for here goes through it}}
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[3]>, !sinter.tensor<f32[3]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}

// -----

// Where the gradient goes depends on x, through an index only: no mistake, and zero.
// CHECK-LABEL: @a_gradient_that_depends_on_an_index
// CHECK: sinter.select
// CHECK: %[[ZERO:.*]] = sinter.full 0.0{{.*}} : f32 : !sinter.tensor<f32[2, 3]>
// CHECK: return %[[ZERO]]
func.func @a_gradient_that_depends_on_an_index(%x: !sinter.tensor<f32[2, 3]>, %v: !sinter.tensor<f32[2, 3]>, %dy: !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2, 3]> {
  %i = sinter.argmax %x {axis = 1 : i64} : (!sinter.tensor<f32[2, 3]>) -> !sinter.tensor<i64[2]>
  %y = sinter.pick %x, %i : (!sinter.tensor<f32[2, 3]>, !sinter.tensor<i64[2]>) -> !sinter.tensor<f32[2]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2, 3]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2, 3]>
  %h = sinter.jvp %g wrt %x along %v : (!sinter.tensor<f32[2, 3]>, !sinter.tensor<f32[2, 3]>, !sinter.tensor<f32[2, 3]>) -> !sinter.tensor<f32[2, 3]>
  return %h : !sinter.tensor<f32[2, 3]>
}

// -----

// LOC-LABEL: @keeps_the_users_line
// LOC: sinter.mul {{.*}} loc(#[[TANGENT:.*]])
// LOC: return
// LOC-DAG: #[[LINE:.*]] = loc("model.cpp":7:3)
// LOC-DAG: #[[TANGENT]] = loc("tangent of exp"(#[[LINE]]))
func.func @keeps_the_users_line(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.exp %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> loc("model.cpp":7:3)
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}
