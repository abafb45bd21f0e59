// SPDX-License-Identifier: Apache-2.0
// The language of the `scalar` strings in Ops.td: C++ expressions that emit arith and math ops, for
// scalars and for vectors of lanes alike.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"

namespace sinter::ir::scalar {

/// One element (or one per lane) and where to emit the next op. Its element type is the tensor's,
/// the value's is that of a register (Dialect.h): f16 and bf16 are computed as f32, integers have
/// no sign of their own. Booleans are i1.
class Expr {
public:
  /// `elementType` is the value's own when null.
  Expr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
       mlir::Type elementType = {});
  mlir::Value value() const { return result; }
  mlir::Type elementType() const { return element; }
  bool isFloat() const;
  bool isBool() const { return element.isInteger(1); }
  /// Integers that order as unsigned numbers; bool is one.
  bool isUnsigned() const { return isBool() || element.isUnsignedInteger(); }
  /// Another value built at the same place: of this element type if it lies in the same kind of
  /// register, else of its own (a comparison's i1).
  Expr with(mlir::Value other) const;
  Expr with(mlir::Value other, mlir::Type elementType) const {
    return Expr(*builder, loc, other, elementType);
  }
  /// `literal` as a constant of this expression's type.
  Expr like(double literal) const;
  /// The type of this expression's registers, lanes included, for another element type.
  mlir::Type typeWith(mlir::Type elementType) const;
  template <typename OpTy, typename... Args> Expr emit(Args &&...args) const {
    return with(OpTy::create(*builder, loc, std::forward<Args>(args)...));
  }

private:
  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value result;
  mlir::Type element;
};

/// Integers wrap; x / 0 is 0 and INT_MIN / -1 is INT_MIN, without a trap.
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr x);
/// Comparisons give i1; they are false with NaN, != is true.
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr operator!(Expr x);
Expr operator&&(Expr a, Expr b);
Expr operator||(Expr a, Expr b);

#define SINTER_WITH_LITERALS(op)                                                                   \
  inline Expr operator op(Expr a, double b) { return a op a.like(b); }                             \
  inline Expr operator op(double a, Expr b) { return b.like(a) op b; }
SINTER_WITH_LITERALS(+)
SINTER_WITH_LITERALS(-)
SINTER_WITH_LITERALS(*)
SINTER_WITH_LITERALS(/)
SINTER_WITH_LITERALS(==)
SINTER_WITH_LITERALS(!=)
SINTER_WITH_LITERALS(<)
SINTER_WITH_LITERALS(<=)
SINTER_WITH_LITERALS(>)
SINTER_WITH_LITERALS(>=)
#undef SINTER_WITH_LITERALS

Expr select(Expr condition, Expr a, Expr b);
Expr zeroLike(Expr x);
Expr abs(Expr x);
Expr sign(Expr x);
Expr exp(Expr x);
Expr expm1(Expr x);
Expr log(Expr x);
Expr log1p(Expr x);
Expr sqrt(Expr x);
Expr sin(Expr x);
Expr cos(Expr x);
Expr tanh(Expr x);
Expr sigmoid(Expr x);
Expr erf(Expr x);
Expr floor(Expr x);
Expr ceil(Expr x);
Expr roundEven(Expr x);
Expr pow(Expr a, Expr b);
Expr exp2(Expr x);
Expr log2(Expr x);
Expr log10(Expr x);
Expr cbrt(Expr x);
Expr tan(Expr x);
Expr asin(Expr x);
Expr acos(Expr x);
Expr atan(Expr x);
Expr sinh(Expr x);
Expr cosh(Expr x);
Expr asinh(Expr x);
Expr acosh(Expr x);
Expr atanh(Expr x);
Expr trunc(Expr x);
Expr atan2(Expr y, Expr x);
/// As f64, for what f32 is too short for, and back to the type of `like`.
Expr toDouble(Expr x);
Expr fromDouble(Expr x, Expr like);
// SpecialExpr.cpp
Expr erfinv(Expr x);
Expr lgamma(Expr x);
Expr digamma(Expr x);
Expr trigamma(Expr x);
// ArithmeticExpr.cpp
Expr isNan(Expr x);
Expr isInf(Expr x);
Expr isFinite(Expr x);
Expr hypot(Expr a, Expr b);
Expr logaddexp(Expr a, Expr b);
/// Of the sign of a: exact. Integers by 0 give a.
Expr rem(Expr a, Expr b);
/// Of the sign of b.
Expr mod(Expr a, Expr b);
Expr floorDiv(Expr a, Expr b);
/// Integers by repeated squaring.
Expr powInteger(Expr a, Expr b);
Expr bitAnd(Expr a, Expr b);
Expr bitOr(Expr a, Expr b);
Expr bitXor(Expr a, Expr b);
Expr bitNot(Expr x);
/// Counts outside of the width shift every bit out.
Expr shiftLeft(Expr a, Expr b);
Expr shiftRight(Expr a, Expr b);
/// NaN when either operand is; of two equal operands (as ±0) the second.
Expr maximum(Expr a, Expr b);
Expr minimum(Expr a, Expr b);
/// Float to integer truncates, saturates, and maps NaN to 0; to bool is x != 0; integers wrap. To
/// f16 and bf16 rounds to nearest even, once (an i64 or u64 goes through f64).
Expr cast(Expr x, mlir::Type elementType);
/// The same bits as another type of equal width.
Expr bitcast(Expr x, mlir::Type elementType);
/// Word 0 of Philox4x32-10 of a 64-bit key and counter: 32 bits.
Expr randomBits(Expr key, Expr counter);
/// `lanes` is 0 for a scalar, else the number of elements of the vector.
Expr constant(mlir::OpBuilder &builder, mlir::Location loc, mlir::TypedAttr value, int64_t lanes);

} // namespace sinter::ir::scalar
