// SPDX-License-Identifier: Apache-2.0
// The language of the `scalar` strings in Ops.td: C++ expressions that emit arith and math ops, for
// scalars and for vectors of lanes alike.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"

namespace sinter::ir::scalar {

/// One element (or one per lane) and where to emit the next op. Booleans are i1.
class Expr {
public:
  Expr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value)
      : builder(&builder), loc(loc), result(value) {}
  mlir::Value value() const { return result; }
  mlir::Type elementType() const;
  bool isFloat() const;
  bool isBool() const { return elementType().isInteger(1); }
  /// Another value built at the same place.
  Expr with(mlir::Value other) const { return Expr(*builder, loc, other); }
  /// `literal` as a constant of this expression's type.
  Expr like(double literal) const;
  /// This expression's type, lanes included, with another element type.
  mlir::Type typeWith(mlir::Type elementType) const;
  template <typename OpTy, typename... Args> Expr emit(Args &&...args) const {
    return with(OpTy::create(*builder, loc, std::forward<Args>(args)...));
  }

private:
  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value result;
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
/// NaN when either operand is; of two equal operands (as ±0) the second.
Expr maximum(Expr a, Expr b);
Expr minimum(Expr a, Expr b);
/// Float to integer truncates, saturates, and maps NaN to 0; to bool is x != 0; integers wrap.
Expr cast(Expr x, mlir::Type elementType);
/// `lanes` is 0 for a scalar, else the number of elements of the vector.
Expr constant(mlir::OpBuilder &builder, mlir::Location loc, mlir::TypedAttr value, int64_t lanes);

} // namespace sinter::ir::scalar
