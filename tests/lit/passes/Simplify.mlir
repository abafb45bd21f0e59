// RUN: sinter-opt %s -sinter-simplify -split-input-file | FileCheck %s

!v = !sinter.tensor<f32[N]>
!m = !sinter.tensor<f32[N, 4]>

// CHECK-LABEL: @folds_constants
// CHECK-NEXT: %[[C:.*]] = sinter.full 7.0{{.*}} : !sinter.tensor<f32[N]>
// CHECK-NEXT: return %[[C]]
func.func @folds_constants() -> !v {
  %a = sinter.full 2.0 : f32 : !v
  %b = sinter.full 5.0 : f32 : !v
  %c = sinter.add %a, %b : (!v, !v) -> !v
  return %c : !v
}

// Integer division by zero is 0, and sums wrap.
// CHECK-LABEL: @folds_integers_as_defined
// CHECK-DAG: sinter.full 0 : i32
// CHECK-DAG: sinter.full -2147483648 : i32
func.func @folds_integers_as_defined() -> (!sinter.tensor<i32[]>, !sinter.tensor<i32[]>) {
  %a = sinter.full 2147483647 : i32 : !sinter.tensor<i32[]>
  %one = sinter.full 1 : i32 : !sinter.tensor<i32[]>
  %zero = sinter.full 0 : i32 : !sinter.tensor<i32[]>
  %q = sinter.div %a, %zero : (!sinter.tensor<i32[]>, !sinter.tensor<i32[]>) -> !sinter.tensor<i32[]>
  %s = sinter.add %a, %one : (!sinter.tensor<i32[]>, !sinter.tensor<i32[]>) -> !sinter.tensor<i32[]>
  return %q, %s : !sinter.tensor<i32[]>, !sinter.tensor<i32[]>
}

// CHECK-LABEL: @merges_equal_ops_and_drops_dead_ones
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-NEXT: %[[E:.*]] = sinter.exp %[[X]]
// CHECK-NEXT: %[[R:.*]] = sinter.mul %[[E]], %[[E]]
// CHECK-NEXT: return %[[R]]
func.func @merges_equal_ops_and_drops_dead_ones(%x: !v) -> !v {
  %a = sinter.exp %x : (!v) -> !v
  %b = sinter.exp %x : (!v) -> !v
  %dead = sinter.log %x : (!v) -> !v
  %c = sinter.mul %a, %b : (!v, !v) -> !v
  return %c : !v
}

// CHECK-LABEL: @neutral_elements
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]]
func.func @neutral_elements(%x: !v) -> (!v, !v, !v, !v) {
  %one = sinter.full 1.0 : f32 : !v
  %zero = sinter.full 0.0 : f32 : !v
  %negativeZero = sinter.full -0.0 : f32 : !v
  %a = sinter.mul %one, %x : (!v, !v) -> !v
  %b = sinter.div %x, %one : (!v, !v) -> !v
  %c = sinter.sub %x, %zero : (!v, !v) -> !v
  %d = sinter.add %x, %negativeZero : (!v, !v) -> !v
  return %a, %b, %c, %d : !v, !v, !v, !v
}

// -0 + 0 is +0; NaN * 0 is NaN; 0 - x is not -x for 0.
// CHECK-LABEL: @keeps_what_would_lose_signed_zeros_or_nan
// CHECK: sinter.add
// CHECK: sinter.mul
// CHECK: sinter.sub
func.func @keeps_what_would_lose_signed_zeros_or_nan(%x: !v) -> (!v, !v, !v) {
  %zero = sinter.full 0.0 : f32 : !v
  %a = sinter.add %x, %zero : (!v, !v) -> !v
  %b = sinter.mul %x, %zero : (!v, !v) -> !v
  %c = sinter.sub %zero, %x : (!v, !v) -> !v
  return %a, %b, %c : !v, !v, !v
}

// CHECK-LABEL: @negations_move_into_sums
// CHECK-SAME: (%[[A:.*]]: {{.*}}, %[[B:.*]]: !sinter
// CHECK-DAG: %[[D:.*]] = sinter.sub %[[A]], %[[B]]
// CHECK-DAG: %[[S:.*]] = sinter.add %[[A]], %[[B]]
// CHECK: return %[[D]], %[[S]], %[[A]]
func.func @negations_move_into_sums(%a: !v, %b: !v) -> (!v, !v, !v) {
  %n = sinter.neg %b : (!v) -> !v
  %d = sinter.add %a, %n : (!v, !v) -> !v
  %s = sinter.sub %a, %n : (!v, !v) -> !v
  %m = sinter.neg %a : (!v) -> !v
  %mm = sinter.neg %m : (!v) -> !v
  return %d, %s, %mm : !v, !v, !v
}

// CHECK-LABEL: @division_by_a_power_of_two_multiplies
// CHECK: sinter.full 2.500000e-01
// CHECK: sinter.mul
func.func @division_by_a_power_of_two_multiplies(%x: !v) -> !v {
  %c = sinter.full 4.0 : f32 : !v
  %r = sinter.div %x, %c : (!v, !v) -> !v
  return %r : !v
}

// CHECK-LABEL: @division_by_other_numbers_stays
// CHECK: sinter.div
func.func @division_by_other_numbers_stays(%x: !v) -> !v {
  %c = sinter.full 3.0 : f32 : !v
  %r = sinter.div %x, %c : (!v, !v) -> !v
  return %r : !v
}

// CHECK-LABEL: @small_powers_multiply
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-NEXT: %[[S:.*]] = sinter.mul %[[X]], %[[X]]
// CHECK-NEXT: %[[Q:.*]] = sinter.mul %[[S]], %[[X]]
// CHECK-NEXT: return %[[S]], %[[Q]], %[[X]]
func.func @small_powers_multiply(%x: !v) -> (!v, !v, !v) {
  %one = sinter.full 1.0 : f32 : !v
  %two = sinter.full 2.0 : f32 : !v
  %three = sinter.full 3.0 : f32 : !v
  %a = sinter.pow %x, %two : (!v, !v) -> !v
  %b = sinter.pow %x, %three : (!v, !v) -> !v
  %c = sinter.pow %x, %one : (!v, !v) -> !v
  return %a, %b, %c : !v, !v, !v
}

// sqrt(-inf) is NaN, pow(-inf, 0.5) is inf.
// CHECK-LABEL: @square_root_power_stays
// CHECK: sinter.pow
func.func @square_root_power_stays(%x: !v) -> !v {
  %half = sinter.full 0.5 : f32 : !v
  %a = sinter.pow %x, %half : (!v, !v) -> !v
  return %a : !v
}

// CHECK-LABEL: @lossless_casts_collapse
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-NEXT: %[[F:.*]] = sinter.cast %[[X]] : (!sinter.tensor<i32[N]>) -> !sinter.tensor<f32[N]>
// CHECK-NEXT: return %[[F]]
func.func @lossless_casts_collapse(%x: !sinter.tensor<i32[N]>) -> !v {
  %w = sinter.cast %x : (!sinter.tensor<i32[N]>) -> !sinter.tensor<i64[N]>
  %f = sinter.cast %w : (!sinter.tensor<i64[N]>) -> !v
  return %f : !v
}

// CHECK-LABEL: @lossy_casts_stay
// CHECK-COUNT-2: sinter.cast
func.func @lossy_casts_stay(%x: !v) -> !v {
  %w = sinter.cast %x : (!v) -> !sinter.tensor<i32[N]>
  %f = sinter.cast %w : (!sinter.tensor<i32[N]>) -> !v
  return %f : !v
}

// CHECK-LABEL: @selects_and_logic
// CHECK-SAME: (%[[C:.*]]: {{.*}}, %[[A:.*]]: {{.*}}, %[[B:.*]]: !sinter
// CHECK-NEXT: %[[S:.*]] = sinter.select %[[C]], %[[B]], %[[A]]
// CHECK-NEXT: return %[[S]], %[[A]], %[[A]], %[[C]]
func.func @selects_and_logic(%c: !sinter.tensor<i1[N]>, %a: !v, %b: !v) -> (!v, !v, !v, !sinter.tensor<i1[N]>) {
  %true = sinter.full true : !sinter.tensor<i1[N]>
  %not = sinter.not %c : (!sinter.tensor<i1[N]>) -> !sinter.tensor<i1[N]>
  %s = sinter.select %not, %a, %b : (!sinter.tensor<i1[N]>, !v, !v) -> !v
  %t = sinter.select %true, %a, %b : (!sinter.tensor<i1[N]>, !v, !v) -> !v
  %e = sinter.select %c, %a, %a : (!sinter.tensor<i1[N]>, !v, !v) -> !v
  %and = sinter.and %c, %true : (!sinter.tensor<i1[N]>, !sinter.tensor<i1[N]>) -> !sinter.tensor<i1[N]>
  return %s, %t, %e, %and : !v, !v, !v, !sinter.tensor<i1[N]>
}

// CHECK-LABEL: @works_before_broadcasting
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK: %[[E:.*]] = sinter.exp %[[X]] : (!sinter.tensor<f32[N]>)
// CHECK: %[[A:.*]] = sinter.add %[[E]], %{{.*}} : (!sinter.tensor<f32[N]>
// CHECK: sinter.broadcast %[[A]]
func.func @works_before_broadcasting(%x: !v) -> !m {
  %b = sinter.broadcast %x {dimensions = array<i64: 0>} : (!v) -> !m
  %e = sinter.exp %b : (!m) -> !m
  %c = sinter.full 3.0 : f32 : !m
  %a = sinter.add %e, %c : (!m, !m) -> !m
  return %a : !m
}

// CHECK-LABEL: @works_after_broadcasting_unlike_operands
// CHECK: sinter.broadcast
// CHECK: sinter.broadcast
// CHECK: sinter.add %{{.*}} : (!sinter.tensor<f32[N, 4]>
func.func @works_after_broadcasting_unlike_operands(%x: !v, %y: !sinter.tensor<f32[4]>) -> !m {
  %a = sinter.broadcast %x {dimensions = array<i64: 0>} : (!v) -> !m
  %b = sinter.broadcast %y {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !m
  %s = sinter.add %a, %b : (!m, !m) -> !m
  return %s : !m
}

// CHECK-LABEL: @views_come_last
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK: %[[E:.*]] = sinter.exp %[[X]] : (!sinter.tensor<f32[N]>)
// CHECK: %[[S:.*]] = sinter.mul %[[X]], %[[E]] : (!sinter.tensor<f32[N]>
// CHECK: sinter.broadcast %[[S]] {dimensions = array<i64: 0>}
func.func @views_come_last(%x: !v) -> !m {
  %r = sinter.reshape %x : (!v) -> !sinter.tensor<f32[N, 1]>
  %e = sinter.exp %r : (!sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[N, 1]>
  %s = sinter.mul %r, %e : (!sinter.tensor<f32[N, 1]>, !sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[N, 1]>
  %b = sinter.broadcast %s {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 1]>) -> !m
  return %b : !m
}

// CHECK-LABEL: @stop_gradient_goes
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-NEXT: return %[[X]]
func.func @stop_gradient_goes(%x: !v) -> !v {
  %s = sinter.stop_gradient %x : (!v) -> !v
  return %s : !v
}

// Before differentiation nothing may be merged: y does not depend on %b.
// CHECK-LABEL: @leaves_traced_graphs_alone
// CHECK-COUNT-2: sinter.exp
// CHECK: sinter.gradients
func.func @leaves_traced_graphs_alone(%x: !v) -> !v {
  %a = sinter.exp %x : (!v) -> !v
  %b = sinter.exp %x : (!v) -> !v
  %g = sinter.gradients %a wrt %b seed %a : (!v, !v, !v) -> !v
  return %g : !v
}

// -----

!m = !sinter.tensor<f32[N, 4]>
!t = !sinter.tensor<f32[4, N]>

// CHECK-LABEL: @views_compose
// CHECK-SAME: (%[[X:.*]]: {{.*}}, %[[S:.*]]: !sinter
// CHECK-DAG: %[[R:.*]] = sinter.reshape %[[X]] : (!sinter.tensor<f32[N, 4]>) -> !sinter.tensor<f32[N, 2, 2]>
// CHECK-DAG: %[[B:.*]] = sinter.broadcast %[[S]] {dimensions = array<i64>} : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[N, 4]>
// CHECK: return %[[X]], %[[R]], %[[B]]
func.func @views_compose(%x: !m, %s: !sinter.tensor<f32[]>) -> (!m, !sinter.tensor<f32[N, 2, 2]>, !m) {
  %a = sinter.transpose %x {permutation = array<i64: 1, 0>} : (!m) -> !t
  %b = sinter.transpose %a {permutation = array<i64: 1, 0>} : (!t) -> !m
  %c = sinter.reshape %x : (!m) -> !sinter.tensor<f32["4*N"]>
  %d = sinter.reshape %c : (!sinter.tensor<f32["4*N"]>) -> !sinter.tensor<f32[N, 2, 2]>
  %e = sinter.broadcast %s {dimensions = array<i64>} : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[4]>
  %f = sinter.broadcast %e {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !m
  return %b, %d, %f : !m, !sinter.tensor<f32[N, 2, 2]>, !m
}

// CHECK-LABEL: @sizes_of_one_become_reshapes_and_broadcasts
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-DAG: %[[R:.*]] = sinter.reshape %[[X]] : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[1, N]>
// CHECK-DAG: %[[B:.*]] = sinter.broadcast %[[X]] {dimensions = array<i64: 0>}
// CHECK: return %[[R]], %[[B]]
func.func @sizes_of_one_become_reshapes_and_broadcasts(%x: !sinter.tensor<f32[N]>) -> (!sinter.tensor<f32[1, N]>, !m) {
  %a = sinter.reshape %x : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N, 1]>
  %b = sinter.transpose %a {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 1]>) -> !sinter.tensor<f32[1, N]>
  %c = sinter.broadcast %a {dimensions = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 1]>) -> !m
  return %b, %c : !sinter.tensor<f32[1, N]>, !m
}

// CHECK-LABEL: @reductions_over_sizes_of_one
// CHECK-SAME: (%[[X:.*]]: !sinter
// CHECK-DAG: sinter.reshape %[[X]] : (!sinter.tensor<f32[N, 1, 4]>) -> !sinter.tensor<f32[N, 4]>
// CHECK-DAG: sinter.reduce_sum %{{.*}} {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 4]>)
// CHECK-NOT: sinter.reduce
// CHECK: return
func.func @reductions_over_sizes_of_one(%x: !sinter.tensor<f32[N, 1, 4]>) -> (!m, !sinter.tensor<f32[N]>) {
  %a = sinter.reduce_max %x {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 1, 4]>) -> !m
  %b = sinter.reduce_sum %x {axes = array<i64: 1, 2>} : (!sinter.tensor<f32[N, 1, 4]>) -> !sinter.tensor<f32[N]>
  return %a, %b : !m, !sinter.tensor<f32[N]>
}

// CHECK-LABEL: @sum_of_equal_elements
// CHECK-NEXT: %[[S:.*]] = sinter.full 2.0{{.*}} : !sinter.tensor<f32[N]>
// CHECK-NEXT: return %[[S]]
func.func @sum_of_equal_elements() -> !sinter.tensor<f32[N]> {
  %c = sinter.full 0.5 : f32 : !m
  %s = sinter.reduce_sum %c {axes = array<i64: 1>} : (!m) -> !sinter.tensor<f32[N]>
  return %s : !sinter.tensor<f32[N]>
}

// CHECK-LABEL: @symbolic_counts_stay
// CHECK: sinter.reduce_sum
func.func @symbolic_counts_stay() -> !sinter.tensor<f32[4]> {
  %c = sinter.full 0.5 : f32 : !m
  %s = sinter.reduce_sum %c {axes = array<i64: 0>} : (!m) -> !sinter.tensor<f32[4]>
  return %s : !sinter.tensor<f32[4]>
}

// CHECK-LABEL: @transposes_fold_into_dots
// CHECK-SAME: (%[[X:.*]]: {{.*}}, %[[W:.*]]: !sinter
// CHECK-NEXT: %[[D:.*]] = sinter.dot_general %[[X]], %[[W]] {{.*}}lhsContract = array<i64: 1>{{.*}}rhsContract = array<i64: 1>
// CHECK-NEXT: return %[[D]]
func.func @transposes_fold_into_dots(%x: !m, %w: !sinter.tensor<f32[8, 4]>) -> !sinter.tensor<f32[N, 8]> {
  %t = sinter.transpose %w {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[8, 4]>) -> !sinter.tensor<f32[4, 8]>
  %d = sinter.dot_general %x, %t {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[N, 8]>
  return %d : !sinter.tensor<f32[N, 8]>
}

// CHECK-LABEL: @transposed_result_swaps_operands
// CHECK-SAME: (%[[X:.*]]: {{.*}}, %[[W:.*]]: !sinter
// CHECK-NEXT: %[[D:.*]] = sinter.dot_general %[[W]], %[[X]] {{.*}}lhsContract = array<i64: 0>{{.*}}rhsContract = array<i64: 1>
// CHECK-NEXT: return %[[D]]
func.func @transposed_result_swaps_operands(%x: !m, %w: !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[8, N]> {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[N, 8]>
  %t = sinter.transpose %d {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 8]>) -> !sinter.tensor<f32[8, N]>
  return %t : !sinter.tensor<f32[8, N]>
}

// The dot's result is needed both ways.
// CHECK-LABEL: @keeps_transpose_of_multi_use_dot
// CHECK: sinter.dot_general
// CHECK: sinter.transpose
// CHECK-NOT: sinter.dot_general
func.func @keeps_transpose_of_multi_use_dot(%x: !m, %w: !sinter.tensor<f32[4, 8]>) -> (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, N]>) {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[N, 8]>
  %t = sinter.transpose %d {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 8]>) -> !sinter.tensor<f32[8, N]>
  return %d, %t : !sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, N]>
}

// The free dims would come out in another order.
// CHECK-LABEL: @keeps_transpose_that_reorders_free_dims
// CHECK: sinter.transpose
// CHECK: sinter.dot_general
func.func @keeps_transpose_that_reorders_free_dims(%x: !sinter.tensor<f32[2, 3, 4]>, %w: !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[3, 2, 8]> {
  %t = sinter.transpose %x {permutation = array<i64: 1, 0, 2>} : (!sinter.tensor<f32[2, 3, 4]>) -> !sinter.tensor<f32[3, 2, 4]>
  %d = sinter.dot_general %t, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 2>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<f32[3, 2, 4]>, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[3, 2, 8]>
  return %d : !sinter.tensor<f32[3, 2, 8]>
}

// An i8 becomes a u8 by wrapping, but by way of a float it saturates; a bf16 is a float of f32, but no f16.
// CHECK-LABEL: @casts_merge_where_nothing_changes
// CHECK-DAG: sinter.cast %arg0 : (!sinter.tensor<i8[4]>) -> !sinter.tensor<ui8[4]>
// CHECK-DAG: %[[F:.*]] = sinter.cast %arg0 : (!sinter.tensor<i8[4]>) -> !sinter.tensor<f32[4]>
// CHECK-DAG: sinter.cast %[[F]] : (!sinter.tensor<f32[4]>) -> !sinter.tensor<ui8[4]>
// CHECK-DAG: %[[H:.*]] = sinter.cast %arg1 : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<f16[4]>
// CHECK-DAG: sinter.cast %[[H]] : (!sinter.tensor<f16[4]>) -> !sinter.tensor<f64[4]>
// What a kernel computes may have more digits than a bf16: casting to it rounds.
// CHECK-DAG: %[[S:.*]] = sinter.cast %arg1 : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<f32[4]>
// CHECK-DAG: %[[B:.*]] = sinter.cast %[[S]] : (!sinter.tensor<f32[4]>) -> !sinter.tensor<bf16[4]>
// CHECK: return {{.*}}, %[[B]], %arg0
func.func @casts_merge_where_nothing_changes(%i: !sinter.tensor<i8[4]>, %b: !sinter.tensor<bf16[4]>)
    -> (!sinter.tensor<ui8[4]>, !sinter.tensor<ui8[4]>, !sinter.tensor<f64[4]>, !sinter.tensor<bf16[4]>, !sinter.tensor<i8[4]>) {
  %0 = sinter.cast %i : (!sinter.tensor<i8[4]>) -> !sinter.tensor<i32[4]>
  %1 = sinter.cast %0 : (!sinter.tensor<i32[4]>) -> !sinter.tensor<ui8[4]>
  %2 = sinter.cast %i : (!sinter.tensor<i8[4]>) -> !sinter.tensor<f32[4]>
  %3 = sinter.cast %2 : (!sinter.tensor<f32[4]>) -> !sinter.tensor<ui8[4]>
  %4 = sinter.cast %b : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<f16[4]>
  %5 = sinter.cast %4 : (!sinter.tensor<f16[4]>) -> !sinter.tensor<f64[4]>
  %6 = sinter.cast %b : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<f32[4]>
  %7 = sinter.cast %6 : (!sinter.tensor<f32[4]>) -> !sinter.tensor<bf16[4]>
  %8 = sinter.cast %i : (!sinter.tensor<i8[4]>) -> !sinter.tensor<i32[4]>
  %9 = sinter.cast %8 : (!sinter.tensor<i32[4]>) -> !sinter.tensor<i8[4]>
  return %1, %3, %5, %7, %9 : !sinter.tensor<ui8[4]>, !sinter.tensor<ui8[4]>, !sinter.tensor<f64[4]>, !sinter.tensor<bf16[4]>, !sinter.tensor<i8[4]>
}

// CHECK-LABEL: @doubled_sum
// CHECK: %[[S:.*]] = sinter.reduce_sum %arg0
// CHECK: sinter.add %[[S]], %[[S]]
func.func @doubled_sum(%x: !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[4]> {
  %d = sinter.add %x, %x : (!sinter.tensor<f32[4, 8]>, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[4, 8]>
  %s = sinter.reduce_sum %d {axes = array<i64: 1>} : (!sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[4]>
  return %s : !sinter.tensor<f32[4]>
}

// Must not: others need what is doubled.
// CHECK-LABEL: @doubled_elsewhere
// CHECK: sinter.reduce_sum %0
func.func @doubled_elsewhere(%x: !sinter.tensor<f32[4, 8]>) -> (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4, 8]>) {
  %d = sinter.add %x, %x : (!sinter.tensor<f32[4, 8]>, !sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[4, 8]>
  %s = sinter.reduce_sum %d {axes = array<i64: 1>} : (!sinter.tensor<f32[4, 8]>) -> !sinter.tensor<f32[4]>
  return %s, %d : !sinter.tensor<f32[4]>, !sinter.tensor<f32[4, 8]>
}

// x without its mean sums to zero beside a term with a factor that comes from it, as the inverse
// deviation does; the factor moves behind the sum.
// CHECK-LABEL: @centred_sum
// CHECK: %[[R:.*]] = sinter.rsqrt
// CHECK-NOT: sinter.add
// CHECK: %[[S:.*]] = sinter.reduce_sum %arg1
// CHECK: %[[P:.*]] = sinter.mul %[[S]], %[[R]]
// CHECK: %[[N:.*]] = sinter.neg %[[P]]
// CHECK: return %[[N]]
func.func @centred_sum(%x: !sinter.tensor<f32[6, 4, 5]>, %dy: !sinter.tensor<f32[6, 4, 5]>, %b: !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  %n = sinter.full 30.0 : f32 : !sinter.tensor<f32[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %c = sinter.sub %x, %w : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %sq = sinter.mul %c, %c : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %v = sinter.reduce_sum %sq {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  %a = sinter.rsqrt %v : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %p = sinter.broadcast %a {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %q = sinter.broadcast %b {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %1 = sinter.mul %dy, %p : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %2 = sinter.mul %q, %c : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %3 = sinter.add %1, %2 : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %4 = sinter.add %3, %2 : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %5 = sinter.neg %4 : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %6 = sinter.reduce_sum %5 {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  return %6 : !sinter.tensor<f32[4]>
}

// Must not: where no factor comes from x, a NaN in x would no longer show.
// CHECK-LABEL: @centred_elsewhere
// CHECK: sinter.sub
// CHECK: sinter.add
func.func @centred_elsewhere(%x: !sinter.tensor<f32[6, 4, 5]>, %dy: !sinter.tensor<f32[6, 4, 5]>, %a: !sinter.tensor<f32[4]>, %b: !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  %n = sinter.full 30.0 : f32 : !sinter.tensor<f32[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %c = sinter.sub %x, %w : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %p = sinter.broadcast %a {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %q = sinter.broadcast %b {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %1 = sinter.mul %dy, %p : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %2 = sinter.mul %q, %c : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %3 = sinter.add %1, %2 : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %4 = sinter.add %3, %2 : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %5 = sinter.neg %4 : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %6 = sinter.reduce_sum %5 {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  return %6 : !sinter.tensor<f32[4]>
}

// Must not: a mean of 16 bits is rounded, and what is left of it counts.
// CHECK-LABEL: @centred_bf16
// CHECK: sinter.sub
// CHECK: sinter.add
func.func @centred_bf16(%x: !sinter.tensor<bf16[6, 4, 5]>, %dy: !sinter.tensor<bf16[6, 4, 5]>, %b: !sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 2>} : (!sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[4]>
  %n = sinter.full 30.0 : bf16 : !sinter.tensor<bf16[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<bf16[4]>, !sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %c = sinter.sub %x, %w : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %sq = sinter.mul %c, %c : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %v = sinter.reduce_sum %sq {axes = array<i64: 0, 2>} : (!sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[4]>
  %a = sinter.rsqrt %v : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[4]>
  %p = sinter.broadcast %a {dimensions = array<i64: 1>} : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %q = sinter.broadcast %b {dimensions = array<i64: 1>} : (!sinter.tensor<bf16[4]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %1 = sinter.mul %dy, %p : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %2 = sinter.mul %q, %c : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %3 = sinter.add %1, %2 : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %4 = sinter.add %3, %2 : (!sinter.tensor<bf16[6, 4, 5]>, !sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %5 = sinter.neg %4 : (!sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[6, 4, 5]>
  %6 = sinter.reduce_sum %5 {axes = array<i64: 0, 2>} : (!sinter.tensor<bf16[6, 4, 5]>) -> !sinter.tensor<bf16[4]>
  return %6 : !sinter.tensor<bf16[4]>
}

// Must not: without another term nothing shows that x was not finite.
// CHECK-LABEL: @centred_alone
// CHECK: sinter.sub
// CHECK: sinter.reduce_sum
func.func @centred_alone(%x: !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  %n = sinter.full 30.0 : f32 : !sinter.tensor<f32[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[6, 4, 5]>
  %c = sinter.sub %x, %w : (!sinter.tensor<f32[6, 4, 5]>, !sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[6, 4, 5]>
  %r = sinter.reduce_sum %c {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[6, 4, 5]>) -> !sinter.tensor<f32[4]>
  return %r : !sinter.tensor<f32[4]>
}

// Must not: divided by another number, it is no mean.
// CHECK-LABEL: @not_centred
// CHECK: sinter.reduce_sum
// CHECK: sinter.reduce_sum
func.func @not_centred(%x: !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]>
  %n = sinter.full 6.0 : f32 : !sinter.tensor<f32[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[7, 4]>
  %c = sinter.sub %x, %w : (!sinter.tensor<f32[7, 4]>, !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[7, 4]>
  %r = sinter.reduce_sum %c {axes = array<i64: 0>} : (!sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]>
  return %r : !sinter.tensor<f32[4]>
}

// Must not: two other terms may cancel each other element by element, and not in sums of their own.
// CHECK-LABEL: @centred_beside_two
// CHECK: sinter.reduce_sum
// CHECK: sinter.reduce_sum %
// CHECK-NOT: sinter.reduce_sum
func.func @centred_beside_two(%x: !sinter.tensor<f32[7, 4]>, %y: !sinter.tensor<f32[7, 4]>, %z: !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]>
  %n = sinter.full 7.0 : f32 : !sinter.tensor<f32[4]>
  %m = sinter.div %s, %n : (!sinter.tensor<f32[4]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  %w = sinter.broadcast %m {dimensions = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[7, 4]>
  %c = sinter.sub %x, %w : (!sinter.tensor<f32[7, 4]>, !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[7, 4]>
  %1 = sinter.add %c, %y : (!sinter.tensor<f32[7, 4]>, !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[7, 4]>
  %2 = sinter.add %1, %z : (!sinter.tensor<f32[7, 4]>, !sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[7, 4]>
  %r = sinter.reduce_sum %2 {axes = array<i64: 0>} : (!sinter.tensor<f32[7, 4]>) -> !sinter.tensor<f32[4]>
  return %r : !sinter.tensor<f32[4]>
}

// -----

!v = !sinter.tensor<f32[N]>

// Kernels of many operands take long to compile: 25 are joined in two steps.
// CHECK-LABEL: @joins_many
// CHECK-NEXT: %[[A:.*]] = sinter.concat {{.*}} -> !sinter.tensor<f32["24*N"]>
// CHECK-NEXT: %[[C:.*]] = sinter.concat %[[A]], %arg0 {axis = 0 : i64} {{.*}} -> !sinter.tensor<f32["25*N"]>
// CHECK-NEXT: return %[[C]]
func.func @joins_many(%x: !v, %y: !v) -> !sinter.tensor<f32["25*N"]> {
  %c = sinter.concat %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x {axis = 0 : i64}
     : (!v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v) -> !sinter.tensor<f32["25*N"]>
  return %c : !sinter.tensor<f32["25*N"]>
}

// Must not: a kernel can do this.
// CHECK-LABEL: @joins_some
// CHECK-NEXT: %[[C:.*]] = sinter.concat
// CHECK-NEXT: return %[[C]]
func.func @joins_some(%x: !v, %y: !v) -> !sinter.tensor<f32["24*N"]> {
  %c = sinter.concat %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y, %x, %y {axis = 0 : i64}
     : (!v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v, !v) -> !sinter.tensor<f32["24*N"]>
  return %c : !sinter.tensor<f32["24*N"]>
}
