// RUN: sinter-opt %s -sinter-raise-attention | FileCheck %s --check-prefix=RAISE
// RUN: sinter-opt %s -sinter-raise-attention -sinter-expand-attention=all=true | FileCheck %s --check-prefix=EXPAND

!q = !sinter.tensor<f32[2, 8, 4]>
!v = !sinter.tensor<f32[2, 9, 5]>
!s = !sinter.tensor<f32[2, 8, 9]>
!row = !sinter.tensor<f32[2, 8]>
!one = !sinter.tensor<f32[2, 8, 1]>

// RAISE-LABEL: @scaled
// RAISE: %[[Y:.*]], %{{.*}} = sinter.attention %arg0, %arg1, %arg2 {scale = 5.000000e-01 : f64, strictRows}
// RAISE-NOT: sinter.exp
// RAISE: return %[[Y]]
// EXPAND-LABEL: @scaled
// EXPAND-NOT: sinter.attention
// EXPAND: sinter.dot_general
// EXPAND: sinter.reduce_max
// EXPAND: sinter.dot_general
func.func @scaled(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !sinter.tensor<f32[2, 8, 5]> {
  %d = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %c = sinter.full 0.5 : f32 : !s
  %s = sinter.mul %d, %c : (!s, !s) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m1 = sinter.reshape %m : (!row) -> !one
  %m2 = sinter.stop_gradient %m1 : (!one) -> !one
  %m3 = sinter.broadcast %m2 {dimensions = array<i64: 0, 1, 2>} : (!one) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  return %y : !sinter.tensor<f32[2, 8, 5]>
}

// Later keys are hidden; keys come transposed.
// RAISE-LABEL: @causal
// RAISE: %[[K:.*]] = sinter.transpose %arg1 {permutation = array<i64: 0, 2, 1>}
// RAISE: sinter.attention %arg0, %[[K]], %arg2 {causal = [0], scale = 1.000000e+00 : f64, strictRows}
// EXPAND-LABEL: @causal
func.func @causal(%q: !q, %k: !sinter.tensor<f32[2, 4, 9]>, %v: !v) -> !sinter.tensor<f32[2, 8, 5]> {
  %d = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!q, !sinter.tensor<f32[2, 4, 9]>) -> !s
  %i = sinter.iota {axis = 1 : i64} : !sinter.tensor<i64[2, 8, 9]>
  %j = sinter.iota {axis = 2 : i64} : !sinter.tensor<i64[2, 8, 9]>
  %sees = sinter.less_equal %j, %i : (!sinter.tensor<i64[2, 8, 9]>, !sinter.tensor<i64[2, 8, 9]>) -> !sinter.tensor<i1[2, 8, 9]>
  %inf = sinter.full 0xFF800000 : f32 : !s
  %s = sinter.select %sees, %d, %inf : (!sinter.tensor<i1[2, 8, 9]>, !s, !s) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  return %y : !sinter.tensor<f32[2, 8, 5]>
}

// Scores themselves: what the refused ones below differ from in one thing each.
// RAISE-LABEL: @unscaled
// RAISE: %[[Y:.*]], %{{.*}} = sinter.attention %arg0, %arg1, %arg2 {scale = 1.000000e+00 : f64, strictRows}
// RAISE-NOT: sinter.exp
// RAISE: return %[[Y]]
func.func @unscaled(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !sinter.tensor<f32[2, 8, 5]> {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  return %y : !sinter.tensor<f32[2, 8, 5]>
}

// The weights are a result too, so they have to be there.
// RAISE-LABEL: @weights_are_used
// RAISE-NOT: sinter.attention
// RAISE: return
func.func @weights_are_used(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> (!sinter.tensor<f32[2, 8, 5]>, !s) {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  return %y, %p : !sinter.tensor<f32[2, 8, 5]>, !s
}

// A softmax over queries is another function.
// RAISE-LABEL: @other_axis
// RAISE-NOT: sinter.attention
// RAISE: return
func.func @other_axis(%q: !q, %k: !sinter.tensor<f32[2, 8, 4]>, %v: !sinter.tensor<f32[2, 8, 5]>) -> !sinter.tensor<f32[2, 8, 5]> {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 8, 4]>) -> !sinter.tensor<f32[2, 8, 8]>
  %m = sinter.reduce_max %s {axes = array<i64: 1>} : (!sinter.tensor<f32[2, 8, 8]>) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 2>} : (!row) -> !sinter.tensor<f32[2, 8, 8]>
  %x = sinter.sub %s, %m3 : (!sinter.tensor<f32[2, 8, 8]>, !sinter.tensor<f32[2, 8, 8]>) -> !sinter.tensor<f32[2, 8, 8]>
  %e = sinter.exp %x : (!sinter.tensor<f32[2, 8, 8]>) -> !sinter.tensor<f32[2, 8, 8]>
  %t = sinter.reduce_sum %e {axes = array<i64: 1>} : (!sinter.tensor<f32[2, 8, 8]>) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 2>} : (!row) -> !sinter.tensor<f32[2, 8, 8]>
  %p = sinter.div %e, %t1 : (!sinter.tensor<f32[2, 8, 8]>, !sinter.tensor<f32[2, 8, 8]>) -> !sinter.tensor<f32[2, 8, 8]>
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!sinter.tensor<f32[2, 8, 8]>, !sinter.tensor<f32[2, 8, 5]>) -> !sinter.tensor<f32[2, 8, 5]>
  return %y : !sinter.tensor<f32[2, 8, 5]>
}

// A gradient that holds the sum constant is not that of a softmax.
// RAISE-LABEL: @constant_sum
// RAISE-NOT: sinter.attention
// RAISE: return
func.func @constant_sum(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !sinter.tensor<f32[2, 8, 5]> {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %c = sinter.stop_gradient %t : (!row) -> !row
  %t1 = sinter.broadcast %c {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  return %y : !sinter.tensor<f32[2, 8, 5]>
}

// The twin of the next one: what is differentiated in stays.
// RAISE-LABEL: @derivative_in_the_queries
// RAISE: %[[Y:.*]], %{{.*}} = sinter.attention %arg0, %arg1, %arg2
// RAISE-NOT: sinter.exp
// RAISE: sinter.gradients %[[Y]] wrt %arg0
func.func @derivative_in_the_queries(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !q {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  %g = sinter.gradients %y wrt %q seed %y : (!sinter.tensor<f32[2, 8, 5]>, !q, !sinter.tensor<f32[2, 8, 5]>) -> !q
  return %g : !q
}

// The derivative in the sum would no longer find it.
// RAISE-LABEL: @derivative_in_the_sum
// RAISE-NOT: sinter.attention
// RAISE: return
func.func @derivative_in_the_sum(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !row {
  %s = sinter.dot_general %q, %k {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!q, !sinter.tensor<f32[2, 9, 4]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  %g = sinter.gradients %y wrt %t seed %y : (!sinter.tensor<f32[2, 8, 5]>, !row, !sinter.tensor<f32[2, 8, 5]>) -> !row
  return %g : !row
}

// The derivative in the transposed keys is one in an operand of the op.
// RAISE-LABEL: @derivative_in_transposed_keys
// RAISE: %[[KT:.*]] = sinter.transpose %arg1
// RAISE: %[[K:.*]] = sinter.transpose %[[KT]]
// RAISE: sinter.attention %arg0, %[[K]], %arg2
func.func @derivative_in_transposed_keys(%q: !q, %k: !sinter.tensor<f32[2, 9, 4]>, %v: !v) -> !sinter.tensor<f32[2, 4, 9]> {
  %kt = sinter.transpose %k {permutation = array<i64: 0, 2, 1>} : (!sinter.tensor<f32[2, 9, 4]>) -> !sinter.tensor<f32[2, 4, 9]>
  %s = sinter.dot_general %q, %kt {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!q, !sinter.tensor<f32[2, 4, 9]>) -> !s
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!s) -> !row
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %x = sinter.sub %s, %m3 : (!s, !s) -> !s
  %e = sinter.exp %x : (!s) -> !s
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!s) -> !row
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!row) -> !s
  %p = sinter.div %e, %t1 : (!s, !s) -> !s
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!s, !v) -> !sinter.tensor<f32[2, 8, 5]>
  %g = sinter.gradients %y wrt %kt seed %y : (!sinter.tensor<f32[2, 8, 5]>, !sinter.tensor<f32[2, 4, 9]>, !sinter.tensor<f32[2, 8, 5]>) -> !sinter.tensor<f32[2, 4, 9]>
  return %g : !sinter.tensor<f32[2, 4, 9]>
}

// Numbers of 8 bits wrap: this is not the causal mask of 300 keys.
// RAISE-LABEL: @narrow_numbers
// RAISE: %[[SEES:.*]] = sinter.less_equal
// RAISE: sinter.attention %arg0, %arg0, %arg1, %[[SEES]] {
// RAISE-NOT: causal
// RAISE: return
func.func @narrow_numbers(%q: !sinter.tensor<f32[2, 300, 4]>, %v: !sinter.tensor<f32[2, 300, 5]>) -> !sinter.tensor<f32[2, 300, 5]> {
  %d = sinter.dot_general %q, %q {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 2>} : (!sinter.tensor<f32[2, 300, 4]>, !sinter.tensor<f32[2, 300, 4]>) -> !sinter.tensor<f32[2, 300, 300]>
  %i = sinter.iota {axis = 1 : i64} : !sinter.tensor<i8[2, 300, 300]>
  %j = sinter.iota {axis = 2 : i64} : !sinter.tensor<i8[2, 300, 300]>
  %sees = sinter.less_equal %j, %i : (!sinter.tensor<i8[2, 300, 300]>, !sinter.tensor<i8[2, 300, 300]>) -> !sinter.tensor<i1[2, 300, 300]>
  %inf = sinter.full 0xFF800000 : f32 : !sinter.tensor<f32[2, 300, 300]>
  %s = sinter.select %sees, %d, %inf : (!sinter.tensor<i1[2, 300, 300]>, !sinter.tensor<f32[2, 300, 300]>, !sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %m = sinter.reduce_max %s {axes = array<i64: 2>} : (!sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300]>
  %m3 = sinter.broadcast %m {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[2, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %x = sinter.sub %s, %m3 : (!sinter.tensor<f32[2, 300, 300]>, !sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %e = sinter.exp %x : (!sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %t = sinter.reduce_sum %e {axes = array<i64: 2>} : (!sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300]>
  %t1 = sinter.broadcast %t {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[2, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %p = sinter.div %e, %t1 : (!sinter.tensor<f32[2, 300, 300]>, !sinter.tensor<f32[2, 300, 300]>) -> !sinter.tensor<f32[2, 300, 300]>
  %y = sinter.dot_general %p, %v {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>} : (!sinter.tensor<f32[2, 300, 300]>, !sinter.tensor<f32[2, 300, 5]>) -> !sinter.tensor<f32[2, 300, 5]>
  return %y : !sinter.tensor<f32[2, 300, 5]>
}
