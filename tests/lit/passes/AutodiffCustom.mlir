// RUN: sinter-opt %s --sinter-autodiff --split-input-file --verify-diagnostics | FileCheck %s

// The region stands in for the derivative, with what it captures; y's own is not asked for.
// CHECK-LABEL: @takes_the_region
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[C:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[Y:.*]] = sinter.exp %[[X]]
// CHECK: %[[Z:.*]] = sinter.neg %[[Y]]
// CHECK: %[[N:.*]] = sinter.neg %[[DY]]
// CHECK: %[[G:.*]] = sinter.mul %[[N]], %[[C]]
// CHECK-NOT: {{gradient|sinter.mul}}
// CHECK: return %[[Z]], %[[G]]
func.func @takes_the_region(%x: !sinter.tensor<f32[]>, %c: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) {
  %y = sinter.exp %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    %m = sinter.mul %d, %c : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    sinter.yield %m : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %z = sinter.neg %w : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %z wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %z, %g : !sinter.tensor<f32[]>, !sinter.tensor<f32[]>
}

// -----

// CHECK-LABEL: @is_its_y_without_a_gradient
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>)
// CHECK-NEXT: return %[[X]]
func.func @is_its_y_without_a_gradient(%x: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %w = sinter.with_gradient %x wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    %m = sinter.neg %d : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    sinter.yield %m : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %w : !sinter.tensor<f32[]>
}

// -----

// An op without derivative behind y is no obstacle, and what only y depends on has gradient zero.
// CHECK-LABEL: @no_gradient_flows_to_y
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[P:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[ZERO:.*]] = sinter.full 0.0
// CHECK: return %[[DY]], %[[ZERO]]
func.func @no_gradient_flows_to_y(%x: !sinter.tensor<f32[]>, %p: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) {
  %s = sinter.mul %x, %p : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %b = sinter.bitcast %s : (!sinter.tensor<f32[]>) -> !sinter.tensor<i32[]>
  %y = sinter.bitcast %b : (!sinter.tensor<i32[]>) -> !sinter.tensor<f32[]>
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    sinter.yield %d : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g:2 = sinter.gradients %w wrt %x, %p seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>)
  return %g#0, %g#1 : !sinter.tensor<f32[]>, !sinter.tensor<f32[]>
}

// -----

// The region is differentiated in its turn, by what it captures.
// CHECK-LABEL: @second_derivative_of_the_region
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: sinter.sin %[[X]]
// CHECK: %[[C:.*]] = sinter.cos %[[X]]
// CHECK: %[[H:.*]] = sinter.mul %{{.*}}, %[[C]]
// CHECK-NOT: {{gradients|with_gradient}}
// CHECK: return %[[H]]
func.func @second_derivative_of_the_region(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %w = sinter.with_gradient %x wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    %s = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    %m = sinter.mul %d, %s : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    sinter.yield %m : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %w wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %h = sinter.gradients %g wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %h : !sinter.tensor<f32[]>
}

// -----

// A derivative inside of the region is expanded where the region is used, with the values there.
// CHECK-LABEL: @derivatives_inside_of_the_region
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[DY:.*]]: !sinter.tensor<f32[]>)
// CHECK: sinter.sin %[[X]]
// CHECK: %[[C:.*]] = sinter.cos %[[X]]
// CHECK: %[[G:.*]] = sinter.mul %[[DY]], %[[C]]
// CHECK-NOT: {{gradients|with_gradient}}
// CHECK: return %[[G]]
func.func @derivatives_inside_of_the_region(%x: !sinter.tensor<f32[]>, %dy: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %w = sinter.with_gradient %x wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    %s = sinter.sin %x : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    %m = sinter.gradients %s wrt %x seed %d : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
    sinter.yield %m : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %g = sinter.gradients %w wrt %x seed %dy : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %g : !sinter.tensor<f32[]>
}

// -----

// A tangent that does not reach xs goes by: y counts as constant.
// CHECK-LABEL: @a_tangent_that_goes_by
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[]>, %[[P:.*]]: !sinter.tensor<f32[]>, %[[V:.*]]: !sinter.tensor<f32[]>)
// CHECK: %[[T:.*]] = sinter.mul %[[V]], %[[X]]
// CHECK: return %[[T]]
func.func @a_tangent_that_goes_by(%x: !sinter.tensor<f32[]>, %p: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  %w = sinter.with_gradient %x wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    sinter.yield %d : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %y = sinter.mul %w, %p : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  %t = sinter.jvp %y wrt %p along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}

// -----

func.func @has_no_forward_mode(%x: !sinter.tensor<f32[]>, %v: !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]> {
  // expected-error @+1 {{'sinter.with_gradient' op has no derivative: a custom gradient has no forward mode}}
  %w = sinter.with_gradient %x wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    sinter.yield %d : !sinter.tensor<f32[]>
  } : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  // expected-note @+1 {{the tangent asked for here goes through it}}
  %t = sinter.jvp %w wrt %x along %v : (!sinter.tensor<f32[]>, !sinter.tensor<f32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return %t : !sinter.tensor<f32[]>
}
