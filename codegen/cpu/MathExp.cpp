// SPDX-License-Identifier: Apache-2.0
// exp, exp2, expm1 and tanh: x = n ln2 + r, a polynomial in r, and an exact scaling by 2^n. The
// reduction is Cody and Waite's (Software Manual for the Elementary Functions, 1980, chapter 6);
// forming tanh from expm1 follows Kahan (Branch Cuts, 1987). Polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace sinter::cpu {

Rounded roundToLn2(Num x) {
  return roundScaled(x, isSingle(x) ? 0x1.715476p+0 : 0x1.71547652b82fep+0);
}

// The high part of ln2 is short, so that n * high is exact even without FMA.
Num reduceByLn2(Num x, const Rounded &n) {
  double high = isSingle(x) ? 0x1.62e4p-1 : 0x1.62e42fefa4p-1;
  double low = isSingle(x) ? 0x1.7f7d1cp-20 : -0x1.8432a1b0e2634p-43;
  return fma(n.value, -low, fma(n.value, -high, x));
}

// (e^r - 1 - r) / r^2; the error counts relative to e^r. f32 2^-28.2, f64 2^-57.9.
static Num expTail(Num r) {
  if (isSingle(r))
    return poly(r, {0x1.fffffcp-2, 0x1.55549p-3, 0x1.5558ap-5, 0x1.123ab6p-7, 0x1.6a5fap-10});
  return poly(r, {0x1.000000000000ap-1, 0x1.5555555555507p-3, 0x1.55555555506aap-5,
                  0x1.1111111124bddp-7, 0x1.6c16c1847d5d4p-10, 0x1.a01a01398be9cp-13,
                  0x1.a0199948e6e88p-16, 0x1.71df04f52c538p-19, 0x1.28ae14e92d4a3p-22,
                  0x1.adb0dd8614f0dp-26});
}

Num expReduced(Num r) { return fma(fma(expTail(r), r, 1.0), r, 1.0); }

// The same, the error relative to e^r - 1. f32 2^-26.1, f64 2^-61.7.
static Num expm1Tail(Num r) {
  if (isSingle(r))
    return poly(r, {0x1p-1, 0x1.5554aep-3, 0x1.5554fp-5, 0x1.1228dcp-7, 0x1.6d43fap-10});
  return poly(r, {0x1p-1, 0x1.5555555555559p-3, 0x1.5555555555557p-5, 0x1.111111110f649p-7,
                  0x1.6c16c16c156d8p-10, 0x1.a01a01b00acbfp-13, 0x1.a01a01ab6d48p-16,
                  0x1.71ddf7f8cb519p-19, 0x1.27e4d04a61973p-22, 0x1.af5f58dca5935p-26,
                  0x1.1f85a540e6158p-29});
}

Num expm1Reduced(Num r) { return fma(r * r, expm1Tail(r), r); }

// Fitted on |r| <= 1/2, relative error 2^-34.3.
Num exp2Reduced(Num r) {
  return poly(r, {0x1p+0, 0x1.62e42ff0e484ep-1, 0x1.ebfbe077ff272p-3, 0x1.c6b08abb2d90bp-5,
                  0x1.3b29f33dc6c8fp-7, 0x1.5d8a8be97b989p-10, 0x1.445cca970f90fp-13,
                  0x1.fdde9478a00b4p-17});
}

/// e^-y, with the bits of e^x for x = -y: the signs go into the multiply-adds.
static Num expOfNegative(Num y) {
  Num above = isSingle(y) && scalesByInstruction(y) ? y : atLeast(y, isSingle(y) ? -89.0 : -710.0);
  Num clamped = atMost(above, isSingle(y) ? 104.0 : 746.0);
  Rounded n = roundScaled(clamped, isSingle(y) ? -0x1.715476p+0 : -0x1.71547652b82fep+0);
  return scaleByPowerOfTwo(expReduced(reduceByLn2(-clamped, n)), n);
}

Num expandExp(Num x) {
  if (auto negated = x.value.getDefiningOp<mlir::arith::NegFOp>())
    return expOfNegative(x.emitter->wrap(negated.getOperand()));
  // Beyond these bounds the result has overflowed or vanished; they keep n small. Where one
  // instruction scales, n may be large: f32's polynomial is positive for every r, so it gives
  // infinity.
  Num below = isSingle(x) && scalesByInstruction(x) ? x : atMost(x, isSingle(x) ? 89.0 : 710.0);
  Num clamped = atLeast(below, isSingle(x) ? -104.0 : -746.0);
  Rounded n = roundToLn2(clamped);
  return scaleByPowerOfTwo(expReduced(reduceByLn2(clamped, n)), n);
}

Num expandExp2(Num x) {
  Num clamped = atLeast(atMost(x, isSingle(x) ? 129.0 : 1025.0), isSingle(x) ? -151.0 : -1076.0);
  Rounded n = roundPlain(clamped);
  return scaleByPowerOfTwo(expReduced((clamped - n.value) * 0x1.62e42fefa39efp-1), n);
}

Num expandExpm1(Num x) {
  // Below, the result is -1; above, infinity.
  Num clamped = atLeast(atMost(x, isSingle(x) ? 89.0 : 710.0), isSingle(x) ? -18.0 : -40.0);
  Rounded n = roundToLn2(clamped);
  Num p = expm1Reduced(reduceByLn2(clamped, n));
  // 2^n p + (2^n - 1) by halves: 2^n itself may overflow.
  Num half = powerOfTwo(n, -1);
  Num sum = fma(half, p, half - 0.5);
  // Tiny x: keeps subnormals exact and the sign of zero.
  return select(abs(x) < (isSingle(x) ? 0x1p-25 : 0x1p-54), x, sum + sum);
}

Num expandTanh(Num x) {
  // Beyond, tanh rounds to 1.
  Num a = atMost(abs(x), isSingle(x) ? 9.02 : 19.1);
  Num twice = a + a;
  Rounded n = roundToLn2(twice);
  Num p = expm1Reduced(reduceByLn2(twice, n));
  Num scale = powerOfTwo(n);
  Num m = fma(scale, p, scale - 1.0); // e^2a - 1
  return copysign(m / (m + 2.0), x);
}

} // namespace sinter::cpu
