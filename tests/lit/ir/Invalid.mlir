// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint with its label: what keeps it, and what breaks it.

func.func @add_valid(%a0: !sinter.tensor<f32[N]>, %a1: !sinter.tensor<f32[N]>) {
  %r = sinter.add %a0, %a1 : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @add_invalid(%a0: !sinter.tensor<f32[N, 2]>, %a1: !sinter.tensor<f32[M, 2]>) {
  // expected-error @+2 {{'sinter.add' op operands f32[N, 2] and f32[M, 2] disagree: dim 0 differs; broadcast is an explicit op [elementwise_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.add %a0, %a1 : (!sinter.tensor<f32[N, 2]>, !sinter.tensor<f32[M, 2]>) -> !sinter.tensor<f32[N, 2]>
  return
}

// -----

func.func @max_dtype_valid(%a0: !sinter.tensor<i32[2]>, %a1: !sinter.tensor<i32[2]>) {
  %r = sinter.max %a0, %a1 : (!sinter.tensor<i32[2]>, !sinter.tensor<i32[2]>) -> !sinter.tensor<i32[2]>
  return
}
func.func @max_dtype_invalid(%a0: !sinter.tensor<i32[2]>, %a1: !sinter.tensor<i64[2]>) {
  // expected-error @+2 {{'sinter.max' op operands i32[2] and i64[2] disagree: dtypes i32 and i64 differ; cast one of them [elementwise_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.max %a0, %a1 : (!sinter.tensor<i32[2]>, !sinter.tensor<i64[2]>) -> !sinter.tensor<i32[2]>
  return
}

// -----

func.func @less_rank_valid(%a0: !sinter.tensor<f32[2]>, %a1: !sinter.tensor<f32[2]>) {
  %r = sinter.less %a0, %a1 : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<i1[2]>
  return
}
func.func @less_rank_invalid(%a0: !sinter.tensor<f32[2]>, %a1: !sinter.tensor<f32[2, 1]>) {
  // expected-error @+2 {{'sinter.less' op operands f32[2] and f32[2, 1] disagree: ranks 1 and 2 differ; broadcast is an explicit op [elementwise_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.less %a0, %a1 : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2, 1]>) -> !sinter.tensor<i1[2]>
  return
}

// -----

func.func @select_valid(%a0: !sinter.tensor<i1[2]>, %a1: !sinter.tensor<f32[2]>, %a2: !sinter.tensor<f32[2]>) {
  %r = sinter.select %a0, %a1, %a2 : (!sinter.tensor<i1[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @select_invalid(%a0: !sinter.tensor<i1[3]>, %a1: !sinter.tensor<f32[2]>, %a2: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.select' op condition bool[3] and operand f32[2] disagree: dim 0 differs; broadcast is an explicit op [elementwise_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.select %a0, %a1, %a2 : (!sinter.tensor<i1[3]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @select_branches_valid(%a0: !sinter.tensor<i1[2]>, %a1: !sinter.tensor<f32[2]>, %a2: !sinter.tensor<f32[2]>) {
  %r = sinter.select %a0, %a1, %a2 : (!sinter.tensor<i1[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @select_branches_invalid(%a0: !sinter.tensor<i1[2]>, %a1: !sinter.tensor<f32[2]>, %a2: !sinter.tensor<f64[2]>) {
  // expected-error @+2 {{'sinter.select' op operands f32[2] and f64[2] disagree: dtypes f32 and f64 differ; cast one of them [elementwise_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.select %a0, %a1, %a2 : (!sinter.tensor<i1[2]>, !sinter.tensor<f32[2]>, !sinter.tensor<f64[2]>) -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @cast_valid(%a0: !sinter.tensor<f32[N]>) {
  %r = sinter.cast %a0 : (!sinter.tensor<f32[N]>) -> !sinter.tensor<i32[N]>
  return
}
func.func @cast_invalid(%a0: !sinter.tensor<f32[N]>) {
  // expected-error @+1 {{'sinter.cast' op operand f32[N] and result i32[2] disagree: dim 0 differs [cast_c1]}}
  %r = sinter.cast %a0 : (!sinter.tensor<f32[N]>) -> !sinter.tensor<i32[2]>
  return
}

// -----

func.func @full_valid() {
  %r = sinter.full 1.0 : f32 : !sinter.tensor<f32[N]>
  return
}
func.func @full_invalid() {
  // expected-error @+1 {{'sinter.full' op value 1.000000e+00 : f32 is not of the element type of i32[N] [full_c1]}}
  %r = sinter.full 1.0 : f32 : !sinter.tensor<i32[N]>
  return
}

// -----

func.func @constant_valid() {
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}
func.func @constant_invalid() {
  // expected-error @+1 {{'sinter.constant' op value of type 'tensor<2xi32>' does not fit the result i32[3] [constant_c1]}}
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[3]>
  return
}

// -----

func.func @constant_symbolic_valid() {
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}
func.func @constant_symbolic_invalid() {
  // expected-error @+1 {{'sinter.constant' op value of type 'tensor<2xi32>' does not fit the result i32[N] [constant_c1]}}
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[N]>
  return
}

// -----

func.func @full_text_valid() {
  %r = sinter.full true : !sinter.tensor<i1[N]>
  return
}
func.func @full_text_invalid() {
  // expected-error @+1 {{'sinter.full' op value "one" : i1 is not of the element type of bool[N] [full_c1]}}
  %r = sinter.full "one" : i1 : !sinter.tensor<i1[N]>
  return
}

// -----

func.func @constant_missing_valid() {
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}
func.func @constant_missing_invalid() {
  // expected-error @+1 {{'sinter.constant' op the data of i32[2] is missing or of the wrong length [constant_c2]}}
  %r = sinter.constant dense_resource<nothing> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}

// -----

func.func @constant_sparse_valid() {
  %r = sinter.constant dense<1> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}
func.func @constant_sparse_invalid() {
  // expected-error @+1 {{'sinter.constant' op the data of i32[2] is missing or of the wrong length [constant_c2]}}
  %r = sinter.constant sparse<[0], 1> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}

// -----

func.func @iota_valid() {
  %r = sinter.iota {axis = 0 : i64} : !sinter.tensor<i32[2]>
  return
}
func.func @iota_invalid() {
  // expected-error @+1 {{'sinter.iota' op axis 1 lies outside the rank of i32[2] [iota_c1]}}
  %r = sinter.iota {axis = 1 : i64} : !sinter.tensor<i32[2]>
  return
}

// -----

func.func @dim_value_valid() {
  %r = sinter.dim_value {expression = "N + 1"} : !sinter.tensor<i32[]>
  return
}
func.func @dim_value_invalid() {
  // expected-error @+1 {{'sinter.dim_value' op 'N +' is not a size expression [dim_value_c1]}}
  %r = sinter.dim_value {expression = "N +"} : !sinter.tensor<i32[]>
  return
}

// -----

func.func @dim_value_scalar_valid() {
  %r = sinter.dim_value {expression = "N"} : !sinter.tensor<i32[]>
  return
}
func.func @dim_value_scalar_invalid() {
  // expected-error @+1 {{'sinter.dim_value' op the result i32[1] is not a scalar [dim_value_c2]}}
  %r = sinter.dim_value {expression = "N"} : !sinter.tensor<i32[1]>
  return
}

// -----

func.func @inferred_type_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.transpose %a0 {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[2, N]>
  return
}
func.func @inferred_type_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.transpose' op inferred type(s) '!sinter.tensor<f32[2, N]>' are incompatible with return type(s) of operation '!sinter.tensor<f32[N, 2]>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.transpose %a0 {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[N, 2]>
  return
}

// -----

func.func @missing_attribute_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.transpose %a0 {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[2, N]>
  return
}
func.func @missing_attribute_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+1 {{'sinter.transpose' op requires attribute 'permutation'}}
  %r = sinter.transpose %a0 : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[2, N]>
  return
}

// -----

func.func @float_only_valid(%a0: !sinter.tensor<f64[2]>) {
  %r = sinter.exp %a0 : (!sinter.tensor<f64[2]>) -> !sinter.tensor<f64[2]>
  return
}
func.func @float_only_invalid(%a0: !sinter.tensor<i32[2]>) {
  // expected-error @+1 {{'sinter.exp' op operand #0 must be tensor of f16, bf16, f32 or f64, but got '!sinter.tensor<i32[2]>'}}
  %r = sinter.exp %a0 : (!sinter.tensor<i32[2]>) -> !sinter.tensor<i32[2]>
  return
}

// -----

func.func @overflow_valid(%a0: !sinter.tensor<f32[400000000000000000]>, %a1: !sinter.tensor<f32[4]>) {
  %r = sinter.concat %a0, %a1 {axis = 0 : i64} : (!sinter.tensor<f32[400000000000000000]>, !sinter.tensor<f32[4]>) -> !sinter.tensor<f32[400000000000000004]>
  return
}
func.func @overflow_invalid(%a0: !sinter.tensor<f32[400000000000000000]>, %a1: !sinter.tensor<f32[400000000000000000]>) {
  // expected-error @+2 {{'sinter.concat' op has a result of impossible shape [800000000000000000]: the number of elements is too large}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.concat %a0, %a1 {axis = 0 : i64} : (!sinter.tensor<f32[400000000000000000]>, !sinter.tensor<f32[400000000000000000]>) -> !sinter.tensor<f32[4]>
  return
}

// -----

func.func @gradients_seed_valid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<f64[]>, %c: !sinter.tensor<f32[]>) {
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f64[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f64[]>
  return
}
func.func @gradients_seed_invalid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<f64[]>, %c: !sinter.tensor<f64[]>) {
  // expected-error @+1 {{'sinter.gradients' op needs one cotangent per y, of its type [gradients_c1]}}
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f64[]>, !sinter.tensor<f64[]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @gradients_result_valid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<f64[]>, %c: !sinter.tensor<f32[]>) {
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f64[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f64[]>
  return
}
func.func @gradients_result_invalid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<f64[]>, %c: !sinter.tensor<f32[]>) {
  // expected-error @+1 {{'sinter.gradients' op needs one result per x, of its type [gradients_c2]}}
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f64[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @gradients_dtype_valid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<f64[]>, %c: !sinter.tensor<f32[]>) {
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<f64[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<f64[]>
  return
}
func.func @gradients_dtype_invalid(%y: !sinter.tensor<f32[]>, %x: !sinter.tensor<i32[]>, %c: !sinter.tensor<f32[]>) {
  // expected-error @+1 {{'sinter.gradients' op x is i32[], not a float tensor [gradients_c3]}}
  %g = sinter.gradients %y wrt %x seed %c : (!sinter.tensor<f32[]>, !sinter.tensor<i32[]>, !sinter.tensor<f32[]>) -> !sinter.tensor<i32[]>
  return
}

// -----

func.func @jvp_tangent_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %v: !sinter.tensor<f32[2]>) {
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @jvp_tangent_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %v: !sinter.tensor<f32[3]>) {
  // expected-error @+1 {{'sinter.jvp' op needs one tangent per x, of its type [jvp_c1]}}
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[3]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @jvp_result_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %v: !sinter.tensor<f32[2]>) {
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @jvp_result_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %v: !sinter.tensor<f32[2]>) {
  // expected-error @+1 {{'sinter.jvp' op needs one result per y, of its type [jvp_c2]}}
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @jvp_dtype_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f16[2]>, %v: !sinter.tensor<f16[2]>) {
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<f16[2]>, !sinter.tensor<f16[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @jvp_dtype_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<i32[2]>, %v: !sinter.tensor<i32[2]>) {
  // expected-error @+1 {{'sinter.jvp' op x is i32[2], not a float tensor [jvp_c3]}}
  %t = sinter.jvp %y wrt %x along %v : (!sinter.tensor<f64[]>, !sinter.tensor<i32[2]>, !sinter.tensor<i32[2]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @with_gradient_argument_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f64[]>):
    sinter.yield %x : !sinter.tensor<f32[2]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @with_gradient_argument_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  // expected-error @+1 {{'sinter.with_gradient' op needs one block argument of the type of y [with_gradient_c1]}}
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f32[]>):
    sinter.yield %x : !sinter.tensor<f32[2]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @with_gradient_yield_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f64[]>):
    sinter.yield %x : !sinter.tensor<f32[2]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @with_gradient_yield_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  // expected-error @+1 {{'sinter.with_gradient' op needs one yielded value per x, of its type [with_gradient_c2]}}
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f64[]>):
    sinter.yield %n : !sinter.tensor<f32[3]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @with_gradient_end_valid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f64[]>):
    sinter.yield %x : !sinter.tensor<f32[2]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}
func.func @with_gradient_end_invalid(%y: !sinter.tensor<f64[]>, %x: !sinter.tensor<f32[2]>, %n: !sinter.tensor<f32[3]>) {
  // expected-error @+1 {{'sinter.with_gradient' op needs one yielded value per x, of its type [with_gradient_c2]}}
  %w = sinter.with_gradient %y wrt %x {
  ^bb0(%d: !sinter.tensor<f64[]>):
    func.return %x : !sinter.tensor<f32[2]>
  } : (!sinter.tensor<f64[]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f64[]>
  return
}

// -----

func.func @fused_yields_valid(%a0: !sinter.tensor<f32[2, 3]>) {
  %r = sinter.fused (%b = %a0 : !sinter.tensor<f32[2, 3]>) -> (!sinter.tensor<f32[2, 3]>) {
    sinter.yield %b : !sinter.tensor<f32[2, 3]>
  }
  return
}
func.func @fused_yields_invalid(%a0: !sinter.tensor<f32[2, 3]>) {
  // expected-error @+1 {{'sinter.fused' op has 1 results and yields 2 values [fused_c1]}}
  %r = sinter.fused (%b = %a0 : !sinter.tensor<f32[2, 3]>) -> (!sinter.tensor<f32[2, 3]>) {
    sinter.yield %b, %b : !sinter.tensor<f32[2, 3]>, !sinter.tensor<f32[2, 3]>
  }
  return
}

// -----

func.func @fused_arguments_valid(%a0: !sinter.tensor<f32[2, 3]>) {
  %r = sinter.fused (%b = %a0 : !sinter.tensor<f32[2, 3]>) -> (!sinter.tensor<f32[2, 3]>) {
    sinter.yield %b : !sinter.tensor<f32[2, 3]>
  }
  return
}
func.func @fused_arguments_invalid(%a0: !sinter.tensor<f32[2, 3]>) {
  // expected-error @+1 {{'sinter.fused' op has 1 operands and 0 block arguments [fused_c1]}}
  %r = "sinter.fused"(%a0) ({
    %f = sinter.full 1.0 : f32 : !sinter.tensor<f32[]>
    sinter.yield %f : !sinter.tensor<f32[]>
  }) : (!sinter.tensor<f32[2, 3]>) -> !sinter.tensor<f32[]>
  return
}

// -----

func.func @fused_sizes_valid(%a0: !sinter.tensor<f32[2, 3]>) {
  %r = sinter.fused (%b = %a0 : !sinter.tensor<f32[2, 3]> as !sinter.tensor<f32[6]>) -> (!sinter.tensor<f32[3, 2]>) {
    sinter.yield %b : !sinter.tensor<f32[6]>
  }
  return
}
func.func @fused_sizes_invalid(%a0: !sinter.tensor<f32[2, 3]>) {
  // expected-error @+1 {{'sinter.fused' op operand of type '!sinter.tensor<f32[2, 3]>' is seen inside as '!sinter.tensor<f32[5]>' [fused_c2]}}
  %r = sinter.fused (%b = %a0 : !sinter.tensor<f32[2, 3]> as !sinter.tensor<f32[5]>) -> (!sinter.tensor<f32[5]>) {
    sinter.yield %b : !sinter.tensor<f32[5]>
  }
  return
}
