// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/ScalarExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>

using namespace mlir;

namespace sinter::ir::scalar {

Type Expr::elementType() const { return getElementTypeOrSelf(result.getType()); }

bool Expr::isFloat() const { return isa<FloatType>(elementType()); }

Type Expr::typeWith(Type elementType) const {
  if (auto vector = dyn_cast<VectorType>(result.getType()))
    return vector.clone(elementType);
  return elementType;
}

static TypedAttr splat(Type type, TypedAttr element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return DenseElementsAttr::get(vector, ArrayRef<Attribute>(element));
  return element;
}

static TypedAttr elementAttr(Type elementType, double literal) {
  if (isa<FloatType>(elementType))
    return FloatAttr::get(elementType, literal);
  return IntegerAttr::get(elementType, static_cast<int64_t>(literal));
}

Expr Expr::like(double literal) const {
  return emit<arith::ConstantOp>(splat(result.getType(), elementAttr(elementType(), literal)));
}

static Expr integerLike(Expr x, Type elementType, int64_t value) {
  return x.emit<arith::ConstantOp>(
      splat(x.typeWith(elementType), IntegerAttr::get(elementType, value)));
}

template <typename FloatOp, typename IntOp> static Expr binary(Expr a, Expr b) {
  if (a.isFloat())
    return a.emit<FloatOp>(a.value(), b.value());
  return a.emit<IntOp>(a.value(), b.value());
}

Expr operator+(Expr a, Expr b) { return binary<arith::AddFOp, arith::AddIOp>(a, b); }
Expr operator-(Expr a, Expr b) { return binary<arith::SubFOp, arith::SubIOp>(a, b); }
Expr operator*(Expr a, Expr b) { return binary<arith::MulFOp, arith::MulIOp>(a, b); }

Expr operator/(Expr a, Expr b) {
  if (a.isFloat())
    return a.emit<arith::DivFOp>(a.value(), b.value());
  Expr isZero = b == 0.0;
  Expr isMinusOne = b == -1.0;
  Expr safe = select(isZero || isMinusOne, b.like(1), b);
  Expr quotient = a.emit<arith::DivSIOp>(a.value(), safe.value());
  return select(isZero, zeroLike(a), select(isMinusOne, -a, quotient));
}

Expr operator-(Expr x) {
  if (x.isFloat())
    return x.emit<arith::NegFOp>(x.value());
  return zeroLike(x) - x;
}

/// Signed order, except that booleans order false before true.
static Expr compare(Expr a, Expr b, arith::CmpFPredicate floats, arith::CmpIPredicate integers,
                    arith::CmpIPredicate booleans) {
  if (a.isFloat())
    return a.emit<arith::CmpFOp>(floats, a.value(), b.value());
  return a.emit<arith::CmpIOp>(a.isBool() ? booleans : integers, a.value(), b.value());
}

using FP = arith::CmpFPredicate;
using IP = arith::CmpIPredicate;
Expr operator==(Expr a, Expr b) { return compare(a, b, FP::OEQ, IP::eq, IP::eq); }
Expr operator!=(Expr a, Expr b) { return compare(a, b, FP::UNE, IP::ne, IP::ne); }
Expr operator<(Expr a, Expr b) { return compare(a, b, FP::OLT, IP::slt, IP::ult); }
Expr operator<=(Expr a, Expr b) { return compare(a, b, FP::OLE, IP::sle, IP::ule); }
Expr operator>(Expr a, Expr b) { return compare(a, b, FP::OGT, IP::sgt, IP::ugt); }
Expr operator>=(Expr a, Expr b) { return compare(a, b, FP::OGE, IP::sge, IP::uge); }

Expr operator!(Expr x) {
  return x.emit<arith::XOrIOp>(x.value(), integerLike(x, x.elementType(), 1).value());
}
Expr operator&&(Expr a, Expr b) { return a.emit<arith::AndIOp>(a.value(), b.value()); }
Expr operator||(Expr a, Expr b) { return a.emit<arith::OrIOp>(a.value(), b.value()); }

Expr select(Expr condition, Expr a, Expr b) {
  return a.emit<arith::SelectOp>(condition.value(), a.value(), b.value());
}

Expr zeroLike(Expr x) { return x.like(0); }

Expr abs(Expr x) {
  if (x.isFloat())
    return x.emit<math::AbsFOp>(x.value());
  return x.emit<arith::MaxSIOp>(x.value(), (-x).value());
}

Expr sign(Expr x) { return select(x > 0.0, x.like(1), select(x < 0.0, x.like(-1), x)); }

Expr exp(Expr x) { return x.emit<math::ExpOp>(x.value()); }
Expr expm1(Expr x) { return x.emit<math::ExpM1Op>(x.value()); }
Expr log(Expr x) { return x.emit<math::LogOp>(x.value()); }
Expr log1p(Expr x) { return x.emit<math::Log1pOp>(x.value()); }
Expr sqrt(Expr x) { return x.emit<math::SqrtOp>(x.value()); }
Expr sin(Expr x) { return x.emit<math::SinOp>(x.value()); }
Expr cos(Expr x) { return x.emit<math::CosOp>(x.value()); }
Expr tanh(Expr x) { return x.emit<math::TanhOp>(x.value()); }
Expr erf(Expr x) { return x.emit<math::ErfOp>(x.value()); }
Expr floor(Expr x) { return x.emit<math::FloorOp>(x.value()); }
Expr ceil(Expr x) { return x.emit<math::CeilOp>(x.value()); }
Expr roundEven(Expr x) { return x.emit<math::RoundEvenOp>(x.value()); }
Expr pow(Expr a, Expr b) { return a.emit<math::PowFOp>(a.value(), b.value()); }

Expr sigmoid(Expr x) {
  Expr e = exp(-abs(x)); // never overflows
  return select(x >= 0.0, x.like(1), e) / (e + 1.0);
}

/// The number behind a constant (or a splat of it).
static std::optional<APFloat> constantFloat(Expr x) {
  APFloat value(0.0);
  if (matchPattern(x.value(), m_ConstantFloat(&value)))
    return value;
  return std::nullopt;
}

/// select(a before b, a, b), made NaN-propagating. A select whose second operand may be NaN
/// propagates that NaN by itself and is one machine instruction; only a NaN in the first operand
/// needs a second select.
template <typename Before> static Expr extremum(Expr a, Expr b, Before before) {
  std::optional<APFloat> constantB = constantFloat(b);
  if (constantB && !constantB->isNaN()) {
    // The constant goes first. A zero also wins ties, as the second operand does in the general
    // form.
    if (constantB->isZero())
      return select(before(b, a) || b == a, b, a);
    return select(before(b, a), b, a);
  }
  Expr result = select(before(a, b), a, b);
  std::optional<APFloat> constantA = constantFloat(a);
  if (constantA && !constantA->isNaN())
    return result;
  return select(a != a, a, result);
}

Expr maximum(Expr a, Expr b) {
  if (!a.isFloat())
    return a.emit<arith::MaxSIOp>(a.value(), b.value());
  return extremum(a, b, [](Expr l, Expr r) { return l > r; });
}

Expr minimum(Expr a, Expr b) {
  if (!a.isFloat())
    return a.emit<arith::MinSIOp>(a.value(), b.value());
  return extremum(a, b, [](Expr l, Expr r) { return l < r; });
}

static Expr castFloatToInt(Expr x, Type elementType) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  double limit = std::ldexp(1.0, static_cast<int>(width) - 1);
  Expr tooHigh = x >= limit;
  Expr tooLow = x < -limit;
  Expr isNaN = x != x;
  Expr safe = select(tooHigh || tooLow || isNaN, zeroLike(x), x);
  Expr inside = x.emit<arith::FPToSIOp>(x.typeWith(elementType), safe.value());
  int64_t highest = static_cast<int64_t>(~uint64_t{0} >> (65 - width));
  return select(tooHigh, integerLike(x, elementType, highest),
                select(tooLow, integerLike(x, elementType, -highest - 1), inside));
}

Expr cast(Expr x, Type elementType) {
  Type from = x.elementType();
  Type to = x.typeWith(elementType);
  if (from == elementType)
    return x;
  unsigned fromWidth = from.getIntOrFloatBitWidth();
  unsigned toWidth = elementType.getIntOrFloatBitWidth();
  if (elementType.isInteger(1))
    return x != 0.0;
  if (isa<FloatType>(elementType)) {
    if (x.isFloat())
      return fromWidth < toWidth ? x.emit<arith::ExtFOp>(to, x.value())
                                 : x.emit<arith::TruncFOp>(to, x.value());
    return x.isBool() ? x.emit<arith::UIToFPOp>(to, x.value())
                      : x.emit<arith::SIToFPOp>(to, x.value());
  }
  if (x.isFloat())
    return castFloatToInt(x, elementType);
  if (x.isBool())
    return x.emit<arith::ExtUIOp>(to, x.value());
  return fromWidth < toWidth ? x.emit<arith::ExtSIOp>(to, x.value())
                             : x.emit<arith::TruncIOp>(to, x.value());
}

Expr constant(OpBuilder &builder, Location loc, TypedAttr value, int64_t lanes) {
  Type type = lanes == 0 ? value.getType() : VectorType::get({lanes}, value.getType());
  return Expr(builder, loc, arith::ConstantOp::create(builder, loc, splat(type, value)));
}

} // namespace sinter::ir::scalar
