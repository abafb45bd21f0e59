// RUN: sinter-opt %s --split-input-file --verify-diagnostics
// Each constraint with its label: what keeps it, and what breaks it.

!q = !sinter.tensor<f32[N, 6, 8, 4]>
!k = !sinter.tensor<f32[N, 1, 9, 4]>
!v = !sinter.tensor<f32[N, 1, 9, 5]>
func.func @valid(%q: !q, %k: !k, %v: !v, %m: !sinter.tensor<i1[1, 6, 1, 9]>) {
  %y, %lse = sinter.attention %q, %k, %v, %m {scale = 1.0 : f64, causal = ["N"]} : (!q, !k, !v, !sinter.tensor<i1[1, 6, 1, 9]>) -> (!sinter.tensor<f32[N, 6, 8, 5]>, !sinter.tensor<f32[N, 6, 8]>)
  %g:3 = sinter.attention_backward %q, %k, %v, %lse, %lse, %y {scale = 1.0 : f64} : (!q, !k, !v, !sinter.tensor<f32[N, 6, 8]>, !sinter.tensor<f32[N, 6, 8]>, !sinter.tensor<f32[N, 6, 8, 5]>) -> (!q, !k, !v)
  return
}

// -----

func.func @c1(%q: !sinter.tensor<f32[8, 4]>, %k: !sinter.tensor<f64[9, 4]>) {
  // expected-error @+2 {{'sinter.attention' op f32[8, 4], f64[9, 4] and f64[9, 4] differ in rank or dtype, or are no matrices [attention_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = sinter.attention %q, %k, %k {scale = 1.0 : f64} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f64[9, 4]>, !sinter.tensor<f64[9, 4]>) -> (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8]>)
  return
}

// -----

func.func @c2(%q: !sinter.tensor<f32[6, 8, 4]>, %k: !sinter.tensor<f32[2, 9, 4]>) {
  // expected-error @+2 {{does not go together [attention_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = sinter.attention %q, %k, %k {scale = 1.0 : f64} : (!sinter.tensor<f32[6, 8, 4]>, !sinter.tensor<f32[2, 9, 4]>, !sinter.tensor<f32[2, 9, 4]>) -> (!sinter.tensor<f32[6, 8, 4]>, !sinter.tensor<f32[6, 8]>)
  return
}

// -----

func.func @c3(%q: !sinter.tensor<f32[8, 4]>, %k: !sinter.tensor<f32[9, 5]>) {
  // expected-error @+2 {{widths or numbers of keys differ in f32[8, 4], f32[9, 5] and f32[9, 5] [attention_c3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = sinter.attention %q, %k, %k {scale = 1.0 : f64} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[9, 5]>, !sinter.tensor<f32[9, 5]>) -> (!sinter.tensor<f32[8, 5]>, !sinter.tensor<f32[8]>)
  return
}

// -----

func.func @c4(%q: !sinter.tensor<f32[8, 4]>, %k: !sinter.tensor<f32[9, 4]>, %m: !sinter.tensor<f32[9, 8]>) {
  // expected-error @+2 {{the mask f32[9, 8] does not go with f32[8, 4], f32[9, 4] and f32[9, 4] [attention_c4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = sinter.attention %q, %k, %k, %m {scale = 1.0 : f64} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[9, 4]>, !sinter.tensor<f32[9, 4]>, !sinter.tensor<f32[9, 8]>) -> (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8]>)
  return
}

// -----

func.func @c5(%q: !sinter.tensor<f32[8, 4]>) {
  // expected-error @+2 {{'sinter.attention' op 'causal' does not hold one size [attention_c5]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = sinter.attention %q, %q, %q {scale = 1.0 : f64, causal = [0, 0]} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>) -> (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8]>)
  return
}

// -----

func.func @backward_c1(%q: !sinter.tensor<f32[8, 4]>, %l: !sinter.tensor<f32[8]>, %d: !sinter.tensor<f32[8, 5]>) {
  // expected-error @+2 {{'sinter.attention_backward' op dout is f32[8, 5], not f32[8, 4] [attention_backward_c1]}}
  // expected-error @+1 {{failed to infer returned types}}
  %g:3 = sinter.attention_backward %q, %q, %q, %l, %l, %d {scale = 1.0 : f64} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8]>, !sinter.tensor<f32[8]>, !sinter.tensor<f32[8, 5]>) -> (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>)
  return
}

// -----

func.func @backward_c2(%q: !sinter.tensor<f32[8, 4]>, %l: !sinter.tensor<f32[8]>, %b: !sinter.tensor<f32[9]>) {
  // expected-error @+2 {{'sinter.attention_backward' op lse or delta is not f32[8] [attention_backward_c2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %g:3 = sinter.attention_backward %q, %q, %q, %l, %b, %q {scale = 1.0 : f64} : (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8]>, !sinter.tensor<f32[9]>, !sinter.tensor<f32[8, 4]>) -> (!sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>, !sinter.tensor<f32[8, 4]>)
  return
}
