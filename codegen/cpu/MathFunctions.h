// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/MathEmitter.h"

// One expansion per function: takes the operands, emits the result. Polynomials were fitted for
// this file set: minimax in the error measure each comment names (Remez exchange and Lawson
// iteration at 60 digits), coefficients rounded one after the other with the rest refitted.
namespace sinter::cpu {

// MathExp.cpp
Num expandExp(Num x);
Num expandExp2(Num x);
Num expandExpm1(Num x);
Num expandTanh(Num x);
/// e^r - 1 for |r| <= ln(2)/2, relative error about 2^-26 (f32) or 2^-60 (f64) before rounding.
Num expm1Reduced(Num r);
/// e^r for |r| <= ln(2)/2.
Num expReduced(Num r);
/// x - n * ln(2) for n = round(x / ln(2)).
Num reduceByLn2(Num x, const Rounded &n);
Rounded roundToLn2(Num x);
/// 2^r for |r| <= 1/2, to 2^-34 of relative error; f64.
Num exp2Reduced(Num r);

// MathLog.cpp
Num expandLog(Num x);
Num expandLog2(Num x);
Num expandLog10(Num x);
Num expandLog1p(Num x);
/// x = 2^exponent * mantissa, mantissa in [sqrt(1/2), sqrt(2)], for positive finite x.
struct Decomposed {
  Num biased; ///< exponent + bias, as an integer.
  Num exponent;
  Num mantissa;
};
/// Subnormals are scaled first where `subnormals` says they can occur.
Decomposed decompose(Num x, bool subnormals);

// MathTrig.cpp
Num expandSin(Num x);
Num expandCos(Num x);
Num expandTan(Num x);

// MathInverse.cpp
Num expandAsin(Num x);
Num expandAcos(Num x);
Num expandAtan(Num x);
Num expandAtan2(Num y, Num x);

// MathHyperbolic.cpp
Num expandSinh(Num x);
Num expandCosh(Num x);
Num expandAsinh(Num x);
Num expandAcosh(Num x);
Num expandAtanh(Num x);
Num expandCbrt(Num x);

// MathRemainder.cpp
Num expandRemainder(Num a, Num b); ///< C's fmod.

// MathErf.cpp
Num expandErf(Num x);

// MathPow.cpp
Num expandPow(Num x, Num y);

// MathRound.cpp
Num expandFloor(Num x);
Num expandCeil(Num x);
Num expandTrunc(Num x);
Num expandRoundEven(Num x);
Num expandRound(Num x); ///< Halves away from zero.

} // namespace sinter::cpu
