// RUN: sinter-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @drops_shape_ops_that_change_nothing
// CHECK-SAME: (%[[X:.*]]: !sinter.tensor<f32[N, 1]>)
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]]
func.func @drops_shape_ops_that_change_nothing(%x: !sinter.tensor<f32[N, 1]>) -> (!sinter.tensor<f32[N, 1]>, !sinter.tensor<f32[N, 1]>, !sinter.tensor<f32[N, 1]>) {
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[N, 1]>
  %b = sinter.reshape %x : (!sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[N, 1]>
  %c = sinter.transpose %x {permutation = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[N, 1]>
  return %a, %b, %c : !sinter.tensor<f32[N, 1]>, !sinter.tensor<f32[N, 1]>, !sinter.tensor<f32[N, 1]>
}

// A square transpose keeps the type but not the elements.
// CHECK-LABEL: @keeps_shape_ops_that_move_elements
// CHECK: sinter.broadcast
// CHECK: sinter.reshape
// CHECK: sinter.transpose
func.func @keeps_shape_ops_that_move_elements(%x: !sinter.tensor<f32[3, 1]>, %y: !sinter.tensor<f32[3, 3]>) -> (!sinter.tensor<f32[3, 3]>, !sinter.tensor<f32[1, 3]>, !sinter.tensor<f32[3, 3]>) {
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[3, 1]>) -> !sinter.tensor<f32[3, 3]>
  %b = sinter.reshape %x : (!sinter.tensor<f32[3, 1]>) -> !sinter.tensor<f32[1, 3]>
  %c = sinter.transpose %y {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[3, 3]>) -> !sinter.tensor<f32[3, 3]>
  return %a, %b, %c : !sinter.tensor<f32[3, 3]>, !sinter.tensor<f32[1, 3]>, !sinter.tensor<f32[3, 3]>
}

// CHECK-LABEL: @merges_equal_constants
// CHECK-COUNT-1: sinter.constant
// CHECK-NOT: sinter.constant
func.func @merges_equal_constants() -> (!sinter.tensor<i32[2]>, !sinter.tensor<i32[2]>) {
  %a = sinter.constant dense<[1, 2]> : tensor<2xi32> : !sinter.tensor<i32[2]>
  %b = sinter.constant dense<[1, 2]> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return %a, %b : !sinter.tensor<i32[2]>, !sinter.tensor<i32[2]>
}
