// Products of matrices: f32 with an epilogue, one row, pairs of bytes, bf16; a constant operand.
!a = !sinter.tensor<f32[N, 70]>
!w = !sinter.tensor<f32[70, 24]>
!y = !sinter.tensor<f32[N, 24]>
func.func @main(%x: !a {sinter.name = "x"}, %w: !w {sinter.name = "w"}, %v: !sinter.tensor<f32[1, 70]> {sinter.name = "v"},
                %p: !sinter.tensor<i8[N, 70]> {sinter.name = "p"}, %q: !sinter.tensor<i8[70, 24]> {sinter.name = "q"})
    -> (!y {sinter.name = "f"}, !sinter.tensor<f32[1, 24]> {sinter.name = "row"}, !sinter.tensor<i32[N, 24]> {sinter.name = "i"},
        !y {sinter.name = "brain"}, !sinter.tensor<f32[N, 2]> {sinter.name = "constant"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!a, !w) -> !y
  %f = sinter.tanh %0 : (!y) -> !y
  %row = sinter.dot_general %v, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[1, 70]>, !w) -> !sinter.tensor<f32[1, 24]>
  %1 = sinter.cast %p : (!sinter.tensor<i8[N, 70]>) -> !sinter.tensor<i32[N, 70]>
  %2 = sinter.cast %q : (!sinter.tensor<i8[70, 24]>) -> !sinter.tensor<i32[70, 24]>
  %i = sinter.dot_general %1, %2 {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<i32[N, 70]>, !sinter.tensor<i32[70, 24]>) -> !sinter.tensor<i32[N, 24]>
  %3 = sinter.cast %x : (!a) -> !sinter.tensor<bf16[N, 70]>
  %4 = sinter.cast %w : (!w) -> !sinter.tensor<bf16[70, 24]>
  %5 = sinter.dot_general %3, %4 {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<bf16[N, 70]>, !sinter.tensor<bf16[70, 24]>) -> !sinter.tensor<bf16[N, 24]>
  %brain = sinter.cast %5 : (!sinter.tensor<bf16[N, 24]>) -> !y
  %6 = sinter.constant dense<[[0.5, -1.25], [2.0, 0.75], [-0.375, 3.0]]> : tensor<3x2xf32> : !sinter.tensor<f32[3, 2]>
  %7 = sinter.slice %x {starts = [0, 4], limits = ["N", 7], strides = array<i64: 1, 1>} : (!a) -> !sinter.tensor<f32[N, 3]>
  %constant = sinter.dot_general %7, %6 {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 3]>, !sinter.tensor<f32[3, 2]>) -> !sinter.tensor<f32[N, 2]>
  return %f, %row, %i, %brain, %constant : !y, !sinter.tensor<f32[1, 24]>, !sinter.tensor<i32[N, 24]>, !y, !sinter.tensor<f32[N, 2]>
}
