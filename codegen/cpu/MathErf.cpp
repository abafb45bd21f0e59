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

// Small 2^-56, large 2^-62.
static Num erfDouble(Num a) {
  Num square = a * a;
  Num small = poly(square, {0x1.06eba8214db68p-3, -0x1.812746b0379bp-2, 0x1.ce2f21a0407a7p-4,
                            -0x1.b82ce311e9ecap-6, 0x1.565bccf769a75p-8, -0x1.c02db00432653p-11,
                            0x1.f9a2b5ed13ab2p-14, -0x1.f4ca0c4d39e74p-17, 0x1.b97d8c38d9bbdp-20,
                            -0x1.5bfa559b5f6cp-23, 0x1.d6c8f1b5b01fcp-27, -0x1.aac9a454e8b2fp-31});
  small = fma(small, a, a);
  // -ln(erfc(a)) around 3.
  Num u = atMost(a, 5.93) - 3.0;
  Num q = poly(u, {0x1.570d36cb51caap+3,   0x1.9370b35013bccp+2,   0x1.ea2f933641f84p-1,
                   0x1.e5bee8d9e8be2p-8,   -0x1.62c3205433efap-10, 0x1.01a07c0b6e6abp-12,
                   -0x1.696559b330133p-15, 0x1.dd82ee4b30c4p-18,   -0x1.1f15ca2e97d88p-20,
                   0x1.24311511aa9a9p-23,  -0x1.89e8daca12c29p-27, -0x1.22aec00856fb8p-31,
                   0x1.7d4ce126c8967p-31,  -0x1.a33e956816176p-33, 0x1.181af636c33e3p-37,
                   -0x1.e2a9d5960763fp-36, 0x1.01e09421d2ad1p-40,  0x1.9d1b0934d2eaap-39,
                   0x1.5e1ecebacc018p-40,  0x1.92716ece32376p-43});
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
