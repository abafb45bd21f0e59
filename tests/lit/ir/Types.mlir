// RUN: sinter-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @prints_what_it_reads
// CHECK-SAME: !sinter.tensor<f32[N, 784]>
// CHECK-SAME: !sinter.tensor<f64[]>
// CHECK-SAME: !sinter.tensor<i32[4]>
// CHECK-SAME: !sinter.tensor<i64[0]>
// CHECK-SAME: !sinter.tensor<i1[_a$1]>
func.func private @prints_what_it_reads(!sinter.tensor<f32[N, 784]>, !sinter.tensor<f64[]>, !sinter.tensor<i32[4]>,
                                        !sinter.tensor<i64[0]>, !sinter.tensor<i1[_a$1]>)

// -----

// CHECK-LABEL: @has_narrow_and_unsigned_elements
// CHECK-SAME: f16[2]
// CHECK-SAME: bf16[N]
// CHECK-SAME: i8[]
// CHECK-SAME: i16[]
// CHECK-SAME: ui8[N]
// CHECK-SAME: ui16[]
// CHECK-SAME: ui32[]
// CHECK-SAME: ui64[3, N]
func.func private @has_narrow_and_unsigned_elements(!sinter.tensor<f16[2]>, !sinter.tensor<bf16[N]>, !sinter.tensor<i8[]>,
                                                    !sinter.tensor<i16[]>, !sinter.tensor<ui8[N]>, !sinter.tensor<ui16[]>,
                                                    !sinter.tensor<ui32[]>, !sinter.tensor<ui64[3, N]>)

// -----

// CHECK-LABEL: @makes_sizes_canonical
// CHECK-SAME: f32["2*N + 1", 4]
// CHECK-SAME: f32["2*N + 1", 4]
// CHECK-SAME: f32[N, 6]
// CHECK-SAME: f32["M*N"]
func.func private @makes_sizes_canonical(!sinter.tensor<f32["1 + N*2", 4]>, !sinter.tensor<f32["N + 1 + N", "4"]>,
                                         !sinter.tensor<f32["N", "2*3"]>, !sinter.tensor<f32["N*M"]>)

// -----

// A name that the lexer would not take as one word is quoted.
// CHECK-LABEL: @quotes_what_is_no_word
// CHECK-SAME: f32["$x", "floordiv(N, 2)"]
func.func private @quotes_what_is_no_word(!sinter.tensor<f32["$x", "floordiv(N, 2)"]>)

// -----

// CHECK-LABEL: @takes_rank_16
func.func private @takes_rank_16(!sinter.tensor<f32[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]>)

// -----

// expected-error @+1 {{a tensor of rank 17; the highest rank is 16}}
func.func private @refuses_rank_17(!sinter.tensor<f32[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]>)

// -----

// expected-error @+1 {{a tensor has elements of f16, bf16, f32, f64, i8 to i64, ui8 to ui64 or i1, not 'f80'}}
func.func private @refuses_other_elements(!sinter.tensor<f80[2]>)

// -----

// expected-error @+1 {{a tensor has elements of f16, bf16, f32, f64, i8 to i64, ui8 to ui64 or i1, not 'si32'}}
func.func private @refuses_signed_elements(!sinter.tensor<si32[2]>)

// -----

// expected-error @+1 {{a size is negative: -1}}
func.func private @refuses_negative_sizes(!sinter.tensor<f32[-1]>)

// -----

// expected-error @+1 {{'2*' is not a size expression}}
func.func private @refuses_broken_expressions(!sinter.tensor<f32["2*"]>)

// -----

// expected-error @+1 {{expected a size: an integer, a name or a quoted expression}}
func.func private @refuses_other_tokens(!sinter.tensor<f32[?]>)

// -----

// expected-error @+1 {{the number of elements is too large}}
func.func private @refuses_overflow(!sinter.tensor<f32[4294967296, 4294967296]>)

// -----

// Even without elements: products of the other sizes must make sense.
// expected-error @+1 {{the number of elements is too large}}
func.func private @refuses_overflow_beside_an_empty_dim(!sinter.tensor<f32[4294967296, 0, 4294967296]>)

// -----

// expected-error @+1 {{the number of elements is too large}}
func.func private @refuses_overflow_of_coefficients(!sinter.tensor<f32["4294967296*N", "4294967296*M"]>)

// -----

// CHECK-LABEL: @takes_large_sizes
func.func private @takes_large_sizes(!sinter.tensor<f32[4294967296, 2, N, M]>, !sinter.tensor<f32[0, N]>)

// -----

// expected-error @+1 {{expected '['}}
func.func private @refuses_missing_sizes(!sinter.tensor<f32>)
