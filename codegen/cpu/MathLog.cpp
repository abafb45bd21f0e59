// SPDX-License-Identifier: Apache-2.0
// log, log2, log10 and log1p: x = 2^k (1 + f) with f in [sqrt(1/2) - 1, sqrt(2) - 1], then log(1 +
// f). f64 uses the series of 2 atanh(f / (2 + f)) as Tang does (Table-driven implementation of the
// logarithm, TOMS 16, 1990); polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include <bit>
#include <cmath>

namespace sinter::cpu {

Decomposed decompose(Num x, bool subnormals) {
  FloatFormat format = formatOf(x);
  int shift = format.mantissaBits;
  Num scaled = x;
  // A biased exponent b becomes a float as the mantissa of 2^shift + b.
  double unbias = std::ldexp(1.0, shift) + format.bias;
  Num offset = floatLike(x, unbias);
  if (subnormals) {
    Num small = x < std::ldexp(1.0, 1 - format.bias);
    scaled = select(small, x * std::ldexp(1.0, shift), x);
    offset = select(small, floatLike(x, unbias + shift), offset);
  }
  uint64_t root = format.width == 32 ? std::bit_cast<uint32_t>(0x1.6a09e6p-1f)
                                     : std::bit_cast<uint64_t>(0x1.6a09e667f3bcdp-1);
  uint64_t one = uint64_t(format.bias) << shift;
  Num shifted = bitsOf(scaled) + integerLike(x, one - root);
  Num biased = shifted >> shift;
  Num mantissaMask = integerLike(x, (uint64_t(1) << shift) - 1);
  Num mantissa = floatOf((shifted & mantissaMask) + integerLike(x, root));
  uint64_t twoToShift = uint64_t(format.bias + shift) << shift;
  Num exponent = floatOf(biased | integerLike(x, twoToShift)) - offset;
  return {biased, exponent, mantissa};
}

/// k ln2 + log(1 + f).
static Num logSum(Num k, Num f) {
  if (isSingle(f)) {
    // (log(1 + f) - f + f^2 / 2) / f^3, relative to log(1 + f): 2^-27.3.
    Num tail = poly(f, {0x1.555554p-2, -0x1.00022ap-2, 0x1.99a00ap-3, -0x1.54717ap-3, 0x1.22db3ap-3,
                        -0x1.0d8ebcp-3, 0x1.055116p-3, -0x1.385fbep-4});
    Num square = f * f;
    Num low = fma(k, 0x1.7f7d1cp-20, square * f * tail);
    return fma(k, 0x1.62e4p-1, f + fma(square, -0.5, low));
  }
  // log(1 + f) = 2s + s r(s^2) with s = f / (2 + f), and 2s = f - f^2/2 + s f^2/2. r(z) / z to
  // 2^-59.5.
  Num s = f / (f + 2.0);
  Num z = s * s;
  Num r = z * poly(z, {0x1.5555555555593p-1, 0x1.999999997fafep-2, 0x1.2492494211864p-2,
                       0x1.c71c51f25f642p-3, 0x1.74664325825c3p-3, 0x1.39a1566437323p-3,
                       0x1.2f09117ac64bp-3});
  Num halfSquare = f * f * 0.5;
  Num low = fma(k, -0x1.8432a1b0e2634p-43, s * (halfSquare + r));
  return fma(k, 0x1.62e42fefa4p-1, f - (halfSquare - low));
}

/// Puts in the logarithms of zero, negative numbers, infinity and NaN.
static Num withLogSpecials(Num argument, Num result) {
  Num infinity = infinityLike(argument);
  Num zero = floatLike(argument, 0.0);
  Num special = select(argument < zero, nanLike(argument), argument);
  special = select(argument == zero, floatLike(argument, -INFINITY), special);
  Num ordinary = (argument > zero) & (argument < infinity);
  return select(ordinary, result, special);
}

Num expandLog(Num x) {
  Decomposed parts = decompose(x, true);
  return withLogSpecials(x, logSum(parts.exponent, parts.mantissa - 1.0));
}

Num expandLog2(Num x) {
  Decomposed parts = decompose(x, true);
  Num natural = logSum(floatLike(x, 0.0), parts.mantissa - 1.0);
  return withLogSpecials(x, fma(natural, 0x1.71547652b82fep+0, parts.exponent));
}

Num expandLog10(Num x) {
  Decomposed parts = decompose(x, true);
  Num natural = logSum(floatLike(x, 0.0), parts.mantissa - 1.0);
  // log10(2) in two parts, the product with the first exact.
  double high = isSingle(x) ? 0x1.3441p-2 : 0x1.34413509f6p-2;
  double low = isSingle(x) ? 0x1.a84fbcp-21 : 0x1.9fef311f12b36p-42;
  Num fine = fma(natural, 0x1.bcb7b1526e50ep-2, parts.exponent * low);
  return withLogSpecials(x, fma(parts.exponent, floatLike(x, high), fine));
}

Num expandLog1p(Num x) {
  FloatFormat format = formatOf(x);
  Num u = x + 1.0;
  Decomposed parts = decompose(u, false);
  // f = 2^-k (1 + x) - 1 without the rounding of 1 + x; for large x, u is good enough and
  // 2^-k might not be a normal number.
  Num exponentBits = integerLike(x, uint64_t(2 * format.bias)) - parts.biased;
  Num scale = floatOf(exponentBits << format.mantissaBits);
  Num f = fma(x, scale, scale - 1.0);
  f = select(u < std::ldexp(1.0, format.mantissaBits + 2), f, parts.mantissa - 1.0);
  Num result = withLogSpecials(u, logSum(parts.exponent, f));
  return copysign(result, x);
}

} // namespace sinter::cpu
