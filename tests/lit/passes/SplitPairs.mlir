// RUN: sinter-opt %s -sinter-split-pairs -split-input-file | FileCheck %s
// RUN: sinter-opt %s -sinter-split-pairs -sinter-fuse -split-input-file | FileCheck %s --check-prefix=FUSED

!p = !sinter.tensor<f32[512, 4]>
!v = !sinter.tensor<f32[512]>
!k = !sinter.tensor<f32[512, 512]>
!d = !sinter.tensor<f32[512, 512, 4]>

// Two reductions need the kernel of all pairs: each has its own, and none is stored.
// CHECK-LABEL: @each_reduction_has_its_own_pairs
// CHECK: sinter.exp
// CHECK: sinter.reduce_sum {{.*}} {axes = array<i64: 1>} : (!sinter.tensor<f32[512, 512]>)
// CHECK: sinter.exp
// CHECK: sinter.reduce_max
// FUSED-LABEL: @each_reduction_has_its_own_pairs
// FUSED: sinter.fused {{.*}} -> (!sinter.tensor<f32[512]>, !sinter.tensor<f32[512]>)
// FUSED: sinter.exp
// FUSED-NOT: sinter.exp
// FUSED-NOT: sinter.fused
// FUSED: return
func.func @each_reduction_has_its_own_pairs(%x: !p, %y: !p) -> (!v, !v) {
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!p) -> !d
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!p) -> !d
  %c = sinter.sub %a, %b : (!d, !d) -> !d
  %s = sinter.mul %c, %c : (!d, !d) -> !d
  %r = sinter.reduce_sum %s {axes = array<i64: 2>} : (!d) -> !k
  %e = sinter.exp %r : (!k) -> !k
  %sum = sinter.reduce_sum %e {axes = array<i64: 1>} : (!k) -> !v
  %max = sinter.reduce_max %e {axes = array<i64: 1>} : (!k) -> !v
  return %sum, %max : !v, !v
}

// -----

!p = !sinter.tensor<f32[512, 4]>
!v = !sinter.tensor<f32[512]>
!k = !sinter.tensor<f32[512, 512]>
!d = !sinter.tensor<f32[512, 512, 4]>

// Must not: the pairs themselves are wanted.
// CHECK-LABEL: @pairs_that_are_stored_stay_one
// CHECK: sinter.exp
// CHECK-NOT: sinter.exp
// CHECK: return
// FUSED-LABEL: @pairs_that_are_stored_stay_one
func.func @pairs_that_are_stored_stay_one(%x: !p, %y: !p) -> (!v, !v, !k) {
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!p) -> !d
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!p) -> !d
  %c = sinter.sub %a, %b : (!d, !d) -> !d
  %s = sinter.mul %c, %c : (!d, !d) -> !d
  %r = sinter.reduce_sum %s {axes = array<i64: 2>} : (!d) -> !k
  %e = sinter.exp %r : (!k) -> !k
  %sum = sinter.reduce_sum %e {axes = array<i64: 1>} : (!k) -> !v
  %max = sinter.reduce_max %e {axes = array<i64: 1>} : (!k) -> !v
  return %sum, %max, %e : !v, !v, !k
}

// -----

!v = !sinter.tensor<f32[512]>
!k = !sinter.tensor<f32[512, 512]>
!d = !sinter.tensor<f32[512, 512, 4]>

// Must not: the values of pairs come from memory.
// CHECK-LABEL: @pairs_in_memory_stay_one
// CHECK: sinter.exp
// CHECK-NOT: sinter.exp
// CHECK: return
// FUSED-LABEL: @pairs_in_memory_stay_one
func.func @pairs_in_memory_stay_one(%x: !d) -> (!v, !v) {
  %r = sinter.reduce_sum %x {axes = array<i64: 2>} : (!d) -> !k
  %e = sinter.exp %r : (!k) -> !k
  %sum = sinter.reduce_sum %e {axes = array<i64: 1>} : (!k) -> !v
  %max = sinter.reduce_max %e {axes = array<i64: 1>} : (!k) -> !v
  return %sum, %max : !v, !v
}

// -----

!p = !sinter.tensor<f32[512, 40]>
!v = !sinter.tensor<f32[512]>
!k = !sinter.tensor<f32[512, 512]>
!d = !sinter.tensor<f32[512, 512, 40]>

// Must not: too many elements to be computed in place.
// CHECK-LABEL: @long_inner_reductions_stay_one
// CHECK: sinter.exp
// CHECK-NOT: sinter.exp
// CHECK: return
// FUSED-LABEL: @long_inner_reductions_stay_one
func.func @long_inner_reductions_stay_one(%x: !p, %y: !p) -> (!v, !v) {
  %a = sinter.broadcast %x {dimensions = array<i64: 0, 2>} : (!p) -> !d
  %b = sinter.broadcast %y {dimensions = array<i64: 1, 2>} : (!p) -> !d
  %c = sinter.mul %a, %b : (!d, !d) -> !d
  %r = sinter.reduce_sum %c {axes = array<i64: 2>} : (!d) -> !k
  %e = sinter.exp %r : (!k) -> !k
  %sum = sinter.reduce_sum %e {axes = array<i64: 1>} : (!k) -> !v
  %max = sinter.reduce_max %e {axes = array<i64: 1>} : (!k) -> !v
  return %sum, %max : !v, !v
}
