// RUN: graph-compile %s --emit=cuda --target=cuda:sm_90a | FileCheck %s
// 16-bit floats are words in memory and floats in registers; bits are moved without a sign; functions go by their
// names in CUDA C++.
// CHECK: const short *x,
// CHECK-NEXT: short *product,
// CHECK-NEXT: float *angle,
// CHECK: (float)
// CHECK-SAME: bitCast<Half>(
// CHECK: fmodf(
// CHECK: atan2f(
// CHECK: product_pack[{{.*}}] = bitCast<short>((Half)
// CHECK: const long long *counter,
// CHECK-NEXT: int *word,
// CHECK-NEXT: signed char *shifted,
// CHECK: (unsigned long long)
// CHECK: (signed char)({{.*}} >> {{.*}}shift_right
!h = !sinter.tensor<f16[N, 64]>
!f = !sinter.tensor<f32[N, 64]>
!w = !sinter.tensor<ui64[N, 64]>
!u = !sinter.tensor<ui32[N, 64]>
!s = !sinter.tensor<i8[N, 64]>
func.func @main(%x: !h {sinter.name = "x"}, %counter: !w {sinter.name = "counter"})
    -> (!h {sinter.name = "product"}, !f {sinter.name = "angle"}, !u {sinter.name = "word"}, !s {sinter.name = "shifted"}) {
  %product = sinter.mul %x, %x : (!h, !h) -> !h
  %wide = sinter.cast %x : (!h) -> !f
  %two = sinter.full 0.75 : f32 : !f
  %rest = sinter.rem %wide, %two : (!f, !f) -> !f
  %angle = sinter.atan2 %rest, %wide : (!f, !f) -> !f
  %word = sinter.random_bits %counter, %counter : (!w, !w) -> !u
  %low = sinter.cast %word : (!u) -> !s
  %three = sinter.full 3 : i8 : !s
  %shifted = sinter.shift_right %low, %three : (!s, !s) -> !s
  return %product, %angle, %word, %shifted : !h, !f, !u, !s
}
