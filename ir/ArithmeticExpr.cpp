// SPDX-License-Identifier: Apache-2.0
// Arithmetic of the `scalar` strings that is more than one op: remainders, powers, shifts, lengths.
#include "sinter/ir/Dialect.h"
#include "sinter/ir/ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

namespace sinter::ir::scalar {

static Expr copysign(Expr magnitude, Expr sign) {
  return magnitude.emit<math::CopySignOp>(magnitude.value(), sign.value());
}

static Expr truth(Expr x, bool value) {
  Expr equal = x.with(x.value()) == x; // Of the right shape; integers only.
  return value ? equal : !equal;
}

Expr isNan(Expr x) { return x.isFloat() ? x != x : truth(x, false); }
Expr isInf(Expr x) { return x.isFloat() ? abs(x) == INFINITY : truth(x, false); }
Expr isFinite(Expr x) { return x.isFloat() ? abs(x) < INFINITY : truth(x, true); }

// -- Remainders -----------------------------------------------------------------------------------

Expr rem(Expr a, Expr b) {
  if (a.isFloat())
    return a.emit<arith::RemFOp>(a.value(), b.value());
  return a - a / b * b; // Right for b = 0 and INT_MIN / -1 as well.
}

/// Whether the quotient was truncated upwards.
static Expr roundedUp(Expr rest, Expr b) { return rest != 0.0 && (rest < 0.0) != (b < 0.0); }

Expr mod(Expr a, Expr b) {
  Expr rest = rem(a, b);
  if (a.isUnsigned())
    return rest;
  Expr result = select(roundedUp(rest, b), rest + b, rest);
  return a.isFloat() ? select(rest == 0.0, copysign(rest, b), result) : result;
}

Expr floorDiv(Expr a, Expr b) {
  if (a.isUnsigned())
    return a / b;
  if (!a.isFloat()) {
    Expr quotient = a / b, rest = a - quotient * b;
    return select(roundedUp(rest, b) && b != 0.0, quotient - 1.0, quotient);
  }
  Expr rest = rem(a, b), plain = a / b;
  Expr whole = roundEven((a - rest) / b); // Exact up to here but for the rounding of large numbers.
  Expr result = select(roundedUp(rest, b), whole - 1.0, whole);
  result = select(result == 0.0, copysign(zeroLike(a), plain), result);
  return select(b == 0.0, plain, result);
}

// -- Powers of integers ---------------------------------------------------------------------------

Expr powInteger(Expr a, Expr b) {
  unsigned width = a.elementType().getIntOrFloatBitWidth();
  unsigned steps = a.isUnsigned() ? width : width - 1;
  Expr result = a.like(1), base = a, exponent = b;
  for (unsigned i = 0; i < steps; ++i) {
    Expr isOdd = bitAnd(exponent, exponent.like(1)) != 0.0;
    result = select(isOdd, result * base, result);
    if (i + 1 == steps)
      break;
    base = base * base;
    exponent = exponent.emit<arith::ShRUIOp>(exponent.value(), exponent.like(1).value());
  }
  if (a.isUnsigned())
    return result;
  Expr isOdd = bitAnd(b, b.like(1)) != 0.0;
  Expr inverse = select(a == 1.0, a, zeroLike(a));
  inverse = select(a == -1.0, select(isOdd, a, a.like(1)), inverse);
  return select(b < 0.0, inverse, result);
}

// -- Bits -----------------------------------------------------------------------------------------

Expr bitAnd(Expr a, Expr b) { return a.emit<arith::AndIOp>(a.value(), b.value()); }
Expr bitOr(Expr a, Expr b) { return a.emit<arith::OrIOp>(a.value(), b.value()); }
Expr bitXor(Expr a, Expr b) { return a.emit<arith::XOrIOp>(a.value(), b.value()); }
Expr bitNot(Expr x) {
  Expr zero = zeroLike(x);
  Expr ones = zero.emit<arith::SubIOp>(zero.value(), x.like(1).value());
  return bitXor(x, ones);
}

/// Whether the count, as an unsigned number, is below the width.
static Expr isInside(Expr count) {
  double width = count.elementType().getIntOrFloatBitWidth();
  return count.emit<arith::CmpIOp>(arith::CmpIPredicate::ult, count.value(),
                                   count.like(width).value());
}

Expr shiftLeft(Expr a, Expr b) {
  Expr inside = isInside(b);
  Expr count = select(inside, b, zeroLike(b));
  return select(inside, a.emit<arith::ShLIOp>(a.value(), count.value()), zeroLike(a));
}

Expr shiftRight(Expr a, Expr b) {
  Expr inside = isInside(b);
  if (a.isUnsigned()) {
    Expr count = select(inside, b, zeroLike(b));
    return select(inside, a.emit<arith::ShRUIOp>(a.value(), count.value()), zeroLike(a));
  }
  Expr count = select(inside, b, b.like(b.elementType().getIntOrFloatBitWidth() - 1.0));
  return a.emit<arith::ShRSIOp>(a.value(), count.value());
}

// -- Floats ---------------------------------------------------------------------------------------

Expr toDouble(Expr x) {
  Type wide = Float64Type::get(x.elementType().getContext());
  if (x.elementType() == wide)
    return x;
  return x.with(x.emit<arith::ExtFOp>(x.typeWith(wide), x.value()).value(), wide);
}

Expr fromDouble(Expr x, Expr like) {
  if (like.elementType() == x.elementType())
    return x;
  return like.with(x.emit<arith::TruncFOp>(like.value().getType(), x.value()).value(),
                   like.elementType());
}

static Expr root(Expr a, Expr b) {
  Expr square = b * b;
  return sqrt(a.emit<math::FmaOp>(a.value(), a.value(), square.value()));
}

/// In f64, without overflow on the way.
static Expr scaledRoot(Expr a, Expr b) {
  Expr x = abs(a), y = abs(b), longest = select(x > y, x, y);
  Expr isLarge = longest > 0x1p510, isSmall = longest < 0x1p-450;
  Expr one = a.like(1), up = a.like(0x1p600), down = a.like(0x1p-600);
  Expr scale = select(isLarge, down, select(isSmall, up, one));
  Expr back = select(isLarge, up, select(isSmall, down, one));
  return root(x * scale, y * scale) * back;
}

Expr hypot(Expr a, Expr b) {
  Expr x = toDouble(a), y = toDouble(b);
  bool wasNarrow = x.elementType() != a.elementType(); // Squares of f32 fit f64.
  Expr length = fromDouble(wasNarrow ? root(x, y) : scaledRoot(x, y), a);
  return select(isInf(a) || isInf(b), a.like(INFINITY), length);
}

Expr logaddexp(Expr a, Expr b) {
  Expr x = toDouble(a), y = toDouble(b);
  Expr distance = select(x == y, zeroLike(x), abs(x - y)); // inf - inf is no number.
  return fromDouble(maximum(x, y) + log1p(exp(-distance)), a);
}

} // namespace sinter::ir::scalar
