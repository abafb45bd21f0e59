// SPDX-License-Identifier: Apache-2.0
// Rules for ops that move or repeat elements, and for reductions over nothing.
#include "sinter/passes/SimplifyRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

bool isOne(Attribute dim) {
  auto size = dyn_cast<IntegerAttr>(dim);
  return size && size.getInt() == 1;
}

/// The sizes other than the constant 1.
llvm::SmallVector<Attribute> properDims(ir::TensorType type) {
  return llvm::to_vector(
      llvm::make_filter_range(type.getDims(), [](Attribute dim) { return !isOne(dim); }));
}

Value refill(Value source, ir::TensorType type, Location loc, PatternRewriter &rewriter) {
  TypedAttr value = fullValue(source);
  return value ? FullOp::create(rewriter, loc, type, value).getResult() : Value();
}

// -- Creation -------------------------------------------------------------------------------------

Value simplifyConstant(ConstantOp op, PatternRewriter &rewriter) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense || !dense.isSplat())
    return {};
  auto value = dyn_cast<TypedAttr>(dense.getSplatValue<Attribute>());
  return value ? FullOp::create(rewriter, op.getLoc(), op.getType(), value).getResult() : Value();
}

Value simplifyDimValue(DimValueOp op, PatternRewriter &rewriter) {
  auto size = DimExpr::parse(std::string_view(op.getExpression()));
  if (!size || !size->isConstant())
    return {};
  Type element = op.getType().getElementType();
  TypedAttr value =
      isa<FloatType>(element)
          ? TypedAttr(rewriter.getFloatAttr(element, static_cast<double>(*size->constant())))
          : TypedAttr(
                rewriter.getIntegerAttr(element, APInt(64, static_cast<uint64_t>(*size->constant()))
                                                     .trunc(element.getIntOrFloatBitWidth())));
  return FullOp::create(rewriter, op.getLoc(), op.getType(), value);
}

// -- Views ----------------------------------------------------------------------------------------

Value simplifyBroadcast(BroadcastOp op, PatternRewriter &rewriter) {
  Value x = op.getX();
  if (Value same = refill(x, op.getType(), op.getLoc(), rewriter))
    return same;
  if (auto inner = x.getDefiningOp<BroadcastOp>()) {
    llvm::SmallVector<int64_t> dimensions;
    for (int64_t d : inner.getDimensions())
      dimensions.push_back(op.getDimensions()[static_cast<size_t>(d)]);
    return BroadcastOp::create(rewriter, op.getLoc(), op.getType(), inner.getX(), dimensions);
  }
  if (properDims(tensorType(x)) == properDims(op.getType()))
    return ReshapeOp::create(rewriter, op.getLoc(), op.getType(), x);
  // Where sizes of 1 are only put in or taken out before, the broadcast can read the original.
  auto reshape = x.getDefiningOp<ReshapeOp>();
  if (!reshape || properDims(tensorType(reshape.getX())) != properDims(tensorType(x)))
    return {};
  auto from = tensorType(reshape.getX());
  llvm::SmallVector<int64_t> proper, dimensions;
  for (auto [dim, d] : llvm::zip_equal(tensorType(x).getDims(), op.getDimensions()))
    if (!isOne(dim))
      proper.push_back(d);
  if (static_cast<size_t>(from.getRank()) != proper.size())
    return {}; // A size of 1 in the original would need a place in the result.
  return BroadcastOp::create(rewriter, op.getLoc(), op.getType(), reshape.getX(), proper);
}

Value simplifyReshape(ReshapeOp op, PatternRewriter &rewriter) {
  Value x = op.getX();
  if (Value same = refill(x, op.getType(), op.getLoc(), rewriter))
    return same;
  if (auto inner = x.getDefiningOp<ReshapeOp>())
    return ReshapeOp::create(rewriter, op.getLoc(), op.getType(), inner.getX());
  auto broadcast = x.getDefiningOp<BroadcastOp>();
  if (broadcast && broadcast.getX().getType().getRank() == 0)
    return BroadcastOp::create(rewriter, op.getLoc(), op.getType(), broadcast.getX(),
                               llvm::ArrayRef<int64_t>());
  return {};
}

Value simplifyTranspose(TransposeOp op, PatternRewriter &rewriter) {
  Value x = op.getX();
  if (Value same = refill(x, op.getType(), op.getLoc(), rewriter))
    return same;
  llvm::ArrayRef<int64_t> permutation = op.getPermutation();
  if (auto inner = x.getDefiningOp<TransposeOp>()) {
    llvm::SmallVector<int64_t> both;
    for (int64_t d : permutation)
      both.push_back(inner.getPermutation()[static_cast<size_t>(d)]);
    return TransposeOp::create(rewriter, op.getLoc(), inner.getX(), both);
  }
  llvm::SmallVector<int64_t> moved; // Dims whose place matters.
  for (int64_t d : permutation)
    if (!isOne(tensorType(x).getDims()[static_cast<size_t>(d)]))
      moved.push_back(d);
  if (llvm::is_sorted(moved))
    return ReshapeOp::create(rewriter, op.getLoc(), op.getType(), x);
  if (auto broadcast = x.getDefiningOp<BroadcastOp>()) {
    llvm::SmallVector<int64_t> dimensions;
    for (int64_t d : broadcast.getDimensions())
      dimensions.push_back(llvm::find(permutation, d) - permutation.begin());
    if (llvm::is_sorted(dimensions))
      return BroadcastOp::create(rewriter, op.getLoc(), op.getType(), broadcast.getX(), dimensions);
  }
  return {};
}

Value simplifySlice(SliceOp op, PatternRewriter &rewriter) {
  bool all = op.getType() == op.getX().getType() &&
             llvm::all_of(op.getStrides(), [](int64_t stride) { return stride == 1; });
  return all ? op.getX() : refill(op.getX(), op.getType(), op.getLoc(), rewriter);
}

/// A kernel keeps no more pointers at hand, and picks one of n operands by n comparisons.
constexpr size_t mostJoined = 24;

Value simplifyConcat(ConcatOp op, PatternRewriter &rewriter) {
  if (op.getInputs().size() == 1)
    return op.getInputs().front();
  TypedAttr value = fullValue(op.getInputs().front());
  if (value && llvm::all_of(op.getInputs(), [&](Value input) { return fullValue(input) == value; }))
    return FullOp::create(rewriter, op.getLoc(), op.getType(), value);
  if (op.getInputs().size() <= mostJoined)
    return {};
  llvm::SmallVector<Value> parts;
  for (size_t begin = 0; begin < op.getInputs().size(); begin += mostJoined) {
    size_t count = std::min(mostJoined, op.getInputs().size() - begin);
    parts.push_back(
        ConcatOp::create(rewriter, op.getLoc(), op.getInputs().slice(begin, count), op.getAxis()));
  }
  return ConcatOp::create(rewriter, op.getLoc(), parts, op.getAxis());
}

Value simplifyPad(PadOp op, PatternRewriter &rewriter) {
  auto isZero = [](Attribute size) {
    auto number = dyn_cast<IntegerAttr>(size);
    return number && number.getInt() == 0;
  };
  bool spread =
      op.getInterior() && llvm::any_of(*op.getInterior(), [](int64_t n) { return n != 0; });
  if (!spread && llvm::all_of(op.getLow(), isZero) && llvm::all_of(op.getHigh(), isZero))
    return op.getX();
  auto number = dyn_cast_or_null<FloatAttr>(fullValue(op.getX()));
  if (number &&
      number.getValue().bitwiseIsEqual(
          rewriter.getFloatAttr(number.getType(), op.getValue().convertToDouble()).getValue()))
    return FullOp::create(rewriter, op.getLoc(), op.getType(), number);
  return {};
}

// -- Reductions -----------------------------------------------------------------------------------

/// Dims of size 1 need no reduction.
template <typename OpTy> Value dropUnitAxes(OpTy op, PatternRewriter &rewriter) {
  auto x = op.getX().getType();
  llvm::SmallVector<int64_t> axes;
  llvm::SmallVector<Attribute> dims;
  bool dropped = false;
  for (int64_t d = 0; d < x.getRank(); ++d) {
    Attribute dim = x.getDims()[static_cast<size_t>(d)];
    bool reduced = llvm::is_contained(op.getAxes(), d);
    if (reduced && isOne(dim)) {
      dropped = true;
      continue;
    }
    if (reduced)
      axes.push_back(static_cast<int64_t>(dims.size()));
    dims.push_back(dim);
  }
  if (op.getAxes().empty())
    return op.getX();
  if (!dropped)
    return {};
  auto type = ir::TensorType::get(op.getContext(), x.getElementType(), dims);
  Value narrow = ReshapeOp::create(rewriter, op.getLoc(), type, op.getX());
  if (axes.empty())
    return narrow;
  return OpTy::create(rewriter, op.getLoc(), op.getType(), narrow, axes);
}

/// Sums and extrema of equal elements.
template <typename OpTy> Value reduceFull(OpTy op, PatternRewriter &rewriter) {
  TypedAttr value = fullValue(op.getX());
  if (!value)
    return {};
  auto x = op.getX().getType();
  double count = 1;
  for (int64_t axis : op.getAxes()) {
    auto size = dyn_cast<IntegerAttr>(x.getDims()[static_cast<size_t>(axis)]);
    if (!size || size.getInt() == 0)
      return {};
    count *= static_cast<double>(size.getInt());
  }
  if (OpTy::getCombiner() == Combiner::Max || OpTy::getCombiner() == Combiner::Min)
    return FullOp::create(rewriter, op.getLoc(), op.getType(), value);
  auto number = dyn_cast<FloatAttr>(value);
  if (OpTy::getCombiner() != Combiner::Sum || !number)
    return {};
  auto sum = rewriter.getFloatAttr(number.getType(), number.getValueAsDouble() * count);
  return FullOp::create(rewriter, op.getLoc(), op.getType(), sum);
}

/// Doubling once, after the sum: what the derivative of a square comes to. Exact, short of
/// overflow.
Value sumOfDoubled(ReduceSumOp op, PatternRewriter &rewriter) {
  auto add = op.getX().getDefiningOp<AddOp>();
  if (!add || add.getA() != add.getB() || !add->hasOneUse())
    return {};
  Value sum = ReduceSumOp::create(rewriter, op.getLoc(), op.getType(), add.getA(), op.getAxes());
  return AddOp::create(rewriter, op.getLoc(), sum, sum);
}

/// Whether all elements of `value` are a number of elements.
bool isCount(Value value, const DimExpr &count) {
  if (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getX();
  if (auto dim = value.getDefiningOp<DimValueOp>()) {
    auto size = DimExpr::parse(std::string_view(dim.getExpression()));
    return size && *size == count;
  }
  auto number = dyn_cast_or_null<FloatAttr>(fullValue(value));
  auto size = count.constant();
  return number && size && number.getValueAsDouble() == static_cast<double>(*size);
}

/// Whether `mean` is the mean of `x` over dims that are all among `axes`, at every element of x.
bool isMeanOf(Value mean, Value x, llvm::ArrayRef<int64_t> axes, PatternRewriter &rewriter) {
  auto broadcast = mean.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return false;
  ReduceSumOp sum;
  Value factor;
  if (auto divide = broadcast.getX().getDefiningOp<DivOp>()) {
    sum = divide.getA().getDefiningOp<ReduceSumOp>();
    factor = divide.getB();
  } else if (auto times = broadcast.getX().getDefiningOp<MulOp>()) {
    sum = times.getA().getDefiningOp<ReduceSumOp>();
    factor = times.getB();
  }
  if (!sum || sum.getX() != x)
    return false;
  DimExpr count = 1;
  llvm::SmallVector<int64_t> kept;
  for (int64_t d = 0; d < sum.getX().getType().getRank(); ++d) {
    if (!llvm::is_contained(sum.getAxes(), d)) {
      kept.push_back(d);
      continue;
    }
    if (!llvm::is_contained(axes, d))
      return false;
    count *= sum.getX().getType().getDim(d);
  }
  if (llvm::ArrayRef<int64_t>(kept) != broadcast.getDimensions())
    return false;
  if (isa<DivOp>(broadcast.getX().getDefiningOp()))
    return isCount(factor, count);
  auto number = dyn_cast_or_null<FloatAttr>(fullValue(factor));
  auto size = count.constant();
  return number && size && *size > 0 &&
         number == rewriter.getFloatAttr(number.getType(), 1.0 / static_cast<double>(*size));
}

/// A value with equal elements along `axes`: the value behind its broadcast, in the shape that is
/// left without these axes; nothing is built unless `build`. Null for other values.
Value constantAlong(Value value, llvm::ArrayRef<int64_t> axes, ir::TensorType kept, Location loc,
                    PatternRewriter &rewriter, bool build) {
  if (TypedAttr number = fullValue(value))
    return build ? FullOp::create(rewriter, loc, kept, number).getResult() : value;
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return {};
  llvm::SmallVector<int64_t> dimensions;
  for (auto [d, dim] : llvm::enumerate(broadcast.getDimensions())) {
    if (llvm::is_contained(axes, dim))
      return {};
    dimensions.push_back(dim - llvm::count_if(axes, [&](int64_t axis) { return axis < dim; }));
  }
  if (!build || broadcast.getX().getType() == kept)
    return broadcast.getX();
  return BroadcastOp::create(rewriter, loc, kept, broadcast.getX(), dimensions);
}

/// What is summed, as terms with factors that do not change along the axes.
struct CentredSum {
  llvm::ArrayRef<int64_t> axes;
  ir::TensorType kept;
  PatternRewriter &rewriter;
  int terms = 0;
  llvm::SmallPtrSet<Operation *, 2> centred = {}; ///< Values without their means.
  Value rest = {};                                ///< The one term that is not centred,
  bool negated = false;
  llvm::SmallVector<Value, 2> factors = {}; ///< and its factors.

  /// Stops at a second term.
  bool collect(Value value, bool negative, llvm::SmallVector<Value, 2> scale) {
    Operation *op = value.getDefiningOp();
    constexpr int mostTerms = 32;
    if (++terms > mostTerms)
      return false;
    if (auto neg = dyn_cast_or_null<NegOp>(op))
      return collect(neg.getX(), !negative, scale);
    if (auto add = dyn_cast_or_null<AddOp>(op))
      return collect(add.getA(), negative, scale) && collect(add.getB(), negative, scale);
    if (auto sub = dyn_cast_or_null<SubOp>(op)) {
      if (isMeanOf(sub.getB(), sub.getA(), axes, rewriter)) {
        centred.insert(op);
        return true;
      }
    }
    if (auto mul = dyn_cast_or_null<MulOp>(op))
      for (auto [x, factor] : {std::pair(mul.getA(), mul.getB()), {mul.getB(), mul.getA()}})
        if (constantAlong(factor, axes, kept, op->getLoc(), rewriter, false)) {
          scale.push_back(factor);
          return collect(x, negative, scale);
        }
    if (rest)
      return false;
    rest = value;
    negated = negative;
    factors = std::move(scale);
    return true;
  }
};

/// Whether `value` is computed from the result of `source`.
bool comesFrom(Value value, const Operation *source) {
  constexpr size_t mostOps = 64;
  llvm::SmallVector<Operation *> open;
  llvm::SmallPtrSet<Operation *, 16> seen;
  auto take = [&](Value v) {
    if (Operation *op = v.getDefiningOp(); op && seen.insert(op).second)
      open.push_back(op);
  };
  take(value);
  while (!open.empty() && seen.size() <= mostOps) {
    Operation *op = open.pop_back_val();
    if (op == source)
      return true;
    llvm::for_each(op->getOperands(), take);
  }
  return false;
}

/// What is left of its mean sums to zero, also times what does not change along the axes: the
/// derivative of a variance in the mean. One other term must be there, so that no sum is split
/// whose terms cancel each other; its factors move behind the sum. One of these has to come from
/// each value without its mean, as the inverse deviation does: what is not finite then still shows.
Value sumOfCentred(ReduceSumOp op, PatternRewriter &rewriter) {
  // The mean of 16 bits is rounded: what is left of it counts.
  Type element = op.getType().getElementType();
  if (!element.isF32() && !element.isF64())
    return {};
  CentredSum sum{op.getAxes(), op.getType(), rewriter};
  if (!sum.collect(op.getX(), false, {}) || sum.centred.empty() || !sum.rest)
    return {};
  for (Operation *centred : sum.centred)
    if (llvm::none_of(sum.factors, [&](Value factor) { return comesFrom(factor, centred); }))
      return {};
  Value result = ReduceSumOp::create(rewriter, op.getLoc(), op.getType(), sum.rest, op.getAxes());
  for (Value factor : llvm::reverse(sum.factors)) {
    Value scale = constantAlong(factor, sum.axes, sum.kept, op.getLoc(), rewriter, true);
    result = MulOp::create(rewriter, op.getLoc(), result, scale);
  }
  return sum.negated ? NegOp::create(rewriter, op.getLoc(), result).getResult() : result;
}

} // namespace

void addShapeRules(RewritePatternSet &rules) {
  addRule(rules, simplifyConstant);
  addRule(rules, simplifyDimValue);
  addRule(rules, simplifyBroadcast);
  addRule(rules, simplifyReshape);
  addRule(rules, simplifyTranspose);
  addRule(rules, simplifySlice);
  addRule(rules, simplifyConcat);
  addRule(rules, simplifyPad);
  addRule(rules, dropUnitAxes<ReduceSumOp>);
  addRule(rules, dropUnitAxes<ReduceProdOp>);
  addRule(rules, dropUnitAxes<ReduceMaxOp>);
  addRule(rules, dropUnitAxes<ReduceMinOp>);
  addRule(rules, sumOfDoubled);
  addRule(rules, sumOfCentred);
  addRule(rules, reduceFull<ReduceSumOp>);
  addRule(rules, reduceFull<ReduceMaxOp>);
  addRule(rules, reduceFull<ReduceMinOp>);
}

} // namespace sinter::passes
