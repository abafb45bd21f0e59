// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Every constraint of convolution, on the smallest input beside it that is valid.

func.func @convolution_c1_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c1_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{part 'z' is not x, w or y [convolution_c1]}}
  %r = sinter.convolution %a, %b {part = "z", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c2_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c2_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{need equal ranks of at least 3 [convolution_c2]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5]>
  return
}

// -----

func.func @convolution_c2_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c2_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{differ in dtype [convolution_c2]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f64[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c2_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c2_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{or paddings do not fit f32[2, 6, 5, 5], f32[4, 3, 3, 3] and f32[2, 4, 5, 5] [convolution_c2]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 0, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c2_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c2_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{or paddings do not fit f32[2, 6, 5, 5], f32[4, 3, 3, 3] and f32[2, 4, 5, 5] [convolution_c2]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c2_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c2_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{a padding is no size [convolution_c2]}}
  %r = sinter.convolution %a, %b {part = "y", low = [-1, 0], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c3_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c3_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, K]>) {
  // expected-error @+1 {{dim 3 of the window f32[4, 3, 3, K] is no positive number [convolution_c3]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, K]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c4_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c4_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{do not agree in 3 groups [convolution_c4]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 3 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}

// -----

func.func @convolution_c4_valid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[2, 4, 5, 5]>
  return
}
func.func @convolution_c4_invalid(%a: !sinter.tensor<f32[2, 6, 5, 5]>, %b: !sinter.tensor<f32[4, 3, 3, 3]>) {
  // expected-error @+1 {{do not agree in 2 groups [convolution_c4]}}
  %r = sinter.convolution %a, %b {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (!sinter.tensor<f32[2, 6, 5, 5]>, !sinter.tensor<f32[4, 3, 3, 3]>) -> !sinter.tensor<f32[3, 4, 5, 5]>
  return
}
