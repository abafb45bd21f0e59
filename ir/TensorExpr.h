// SPDX-License-Identifier: Apache-2.0
// The language of the `vjp` strings in Ops.td: C++ expressions over tensors that build ops of the
// dialect.
#pragma once

#include "sinter/ir/Dialect.h"

namespace sinter::ir::tensor {

/// A tensor value and where to build the next op. A null value means that there is no such tensor.
class Expr {
public:
  Expr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value)
      : builder(&builder), loc(loc), result(value) {}
  mlir::Value value() const { return result; }
  TensorType type() const { return mlir::cast<TensorType>(result.getType()); }
  Expr with(mlir::Value other) const { return Expr(*builder, loc, other); }
  /// A tensor of this one's type, every element `literal`.
  Expr like(double literal) const;
  template <typename OpTy, typename... Args> Expr build(Args &&...args) const {
    return with(OpTy::create(*builder, loc, std::forward<Args>(args)...)->getResult(0));
  }

private:
  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value result;
};

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr x);
/// Comparisons give bool tensors.
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
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
SINTER_WITH_LITERALS(>)
#undef SINTER_WITH_LITERALS

Expr select(Expr condition, Expr a, Expr b);
Expr zeroLike(Expr x);
Expr sign(Expr x);
Expr exp(Expr x);
Expr log(Expr x);
Expr sin(Expr x);
Expr cos(Expr x);
Expr pow(Expr a, Expr b);
Expr sqrt(Expr x);
Expr sinh(Expr x);
Expr cosh(Expr x);
Expr sigmoid(Expr x);
Expr digamma(Expr x);
Expr trigamma(Expr x);
Expr hypot(Expr a, Expr b);

inline constexpr double sqrtPi = 1.7724538509055160273;
inline constexpr double ln2 = 0.69314718055994530942;
inline constexpr double ln10 = 2.3025850929940456840;

/// The part of dy that belongs to `a` in max(a, b): all where a is larger or NaN, half in a tie.
Expr shareOfMax(Expr a, Expr b, Expr dy);
/// The same for min(a, b).
Expr shareOfMin(Expr a, Expr b, Expr dy);
/// ∂(a^b)/∂a · dy and ∂(a^b)/∂b · dy, where y = a^b. They are finite wherever the derivative is,
/// and so are their own derivatives.
Expr powGradientBase(Expr a, Expr b, Expr dy);
Expr powGradientExponent(Expr a, Expr y, Expr dy);
/// dy * part / (a² + b²), and 0 where a and b are 0.
Expr angleGradient(Expr part, Expr a, Expr b, Expr dy);
/// part / length, and 0 where the length is 0.
Expr shareOfLength(Expr part, Expr length);
/// a - b, and 0 where both are the same infinity.
Expr logRatio(Expr a, Expr b);
/// dy in the dtype of x; null when x carries no gradient.
Expr castGradient(Expr dy, Expr x);

} // namespace sinter::ir::tensor
