// SPDX-License-Identifier: Apache-2.0
// fmod, exactly: the remainder by a large multiple of the divisor first, then by the divisor, each
// from a truncated quotient whose product with the divisor is formed without error.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cmath>

using namespace mlir;

namespace sinter::cpu {

/// r mod (y 2^k) with the k for which the quotient has at most `bits` bits; all f64 and positive.
static Num reduceOnce(Num r, Num y, int bits, bool isExactProduct) {
  Num ratio = atMost(r / y, 0x1p1000);
  // 2^(exponent of the ratio - bits), at least 1.
  Num exponentMask = integerLike(ratio, uint64_t{0x7ff} << 52);
  Num scale = floatOf(bitsOf(ratio) & exponentMask) * std::ldexp(1.0, -bits);
  Num divisor = y * atLeast(scale, 1.0);
  Num quotient = expandTrunc(r / divisor);
  Num rest;
  if (isExactProduct) {
    rest = r - quotient * divisor;
  } else {
    Pair product = twoProduct(quotient, divisor);
    rest = (r - product.high) - product.low;
  }
  // The rounded quotient may be one too large.
  return select(rest < 0.0, rest + divisor, rest);
}

/// x mod y for positive finite f64.
static Num reduceFully(Num x, Num y, int bits, bool isExactProduct) {
  MathEmitter &e = *x.emitter;
  OpBuilder &b = e.builder;
  auto loop = scf::WhileOp::create(
      b, e.loc, TypeRange{x.type()}, ValueRange{x.value},
      [&](OpBuilder &, Location loc, ValueRange state) {
        Value more = (e.wrap(state[0]) >= y).value;
        if (isa<VectorType>(x.type()))
          more = vector::ReductionOp::create(b, loc, vector::CombiningKind::OR, more);
        scf::ConditionOp::create(b, loc, more, state);
      },
      [&](OpBuilder &, Location loc, ValueRange state) {
        Num rest = reduceOnce(e.wrap(state[0]), y, bits, isExactProduct);
        scf::YieldOp::create(b, loc, rest.value);
      });
  return e.wrap(loop.getResult(0));
}

Num expandRemainder(Num a, Num b) {
  Num ax = abs(a), ay = abs(b);
  Num valid = (ax < infinityLike(a)) & (ay > 0.0);
  // Lanes without work: nothing to take off, and none to divide by.
  Num busy = valid & (ax >= ay);
  Num x = select(busy, ax, floatLike(a, 0.0)), y = select(busy, ay, floatLike(a, 1.0));
  Num rest;
  if (isSingle(a)) {
    Type wide = a.emitter->builder.getF64Type(), narrow = a.emitter->builder.getF32Type();
    rest = convert(reduceFully(convert(x, wide), convert(y, wide), 27, true), narrow);
  } else {
    // Away from the largest numbers, where splitting a factor would overflow.
    Num huge = y > 0x1p900;
    Num down = select(huge, floatLike(a, 0x1p-100), floatLike(a, 1.0));
    Num up = select(huge, floatLike(a, 0x1p100), floatLike(a, 1.0));
    rest = reduceFully(x * down, y * down, 50, false) * up;
  }
  rest = select(busy, rest, ax);
  return select(valid, copysign(rest, a), nanLike(a));
}

} // namespace sinter::cpu
