// RUN: graph-compile %s --target=cpu:znver4,+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx2,+fma,+f16c,+avx512bf16 --stop-after=scheduled | FileCheck %s
// RUN: graph-compile %s --target=cpu:x86-64-v4 --stop-after=scheduled | FileCheck %s --check-prefix=PLAIN
// RUN: graph-run %s --engine=interpreter --quiet --outputs %t.npz
// RUN: graph-run %s --expect %t.npz --rtol 1e-2 --atol 1e-4 --quiet
// RUN: graph-run %s --target=cpu:x86-64 --expect %t.npz --rtol 1e-2 --atol 1e-4 --quiet

!x = !sinter.tensor<bf16[256, 512]>
!w = !sinter.tensor<bf16[512, 256]>
!f = !sinter.tensor<f32[256, 512]>
!g = !sinter.tensor<f32[256, 3]>

func.func @main(%x: !x {sinter.kind = "parameter", sinter.name = "x", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}},
                %w: !w {sinter.kind = "parameter", sinter.name = "w", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}},
                %f: !f {sinter.kind = "parameter", sinter.name = "f", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}},
                %g: !g {sinter.kind = "parameter", sinter.name = "g", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}},
                %h: !sinter.tensor<f16[512, 256]> {sinter.kind = "parameter", sinter.name = "h", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}},
                %i: !sinter.tensor<f32[2, 40, 3]> {sinter.kind = "parameter", sinter.name = "i", sinter.init = {kind = "uniform", a = -1.0, b = 1.0}})
    -> (!sinter.tensor<bf16[256, 256]> {sinter.name = "a"}, !sinter.tensor<f32[256, 256]> {sinter.name = "b"},
        !sinter.tensor<f32[256, 32]> {sinter.name = "c"}, !sinter.tensor<f32[256, 30]> {sinter.name = "d"},
        !sinter.tensor<f32[2, 40, 32]> {sinter.name = "k"}) {
  // Pairs of bf16 where an instruction multiplies them; else they are converted when they are packed.
  // CHECK: sinter.fused "dot_general"
  // CHECK-SAME: depth = 2
  // CHECK-SAME: packA = 0
  // PLAIN: sinter.fused "dot_general"
  // PLAIN-SAME: depth = 1
  // PLAIN-SAME: packA = 1
  %a = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!x, !w) -> !sinter.tensor<bf16[256, 256]>
  // A cast is no kernel of its own.
  // CHECK: sinter.fused "cast_dot_general"
  // CHECK-SAME: depth = 1
  %e = sinter.cast %h : (!sinter.tensor<f16[512, 256]>) -> !sinter.tensor<f32[512, 256]>
  %b = sinter.dot_general %f, %e {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!f, !sinter.tensor<f32[512, 256]>) -> !sinter.tensor<f32[256, 256]>
  // A constant lies as the only kernel that reads it likes it, if its columns make whole vectors.
  // CHECK: sinter.fused "dot_general"
  // CHECK-SAME: panel = 32
  %even = sinter.constant dense<[[-5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0], [2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0], [-2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0]]> : tensor<3x32xf32> : !sinter.tensor<f32[3, 32]>
  %c = sinter.dot_general %g, %even {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!g, !sinter.tensor<f32[3, 32]>) -> !sinter.tensor<f32[256, 32]>
  // CHECK: sinter.fused "dot_general"
  // CHECK-SAME: panel = 0
  %odd = sinter.constant dense<[[-5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0], [2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0], [-2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0]]> : tensor<3x30xf32> : !sinter.tensor<f32[3, 30]>
  %d = sinter.dot_general %g, %odd {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!g, !sinter.tensor<f32[3, 30]>) -> !sinter.tensor<f32[256, 30]>
  // Several matrices stay as they are.
  // CHECK: sinter.fused "dot_general"
  // CHECK-SAME: panel = 0
  %two = sinter.constant dense<[[[-5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0], [0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0], [5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0]], [[2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0], [-4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0], [1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0, -2.0, 1.0, 4.0, -4.0, -1.0, 2.0, 5.0, -3.0, 0.0, 3.0, -5.0]]]> : tensor<2x3x32xf32> : !sinter.tensor<f32[2, 3, 32]>
  %k = sinter.dot_general %i, %two {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 2>, rhsContract = array<i64: 1>}
     : (!sinter.tensor<f32[2, 40, 3]>, !sinter.tensor<f32[2, 3, 32]>) -> !sinter.tensor<f32[2, 40, 32]>
  return %a, %b, %c, %d, %k : !sinter.tensor<bf16[256, 256]>, !sinter.tensor<f32[256, 256]>, !sinter.tensor<f32[256, 32]>, !sinter.tensor<f32[256, 30]>, !sinter.tensor<f32[2, 40, 32]>
}
