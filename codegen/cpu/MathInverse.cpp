// SPDX-License-Identifier: Apache-2.0
// Inverse trigonometric functions: an odd polynomial where the argument is small; elsewhere
// complements of it (asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)), atan(x) = pi/2 - atan(1 / x)).
// Polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace sinter::cpu {

namespace {
/// pi * scale - x, for the scales 1 and 1/2: pi is given in two parts.
Num piMinus(double scale, Num x) {
  double high = isSingle(x) ? 0x1.921fb6p+1 : 0x1.921fb54442d18p+1;
  double low = isSingle(x) ? -0x1.777a5cp-24 : 0x1.1a62633145c07p-53;
  return high * scale - (x - low * scale);
}
} // namespace

/// atan for 0 <= x <= 1, relative error f32 2^-28.5, f64 2^-57.6.
static Num atanUnit(Num x) {
  Num z = x * x;
  Num tail =
      isSingle(x)
          ? poly(z, {-0x1.55553ep-2, 0x1.9991e8p-3, -0x1.2420d4p-3, 0x1.c090cep-4, -0x1.5819d4p-4,
                     0x1.da6ed8p-5, -0x1.fe1d12p-6, 0x1.64e608p-7, -0x1.d4da3ap-10})
          : poly(z, {-0x1.5555555555525p-2,  0x1.9999999995494p-3,  -0x1.249249237b9b1p-3,
                     0x1.c71c717f00056p-4,   -0x1.745d11a0bd445p-4, 0x1.3b1365ff74934p-4,
                     -0x1.110e4c590c116p-4,  0x1.e1bb6e7d4b1d8p-5,  -0x1.ae5d7e03b41e1p-5,
                     0x1.82d7a4046f649p-5,   -0x1.599bb20910fbfp-5, 0x1.2c1d983512107p-5,
                     -0x1.e9c53b0f78f3dp-6,  0x1.67fc32c13367cp-6,  -0x1.c7168705580d4p-7,
                     0x1.d70dc424132d1p-8,   -0x1.7989544b1090ap-9, 0x1.b301d4cbc902p-11,
                     -0x1.3e5e7f6e77493p-13, 0x1.ba937f9b3afedp-17});
  return fma(x * z, tail, x);
}

Num expandAtan(Num x) {
  Num a = abs(x);
  Num large = a > 1.0;
  Num angle = atanUnit(select(large, 1.0 / a, a));
  return copysign(select(large, piMinus(0.5, angle), angle), x);
}

Num expandAtan2(Num y, Num x) {
  Num ax = abs(x), ay = abs(y);
  Num steep = ay > ax;
  Num longer = select(steep, ay, ax), shorter = select(steep, ax, ay);
  // 0 / 0 counts as 0, inf / inf as 1.
  Num ratio = select(longer == 0.0, shorter, shorter / longer);
  Num isDiagonal = (shorter == infinityLike(x)) & (longer == infinityLike(x));
  ratio = select(isDiagonal, floatLike(x, 1.0), ratio);
  Num angle = atanUnit(ratio);
  angle = select(steep, piMinus(0.5, angle), angle);
  Num isLeft = (bitsOf(x) >> (formatOf(x).width - 1)) != integerLike(x, 0);
  return copysign(select(isLeft, piMinus(1, angle), angle), y);
}

namespace {
/// asin of |x| up to 1/2, beyond half of the complement's.
struct HalfAngle {
  Num isLarge;
  Num angle;
};
} // namespace

static HalfAngle asinReduced(Num x) {
  Num a = abs(x);
  Num isLarge = a > 0.5;
  Num z = select(isLarge, (1.0 - a) * 0.5, a * a);
  Num root = x.emitter->create<mlir::math::SqrtOp>(z.value);
  Num r = select(isLarge, root, a);
  // Relative error f32 2^-27.6, f64 2^-59.8.
  Num tail =
      isSingle(x)
          ? poly(z, {0x1.5555c8p-3, 0x1.33020cp-4, 0x1.747a92p-5, 0x1.8c4b9ep-6, 0x1.595018p-5})
          : poly(z, {0x1.5555555555577p-3, 0x1.333333332e14ep-4, 0x1.6db6db72105c3p-5,
                     0x1.f1c71a95def61p-6, 0x1.6e8bdec35110cp-6, 0x1.1c49f28bbb451p-6,
                     0x1.ca1f563f0ccb6p-7, 0x1.75875ff861a0cp-7, 0x1.6131ea4f7b13bp-7,
                     0x1.e69a68da378fp-9, 0x1.636939e4626b4p-6, -0x1.57b3b8ae9954ep-6,
                     0x1.0b2f56a766812p-5});
  return {isLarge, fma(r * z, tail, r)};
}

Num expandAsin(Num x) {
  HalfAngle half = asinReduced(x);
  return copysign(select(half.isLarge, piMinus(0.5, half.angle + half.angle), half.angle), x);
}

Num expandAcos(Num x) {
  HalfAngle half = asinReduced(x);
  Num twice = half.angle + half.angle;
  Num outer = select(x < 0.0, piMinus(1, twice), twice);
  return select(half.isLarge, outer, piMinus(0.5, copysign(half.angle, x)));
}

} // namespace sinter::cpu
