// SPDX-License-Identifier: Apache-2.0
// erf: an odd polynomial up to 1; beyond, 1 - erfc(x), where the logarithm of erfc is nearly a
// parabola and so close to a polynomial of modest degree. Polynomials are our own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

namespace sinter::cpu {

// Both take a = |x| and are relative to erf: small 2^-29.3, large 2^-29.8 (its result 2^-25).
static Num erfSingle(Num a) {
  Num square = a * a;
  Num small = poly(square, {0x1.06eba8p-3, -0x1.81273ep-2, 0x1.ce2cfp-4, -0x1.b7f858p-6,
                            0x1.53ff92p-8, -0x1.a3c95cp-11, 0x1.48edeep-14});
  small = fma(small, a, a);
  // -log2(erfc(a)); erf rounds to 1 beyond the bound.
  Num clamped = atMost(a, 3.93);
  Num q = poly(clamped, {0x1.0108d2p-11, 0x1.a04538p+0, 0x1.d75cf4p-1, 0x1.30accp-3, -0x1.0227f4p-5,
                         0x1.16d27ep-8, -0x1.1a287cp-12});
  Rounded n = roundPlain(-q);
  Num r = -q - n.value;
  // 2^r, relative error 2^-23.3.
  Num e =
      poly(r, {0x1p+0, 0x1.62e42ap-1, 0x1.ebf9bcp-3, 0x1.c6b6aep-5, 0x1.3cea72p-7, 0x1.5bf1ap-10});
  return select(a < 1.0, small, fma(-e, powerOfTwo(n), 1.0));
}

// Small 2^-56, large 2^-57.
static Num erfDouble(Num a) {
  Num square = a * a;
  Num small = poly(square, {0x1.06eba8214db68p-3, -0x1.812746b0379bp-2, 0x1.ce2f21a0407a7p-4,
                            -0x1.b82ce311e9ecap-6, 0x1.565bccf769a75p-8, -0x1.c02db00432653p-11,
                            0x1.f9a2b5ed13ab2p-14, -0x1.f4ca0c4d39e74p-17, 0x1.b97d8c38d9bbdp-20,
                            -0x1.5bfa559b5f6cp-23, 0x1.d6c8f1b5b01fcp-27, -0x1.aac9a454e8b2fp-31});
  small = fma(small, a, a);
  // -ln(erfc(a)) around 1, where its error counts most.
  Num u = atMost(a, 5.93) - 1.0;
  Num q = poly(u, {0x1.d97fbf27aa2a1p+0, 0x1.51c9b0006c22bp+1, 0x1.afabc11a2a5f3p-1,
                   0x1.5477f09a5a54bp-5, -0x1.48c9d396b9cd5p-7, 0x1.033f5c0bf80e1p-9,
                   -0x1.f1b0bc973e5dap-13, -0x1.b924fa4c3cd16p-16, 0x1.c842f54d5658cp-16,
                   -0x1.445c09897e854p-17, 0x1.1d8c3a5dc4deap-19, -0x1.b133133512263p-23,
                   -0x1.ffd4818fdfe57p-25, 0x1.23cda6be47507p-25, -0x1.29d72b70d1fd9p-27,
                   0x1.71a3a3eda9fd5p-30, -0x1.0c276ca225d2p-33, 0x1.5ecbeff9d2a25p-38});
  Num exponent = -q;
  Rounded n = roundToLn2(exponent);
  Num e = expReduced(reduceByLn2(exponent, n));
  return select(a < 1.0, small, fma(-e, powerOfTwo(n), 1.0));
}

Num expandErf(Num x) {
  Num a = abs(x);
  return copysign(isSingle(x) ? erfSingle(a) : erfDouble(a), x);
}

} // namespace sinter::cpu
