// RUN: sinter-opt %s --sinter-autodiff --split-input-file --verify-diagnostics | FileCheck %s
// RUN: sinter-opt %s --sinter-autodiff --split-input-file --verify-diagnostics --mlir-print-debuginfo | FileCheck %s --check-prefix=LOC

// CHECK-LABEL: @expands_a_chain
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[N]>, %[[DY:.*]]: !sinter.tensor<f32[N]>)
// CHECK: %[[Y:.*]] = sinter.exp %[[X]]
// CHECK: %[[Z:.*]] = sinter.sin %[[Y]]
// CHECK: %[[C:.*]] = sinter.cos %[[Y]]
// CHECK: %[[D:.*]] = sinter.mul %[[DY]], %[[C]]
// CHECK: %[[G:.*]] = sinter.mul %[[D]], %[[Y]]
// CHECK-NOT: sinter.gradients
// CHECK: return %[[G]]
func.func @expands_a_chain(%x: !sinter.tensor<f32[N]>, %dy: !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]> {
  %y = sinter.exp %x : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %z = sinter.sin %y : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %g = sinter.gradients %z wrt %x seed %dy : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return %g : !sinter.tensor<f32[N]>
}

// -----

// CHECK-LABEL: @adds_up_uses
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[A:.*]] = sinter.mul %[[DY]], %[[X]]
// CHECK: %[[B:.*]] = sinter.mul %[[DY]], %[[X]]
// CHECK: %[[G:.*]] = sinter.add %[[A]], %[[B]]
// CHECK: return %[[G]]
func.func @adds_up_uses(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.mul %x, %x : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// Only w is asked for: nothing is built for x, nor for the part of the graph behind it.
// CHECK-LABEL: @skips_what_nobody_asked_for
// CHECK-COUNT-1: sinter.dot_general
// CHECK-NOT: sinter.cos
// CHECK-COUNT-1: sinter.dot_general
// CHECK-NOT: sinter.dot_general
// CHECK: return
func.func @skips_what_nobody_asked_for(%x: !sinter.tensor<f32[N, 3]>, %w: !sinter.tensor<f32[3, 4]>, %dy: !sinter.tensor<f32[N, 4]>) -> !sinter.tensor<f32[3, 4]> {
  %s = sinter.sin %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %y = sinter.dot_general %s, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  %g = sinter.gradients %y wrt %w seed %dy : (!sinter.tensor<f32[N, 4]>, !sinter.tensor<f32[3, 4]>, !sinter.tensor<f32[N, 4]>) -> !sinter.tensor<f32[3, 4]>
  return %g : !sinter.tensor<f32[3, 4]>
}

// -----

// CHECK-LABEL: @gives_zero_without_a_path
// CHECK: %[[G:.*]] = sinter.full 0.000000e+00 : f64 : !sinter.tensor<f64[N]>
// CHECK: return %[[G]]
func.func @gives_zero_without_a_path(%x: !sinter.tensor<f64[N]>, %y: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f64[N]> {
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f64[N]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f64[N]>
  return %g : !sinter.tensor<f64[N]>
}

// -----

// CHECK-LABEL: @stops_at_stop_gradient
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[S:.*]] = sinter.stop_gradient %[[X]]
// CHECK: %[[G:.*]] = sinter.mul %[[DY]], %[[S]]
// CHECK: return %[[G]]
func.func @stops_at_stop_gradient(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %s = sinter.stop_gradient %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %y = sinter.mul %s, %x : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// The gradient in an inner value stops there, and y itself may be an x.
// CHECK-LABEL: @differentiates_in_inner_values
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[H:.*]] = sinter.exp %[[X]]
// CHECK: %[[Y:.*]] = sinter.neg %[[H]]
// CHECK: %[[G:.*]] = sinter.neg %[[DY]]
// CHECK: return %[[G]], %[[DY]]
func.func @differentiates_in_inner_values(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) {
  %h = sinter.exp %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %y = sinter.neg %h : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g:2 = sinter.gradients %y wrt %h, %y seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>)
  return %g#0, %g#1 : !sinter.tensor<f32[]>, !sinter.tensor<f32[]>
}

// -----

// d(dy * cos x)/dx = -dy * sin x.
// CHECK-LABEL: @expands_gradients_of_gradients
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: sinter.sin %[[X]]
// CHECK: sinter.cos %[[X]]
// CHECK: sinter.mul %[[DY]]
// CHECK: %[[S:.*]] = sinter.sin %[[X]]
// CHECK: %[[G:.*]] = sinter.mul %{{.*}}, %[[S]]
// CHECK: return %[[G]]
func.func @expands_gradients_of_gradients(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %h = sinter.gradients %g wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %h : !sinter.tensor<f32[]>
}

// -----

func.func @refuses_a_path_of_indices_only(%x: !sinter.tensor<f32[3]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[3]> {
  // expected-error @+1 {{'sinter.argmax' op has no derivative: its result is an index}}
  %i = sinter.argmax %x {axis = 0 : i64} : (!sinter.tensor<f32[3]>) -> !sinter.tensor<i64[]>
  %y = sinter.cast %i : (!sinter.tensor<i64[]>) -> !sinter.tensor<f32[]>
  // expected-note @+1 {{the gradient asked for here goes through it}}
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[3]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[3]>
  return %g : !sinter.tensor<f32[3]>
}

// -----

// The comparison picks a branch; the gradient flows through the branches.
// CHECK-LABEL: @takes_comparisons_beside_a_path
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[P:.*]] = sinter.less
// CHECK: sinter.select %[[P]], %[[DY]]
// CHECK: return
func.func @takes_comparisons_beside_a_path(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %z = sinter.full 0.0 : f32 : !sinter.tensor<f32[]>
  %p = sinter.less %x, %z : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<i1[]>
  %y = sinter.select %p, %x, %z : (!sinter.tensor<i1[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// LOC-LABEL: @keeps_the_users_line
// LOC: sinter.mul {{.*}} loc(#[[GRAD:.*]])
// LOC: return
// LOC-DAG: #[[LINE:.*]] = loc("model.cpp":7:3)
// LOC-DAG: #[[GRAD]] = loc("grad of exp"(#[[LINE]]))
func.func @keeps_the_users_line(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %y = sinter.exp %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> loc("model.cpp":7:3)
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// A choice by a comparison has derivative zero; turning it into a number is what hides a mistake.
// CHECK-LABEL: @gives_zero_for_a_choice
// CHECK: %[[G:.*]] = sinter.full 0.000000e+00 : f32 : !sinter.tensor<f32[]>
// CHECK: return %[[G]]
func.func @gives_zero_for_a_choice(%x: !sinter.tensor<f32[]>, %a: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %p = sinter.less %x, %a : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<i1[]>
  %y = sinter.select %p, %a, %dy : (!sinter.tensor<i1[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

func.func @refuses_a_comparison_as_a_number(%x: !sinter.tensor<f32[]>, %a: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  // expected-error @+1 {{'sinter.less' op has no derivative: its result is boolean}}
  %p = sinter.less %x, %a : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<i1[]>
  %y = sinter.cast %p : (!sinter.tensor<i1[]>) -> !sinter.tensor<f32[]>
  // expected-note @+1 {{the gradient asked for here goes through it}}
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// 0 * inf of the branch that is not taken stays 0.
// CHECK-LABEL: @keeps_zeros_of_the_branch_not_taken
// CHECK: %[[Y:.*]] = sinter.sqrt
// CHECK: sinter.select
// CHECK: %[[D:.*]] = sinter.select
// CHECK: %[[G:.*]] = sinter.div %{{.*}}, %[[Y]]
// CHECK: %[[Z:.*]] = sinter.equal %[[D]]
// CHECK: %[[N:.*]] = sinter.not_equal %[[G]], %[[G]]
// CHECK: %[[B:.*]] = sinter.and %[[Z]], %[[N]]
// CHECK: %[[R:.*]] = sinter.select %[[B]], %{{.*}}, %[[G]]
// CHECK: return %[[R]]
func.func @keeps_zeros_of_the_branch_not_taken(%x: !sinter.tensor<f32[2]>, %p: !sinter.tensor<i1[2]>, %dy: !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]> {
  %y = sinter.sqrt %x : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %z = sinter.select %p, %y, %dy : (!sinter.tensor<i1[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %g = sinter.gradients %z wrt %x seed %dy : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return %g : !sinter.tensor<f32[2]>
}

// What a select hands on unchanged needs no guard, nor what no select has made.
// CHECK-LABEL: @guards_nothing_else
// CHECK-NOT: sinter.not_equal
// CHECK: return
func.func @guards_nothing_else(%x: !sinter.tensor<f32[2]>, %p: !sinter.tensor<i1[2]>, %dy: !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]> {
  %n = sinter.neg %x : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %s = sinter.sub %n, %dy : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %z = sinter.select %p, %s, %dy : (!sinter.tensor<i1[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %y = sinter.sqrt %z : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %g = sinter.gradients %y wrt %x seed %dy : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return %g : !sinter.tensor<f32[2]>
}

// A contraction mixes elements.
// CHECK-LABEL: @guards_up_to_a_contraction
// CHECK-NOT: sinter.not_equal
// CHECK: return
func.func @guards_up_to_a_contraction(%x: !sinter.tensor<f32[2]>, %p: !sinter.tensor<i1[]>, %c: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[2]> {
  %y = sinter.sqrt %x : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  %d = sinter.dot_general %y, %y {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 0>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[]>
  %z = sinter.select %p, %d, %c : (!sinter.tensor<i1[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %z wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[2]>
  return %g : !sinter.tensor<f32[2]>
}
