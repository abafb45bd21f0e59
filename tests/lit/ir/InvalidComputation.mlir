// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint with its label: what keeps it, and what breaks it.

func.func @reduce_sum_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.reduce_sum %a0 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}
func.func @reduce_sum_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.reduce_sum' op axes [1, 0] are not increasing dims of f32[N, 2] [reduce_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.reduce_sum %a0 {axes = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @reduce_prod_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.reduce_prod %a0 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}
func.func @reduce_prod_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.reduce_prod' op axes [1, 0] are not increasing dims of f32[N, 2] [reduce_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.reduce_prod %a0 {axes = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @reduce_max_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.reduce_max %a0 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}
func.func @reduce_max_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.reduce_max' op axes [1, 0] are not increasing dims of f32[N, 2] [reduce_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.reduce_max %a0 {axes = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @reduce_min_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.reduce_min %a0 {axes = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}
func.func @reduce_min_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.reduce_min' op axes [1, 0] are not increasing dims of f32[N, 2] [reduce_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.reduce_min %a0 {axes = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @argmax_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.argmax %a0 {axis = 1 : i64} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<i64[N]>
  return
}
func.func @argmax_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.argmax' op axis 2 lies outside the rank of f32[N, 2] [argmax_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.argmax %a0 {axis = 2 : i64} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<i64[N]>
  return
}

// -----

func.func @argmax_empty_valid(%a0: !sinter.tensor<f32[0, 2]>) {
  %r = sinter.argmax %a0 {axis = 1 : i64} : (!sinter.tensor<f32[0, 2]>) -> !sinter.tensor<i64[0]>
  return
}
func.func @argmax_empty_invalid(%a0: !sinter.tensor<f32[0, 2]>) {
  // expected-error @+2 {{'sinter.argmax' op axis 0 of f32[0, 2] is empty [argmax_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.argmax %a0 {axis = 0 : i64} : (!sinter.tensor<f32[0, 2]>) -> !sinter.tensor<i64[2]>
  return
}

// -----

func.func @dot_valid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}
func.func @dot_invalid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  // expected-error @+2 {{'sinter.dot_general' op f32[N, 3] and f32[3, 4] need equal numbers of batch and of contracting dims [dot_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}

// -----

func.func @dot_dims_valid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}
func.func @dot_dims_invalid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  // expected-error @+2 {{'sinter.dot_general' op batch dims [1], [0] and contracting dims [1], [0] are not distinct dims of f32[N, 3] and f32[3, 4] [dot_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64: 1>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}

// -----

func.func @dot_contract_valid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}
func.func @dot_contract_invalid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[4, 4]>) {
  // expected-error @+2 {{'sinter.dot_general' op contracting dims of f32[N, 3] and f32[4, 4] differ: dim 1 (3) against dim 0 (4) [dot_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[4, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}

// -----

func.func @dot_batch_valid(%a0: !sinter.tensor<f32[B, 3]>, %a1: !sinter.tensor<f32[B, 3]>) {
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 1>, rhsContract = array<i64: 1>} : (!sinter.tensor<f32[B, 3]>, !sinter.tensor<f32[B, 3]>) -> !sinter.tensor<f32[B]>
  return
}
func.func @dot_batch_invalid(%a0: !sinter.tensor<f32[B, 3]>, %a1: !sinter.tensor<f32[C, 3]>) {
  // expected-error @+2 {{'sinter.dot_general' op batch dims of f32[B, 3] and f32[C, 3] differ: dim 0 (B) against dim 0 (C) [dot_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64: 0>, rhsBatch = array<i64: 0>, lhsContract = array<i64: 1>, rhsContract = array<i64: 1>} : (!sinter.tensor<f32[B, 3]>, !sinter.tensor<f32[C, 3]>) -> !sinter.tensor<f32[B]>
  return
}

// -----

func.func @dot_dtype_valid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f32[3, 4]>) {
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}
func.func @dot_dtype_invalid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<f64[3, 4]>) {
  // expected-error @+2 {{'sinter.dot_general' op f32[N, 3] and f64[3, 4] differ in dtype; cast one of them [dot_c4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.dot_general %a0, %a1 {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f64[3, 4]>) -> !sinter.tensor<f32[N, 4]>
  return
}

// -----

func.func @gather_rows_valid(%a0: !sinter.tensor<f32[V]>, %a1: !sinter.tensor<i32[N]>) {
  %r = sinter.gather_rows %a0, %a1 : (!sinter.tensor<f32[V]>, !sinter.tensor<i32[N]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @gather_rows_invalid(%a0: !sinter.tensor<f32[]>, %a1: !sinter.tensor<i32[N]>) {
  // expected-error @+2 {{'sinter.gather_rows' op the table f32[] has no rows [gather_rows_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.gather_rows %a0, %a1 : (!sinter.tensor<f32[]>, !sinter.tensor<i32[N]>) -> !sinter.tensor<f32[N]>
  return
}

// -----

func.func @scatter_add_rows_valid(%a0: !sinter.tensor<i32[N]>, %a1: !sinter.tensor<f32[N, 3]>) {
  %r = sinter.scatter_add_rows %a0, %a1 : (!sinter.tensor<i32[N]>, !sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[V, 3]>
  return
}
func.func @scatter_add_rows_invalid(%a0: !sinter.tensor<i32[N]>, %a1: !sinter.tensor<f32[N, 3]>) {
  // expected-error @+1 {{'sinter.scatter_add_rows' op updates f32[N, 3] are not the rows of f32[V, 4] for indices i32[N] [scatter_add_rows_c1]}}
  %r = sinter.scatter_add_rows %a0, %a1 : (!sinter.tensor<i32[N]>, !sinter.tensor<f32[N, 3]>) -> !sinter.tensor<f32[V, 4]>
  return
}

// -----

func.func @scatter_add_rows_dtype_valid(%a0: !sinter.tensor<i32[N]>, %a1: !sinter.tensor<f32[N]>) {
  %r = sinter.scatter_add_rows %a0, %a1 : (!sinter.tensor<i32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[V]>
  return
}
func.func @scatter_add_rows_dtype_invalid(%a0: !sinter.tensor<i32[N]>, %a1: !sinter.tensor<f32[N]>) {
  // expected-error @+1 {{'sinter.scatter_add_rows' op updates f32[N] and result f64[V] differ in dtype [scatter_add_rows_c2]}}
  %r = sinter.scatter_add_rows %a0, %a1 : (!sinter.tensor<i32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f64[V]>
  return
}

// -----

func.func @pick_valid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<i32[N]>) {
  %r = sinter.pick %a0, %a1 : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<i32[N]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @pick_invalid(%a0: !sinter.tensor<f32[N, 3]>, %a1: !sinter.tensor<i32[M]>) {
  // expected-error @+2 {{'sinter.pick' op indices i32[M] do not have the leading dims of f32[N, 3] [pick_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.pick %a0, %a1 : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<i32[M]>) -> !sinter.tensor<f32[M]>
  return
}
