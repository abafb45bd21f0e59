// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint of the ops on bits with its label: what keeps it, and what breaks it.

func.func @bitcast_sizes_valid(%x: !sinter.tensor<f32[N, 2]>) {
  %r = sinter.bitcast %x : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<ui32[N, 2]>
  return
}
func.func @bitcast_sizes_invalid(%x: !sinter.tensor<f32[N, 2]>) {
  // expected-error @+1 {{[bitcast_c1]}}
  %r = sinter.bitcast %x : (!sinter.tensor<f32[N, 2]>) -> !sinter.tensor<ui32[N, 3]>
  return
}

// -----

func.func @bitcast_width_valid(%x: !sinter.tensor<bf16[2]>) {
  %r = sinter.bitcast %x : (!sinter.tensor<bf16[2]>) -> !sinter.tensor<ui16[2]>
  return
}
func.func @bitcast_width_invalid(%x: !sinter.tensor<bf16[2]>) {
  // expected-error @+1 {{'sinter.bitcast' op operand bf16[2] and result u32[2] differ in width [bitcast_c2]}}
  %r = sinter.bitcast %x : (!sinter.tensor<bf16[2]>) -> !sinter.tensor<ui32[2]>
  return
}

// -----

func.func @random_bits_valid(%k: !sinter.tensor<ui64[2]>) {
  %r = sinter.random_bits %k, %k : (!sinter.tensor<ui64[2]>, !sinter.tensor<ui64[2]>) -> !sinter.tensor<ui32[2]>
  return
}
func.func @random_bits_invalid(%k: !sinter.tensor<i64[2]>) {
  // expected-error @+2 {{'sinter.random_bits' op key and counter are i64[2], not u64 [random_bits_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = sinter.random_bits %k, %k : (!sinter.tensor<i64[2]>, !sinter.tensor<i64[2]>) -> !sinter.tensor<ui32[2]>
  return
}
