// SPDX-License-Identifier: Apache-2.0
// sinh and cosh from the exponential, their inverses from log1p (forms after Kahan, Branch Cuts,
// 1987); cbrt by Newton's method from a polynomial. Polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

namespace sinter::cpu {

/// e^a / 2 for a >= 0; infinite where sinh and cosh are.
static Num halfExp(Num a) {
  Num clamped = atMost(a, isSingle(a) ? 90.0 : 711.0);
  Rounded n = roundToLn2(clamped);
  Num p = expReduced(reduceByLn2(clamped, n));
  return scaleByPowerOfTwo(p, {n.value - 1.0, n.bits - integerLike(n.bits, 1)});
}

Num expandCosh(Num x) {
  Num half = halfExp(abs(x));
  return half + 0.25 / half;
}

Num expandSinh(Num x) {
  Num a = abs(x);
  Num half = halfExp(a);
  // (sinh(a) - a) / a^3 up to 1, relative error f32 2^-31, f64 2^-61.7.
  Num z = a * a;
  Num tail = isSingle(x)
                 ? poly(z, {0x1.555556p-3, 0x1.1110e2p-7, 0x1.a02142p-13, 0x1.75ac3ep-19})
                 : poly(z, {0x1.5555555555556p-3, 0x1.1111111111025p-7, 0x1.a01a01a035e39p-13,
                            0x1.71de3a3c47a19p-19, 0x1.ae646ed30d3f6p-26, 0x1.61176ed98a96dp-33,
                            0x1.b5a193f357dedp-41});
  Num small = fma(a * z, tail, a);
  return copysign(select(a < 1.0, small, half - 0.25 / half), x);
}

static Num squareRoot(Num x) { return x.emitter->create<mlir::math::SqrtOp>(x.value); }

/// Beyond, 1 is nothing beside the argument, and its square is not formed.
static double largeArgument(Num x) { return isSingle(x) ? 0x1p30 : 0x1p60; }

/// log(1 + rest), or log(2 a) for large a.
static Num logOfSum(Num a, Num isLarge, Num rest) {
  Num offset = select(isLarge, floatLike(a, 0x1.62e42fefa39efp-1), floatLike(a, 0.0));
  return expandLog1p(select(isLarge, a, rest)) + offset;
}

Num expandAsinh(Num x) {
  Num a = abs(x);
  Num z = a * a;
  Num rest = a + z / (squareRoot(z + 1.0) + 1.0);
  return copysign(logOfSum(a, a > largeArgument(x), rest), x);
}

Num expandAcosh(Num x) {
  Num t = x - 1.0;
  Num rest = t + squareRoot(fma(t, t, t + t));
  return select(x < 1.0, nanLike(x), logOfSum(x, x > largeArgument(x), rest));
}

Num expandAtanh(Num x) {
  Num a = abs(x);
  return copysign(expandLog1p((a + a) / (1.0 - a)) * 0.5, x);
}

Num expandCbrt(Num x) {
  Num a = abs(x);
  Decomposed parts = decompose(a, true);
  Rounded third = roundScaled(parts.exponent, 1.0 / 3);
  Num rest = fma(third.value, -3.0, parts.exponent); // -1, 0 or 1
  Num one = floatLike(x, 1.0);
  auto byRest = [&](double up, double down) {
    return select(rest > 0.0, floatLike(x, up), select(rest < 0.0, floatLike(x, down), one));
  };
  Num m = parts.mantissa * byRest(2, 0.5);
  // 2^-16.7 of relative error, and with each step the square of what it was.
  Num root = poly(parts.mantissa,
                  {0x1.ce942cp-2, 0x1.cf1f38p-1, -0x1.120702p-1, 0x1.bbbb04p-3, -0x1.3507aep-5}) *
             byRest(0x1.428a2f98d728bp+0, 0x1.965fea53d6e3dp-1);
  for (int step = isSingle(x) ? 1 : 0; step < 2; ++step) {
    Num square = root * root;
    root = root - fma(square, root, -m) / (square * 3.0);
  }
  Num value = copysign(root * powerOfTwo(third), x);
  return select((a > 0.0) & (a < infinityLike(x)), value, x);
}

} // namespace sinter::cpu
