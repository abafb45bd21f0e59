// RUN: sinter-opt %s --sinter-autodiff --sinter-simplify | FileCheck %s
// A forward derivative leaves nothing behind that is not needed.

!x = !sinter.tensor<f32[N, 3]>
!w = !sinter.tensor<f32[3, 4]>
!h = !sinter.tensor<f32[N, 4]>
!u = !sinter.tensor<f32[4, 2]>
!y = !sinter.tensor<f32[N, 2]>

// d/dw of tanh(x w) u along v: (x v) * (1 - h * h) u.
// CHECK-LABEL: @mlp
// CHECK-SAME: (%[[X:[^:]*]]: {{.*}}, %[[W:[^:]*]]: {{.*}}, %[[U:[^:]*]]: {{.*}}, %[[V:[^:]*]]:
// CHECK-NEXT: %[[XW:.*]] = sinter.dot_general %[[X]], %[[W]]
// CHECK-NEXT: %[[H:.*]] = sinter.tanh %[[XW]]
// CHECK-NEXT: %[[DZ:.*]] = sinter.dot_general %[[X]], %[[V]]
// CHECK-NEXT: %[[HH:.*]] = sinter.mul %[[H]], %[[H]]
// CHECK-NEXT: %[[ONE:.*]] = sinter.full 1.0
// CHECK-NEXT: %[[S:.*]] = sinter.sub %[[ONE]], %[[HH]]
// CHECK-NEXT: %[[DH:.*]] = sinter.mul %[[DZ]], %[[S]]
// CHECK-NEXT: %[[T:.*]] = sinter.dot_general %[[DH]], %[[U]]
// CHECK-NEXT: return %[[T]]
func.func @mlp(%x: !x, %w: !w, %u: !u, %v: !w) -> !y {
  %xw = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !w) -> !h
  %h = sinter.tanh %xw : (!h) -> !h
  %y = sinter.dot_general %h, %u {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!h, !u) -> !y
  %t = sinter.jvp %y wrt %w along %v : (!y, !w, !w) -> !y
  return %t : !y
}

// An operand of concat that stands still costs a constant, not arithmetic.
// CHECK-LABEL: @concat
// CHECK-SAME: (%[[A:[^:]*]]: {{.*}}, %[[B:[^:]*]]: {{.*}}, %[[V:[^:]*]]:
// CHECK-NEXT: %[[Z:.*]] = sinter.full 0.0
// CHECK-NEXT: %[[T:.*]] = sinter.concat %[[V]], %[[Z]]
// CHECK-NEXT: return %[[T]]
func.func @concat(%a: !x, %b: !x, %v: !x) -> !sinter.tensor<f32[N, 6]> {
  %c = sinter.concat %a, %b {axis = 1 : i64} : (!x, !x) -> !sinter.tensor<f32[N, 6]>
  %t = sinter.jvp %c wrt %a along %v : (!sinter.tensor<f32[N, 6]>, !x, !x) -> !sinter.tensor<f32[N, 6]>
  return %t : !sinter.tensor<f32[N, 6]>
}

// A maximum of constants does not move.
// CHECK-LABEL: @stands_still
// CHECK-NEXT: %[[Z:.*]] = sinter.full 0.0
// CHECK-NEXT: return %[[Z]]
func.func @stands_still(%x: !x, %v: !x) -> !x {
  %s = sinter.floor %x : (!x) -> !x
  %y = sinter.tanh %s : (!x) -> !x
  %t = sinter.jvp %y wrt %x along %v : (!x, !x, !x) -> !x
  return %t : !x
}
