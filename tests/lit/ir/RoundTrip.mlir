// RUN: sinter-opt %s | sinter-opt | FileCheck %s
// RUN: sinter-opt %s --mlir-print-op-generic | sinter-opt | FileCheck %s

// CHECK-LABEL: @unary
func.func @unary(%x: !sinter.tensor<f32[N, 3]>, %p: !sinter.tensor<i1[N]>) {
  // CHECK: sinter.neg %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %neg = sinter.neg %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.abs %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %abs = sinter.abs %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.sign %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %sign = sinter.sign %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.exp %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %exp = sinter.exp %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.expm1 %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %expm1 = sinter.expm1 %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.log %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %log = sinter.log %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.log1p %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %log1p = sinter.log1p %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.sqrt %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %sqrt = sinter.sqrt %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.rsqrt %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %rsqrt = sinter.rsqrt %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.sin %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %sin = sinter.sin %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.cos %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %cos = sinter.cos %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.tanh %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %tanh = sinter.tanh %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.sigmoid %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %sigmoid = sinter.sigmoid %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.erf %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %erf = sinter.erf %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.relu %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %relu = sinter.relu %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.floor %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %floor = sinter.floor %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.ceil %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %ceil = sinter.ceil %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.round %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %round = sinter.round %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.stop_gradient %{{.*}} : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  %stop_gradient = sinter.stop_gradient %x : (!sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[N, 3]>
  // CHECK: sinter.not
  %not = sinter.not %p : (!sinter.tensor<i1[N]>) -> !sinter.tensor<i1[N]>
  return
}

// CHECK-LABEL: @binary
func.func @binary(%a: !sinter.tensor<f64[2]>, %b: !sinter.tensor<f64[2]>, %p: !sinter.tensor<i1[2]>) {
  // CHECK: sinter.add %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %add = sinter.add %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.sub %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %sub = sinter.sub %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.mul %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %mul = sinter.mul %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.div %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %div = sinter.div %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.pow %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %pow = sinter.pow %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.max %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %max = sinter.max %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.min %{{.*}}, %{{.*}} : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  %min = sinter.min %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  // CHECK: sinter.equal %{{.*}} -> !sinter.tensor<i1[2]>
  %equal = sinter.equal %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.not_equal %{{.*}} -> !sinter.tensor<i1[2]>
  %not_equal = sinter.not_equal %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.less %{{.*}} -> !sinter.tensor<i1[2]>
  %less = sinter.less %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.less_equal %{{.*}} -> !sinter.tensor<i1[2]>
  %less_equal = sinter.less_equal %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.greater %{{.*}} -> !sinter.tensor<i1[2]>
  %greater = sinter.greater %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.greater_equal %{{.*}} -> !sinter.tensor<i1[2]>
  %greater_equal = sinter.greater_equal %a, %b : (!sinter.tensor<f64[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.and
  %and = sinter.and %p, %p : (!sinter.tensor<i1[2]>, !sinter.tensor<i1[2]>) -> !sinter.tensor<i1[2]>
  // CHECK: sinter.or
  %or = sinter.or %p, %p : (!sinter.tensor<i1[2]>, !sinter.tensor<i1[2]>) -> !sinter.tensor<i1[2]>
  return
}

// CHECK-LABEL: @others
func.func @others(%p: !sinter.tensor<i1[N]>, %a: !sinter.tensor<f32[N]>) {
  // CHECK: sinter.select
  %s = sinter.select %p, %a, %a : (!sinter.tensor<i1[N]>, !sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  // CHECK: sinter.cast %{{.*}} : (!sinter.tensor<i1[N]>) -> !sinter.tensor<f32[N]>
  %c = sinter.cast %p : (!sinter.tensor<i1[N]>) -> !sinter.tensor<f32[N]>
  // CHECK: sinter.full 2.500000e+00 : f32 : !sinter.tensor<f32[N, "2*N"]>
  %f = sinter.full 2.5 : f32 : !sinter.tensor<f32[N, "2*N"]>
  // CHECK: sinter.full true : !sinter.tensor<i1[]>
  %t = sinter.full true : !sinter.tensor<i1[]>
  return
}

// CHECK-LABEL: @creation
func.func @creation() {
  // CHECK: sinter.constant dense<[1, 2]> : tensor<2xi32> : !sinter.tensor<i32[2]>
  %c = sinter.constant dense<[1, 2]> : tensor<2xi32> : !sinter.tensor<i32[2]>
  // CHECK: sinter.iota {axis = 1 : i64} : !sinter.tensor<i64[N, 4]>
  %i = sinter.iota {axis = 1 : i64} : !sinter.tensor<i64[N, 4]>
  // CHECK: sinter.dim_value {expression = "2*N"} : !sinter.tensor<f32[]>
  %d = sinter.dim_value {expression = "2*N"} : !sinter.tensor<f32[]>
  return
}

// CHECK-LABEL: @shape
func.func @shape(%x: !sinter.tensor<f32[N, 1, 6]>) {
  // CHECK: sinter.broadcast {{.*}}dimensions = array<i64: 1, 2, 3>
  %b = sinter.broadcast %x {dimensions = array<i64: 1, 2, 3>} : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32[8, N, 5, 6]>
  // CHECK: sinter.reshape {{.*}} -> !sinter.tensor<f32["2*N", 3]>
  %r = sinter.reshape %x : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32["2*N", 3]>
  // CHECK: sinter.transpose {{.*}}permutation = array<i64: 2, 0, 1>{{.*}} -> !sinter.tensor<f32[6, N, 1]>
  %t = sinter.transpose %x {permutation = array<i64: 2, 0, 1>} : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32[6, N, 1]>
  // CHECK: sinter.slice {{.*}}limits = ["N", 1, 6]{{.*}}starts = [1, 0, 1]{{.*}}strides = array<i64: 1, 1, 2>{{.*}} -> !sinter.tensor<f32["N - 1", 1, 3]>
  %s = sinter.slice %x {starts = [1, 0, 1], limits = ["N", 1, 6], strides = array<i64: 1, 1, 2>} : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32["N - 1", 1, 3]>
  // CHECK: sinter.concat {{.*}}axis = 0 : i64{{.*}} -> !sinter.tensor<f32["2*N", 1, 6]>
  %c = sinter.concat %x, %x {axis = 0 : i64} : (!sinter.tensor<f32[N, 1, 6]>, !sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32["2*N", 1, 6]>
  // CHECK: sinter.pad {{.*}} -> !sinter.tensor<f32["M + N", 1, 8]>
  %p = sinter.pad %x {low = ["M", 0, 1], high = [0, 0, 1], value = 0.0} : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32["M + N", 1, 8]>
  // CHECK: sinter.pad {{.*}}interior = array<i64: 1, 0, 2>{{.*}} -> !sinter.tensor<f32["2*N", 1, 17]>
  %q = sinter.pad %x {low = [0, 0, 0], high = [0, 0, -1], value = 0.0, interior = array<i64: 1, 0, 2>} : (!sinter.tensor<f32[N, 1, 6]>) -> !sinter.tensor<f32["2*N", 1, 17]>
  return
}

// CHECK-LABEL: @reductions
func.func @reductions(%x: !sinter.tensor<f32[N, 3, 4]>) {
  // CHECK: sinter.reduce_sum {{.*}}axes = array<i64: 0, 2>{{.*}} -> !sinter.tensor<f32[3]>
  %s = sinter.reduce_sum %x {axes = array<i64: 0, 2>} : (!sinter.tensor<f32[N, 3, 4]>) -> !sinter.tensor<f32[3]>
  // CHECK: sinter.reduce_prod
  %p = sinter.reduce_prod %x {axes = array<i64: 0, 1, 2>} : (!sinter.tensor<f32[N, 3, 4]>) -> !sinter.tensor<f32[]>
  // CHECK: sinter.reduce_max
  %m = sinter.reduce_max %x {axes = array<i64: 1>} : (!sinter.tensor<f32[N, 3, 4]>) -> !sinter.tensor<f32[N, 4]>
  // CHECK: sinter.reduce_min
  %n = sinter.reduce_min %x {axes = array<i64>} : (!sinter.tensor<f32[N, 3, 4]>) -> !sinter.tensor<f32[N, 3, 4]>
  // CHECK: sinter.argmax {{.*}}axis = 1 : i64{{.*}} -> !sinter.tensor<i64[N, 4]>
  %a = sinter.argmax %x {axis = 1 : i64} : (!sinter.tensor<f32[N, 3, 4]>) -> !sinter.tensor<i64[N, 4]>
  return
}

// CHECK-LABEL: @contraction
func.func @contraction(%a: !sinter.tensor<f32[B, N, 3]>, %b: !sinter.tensor<f32[3, 4, B]>) {
  // CHECK: sinter.dot_general {{.*}} -> !sinter.tensor<f32[B, N, 4]>
  %d = sinter.dot_general %a, %b {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 2>, lhsContract = array<i64: 2>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[B, N, 3]>, !sinter.tensor<f32[3, 4, B]>) -> !sinter.tensor<f32[B, N, 4]>
  return
}

// CHECK-LABEL: @indexing
func.func @indexing(%t: !sinter.tensor<f32[V, 8]>, %i: !sinter.tensor<i32[N, 2]>, %x: !sinter.tensor<f32[N, 2, 5]>) {
  // CHECK: sinter.gather_rows {{.*}} -> !sinter.tensor<f32[N, 2, 8]>
  %g = sinter.gather_rows %t, %i : (!sinter.tensor<f32[V, 8]>, !sinter.tensor<i32[N, 2]>) -> !sinter.tensor<f32[N, 2, 8]>
  // CHECK: sinter.scatter_add_rows {{.*}} -> !sinter.tensor<f32[V, 8]>
  %s = sinter.scatter_add_rows %i, %g : (!sinter.tensor<i32[N, 2]>, !sinter.tensor<f32[N, 2, 8]>) -> !sinter.tensor<f32[V, 8]>
  // CHECK: sinter.pick {{.*}} -> !sinter.tensor<f32[N, 2]>
  %p = sinter.pick %x, %i : (!sinter.tensor<f32[N, 2, 5]>, !sinter.tensor<i32[N, 2]>) -> !sinter.tensor<f32[N, 2]>
  return
}

// CHECK-LABEL: @gradients
func.func @gradients(%x: !sinter.tensor<f32[2]>, %y: !sinter.tensor<f64[]>, %dy: !sinter.tensor<f64[]>) {
  // CHECK: sinter.gradients %{{.*}} wrt %{{.*}}, %{{.*}} seed %{{.*}} :
  %g:2 = sinter.gradients %y wrt %x, %y seed %dy : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f64[]>, !sinter.tensor<f64[]>) -> (!sinter.tensor<f32[2]>, !sinter.tensor<f64[]>)
  return
}

// CHECK-LABEL: @forward_mode
func.func @forward_mode(%x: !sinter.tensor<f32[2]>, %y: !sinter.tensor<f64[]>, %v: !sinter.tensor<f32[2]>) {
  // CHECK: sinter.jvp %{{.*}}, %{{.*}} wrt %{{.*}} along %{{.*}} :
  %t:2 = sinter.jvp %y, %x wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>)
  return
}

// CHECK-LABEL: @custom_gradient
func.func @custom_gradient(%x: !sinter.tensor<f32[2]>, %y: !sinter.tensor<f64[]>) {
  // CHECK: sinter.with_gradient %{{.*}} wrt %[[X:.*]], %{{.*}} {
  // CHECK-NEXT: ^bb0(%[[D:.*]]: !sinter.tensor<f64[]>):
  // CHECK-NEXT: %[[N:.*]] = sinter.neg %[[D]]
  // CHECK-NEXT: sinter.yield %[[X]], %[[N]] :
  // CHECK-NEXT: } : (
  %w = sinter.with_gradient %y wrt %x, %y {
  ^bb0(%d: !sinter.tensor<f64[]>):
    %n = sinter.neg %d : (!sinter.tensor<f64[]>) -> !sinter.tensor<f64[]>
    sinter.yield %x, %n : !sinter.tensor<f32[2]>, !sinter.tensor<f64[]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f64[]>) -> !sinter.tensor<f64[]>
  return
}

// CHECK-LABEL: @fused
func.func @fused(%x: !sinter.tensor<f32[N, 3]>) {
  // CHECK: %{{.*}}:2 = sinter.fused "exp_neg" (%[[A:.*]] = %{{.*}} : !sinter.tensor<f32[N, 3]> as !sinter.tensor<f32["3*N"]>) -> (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32["3*N"]>) attributes {schedule = {unroll = 4 : i64}} {
  // CHECK-NEXT: %[[E:.*]] = sinter.exp %[[A]]
  // CHECK-NEXT: %[[N:.*]] = sinter.neg %[[E]]
  // CHECK-NEXT: sinter.yield %[[E]], %[[N]] : !sinter.tensor<f32["3*N"]>, !sinter.tensor<f32["3*N"]>
  %r:2 = sinter.fused "exp_neg" (%a = %x : !sinter.tensor<f32[N, 3]> as !sinter.tensor<f32["N*3"]>) -> (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32["3*N"]>) attributes {schedule = {unroll = 4}} {
    %e = sinter.exp %a : (!sinter.tensor<f32["N*3"]>) -> !sinter.tensor<f32["N*3"]>
    %n = sinter.neg %e : (!sinter.tensor<f32["N*3"]>) -> !sinter.tensor<f32["N*3"]>
    sinter.yield %e, %n : !sinter.tensor<f32["N*3"]>, !sinter.tensor<f32["N*3"]>
  }
  // CHECK: sinter.fused () -> (!sinter.tensor<f32[]>) {
  %s = sinter.fused () -> (!sinter.tensor<f32[]>) {
    %f = sinter.full 1.0 : f32 : !sinter.tensor<f32[]>
    sinter.yield %f : !sinter.tensor<f32[]>
  }
  return
}
