// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/TensorExpr.h"

#include "sinter/ir/Ops.h"

#include <cmath>

using namespace mlir;

namespace sinter::ir::tensor {

Expr Expr::like(double literal) const {
  return build<FullOp>(type(), elementAttribute(type().getElementType(), literal));
}

template <typename OpTy> static Expr binary(Expr a, Expr b) {
  return a.build<OpTy>(a.value(), b.value());
}
template <typename OpTy> static Expr comparison(Expr a, Expr b) {
  Type boolean = IntegerType::get(a.value().getContext(), 1);
  return a.build<OpTy>(a.type().withElementType(boolean), a.value(), b.value());
}

Expr operator+(Expr a, Expr b) { return binary<AddOp>(a, b); }
Expr operator-(Expr a, Expr b) { return binary<SubOp>(a, b); }
Expr operator*(Expr a, Expr b) { return binary<MulOp>(a, b); }
Expr operator/(Expr a, Expr b) { return binary<DivOp>(a, b); }
Expr operator-(Expr x) { return x.build<NegOp>(x.value()); }
Expr operator==(Expr a, Expr b) { return comparison<EqualOp>(a, b); }
Expr operator!=(Expr a, Expr b) { return comparison<NotEqualOp>(a, b); }
Expr operator<(Expr a, Expr b) { return comparison<LessOp>(a, b); }
Expr operator>(Expr a, Expr b) { return comparison<GreaterOp>(a, b); }
Expr operator!(Expr x) { return x.build<NotOp>(x.value()); }
Expr operator&&(Expr a, Expr b) { return binary<AndOp>(a, b); }
Expr operator||(Expr a, Expr b) { return binary<OrOp>(a, b); }

Expr select(Expr condition, Expr a, Expr b) {
  return a.build<SelectOp>(a.type(), condition.value(), a.value(), b.value());
}
Expr zeroLike(Expr x) { return x.like(0); }
Expr sign(Expr x) { return x.build<SignOp>(x.value()); }
Expr exp(Expr x) { return x.build<ExpOp>(x.value()); }
Expr log(Expr x) { return x.build<LogOp>(x.value()); }
Expr sin(Expr x) { return x.build<SinOp>(x.value()); }
Expr cos(Expr x) { return x.build<CosOp>(x.value()); }
Expr pow(Expr a, Expr b) { return binary<PowOp>(a, b); }
Expr sqrt(Expr x) { return x.build<SqrtOp>(x.value()); }
Expr sinh(Expr x) { return x.build<SinhOp>(x.value()); }
Expr cosh(Expr x) { return x.build<CoshOp>(x.value()); }
Expr sigmoid(Expr x) { return x.build<SigmoidOp>(x.value()); }
Expr digamma(Expr x) { return x.build<DigammaOp>(x.value()); }
Expr trigamma(Expr x) { return x.build<TrigammaOp>(x.value()); }
Expr hypot(Expr a, Expr b) { return binary<HypotOp>(a, b); }

/// Where neither operand is preferred they are equal, or one is NaN.
static Expr shareOf(Expr preferred, Expr a, Expr b, Expr dy) {
  return select(preferred || a != a, dy, select(a == b, dy * 0.5, zeroLike(dy)));
}
Expr shareOfMax(Expr a, Expr b, Expr dy) { return shareOf(a > b, a, b, dy); }
Expr shareOfMin(Expr a, Expr b, Expr dy) { return shareOf(a < b, a, b, dy); }

Expr powGradientBase(Expr a, Expr b, Expr dy) {
  // Only 0^0 needs care: there b * a^(b - 1) is 0 * inf. A select around the product would leave
  // that inf in the second derivative, so the exponent is replaced instead.
  Expr exponent = select(a == 0.0 && b == 0.0, zeroLike(b), b - 1.0);
  return dy * b * pow(a, exponent);
}

Expr powGradientExponent(Expr a, Expr y, Expr dy) {
  Expr isZero = a == 0.0;
  return select(isZero, zeroLike(dy), dy * y * log(select(isZero, a.like(1), a)));
}

Expr shareOfLength(Expr part, Expr length) {
  // With the divisor replaced, derivatives of this are finite as well.
  return part / select(length == 0.0, length.like(1), length);
}

Expr angleGradient(Expr part, Expr a, Expr b, Expr dy) {
  Expr length = hypot(a, b);
  return dy * shareOfLength(shareOfLength(part, length), length);
}

Expr logRatio(Expr a, Expr b) {
  Expr isFinite = comparison<LessOp>(a.build<AbsOp>(a.value()), a.like(INFINITY));
  return select(a == b && !isFinite, zeroLike(a), a - b);
}

Expr castGradient(Expr dy, Expr x) {
  if (!isFloat(x.type().getDType()))
    return dy.with(Value());
  if (dy.type() == x.type())
    return dy;
  return dy.build<CastOp>(x.type(), dy.value());
}

} // namespace sinter::ir::tensor
