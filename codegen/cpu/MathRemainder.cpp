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

/// The power of two in a positive normal number.
static Num powerIn(Num x) { return floatOf(bitsOf(x) & integerLike(x, uint64_t{0x7ff} << 52)); }

/// y 2^k, where k >= 0 is such that the quotient of r by it has at most about `bits` bits; f64,
/// y <= r.
static Num divisorFor(Num r, Num y, int bits, bool mayOverflow) {
  Num ratio = r / y;
  Num divisor = y * atLeast(powerIn(ratio) * std::ldexp(1.0, -bits), 1.0);
  if (!mayOverflow)
    return divisor;
  // Where the quotient overflows, or nearly, that of numbers closer by 2^1100 does not.
  Num closer = y * 0x1p1000;
  Num known = powerIn((r * 0x1p-100) / closer);
  return select(ratio >= 0x1p1000, closer * known * std::ldexp(1.0, 100 - bits), divisor);
}

/// r modulo a multiple of y that leaves it below that multiple.
static Num reduceOnce(Num r, Num y, int bits, bool isExactProduct) {
  Num divisor = divisorFor(r, y, bits, !isExactProduct);
  if (isExactProduct) {
    Num rest = r - expandTrunc(r / divisor) * divisor;
    // The rounded quotient may be one too large.
    return select(rest < 0.0, rest + divisor, rest);
  }
  // Away from the largest numbers, where the product or splitting a factor would overflow.
  Num isHuge = r > 0x1p900, one = floatLike(r, 1.0);
  Num down = select(isHuge, floatLike(r, 0x1p-100), one);
  Num scaled = r * down;
  divisor = divisor * down;
  Pair product = twoProduct(expandTrunc(scaled / divisor), divisor);
  Num rest = (scaled - product.high) - product.low;
  rest = select(rest < 0.0, rest + divisor, rest);
  return rest * select(isHuge, floatLike(r, 0x1p100), one);
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
        Num r = e.wrap(state[0]);
        Num rest = reduceOnce(r, y, bits, isExactProduct);
        scf::YieldOp::create(b, loc, select(r >= y, rest, r).value); // Some lanes end earlier.
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
    rest = reduceFully(x, y, 50, false);
  }
  rest = select(busy, rest, ax);
  return select(valid, copysign(rest, a), nanLike(a));
}

} // namespace sinter::cpu
