// What keeps kernels apart that exchange values.
// RUN: sinter-opt %s -sinter-fuse=explain=true -split-input-file | FileCheck %s
// RUN: sinter-opt %s -sinter-fuse -split-input-file | FileCheck %s --check-prefix=SILENT
// SILENT-NOT: sinter.unfused

!m = !sinter.tensor<f32[1024, 1024]>

// CHECK-LABEL: @two_contractions
// CHECK-SAME: sinter.unfused = [{bytes = 8388608 : i64, consumer = "dot_general", from = {{.*}}, producer = "dot_general",
// CHECK-SAME: reason = "a kernel holds one contraction, scatter or sort", to = {{.*}}}]
func.func @two_contractions(%x: !m, %w: !m) -> !m {
  %a = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %b = sinter.dot_general %a, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  return %b : !m
}

// -----

!m = !sinter.tensor<f32[1024, 1024]>

// Nothing to say.
// CHECK-LABEL: @all_in_one
// CHECK-SAME: sinter.unfused = []
func.func @all_in_one(%x: !m, %y: !m) -> !m {
  %a = sinter.add %x, %y : (!m, !m) -> !m
  %e = sinter.exp %a : (!m) -> !m
  return %e : !m
}

// -----

!v = !sinter.tensor<f32[4096]>
!m = !sinter.tensor<f32[4096, 4096]>

// Dear, and needed for every row again; what is cheap may be repeated.
// CHECK-LABEL: @repeated_work
// CHECK-SAME: consumer = "broadcast"
// CHECK-SAME: producer = "erf"
// CHECK-SAME: reason = "one kernel would take {{.*}}s longer: it would compute each element of erf 4096 times"
func.func @repeated_work(%v: !v) -> !m {
  %e = sinter.erf %v : (!v) -> !v
  %b = sinter.broadcast %e {dimensions = array<i64: 1>} : (!v) -> !m
  %s = sinter.sin %b : (!m) -> !m
  return %s : !m
}

// CHECK-LABEL: @repeated_cheap_work
// CHECK-SAME: sinter.unfused = []
func.func @repeated_cheap_work(%v: !v) -> !m {
  %e = sinter.neg %v : (!v) -> !v
  %b = sinter.broadcast %e {dimensions = array<i64: 1>} : (!v) -> !m
  %s = sinter.sin %b : (!m) -> !m
  return %s : !m
}

// -----

!m = !sinter.tensor<f32[1024, 1024]>

// CHECK-LABEL: @there_is_another_way
// CHECK-SAME: reason = "what the one makes reaches the other through another kernel as well"
func.func @there_is_another_way(%x: !m, %w: !m) -> !m {
  %e = sinter.erf %x : (!m) -> !m
  %d = sinter.dot_general %e, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %f = sinter.dot_general %d, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !m) -> !m
  %s = sinter.transpose %f {permutation = array<i64: 1, 0>} : (!m) -> !m
  %r = sinter.add %s, %e : (!m, !m) -> !m
  return %r : !m
}

// -----

!x = !sinter.tensor<f32[N, 64]>

// Bytes of named sizes are a formula.
// CHECK-LABEL: @symbolic
// CHECK-SAME: bytes = "512*N"
// CHECK-SAME: reason = "an operand of a contraction would be computed more than once, at some cost"
func.func @symbolic(%x: !x, %w: !sinter.tensor<f32[64, 64]>) -> !x {
  %e = sinter.erf %x : (!x) -> !x
  %d = sinter.dot_general %e, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!x, !sinter.tensor<f32[64, 64]>) -> !x
  return %d : !x
}
