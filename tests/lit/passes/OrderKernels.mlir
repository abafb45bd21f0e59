// RUN: sinter-opt %s -sinter-fuse -sinter-order-kernels -split-input-file | FileCheck %s

!m = !sinter.tensor<f32[1024, 1024]>
!s = !sinter.tensor<f32[]>

// Each cube is summed before the next one is made.
// CHECK-LABEL: @frees_before_it_makes_more
// CHECK: %[[A:.*]] = sinter.fused "dot_general" (%{{.*}} = %arg0
// CHECK: sinter.fused {{.*}} = %[[A]]
// CHECK: %[[B:.*]] = sinter.fused "dot_general" (%{{.*}} = %arg1
// CHECK: sinter.fused {{.*}} = %[[B]]
func.func @frees_before_it_makes_more(%x: !m, %y: !m) -> (!s {sinter.name = "s"}, !s {sinter.name = "t"}) {
  %a = sinter.dot_general %x, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %b = sinter.dot_general %y, %y {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %s = sinter.reduce_sum %a {axes = array<i64: 0, 1>} : (!m) -> !s
  %t = sinter.reduce_sum %b {axes = array<i64: 0, 1>} : (!m) -> !s
  return %s, %t : !s, !s
}

// -----

!m = !sinter.tensor<f32[1024, 1024]>
!s = !sinter.tensor<f32[]>

// The same bytes in any order: it stays as it is.
// CHECK-LABEL: @keeps_what_is_as_good
// CHECK: sinter.fused "dot_general" (%{{.*}} = %arg0
// CHECK: sinter.fused "dot_general" (%{{.*}} = %arg1
// CHECK: sinter.fused "dot_general_add"
func.func @keeps_what_is_as_good(%x: !m, %y: !m) -> (!m {sinter.name = "r"}) {
  %a = sinter.dot_general %x, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %b = sinter.dot_general %y, %y {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %c = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %r = sinter.add %c, %a : (!m, !m) -> !m
  return %r : !m
}

// -----

!m = !sinter.tensor<f32[1024, 1024]>
!s = !sinter.tensor<f32[]>

// The new value of w waits for the reader of the old one, although it would free what it reads.
// CHECK-LABEL: @updates_wait_for_readers
// CHECK: sinter.fused "dot_general" (%{{[a-z0-9]*}} = %arg1 : !sinter.tensor<f32[1024, 1024]>) ->
// CHECK: sinter.fused "dot_general_sub"
func.func @updates_wait_for_readers(%x: !m {sinter.kind = "placeholder", sinter.name = "x"}, %w: !m {sinter.kind = "parameter", sinter.name = "w"})
    -> (!m {sinter.updates = "w"}, !s {sinter.name = "y"}) {
  %g = sinter.dot_general %x, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %h = sinter.dot_general %g, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %n = sinter.sub %w, %h : (!m, !m) -> !m
  %d = sinter.dot_general %w, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %y = sinter.reduce_sum %d {axes = array<i64: 0, 1>} : (!m) -> !s
  return %n, %y : !m, !s
}
