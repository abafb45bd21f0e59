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

func.func @broadcast_valid(%a0: !sinter.tensor<f32[1, N]>) {
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0, 2>} : (!sinter.tensor<f32[1, N]>) -> !sinter.tensor<f32[3, 4, N]>
  return
}
func.func @broadcast_invalid(%a0: !sinter.tensor<f32[1, N]>) {
  // expected-error @+1 {{'sinter.broadcast' op dimensions [2, 0] do not place the dims of f32[1, N] in f32[N, 4, 1]; one entry per operand dim, increasing [broadcast_c1]}}
  %r = sinter.broadcast %a0 {dimensions = array<i64: 2, 0>} : (!sinter.tensor<f32[1, N]>) -> !sinter.tensor<f32[N, 4, 1]>
  return
}

// -----

func.func @broadcast_range_valid(%a0: !sinter.tensor<f32[N]>) {
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @broadcast_range_invalid(%a0: !sinter.tensor<f32[N]>) {
  // expected-error @+1 {{'sinter.broadcast' op dimensions [1] do not place the dims of f32[N] in f32[N]; one entry per operand dim, increasing [broadcast_c1]}}
  %r = sinter.broadcast %a0 {dimensions = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return
}

// -----

func.func @broadcast_size_valid(%a0: !sinter.tensor<f32[1]>) {
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0>} : (!sinter.tensor<f32[1]>) -> !sinter.tensor<f32[M]>
  return
}
func.func @broadcast_size_invalid(%a0: !sinter.tensor<f32[N]>) {
  // expected-error @+1 {{'sinter.broadcast' op dim 0 of f32[N] (N) cannot become dim 0 of f32[M] (M); only a constant size 1 repeats [broadcast_c2]}}
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[M]>
  return
}

// -----

func.func @broadcast_dtype_valid(%a0: !sinter.tensor<f32[1]>) {
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0>} : (!sinter.tensor<f32[1]>) -> !sinter.tensor<f32[M]>
  return
}
func.func @broadcast_dtype_invalid(%a0: !sinter.tensor<f32[1]>) {
  // expected-error @+1 {{'sinter.broadcast' op operand f32[1] and result f64[M] differ in dtype [broadcast_c3]}}
  %r = sinter.broadcast %a0 {dimensions = array<i64: 0>} : (!sinter.tensor<f32[1]>) -> !sinter.tensor<f64[M]>
  return
}

// -----

func.func @reshape_valid(%a0: !sinter.tensor<f32[N, 6]>) {
  %r = sinter.reshape %a0 : (!sinter.tensor<f32[N, 6]>) -> !sinter.tensor<f32["2*N", 3]>
  return
}
func.func @reshape_invalid(%a0: !sinter.tensor<f32[N, 6]>) {
  // expected-error @+1 {{'sinter.reshape' op f32[N, 6] has 6*N elements, f32[2*N, 2] has 4*N [reshape_c1]}}
  %r = sinter.reshape %a0 : (!sinter.tensor<f32[N, 6]>) -> !sinter.tensor<f32["2*N", 2]>
  return
}

// -----

func.func @reshape_dtype_valid(%a0: !sinter.tensor<f32[2]>) {
  %r = sinter.reshape %a0 : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[1, 2]>
  return
}
func.func @reshape_dtype_invalid(%a0: !sinter.tensor<f32[2]>) {
  // expected-error @+1 {{'sinter.reshape' op operand f32[2] and result f64[1, 2] differ in dtype [reshape_c2]}}
  %r = sinter.reshape %a0 : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f64[1, 2]>
  return
}

// -----

func.func @transpose_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.transpose %a0 {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[2, N]>
  return
}
func.func @transpose_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.transpose' op [1, 1] is not a permutation of the dims of f32[N, 2] [transpose_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.transpose %a0 {permutation = array<i64: 1, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[2, 2]>
  return
}

// -----

func.func @transpose_range_valid(%a0: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.transpose %a0 {permutation = array<i64: 0, 1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[N, 2]>
  return
}
func.func @transpose_range_invalid(%a0: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+2 {{'sinter.transpose' op [0, -1] is not a permutation of the dims of f32[N, 2] [transpose_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.transpose %a0 {permutation = array<i64: 0, -1>} : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<f32[N, 2]>
  return
}

// -----

func.func @slice_valid(%a0: !sinter.tensor<f32[4]>) {
  %r = sinter.slice %a0 {starts = [1], limits = [3], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @slice_invalid(%a0: !sinter.tensor<f32[4]>) {
  // expected-error @+2 {{'sinter.slice' op needs a start, a limit and a stride for each dim of f32[4] [slice_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [1], limits = [3, 4], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @slice_entries_valid(%a0: !sinter.tensor<f32[N]>) {
  %r = sinter.slice %a0 {starts = [0], limits = ["N"], strides = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @slice_entries_invalid(%a0: !sinter.tensor<f32[N]>) {
  // expected-error @+2 {{'sinter.slice' op needs a start, a limit and a stride for each dim of f32[N] [slice_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [0], limits = ["1+"], strides = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  return
}

// -----

func.func @slice_stride_valid(%a0: !sinter.tensor<f32[4]>) {
  %r = sinter.slice %a0 {starts = [0], limits = [4], strides = array<i64: 3>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @slice_stride_invalid(%a0: !sinter.tensor<f32[4]>) {
  // expected-error @+2 {{'sinter.slice' op stride 0 of dim 0 of f32[4] is not positive [slice_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [0], limits = [4], strides = array<i64: 0>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  return
}

// -----

func.func @slice_range_valid(%a0: !sinter.tensor<f32[4]>) {
  %r = sinter.slice %a0 {starts = [2], limits = [2], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[0]>
  return
}
func.func @slice_range_invalid(%a0: !sinter.tensor<f32[4]>) {
  // expected-error @+2 {{'sinter.slice' op the range [3, 2) of dim 0 of f32[4] is not one [slice_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [3], limits = [2], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[0]>
  return
}

// -----

func.func @slice_limit_valid(%a0: !sinter.tensor<f32[4]>) {
  %r = sinter.slice %a0 {starts = [0], limits = [4], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[4]>
  return
}
func.func @slice_limit_invalid(%a0: !sinter.tensor<f32[4]>) {
  // expected-error @+2 {{'sinter.slice' op the range [0, 5) of dim 0 exceeds the size 4 of f32[4] [slice_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [0], limits = [5], strides = array<i64: 1>} : (!sinter.tensor<f32[4]>) -> !sinter.tensor<f32[5]>
  return
}

// -----

func.func @slice_symbolic_limit_valid(%a0: !sinter.tensor<f32["N + 2"]>) {
  %r = sinter.slice %a0 {starts = [0], limits = ["N"], strides = array<i64: 1>} : (!sinter.tensor<f32["N + 2"]>) -> !sinter.tensor<f32[N]>
  return
}
func.func @slice_symbolic_limit_invalid(%a0: !sinter.tensor<f32[N]>) {
  // expected-error @+2 {{'sinter.slice' op the range [0, 2) of dim 0 exceeds the size N of f32[N] [slice_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [0], limits = [2], strides = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @concat_valid(%a0: !sinter.tensor<f32[2]>) {
  %r = sinter.concat %a0 {axis = 0 : i64} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @concat_invalid(%a0: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.concat' op has no operand [concat_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.concat {axis = 0 : i64} : () -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @concat_axis_valid(%a0: !sinter.tensor<f32[2]>, %a1: !sinter.tensor<f32[N]>) {
  %r = sinter.concat %a0, %a1 {axis = 0 : i64} : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["N + 2"]>
  return
}
func.func @concat_axis_invalid(%a0: !sinter.tensor<f32[2]>, %a1: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.concat' op axis 1 lies outside the rank of f32[2] [concat_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.concat %a0, %a1 {axis = 1 : i64} : (!sinter.tensor<f32[2]>, !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[4]>
  return
}

// -----

func.func @concat_sizes_valid(%a0: !sinter.tensor<f32[2, N]>, %a1: !sinter.tensor<f32[3, N]>) {
  %r = sinter.concat %a0, %a1 {axis = 0 : i64} : (!sinter.tensor<f32[2, N]>, !sinter.tensor<f32[3, N]>) -> !sinter.tensor<f32[5, N]>
  return
}
func.func @concat_sizes_invalid(%a0: !sinter.tensor<f32[2, N]>, %a1: !sinter.tensor<f32[3, M]>) {
  // expected-error @+2 {{'sinter.concat' op operands f32[2, N] and f32[3, M] do not join along axis 0: dims 0, 1 differ [concat_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.concat %a0, %a1 {axis = 0 : i64} : (!sinter.tensor<f32[2, N]>, !sinter.tensor<f32[3, M]>) -> !sinter.tensor<f32[5, N]>
  return
}

// -----

func.func @pad_valid(%a0: !sinter.tensor<f32[2]>) {
  %r = sinter.pad %a0 {low = [1], high = ["N"], value = 0.0} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32["N + 3"]>
  return
}
func.func @pad_invalid(%a0: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.pad' op needs one entry of low, high and interior for each dim of f32[2] [pad_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.pad %a0 {low = [1], high = [], value = 0.0} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[3]>
  return
}

// -----

func.func @pad_negative_valid(%a0: !sinter.tensor<f32[2]>) {
  %r = sinter.pad %a0 {low = [0], high = [0], value = 0.0} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}
func.func @pad_negative_invalid(%a0: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.pad' op padding (0, -1) of dim 0 of f32[2] is negative; slice to crop [pad_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.pad %a0 {low = [0], high = [-1], value = 0.0} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[1]>
  return
}

// -----

func.func @pad_interior_valid(%a0: !sinter.tensor<f32[2]>) {
  %r = sinter.pad %a0 {low = [0], high = [-1], value = 0.0, interior = array<i64: 1>} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[3]>
  return
}
func.func @pad_interior_invalid(%a0: !sinter.tensor<f32[2]>) {
  // expected-error @+2 {{'sinter.pad' op padding (0, -2) of dim 0 of f32[2] is negative; slice to crop [pad_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.pad %a0 {low = [0], high = [-2], value = 0.0, interior = array<i64: 1>} : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>
  return
}

// -----

func.func @pad_value_valid(%a0: !sinter.tensor<i32[2]>) {
  %r = sinter.pad %a0 {low = [1], high = [0], value = -7.0} : (!sinter.tensor<i32[2]>) -> !sinter.tensor<i32[3]>
  return
}
func.func @pad_value_invalid(%a0: !sinter.tensor<i32[2]>) {
  // expected-error @+2 {{'sinter.pad' op the value does not exist in the dtype of i32[2] [pad_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.pad %a0 {low = [1], high = [0], value = 0.5} : (!sinter.tensor<i32[2]>) -> !sinter.tensor<i32[3]>
  return
}

// -----

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
  // expected-error @+1 {{'sinter.exp' op operand #0 must be tensor of f32 or f64, but got '!sinter.tensor<i32[2]>'}}
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
