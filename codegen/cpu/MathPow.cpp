// SPDX-License-Identifier: Apache-2.0
// pow: |x|^y = 2^(y log2|x|), the logarithm with more bits than the result (f32: in f64; f64: in
// pairs of doubles, after Dekker, A floating-point technique for extending the available
// precision, 1971), then IEEE 754's special cases. Polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/IR/Builders.h"

#include <cmath>

namespace sinter::cpu {

/// The given logarithm of a = |x|, with those of zero, infinity and NaN put in.
static Num withSpecials(Num a, Num logarithm) {
  Num infinity = infinityLike(a);
  Num special = select(a == 0.0, -infinity, a);
  return select((a > 0.0) & (a < infinity), logarithm, special);
}

/// |x|^y for f32 operands, computed in f64: 2^-45 of error in the logarithm, 2^-34 in the power.
static Num magnitudeSingle(Num ax, Num y) {
  mlir::Builder &b = ax.emitter->builder;
  Num a = convert(ax, b.getF64Type());
  Decomposed parts = decompose(a, false); // f32 subnormals are normal in f64.
  Num s = (parts.mantissa - 1.0) / (parts.mantissa + 1.0);
  Num log2 = fma(s,
                 poly(s * s, {0x1.71547652b825p+1, 0x1.ec709dc53dd7cp-1, 0x1.2776c291c6ea8p-1,
                              0x1.a61a2fdaa697ep-2, 0x1.47952d7e42663p-2, 0x1.21b30cb47b52p-2}),
                 parts.exponent);
  // An infinite y would make a NaN of log2(1) * y.
  Num bounded = atLeast(atMost(convert(y, b.getF64Type()), 0x1p200), -0x1p200);
  Num product = withSpecials(a, log2) * bounded;
  product = atLeast(atMost(product, 300.0), -300.0);
  Rounded n = roundPlain(product);
  Num power = exp2Reduced(product - n.value) * powerOfTwo(n);
  return convert(power, b.getF32Type());
}

/// log(a) as an unevaluated sum, relative error about 2^-64.
static Pair logPair(Num a) {
  Decomposed parts = decompose(a, true);
  Num m = parts.mantissa, f = m - 1.0;
  // s = f / (m + 1) as a pair.
  Pair sum = twoSum(m, floatLike(m, 1.0));
  Num quotient = f / sum.high;
  Pair back = twoProduct(quotient, sum.high);
  Num rest = ((f - back.high) - back.low) - quotient * sum.low;
  Pair s{quotient, rest / sum.high};
  // log(m) = 2s + s^3 (2/3 + z tail(z)), z = s^2; tail to 2^-73 of the logarithm.
  Pair z = multiply(s, s);
  Num tail =
      z.high * poly(z.high, {0x1.9999999999996p-2, 0x1.2492492492f4dp-2, 0x1.c71c71c5973b6p-3,
                             0x1.745d1828faa8cp-3, 0x1.3b1364e280a1bp-3, 0x1.11206b694ffdcp-3,
                             0x1.de3e0613379c9p-4, 0x1.eac1092326af7p-4});
  Pair weight = fastTwoSum(floatLike(m, 0x1.5555555555555p-1), tail);
  weight.low = weight.low + 0x1.5555555555555p-55;
  Pair cubic = multiply(multiply(s, z), weight);
  // k ln2: the first product is exact.
  Num k = parts.exponent;
  Num k1 = k * 0x1.62e42fefa4p-1;
  Pair k2 = twoProduct(k, floatLike(k, -0x1.8432a1b0e2634p-43));
  Pair total = twoSum(k1, s.high * 2.0);
  Pair more = twoSum(k2.high, cubic.high);
  Num low = fma(s.low, 2.0, cubic.low) + fma(k, 0x1.f97b57a079a19p-103, k2.low);
  Pair main = twoSum(total.high, more.high);
  return fastTwoSum(main.high, main.low + (total.low + (more.low + low)));
}

static Num magnitudeDouble(Num a, Num y) {
  Pair logarithm = logPair(a);
  Num bounded = atLeast(atMost(y, 0x1p66), -0x1p66);
  Num high = withSpecials(a, logarithm.high);
  Pair product = twoProduct(high, bounded);
  Num exponent = atLeast(atMost(product.high, 800.0), -800.0);
  // Beyond the bound, and where the special values are infinite, the low part means nothing.
  Num low = fma(logarithm.low, bounded, product.low);
  low = select(abs(product.high) < 800.0, low, floatLike(low, 0.0));
  Rounded n = roundToLn2(exponent);
  Num r = reduceByLn2(exponent, n) + low;
  return scaleByPowerOfTwo(expReduced(r), n);
}

Num expandPow(Num x, Num y) {
  Num ax = abs(x);
  Num result = isSingle(x) ? magnitudeSingle(ax, y) : magnitudeDouble(ax, y);

  Num whole = expandTrunc(y) == y; // Infinities count as even integers.
  Num half = y * 0.5;
  Num odd = whole & (expandTrunc(half) != half);
  int signBit = formatOf(x).width - 1;
  Num signMask = integerLike(x, uint64_t(1) << signBit);
  Num flip = select(odd, bitsOf(x) & signMask, integerLike(x, 0));
  result = floatOf(bitsOf(result) | flip);

  Num domainError = (x < 0.0) & (x > floatLike(x, -INFINITY)) & !whole & (y == y);
  result = select(domainError, nanLike(x), result);
  return select((x == 1.0) | (y == 0.0), floatLike(x, 1.0), result);
}

} // namespace sinter::cpu
