// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint with its label: what keeps it, and what breaks it.

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
  // expected-error @+2 {{'sinter.slice' op the range [0, N + 1) of dim 0 exceeds the size N of f32[N] [slice_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.slice %a0 {starts = [0], limits = ["N + 1"], strides = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32["N + 1"]>
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
