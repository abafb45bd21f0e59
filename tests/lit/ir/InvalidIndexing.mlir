// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint of the ops that look up, place, order, accumulate and slide, and of derivatives: what keeps it, and what breaks it.

func.func @gather_c1_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.gather %a0, %a1 {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[7, 3]>
  return
}
func.func @gather_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 3]>) {
  // expected-error @+2 {{'sinter.gather' op dims [-1, 2] do not give each dim of f32[5, 3] an index tensor (-1) or a dim of the result i32[7, 3] [gather_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.gather %a0, %a1 {dims = array<i64: -1, 2>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[7, 3]>
  return
}

// -----

func.func @gather_c2_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.gather %a0, %a1 {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[7, 3]>
  return
}
func.func @gather_c2_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  // expected-error @+2 {{'sinter.gather' op dims [-1, 1] need 1 index tensors, not 2; at least one [gather_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.gather %a0, %a1, %a2 {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[7, 3]>
  return
}

// -----

func.func @gather_c3_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.gather %a0, %a1 {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[7, 3]>
  return
}
func.func @gather_c3_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<i32[7, 4]>) {
  // expected-error @+2 {{'sinter.gather' op dim 1 of f32[5, 3] does not have the size of dim 1 of the result i32[7, 4] [gather_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.gather %a0, %a1 {dims = array<i64: -1, 1>} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<i32[7, 4]>) -> !sinter.tensor<f32[7, 4]>
  return
}

// -----

func.func @scatter_c1_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @scatter_c1_invalid(%a0: !sinter.tensor<f32[5, 5]>, %a1: !sinter.tensor<f32[7, 5]>, %a2: !sinter.tensor<i32[7, 5]>) {
  // expected-error @+2 {{'sinter.scatter' op dims [1, 1] use a dim of the updates twice [scatter_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: 1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 5]>, !sinter.tensor<f32[7, 5]>, !sinter.tensor<i32[7, 5]>) -> !sinter.tensor<f32[5, 5]>
  return
}

// -----

func.func @scatter_c2_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @scatter_c2_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7]>) {
  // expected-error @+2 {{'sinter.scatter' op indices i32[7] are not of the sizes of the updates f32[7, 3], or of different dtypes [scatter_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @scatter_c3_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @scatter_c3_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 4]>, %a2: !sinter.tensor<i32[7, 4]>) {
  // expected-error @+2 {{'sinter.scatter' op dim 1 of f32[5, 3] does not have the size of dim 1 of the updates f32[7, 4] [scatter_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 4]>, !sinter.tensor<i32[7, 4]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @scatter_c4_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @scatter_c4_invalid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f64[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  // expected-error @+2 {{'sinter.scatter' op f32[5, 3] and updates f64[7, 3] differ in dtype; cast one of them [scatter_c4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f64[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @scatter_c5_valid(%a0: !sinter.tensor<f32[5, 3]>, %a1: !sinter.tensor<f32[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<f32[5, 3]>, !sinter.tensor<f32[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @scatter_c5_invalid(%a0: !sinter.tensor<i1[5, 3]>, %a1: !sinter.tensor<i1[7, 3]>, %a2: !sinter.tensor<i32[7, 3]>) {
  // expected-error @+2 {{'sinter.scatter' op mode 'add' does not exist for bool[5, 3]; set, add, mul, max or min, and only set for bool [scatter_c5]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.scatter %a0, %a1, %a2 {dims = array<i64: -1, 1>, mode = "add"} : (!sinter.tensor<i1[5, 3]>, !sinter.tensor<i1[7, 3]>, !sinter.tensor<i32[7, 3]>) -> !sinter.tensor<i1[5, 3]>
  return
}

// -----

func.func @argsort_c1_valid(%a0: !sinter.tensor<f32[5, 3]>) {
  %r = sinter.argsort %a0 {axis = 1 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<i64[5, 3]>
  return
}
func.func @argsort_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>) {
  // expected-error @+2 {{'sinter.argsort' op axis 2 lies outside the rank of f32[5, 3] [argsort_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.argsort %a0 {axis = 2 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<i64[5, 3]>
  return
}

// -----

func.func @cumulative_c1_valid(%a0: !sinter.tensor<f32[5, 3]>) {
  %r = sinter.cumsum %a0 {axis = 1 : i64, exclusive} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @cumulative_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>) {
  // expected-error @+2 {{'sinter.cumsum' op axis -1 lies outside the rank of f32[5, 3] [cumulative_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.cumsum %a0 {axis = -1 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @cumulative_c1_valid(%a0: !sinter.tensor<f32[5, 3]>) {
  %r = sinter.cumprod %a0 {axis = 1 : i64, exclusive} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @cumulative_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>) {
  // expected-error @+2 {{'sinter.cumprod' op axis -1 lies outside the rank of f32[5, 3] [cumulative_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.cumprod %a0 {axis = -1 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @cumulative_c1_valid(%a0: !sinter.tensor<f32[5, 3]>) {
  %r = sinter.cummax %a0 {axis = 1 : i64, exclusive} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @cumulative_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>) {
  // expected-error @+2 {{'sinter.cummax' op axis -1 lies outside the rank of f32[5, 3] [cumulative_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.cummax %a0 {axis = -1 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @cumulative_c1_valid(%a0: !sinter.tensor<f32[5, 3]>) {
  %r = sinter.cummin %a0 {axis = 1 : i64, exclusive} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}
func.func @cumulative_c1_invalid(%a0: !sinter.tensor<f32[5, 3]>) {
  // expected-error @+2 {{'sinter.cummin' op axis -1 lies outside the rank of f32[5, 3] [cumulative_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.cummin %a0 {axis = -1 : i64} : (!sinter.tensor<f32[5, 3]>) -> !sinter.tensor<f32[5, 3]>
  return
}

// -----

func.func @window_c1_valid(%a0: !sinter.tensor<f32[2, 9, 3]>) {
  %r = sinter.window_read %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 3]>) -> !sinter.tensor<f32[2, 4, 3]>
  return
}
func.func @window_c1_invalid(%a0: !sinter.tensor<f32[2, 9, 3]>) {
  // expected-error @+2 {{'sinter.window_read' op strides [2, 1] and dilations [1] do not fit spatial and window dims of f32[2, 9, 3] [window_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.window_read %a0 {strides = array<i64: 2, 1>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 3]>) -> !sinter.tensor<f32[2, 4, 3]>
  return
}

// -----

func.func @window_c2_valid(%a0: !sinter.tensor<f32[2, 9, 3]>) {
  %r = sinter.window_read %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 3]>) -> !sinter.tensor<f32[2, 4, 3]>
  return
}
func.func @window_c2_invalid(%a0: !sinter.tensor<f32[2, 9, 3]>) {
  // expected-error @+2 {{'sinter.window_read' op strides [0] and dilations [1] are not positive, or too large [window_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.window_read %a0 {strides = array<i64: 0>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 3]>) -> !sinter.tensor<f32[2, 4, 3]>
  return
}

// -----

func.func @window_read_c1_valid(%a0: !sinter.tensor<f32[2, 9, 3]>) {
  %r = sinter.window_read %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 3]>) -> !sinter.tensor<f32[2, 4, 3]>
  return
}
func.func @window_read_c1_invalid(%a0: !sinter.tensor<f32[2, 9, 12]>) {
  // expected-error @+2 {{'sinter.window_read' op a window of 12 elements does not fit dim 1 of f32[2, 9, 12] [window_read_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.window_read %a0 {strides = array<i64: 1>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 9, 12]>) -> !sinter.tensor<f32[2, 4, 12]>
  return
}

// -----

func.func @window_write_c1_valid(%a0: !sinter.tensor<f32[2, 4, 3]>) {
  %r = sinter.window_write %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 4, 3]>) -> !sinter.tensor<f32[2, 9, 3]>
  return
}
func.func @window_write_c1_invalid(%a0: !sinter.tensor<f32[2, 5, 3]>) {
  // expected-error @+1 {{'sinter.window_write' op the windows f32[2, 5, 3] are not those of f32[2, 9, 3] [window_write_c1]}}
  %r = sinter.window_write %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 5, 3]>) -> !sinter.tensor<f32[2, 9, 3]>
  return
}

// -----

func.func @window_write_c2_valid(%a0: !sinter.tensor<f32[2, 4, 3]>) {
  %r = sinter.window_write %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 4, 3]>) -> !sinter.tensor<f32[2, 9, 3]>
  return
}
func.func @window_write_c2_invalid(%a0: !sinter.tensor<f32[2, 4, 3]>) {
  // expected-error @+1 {{'sinter.window_write' op operand f32[2, 4, 3] and result f64[2, 9, 3] differ in dtype [window_write_c2]}}
  %r = sinter.window_write %a0 {strides = array<i64: 2>, dilations = array<i64: 1>} : (!sinter.tensor<f32[2, 4, 3]>) -> !sinter.tensor<f64[2, 9, 3]>
  return
}
