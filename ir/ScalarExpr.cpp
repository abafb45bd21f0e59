// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/ScalarExpr.h"

#include "sinter/ir/Dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>

using namespace mlir;

namespace sinter::ir::scalar {

Expr::Expr(OpBuilder &builder, Location loc, Value value, Type elementType)
    : builder(&builder), loc(loc), result(value),
      element(elementType ? elementType : getElementTypeOrSelf(value.getType())) {}

bool Expr::isFloat() const { return isa<FloatType>(element); }

Expr Expr::with(Value other) const {
  bool same = getElementTypeOrSelf(other.getType()) == registerType(element);
  return Expr(*builder, loc, other, same ? element : Type());
}

Type Expr::typeWith(Type elementType) const {
  Type type = registerType(elementType);
  if (auto vector = dyn_cast<VectorType>(result.getType()))
    return vector.clone(type);
  return type;
}

static TypedAttr splat(Type type, TypedAttr element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return DenseElementsAttr::get(vector, ArrayRef<Attribute>(element));
  return element;
}

Expr Expr::like(double literal) const {
  TypedAttr value = elementAttribute(registerType(element), literal);
  return emit<arith::ConstantOp>(splat(result.getType(), value));
}

static Expr integerLike(Expr x, Type elementType, const APInt &value) {
  return x.with(x.emit<arith::ConstantOp>(splat(x.typeWith(elementType),
                                                IntegerAttr::get(registerType(elementType), value)))
                    .value(),
                elementType);
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
  if (a.isUnsigned()) {
    Expr safe = select(isZero, b.like(1), b);
    return select(isZero, zeroLike(a), a.emit<arith::DivUIOp>(a.value(), safe.value()));
  }
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

static Expr compare(Expr a, Expr b, arith::CmpFPredicate floats, arith::CmpIPredicate integers,
                    arith::CmpIPredicate unsignedIntegers) {
  if (a.isFloat())
    return a.emit<arith::CmpFOp>(floats, a.value(), b.value());
  return a.emit<arith::CmpIOp>(a.isUnsigned() ? unsignedIntegers : integers, a.value(), b.value());
}

using FP = arith::CmpFPredicate;
using IP = arith::CmpIPredicate;
Expr operator==(Expr a, Expr b) { return compare(a, b, FP::OEQ, IP::eq, IP::eq); }
Expr operator!=(Expr a, Expr b) { return compare(a, b, FP::UNE, IP::ne, IP::ne); }
Expr operator<(Expr a, Expr b) { return compare(a, b, FP::OLT, IP::slt, IP::ult); }
Expr operator<=(Expr a, Expr b) { return compare(a, b, FP::OLE, IP::sle, IP::ule); }
Expr operator>(Expr a, Expr b) { return compare(a, b, FP::OGT, IP::sgt, IP::ugt); }
Expr operator>=(Expr a, Expr b) { return compare(a, b, FP::OGE, IP::sge, IP::uge); }

Expr operator!(Expr x) { return x.emit<arith::XOrIOp>(x.value(), x.like(1).value()); }
Expr operator&&(Expr a, Expr b) { return a.emit<arith::AndIOp>(a.value(), b.value()); }
Expr operator||(Expr a, Expr b) { return a.emit<arith::OrIOp>(a.value(), b.value()); }

Expr select(Expr condition, Expr a, Expr b) {
  return a.emit<arith::SelectOp>(condition.value(), a.value(), b.value());
}

Expr zeroLike(Expr x) { return x.like(0); }

Expr abs(Expr x) {
  if (x.isFloat())
    return x.emit<math::AbsFOp>(x.value());
  if (x.isUnsigned())
    return x;
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
Expr pow(Expr a, Expr b) {
  return a.isFloat() ? a.emit<math::PowFOp>(a.value(), b.value()) : powInteger(a, b);
}
Expr exp2(Expr x) { return x.emit<math::Exp2Op>(x.value()); }
Expr log2(Expr x) { return x.emit<math::Log2Op>(x.value()); }
Expr log10(Expr x) { return x.emit<math::Log10Op>(x.value()); }
Expr cbrt(Expr x) { return x.emit<math::CbrtOp>(x.value()); }
Expr tan(Expr x) { return x.emit<math::TanOp>(x.value()); }
Expr asin(Expr x) { return x.emit<math::AsinOp>(x.value()); }
Expr acos(Expr x) { return x.emit<math::AcosOp>(x.value()); }
Expr atan(Expr x) { return x.emit<math::AtanOp>(x.value()); }
Expr sinh(Expr x) { return x.emit<math::SinhOp>(x.value()); }
Expr cosh(Expr x) { return x.emit<math::CoshOp>(x.value()); }
Expr asinh(Expr x) { return x.emit<math::AsinhOp>(x.value()); }
Expr acosh(Expr x) { return x.emit<math::AcoshOp>(x.value()); }
Expr atanh(Expr x) { return x.emit<math::AtanhOp>(x.value()); }
Expr trunc(Expr x) { return x.emit<math::TruncOp>(x.value()); }
Expr atan2(Expr y, Expr x) { return y.emit<math::Atan2Op>(y.value(), x.value()); }

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
    return a.isUnsigned() ? a.emit<arith::MaxUIOp>(a.value(), b.value())
                          : a.emit<arith::MaxSIOp>(a.value(), b.value());
  return extremum(a, b, [](Expr l, Expr r) { return l > r; });
}

Expr minimum(Expr a, Expr b) {
  if (!a.isFloat())
    return a.isUnsigned() ? a.emit<arith::MinUIOp>(a.value(), b.value())
                          : a.emit<arith::MinSIOp>(a.value(), b.value());
  return extremum(a, b, [](Expr l, Expr r) { return l < r; });
}

static Expr castFloatToInt(Expr x, Type elementType) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  bool isUnsigned = elementType.isUnsignedInteger();
  double limit = std::ldexp(1.0, static_cast<int>(isUnsigned ? width : width - 1));
  Expr tooHigh = x >= limit;
  // Narrow integers leave room for what is not truncated yet.
  Expr tooLow = isUnsigned ? x <= -1.0 : width < 32 ? x <= -limit - 1.0 : x < -limit;
  Expr isNaN = x != x;
  Expr safe = select(tooHigh || tooLow || isNaN, zeroLike(x), x);
  Type word = IntegerType::get(elementType.getContext(), std::max(width, 32u));
  Type to = x.typeWith(word);
  Value number = isUnsigned && width >= 32 ? x.emit<arith::FPToUIOp>(to, safe.value()).value()
                                           : x.emit<arith::FPToSIOp>(to, safe.value()).value();
  if (width < 32)
    number = x.emit<arith::TruncIOp>(x.typeWith(elementType), number).value();
  Expr inside = x.with(number, elementType);
  APInt highest = isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  APInt lowest = isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width);
  return select(tooHigh, integerLike(x, elementType, highest),
                select(tooLow, integerLike(x, elementType, lowest), inside));
}

/// A double as the float that any narrower format rounds to the same number as the double itself:
/// truncated, with the last bit set when anything was lost.
static Expr roundToOdd(Expr x) {
  MLIRContext *context = x.elementType().getContext();
  Type single = Float32Type::get(context), word = IntegerType::get(context, 32);
  Expr near = x.emit<arith::TruncFOp>(x.typeWith(single), x.value());
  Expr back = x.emit<arith::ExtFOp>(x.value().getType(), near.value());
  Expr bits = near.emit<arith::BitcastOp>(near.typeWith(word), near.value());
  Expr truncated = select(abs(back) > abs(x), bits - 1.0, bits);
  Expr odd = truncated.emit<arith::OrIOp>(truncated.value(), truncated.like(1).value());
  Expr isExact = back == x || x != x;
  return near.emit<arith::BitcastOp>(near.value().getType(), select(isExact, bits, odd).value());
}

/// A float in a register with the precision of `elementType`.
static Expr roundTo(Expr x, Type elementType) {
  Type register32 = x.value().getType(), stored = elementType;
  if (auto vector = dyn_cast<VectorType>(register32))
    stored = vector.clone(elementType);
  Value narrow = x.emit<arith::TruncFOp>(stored, x.value()).value();
  return x.with(x.emit<arith::ExtFOp>(register32, narrow).value(), elementType);
}

static Expr castIntToFloat(Expr x, Type elementType) {
  Type to = x.typeWith(elementType);
  return x.with(x.isUnsigned() ? x.emit<arith::UIToFPOp>(to, x.value()).value()
                               : x.emit<arith::SIToFPOp>(to, x.value()).value(),
                elementType);
}

static Expr castToFloat(Expr x, Type elementType) {
  MLIRContext *context = elementType.getContext();
  Type single = Float32Type::get(context), wide = Float64Type::get(context);
  unsigned width = x.elementType().getIntOrFloatBitWidth();
  if (registerType(elementType) != elementType) { // f16, bf16
    Expr real = x;
    if (!x.isFloat())
      real = castIntToFloat(x, width >= 32 ? wide : single);
    return roundTo(real.elementType() == wide ? roundToOdd(real) : real, elementType);
  }
  if (!x.isFloat())
    return castIntToFloat(x, elementType);
  Type from = registerType(x.elementType());
  if (from == elementType)
    return x.with(x.value(), elementType);
  Type to = x.typeWith(elementType);
  return x.with(from == single ? x.emit<arith::ExtFOp>(to, x.value()).value()
                               : x.emit<arith::TruncFOp>(to, x.value()).value(),
                elementType);
}

Expr cast(Expr x, Type elementType) {
  if (x.elementType() == elementType)
    return x;
  if (elementType.isInteger(1))
    return x != 0.0;
  if (isa<FloatType>(elementType))
    return castToFloat(x, elementType);
  if (x.isFloat())
    return castFloatToInt(x, elementType);
  Type to = x.typeWith(elementType);
  unsigned from = x.elementType().getIntOrFloatBitWidth();
  unsigned width = elementType.getIntOrFloatBitWidth();
  Value value = x.value();
  if (from > width)
    value = x.emit<arith::TruncIOp>(to, value).value();
  else if (from < width)
    value = x.isUnsigned() ? x.emit<arith::ExtUIOp>(to, value).value()
                           : x.emit<arith::ExtSIOp>(to, value).value();
  return x.with(value, elementType);
}

Expr bitcast(Expr x, Type elementType) {
  auto shaped = [&](Type element) -> Type {
    auto vector = dyn_cast<VectorType>(x.value().getType());
    return vector ? Type(vector.clone(element)) : element;
  };
  auto isNarrow = [](Type type) { return isa<FloatType>(type) && registerType(type) != type; };
  Value value = x.value();
  if (isNarrow(x.elementType()))
    value = x.emit<arith::TruncFOp>(shaped(x.elementType()), value).value();
  Type to = isNarrow(elementType) ? shaped(elementType) : x.typeWith(elementType);
  if (value.getType() != to)
    value = x.emit<arith::BitcastOp>(to, value).value();
  if (isNarrow(elementType))
    value = x.emit<arith::ExtFOp>(x.typeWith(elementType), value).value();
  return x.with(value, elementType);
}

Expr constant(OpBuilder &builder, Location loc, TypedAttr value, int64_t lanes) {
  TypedAttr held = registerAttribute(value);
  Type type = lanes == 0 ? held.getType() : VectorType::get({lanes}, held.getType());
  return Expr(builder, loc, arith::ConstantOp::create(builder, loc, splat(type, held)),
              value.getType());
}

} // namespace sinter::ir::scalar
