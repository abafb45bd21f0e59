// SPDX-License-Identifier: Apache-2.0
// softmax(scale * q . k + mask) . v, written out in ops, becomes the op: before differentiation, so
// that its gradient needs no matrix of scores either.
#include "sinter/ir/StructuralRules.h"
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_RAISEATTENTION
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;
using namespace sinter::ir::rules;

namespace sinter::passes {
namespace {

/// The number that every element has.
std::optional<double> fullValue(Value value) {
  while (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getX();
  if (auto constant = value.getDefiningOp<ConstantOp>())
    if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
        splat && isa<FloatType>(splat.getElementType()))
      return splat.getSplatValue<llvm::APFloat>().convertToDouble();
  auto full = value.getDefiningOp<FullOp>();
  auto number = full ? dyn_cast<FloatAttr>(full.getValue()) : FloatAttr();
  if (!number)
    return std::nullopt;
  return number.getValueAsDouble();
}

bool isMinusInfinity(Value value) {
  return fullValue(value) == -std::numeric_limits<double>::infinity();
}

class Matcher {
public:
  explicit Matcher(DotGeneralOp product) : product(product) {}

  bool match() {
    rank = product.getLhs().getType().getRank();
    return isBatchOfMatrices(product) && product.getLhsContract()[0] == rank - 1 &&
           registerType(product.getType().getElementType()) == product.getType().getElementType() &&
           isa<FloatType>(product.getType().getElementType()) && matchSoftmax(product.getLhs());
  }

  void rewrite() {
    OpBuilder builder(product);
    Location loc = product.getLoc();
    auto matrix = [&](Value value, bool swapped) -> Value {
      Expr x(builder, loc, value);
      if (!swapped)
        return value;
      SmallVector<int64_t> order = range(0, rank);
      std::swap(order[static_cast<size_t>(rank) - 2], order[static_cast<size_t>(rank) - 1]);
      if (auto transpose = value.getDefiningOp<TransposeOp>();
          transpose && value.hasOneUse() && llvm::equal(transpose.getPermutation(), order))
        return transpose.getX();
      return x.build<TransposeOp>(value, order).value();
    };
    Value q = scores.getLhs(), k = matrix(scores.getRhs(), scores.getRhsContract()[0] == rank - 2),
          v = matrix(product.getRhs(), product.getRhsContract()[0] == rank - 1);
    if (mask && tensorType(mask).getRank() < rank)
      mask = leadingOnes(builder, loc);
    if (mask && isInverted)
      mask = NotOp::create(builder, loc, mask);
    ArrayAttr causal = isCausal ? sizes(builder, {DimExpr(0)}) : ArrayAttr();
    auto attention =
        AttentionOp::create(builder, loc, q, k, v, mask, builder.getF64FloatAttr(scale), causal,
                            /*strictRows=*/builder.getUnitAttr());
    product.getResult().replaceAllUsesWith(attention.getResult());
    product.erase();
  }

private:
  /// Leading dims are batches on both sides, in order; one other dim is contracted.
  bool isBatchOfMatrices(DotGeneralOp op) const {
    if (rank < 2)
      return false;
    auto batch = range(0, rank - 2);
    return op.getRhs().getType().getRank() == rank && llvm::equal(op.getLhsBatch(), batch) &&
           llvm::equal(op.getRhsBatch(), batch) && op.getLhsContract().size() == 1 &&
           op.getRhsContract().size() == 1;
  }

  /// exp(x - max x) / sum, along the last axis, with nothing of it used elsewhere: derivatives in
  /// a value inside would not find it anymore.
  bool matchSoftmax(Value weights) {
    auto div = weights.getDefiningOp<DivOp>();
    if (!div || !weights.hasOneUse())
      return false;
    auto exp = div.getA().getDefiningOp<ExpOp>();
    auto sum = perRow<ReduceSumOp>(div.getB());
    if (!exp || !sum || sum.getX() != exp.getResult() || !exp.getResult().hasNUses(2))
      return false;
    auto sub = exp.getX().getDefiningOp<SubOp>();
    auto max = sub && sub.getResult().hasOneUse() ? perRow<ReduceMaxOp>(sub.getB()) : ReduceMaxOp();
    return max && max.getX() == sub.getA() && sub.getA().hasNUses(2) && matchMasked(sub.getA());
  }

  /// The reduction over the last axis that is repeated along it. The gradient of a softmax does not
  /// depend on its maximum, which may be held constant; on its sum it does.
  template <typename OpTy> OpTy perRow(Value value) const {
    auto broadcast = value.getDefiningOp<BroadcastOp>();
    if (!broadcast || !value.hasOneUse() ||
        !llvm::equal(broadcast.getDimensions(), range(0, broadcast.getX().getType().getRank())))
      return {};
    Value x = broadcast.getX();
    while (Operation *op = x.getDefiningOp()) {
      bool isSkipped =
          isa<ReshapeOp>(op) || (std::is_same_v<OpTy, ReduceMaxOp> && isa<StopGradientOp>(op));
      if (!isSkipped || !x.hasOneUse())
        break;
      x = op->getOperand(0);
    }
    auto reduce = x.getDefiningOp<OpTy>();
    if (!reduce || !x.hasOneUse() || !llvm::equal(reduce.getAxes(), range(rank - 1, rank)))
      return {};
    // The reshape in between put the axis back, or there was none and the broadcast added it.
    ArrayRef<Attribute> dims = tensorType(x).getDims(),
                        seen = tensorType(broadcast.getX()).getDims();
    bool hasAxis = static_cast<int64_t>(seen.size()) == rank;
    if (hasAxis && seen.back() != toAttribute(value.getContext(), DimExpr(1)))
      return {};
    return llvm::equal(dims, hasAxis ? seen.drop_back() : seen) ? reduce : OpTy();
  }

  bool matchMasked(Value x) {
    if (auto select = x.getDefiningOp<SelectOp>()) {
      Value seen = select->getOperand(1), hidden = select->getOperand(2);
      isInverted = isMinusInfinity(seen);
      if (isInverted)
        std::swap(seen, hidden);
      return isMinusInfinity(hidden) && seen.hasOneUse() && matchScaled(seen) &&
             matchCondition(select->getOperand(0));
    }
    if (auto add = x.getDefiningOp<AddOp>())
      for (auto [score, added] :
           {std::pair(add.getA(), add.getB()), std::pair(add.getB(), add.getA())})
        if (score.hasOneUse() && matchScaled(score)) {
          mask = withoutBroadcast(added);
          return true;
        }
    return matchScaled(x);
  }

  bool matchCondition(Value condition) {
    auto counts = [&](Value value, int64_t axis) {
      auto iota = value.getDefiningOp<IotaOp>();
      if (!iota)
        return false;
      auto type = tensorType(value);
      auto matrix = scores.getType().getDims();
      // Narrow numbers would wrap, or not tell long sequences' places apart.
      DType dtype = type.getDType();
      return (dtype == DType::I32 || dtype == DType::I64) &&
             static_cast<int64_t>(iota.getAxis()) == type.getRank() - 2 + axis &&
             type.getRank() >= 2 && type.getDims().take_back(2) == matrix.take_back(2);
    };
    Value small = withoutBroadcast(condition);
    if (Operation *op = small.getDefiningOp(); op && op->getNumOperands() == 2) {
      Value a = op->getOperand(0), b = op->getOperand(1);
      bool keyFirst = counts(a, 1) && counts(b, 0), queryFirst = counts(a, 0) && counts(b, 1);
      bool sees = (keyFirst && isa<LessEqualOp>(op)) || (queryFirst && isa<GreaterEqualOp>(op));
      bool hides = (keyFirst && isa<GreaterOp>(op)) || (queryFirst && isa<LessOp>(op));
      isCausal = isInverted ? hides : sees;
      if (isCausal)
        return true;
    }
    mask = small;
    return true;
  }

  /// What a value repeats, where that has the same trailing dims and no derivative is taken in the
  /// value itself.
  Value withoutBroadcast(Value value) const {
    auto broadcast = value.getDefiningOp<BroadcastOp>();
    bool mayBeVaried = isa<FloatType>(tensorType(value).getElementType());
    if (!broadcast || (mayBeVaried && !value.hasOneUse()))
      return value;
    int64_t own = broadcast.getX().getType().getRank();
    return llvm::equal(broadcast.getDimensions(), range(rank - own, rank)) ? Value(broadcast.getX())
                                                                           : value;
  }

  Value leadingOnes(OpBuilder &builder, Location loc) const {
    auto type = tensorType(mask);
    SmallVector<Attribute> dims(static_cast<size_t>(rank - type.getRank()),
                                toAttribute(builder.getContext(), DimExpr(1)));
    llvm::append_range(dims, type.getDims());
    return ReshapeOp::create(
        builder, loc, ir::TensorType::get(builder.getContext(), type.getElementType(), dims), mask);
  }

  /// The caller has looked at the uses of `scaled`.
  bool matchScaled(Value scaled) {
    scale = 1;
    Value x = scaled;
    if (auto mul = x.getDefiningOp<MulOp>()) {
      auto right = fullValue(mul.getB()), left = fullValue(mul.getA());
      if (!right && !left)
        return false;
      scale = right ? *right : *left;
      x = right ? mul.getA() : mul.getB();
    } else if (auto div = x.getDefiningOp<DivOp>()) {
      auto by = fullValue(div.getB());
      if (!by)
        return false;
      scale = 1 / *by;
      x = div.getA();
    }
    scores = x.getDefiningOp<DotGeneralOp>();
    return scores && (x == scaled || x.hasOneUse()) && isBatchOfMatrices(scores) &&
           scores.getLhs().getType().getRank() == rank && scores.getLhsContract()[0] == rank - 1;
  }

  DotGeneralOp product, scores;
  int64_t rank = 0;
  double scale = 1;
  Value mask;
  bool isInverted = false, isCausal = false;
};

struct RaiseAttentionPass : impl::RaiseAttentionBase<RaiseAttentionPass> {
  void runOnOperation() override {
    SmallVector<DotGeneralOp> products;
    getOperation().walk([&](DotGeneralOp op) { products.push_back(op); });
    for (DotGeneralOp product : products)
      if (Matcher matcher(product); matcher.match())
        matcher.rewrite();
  }
};

} // namespace
} // namespace sinter::passes
