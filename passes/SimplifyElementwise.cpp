// SPDX-License-Identifier: Apache-2.0
// Rules for elementwise ops. Where a rule is for integers only, floats would lose a -0 or a NaN.
#include "sinter/passes/SimplifyRules.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

TypedAttr fullValue(Value value) {
  auto full = value.getDefiningOp<FullOp>();
  return full ? full.getValue() : TypedAttr();
}

namespace {

/// Equal numbers of the same sign; false for values that are not `full`.
bool isFull(Value value, double number) {
  TypedAttr attribute = fullValue(value);
  if (auto real = dyn_cast_or_null<FloatAttr>(attribute)) {
    double x = real.getValueAsDouble();
    return x == number && std::signbit(x) == std::signbit(number);
  }
  auto integer = dyn_cast_or_null<IntegerAttr>(attribute);
  if (!integer)
    return false;
  APInt bits = integer.getValue();
  bool isUnsigned = bits.getBitWidth() == 1 || integer.getType().isUnsignedInteger();
  double x = isUnsigned ? double(bits.getZExtValue()) : double(bits.getSExtValue());
  return x == number;
}

bool isIntegral(Value value) { return !isFloat(tensorType(value).getDType()); }

/// +0 keeps no float's bits under addition, -0 does.
bool isAdditionNeutral(Value value) { return isFull(value, isIntegral(value) ? 0.0 : -0.0); }

Value full(PatternRewriter &rewriter, Location loc, ir::TensorType type, double number) {
  return FullOp::create(rewriter, loc, type, elementAttribute(type.getElementType(), number));
}

// -- Arithmetic -----------------------------------------------------------------------------------

Value simplifyAdd(AddOp op, PatternRewriter &rewriter) {
  Value a = op.getA(), b = op.getB();
  if (isAdditionNeutral(b))
    return a;
  if (isAdditionNeutral(a))
    return b;
  if (auto neg = b.getDefiningOp<NegOp>())
    return SubOp::create(rewriter, op.getLoc(), a, neg.getX());
  if (auto neg = a.getDefiningOp<NegOp>())
    return SubOp::create(rewriter, op.getLoc(), b, neg.getX());
  return {};
}

Value simplifySub(SubOp op, PatternRewriter &rewriter) {
  Value a = op.getA(), b = op.getB();
  if (isFull(b, 0))
    return a;
  if (isAdditionNeutral(a)) // -0 - x is -x, +0 - x loses the sign of -0
    return NegOp::create(rewriter, op.getLoc(), b);
  if (auto neg = b.getDefiningOp<NegOp>())
    return AddOp::create(rewriter, op.getLoc(), a, neg.getX());
  return {};
}

Value simplifyMul(MulOp op, PatternRewriter &rewriter) {
  Value a = op.getA(), b = op.getB();
  for (auto [x, factor] : {std::pair(a, b), std::pair(b, a)}) {
    if (isFull(factor, 1))
      return x;
    if (isFull(factor, -1))
      return NegOp::create(rewriter, op.getLoc(), x);
    if (isIntegral(x) && isFull(factor, 0))
      return factor;
  }
  auto negA = a.getDefiningOp<NegOp>(), negB = b.getDefiningOp<NegOp>();
  if (negA && negB)
    return MulOp::create(rewriter, op.getLoc(), negA.getX(), negB.getX());
  return {};
}

Value simplifyDiv(DivOp op, PatternRewriter &rewriter) {
  if (isFull(op.getB(), 1))
    return op.getA();
  // The reciprocal of a power of two is exact.
  auto divisor = dyn_cast_or_null<FloatAttr>(fullValue(op.getB()));
  if (!divisor)
    return {};
  APFloat inverse(divisor.getValue().getSemantics());
  if (!divisor.getValue().getExactInverse(&inverse))
    return {};
  auto type = op.getType();
  Value factor = FullOp::create(rewriter, op.getLoc(), type,
                                rewriter.getFloatAttr(type.getElementType(), inverse));
  return MulOp::create(rewriter, op.getLoc(), op.getA(), factor);
}

Value simplifyNeg(NegOp op, PatternRewriter &) {
  if (auto inner = op.getX().getDefiningOp<NegOp>())
    return inner.getX();
  return {};
}

Value simplifyPow(PowOp op, PatternRewriter &rewriter) {
  auto attribute = dyn_cast_or_null<FloatAttr>(fullValue(op.getB()));
  if (!attribute)
    return {};
  double exponent = attribute.getValueAsDouble();
  Value x = op.getA();
  auto product = [&](Value a, Value b) {
    return MulOp::create(rewriter, op.getLoc(), a, b).getResult();
  };
  if (exponent == 0)
    return full(rewriter, op.getLoc(), op.getType(), 1);
  if (exponent == 1)
    return x;
  if (exponent == -1)
    return DivOp::create(rewriter, op.getLoc(), full(rewriter, op.getLoc(), op.getType(), 1), x);
  if (exponent == 2)
    return product(x, x);
  if (exponent == 3)
    return product(product(x, x), x);
  if (exponent == 4) {
    Value square = product(x, x);
    return product(square, square);
  }
  return {};
}

// -- Logic and selection --------------------------------------------------------------------------

Value simplifyNot(NotOp op, PatternRewriter &) {
  if (auto inner = op.getX().getDefiningOp<NotOp>())
    return inner.getX();
  return {};
}

Value simplifyAnd(AndOp op, PatternRewriter &) {
  for (auto [x, other] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())}) {
    if (isFull(other, 1) || x == other)
      return x;
    if (isFull(other, 0))
      return other;
  }
  return {};
}

Value simplifyOr(OrOp op, PatternRewriter &) {
  for (auto [x, other] : {std::pair(op.getA(), op.getB()), std::pair(op.getB(), op.getA())}) {
    if (isFull(other, 0) || x == other)
      return x;
    if (isFull(other, 1))
      return other;
  }
  return {};
}

Value simplifySelect(SelectOp op, PatternRewriter &rewriter) {
  if (op.getA() == op.getB() || isFull(op.getCondition(), 1))
    return op.getA();
  if (isFull(op.getCondition(), 0))
    return op.getB();
  if (TypedAttr a = fullValue(op.getA()); a && a == fullValue(op.getB()))
    return op.getA();
  if (auto inner = op.getCondition().getDefiningOp<NotOp>())
    return SelectOp::create(rewriter, op.getLoc(), op.getType(), inner.getX(), op.getB(),
                            op.getA());
  return {};
}

// -- Conversion -----------------------------------------------------------------------------------

/// Every value of `from` is one of `to`.
bool isLossless(DType from, DType to) {
  if (from == to || from == boolean)
    return true;
  if (to == boolean || (isFloat(from) && !isFloat(to)))
    return false;
  auto digits = [](DType dtype) {
    return dispatch(dtype, [](auto zero) { return std::numeric_limits<decltype(zero)>::digits; });
  };
  if (from == bf16 && to == f16)
    return false; // It has the wider range.
  bool hasSign = isFloat(to) || isUnsigned(from) || !isUnsigned(to);
  // Integers that fit the digits of a float also fit its range; -2^n is one of them.
  return hasSign && digits(from) <= digits(to);
}

Value simplifyCast(CastOp op, PatternRewriter &rewriter) {
  Value x = op.getX();
  if (x.getType() == op.getType())
    return x;
  auto inner = x.getDefiningOp<CastOp>();
  if (!inner)
    return {};
  DType from = tensorType(inner.getX()).getDType(), between = tensorType(x).getDType();
  DType to = op.getType().getDType();
  // From integer to integer wraps, by way of a float saturates.
  bool mayWrap = isInteger(from) && isFloat(between) && isInteger(to) && !isLossless(from, to);
  if (!isLossless(from, between) || mayWrap)
    return {};
  if (inner.getX().getType() != op.getType())
    return CastOp::create(rewriter, op.getLoc(), op.getType(), inner.getX());
  // A kernel may hold a narrow float with more digits: the way back to its dtype rounds them off.
  Type element = op.getType().getElementType();
  return isa<FloatType>(element) && registerType(element) != element ? Value() : inner.getX();
}

/// Only autodiff reads it, and that has been.
Value simplifyStopGradient(StopGradientOp op, PatternRewriter &) { return op.getX(); }

// -- All elementwise ops --------------------------------------------------------------------------

Scalar toScalar(TypedAttr value) {
  if (auto number = dyn_cast<FloatAttr>(value))
    return Scalar(number.getValueAsDouble());
  APInt bits = cast<IntegerAttr>(value).getValue();
  if (value.getType().isUnsignedInteger())
    return Scalar(bits.getZExtValue());
  return Scalar(bits.getBitWidth() == 1 ? int64_t(bits.getZExtValue()) : bits.getSExtValue());
}

TypedAttr toAttribute(Builder &builder, const Scalar &value, Type type) {
  if (isa<FloatType>(type))
    return builder.getFloatAttr(type, value.as<double>());
  auto bits = static_cast<uint64_t>(value.as<int64_t>());
  return builder.getIntegerAttr(type, APInt(64, bits).trunc(type.getIntOrFloatBitWidth()));
}

/// An op on `full` operands is `full`.
struct FoldFull : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(ElementwiseOpInterface op,
                                PatternRewriter &rewriter) const override {
    llvm::SmallVector<Scalar> operands;
    for (Value operand : op->getOperands()) {
      TypedAttr value = fullValue(operand);
      if (!value)
        return failure();
      operands.push_back(toScalar(value));
    }
    if (operands.empty())
      return failure();
    auto type = cast<ir::TensorType>(op->getResult(0).getType());
    TypedAttr value = toAttribute(rewriter, op.evaluate(operands), type.getElementType());
    rewriter.replaceOpWithNewOp<FullOp>(op, type, value);
    return success();
  }
};

/// An op on equal views is the view of the op. Before a broadcast less is computed; a reshape that
/// comes last joins other views, or becomes an alias.
template <typename ViewOp>
struct HoistOverView : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  static bool same(BroadcastOp a, BroadcastOp b) { return a.getDimensions() == b.getDimensions(); }
  static bool same(ReshapeOp, ReshapeOp) { return true; }
  static Value build(PatternRewriter &rewriter, Location loc, Type type, Value x,
                     BroadcastOp like) {
    return BroadcastOp::create(rewriter, loc, type, x, like.getDimensions());
  }
  static Value build(PatternRewriter &rewriter, Location loc, Type type, Value x, ReshapeOp) {
    return ReshapeOp::create(rewriter, loc, type, x);
  }

  LogicalResult matchAndRewrite(ElementwiseOpInterface op,
                                PatternRewriter &rewriter) const override {
    ViewOp first;
    for (Value operand : op->getOperands()) {
      if (fullValue(operand))
        continue;
      auto view = operand.getDefiningOp<ViewOp>();
      if (!view)
        return failure();
      if (!first)
        first = view;
      if (!same(view, first) || view.getX().getType().getDims() != first.getX().getType().getDims())
        return failure();
    }
    if (!first)
      return failure();
    auto type = cast<ir::TensorType>(op->getResult(0).getType());
    auto inner = [&](ir::TensorType like) {
      return first.getX().getType().withElementType(like.getElementType());
    };
    llvm::SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (TypedAttr value = fullValue(operand))
        operands.push_back(
            FullOp::create(rewriter, op.getLoc(), inner(tensorType(operand)), value));
      else
        operands.push_back(operand.getDefiningOp<ViewOp>().getX());
    }
    Operation *moved = rewriter.clone(*op);
    rewriter.modifyOpInPlace(moved, [&] {
      moved->setOperands(operands);
      moved->getResult(0).setType(inner(type));
    });
    rewriter.replaceOp(op, build(rewriter, op.getLoc(), type, moved->getResult(0), first));
    return success();
  }
};

} // namespace

void addElementwiseRules(RewritePatternSet &rules) {
  addRule(rules, simplifyAdd);
  addRule(rules, simplifySub);
  addRule(rules, simplifyMul);
  addRule(rules, simplifyDiv);
  addRule(rules, simplifyNeg);
  addRule(rules, simplifyPow);
  addRule(rules, simplifyNot);
  addRule(rules, simplifyAnd);
  addRule(rules, simplifyOr);
  addRule(rules, simplifySelect);
  addRule(rules, simplifyCast);
  addRule(rules, simplifyStopGradient);
  rules.add<FoldFull, HoistOverView<BroadcastOp>, HoistOverView<ReshapeOp>>(rules.getContext());
}

} // namespace sinter::passes
