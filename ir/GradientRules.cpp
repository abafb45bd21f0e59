// SPDX-License-Identifier: Apache-2.0
// Reverse derivatives of the ops with an index map of their own. Each rule is made of ops that are
// differentiable themselves.
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;
using Gradients = SmallVector<Value>;

// -- Creation -------------------------------------------------------------------------------------

StringRef ConstantOp::getNonDifferentiableReason() { return "it has no operand"; }
Gradients ConstantOp::buildVjp(OpBuilder &, Location, ValueRange) { return {}; }
Gradients IotaOp::buildVjp(OpBuilder &, Location, ValueRange) { return {}; }
Gradients DimValueOp::buildVjp(OpBuilder &, Location, ValueRange) { return {}; }

// -- Shape ----------------------------------------------------------------------------------------

Gradients BroadcastOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  TensorType from = getX().getType(), to = getType();
  SmallVector<int64_t> axes = others(getDimensions(), to.getRank());
  for (auto [i, d] : llvm::enumerate(getDimensions()))
    if (from.getDims()[i] != to.getDims()[static_cast<size_t>(d)])
      axes.push_back(d);
  llvm::sort(axes);
  Expr dy(builder, loc, cotangents[0]);
  return {reshape(reduceSum(dy, axes), from).value()};
}

Gradients ReshapeOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  return {reshape(Expr(builder, loc, cotangents[0]), getX().getType()).value()};
}

static SmallVector<int64_t> inverse(ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> result(permutation.size());
  for (auto [i, d] : llvm::enumerate(permutation))
    result[static_cast<size_t>(d)] = static_cast<int64_t>(i);
  return result;
}

Gradients TransposeOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  return {transpose(Expr(builder, loc, cotangents[0]), inverse(getPermutation())).value()};
}

Gradients SliceOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  TensorType x = getX().getType(), y = getType();
  SmallVector<DimExpr> low, high;
  SmallVector<int64_t> interior;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    DimExpr start = *toDim(getStarts()[static_cast<unsigned>(i)]);
    int64_t stride = getStrides()[static_cast<size_t>(i)];
    low.push_back(start);
    high.push_back(x.getDim(i) - start - y.getDim(i) * DimExpr(stride));
    interior.push_back(stride - 1);
  }
  bool isDense = llvm::all_of(interior, [](int64_t n) { return n == 0; });
  auto pad = PadOp::create(builder, loc, x.withElementType(y.getElementType()), cotangents[0],
                           sizes(builder, low), sizes(builder, high), builder.getF64FloatAttr(0),
                           isDense ? nullptr : builder.getDenseI64ArrayAttr(interior));
  return {pad};
}

Gradients PadOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  TensorType x = getX().getType(), y = getType();
  SmallVector<DimExpr> starts, limits;
  SmallVector<int64_t> strides;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    DimExpr low = *toDim(getLow()[static_cast<unsigned>(i)]);
    int64_t stride = getInterior() ? (*getInterior())[static_cast<size_t>(i)] + 1 : 1;
    starts.push_back(low);
    // Just behind the last element; an empty operand leaves an empty range.
    DimExpr limit = low + x.getDim(i) * DimExpr(stride) - DimExpr(stride - 1);
    limits.push_back(x.getDim(i) == DimExpr(0) ? low : limit);
    strides.push_back(stride);
  }
  return {SliceOp::create(builder, loc, x.withElementType(y.getElementType()), cotangents[0],
                          sizes(builder, starts), sizes(builder, limits), strides)};
}

Gradients ConcatOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  auto axis = static_cast<int64_t>(getAxis());
  Gradients grads;
  DimExpr offset = 0;
  for (Value input : getInputs()) {
    TensorType type = tensorType(input);
    SmallVector<DimExpr> starts(static_cast<size_t>(type.getRank()), DimExpr(0)), limits;
    for (const DimExpr &dim : type.getShape())
      limits.push_back(dim);
    starts[static_cast<size_t>(axis)] = offset;
    offset += type.getDim(axis);
    limits[static_cast<size_t>(axis)] = offset;
    SmallVector<int64_t> strides(static_cast<size_t>(type.getRank()), 1);
    grads.push_back(SliceOp::create(builder, loc, type, cotangents[0], sizes(builder, starts),
                                    sizes(builder, limits), strides));
  }
  return grads;
}

// -- Reductions -----------------------------------------------------------------------------------

Gradients ReduceSumOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  return {spread(Expr(builder, loc, cotangents[0]), getX().getType(), getAxes()).value()};
}

Gradients ReduceProdOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  Expr dy(builder, loc, cotangents[0]);
  return {productGradient(dy.with(getX()), dy, getAxes()).value()};
}

Gradients ReduceMaxOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  Expr dy(builder, loc, cotangents[0]);
  return {extremumGradient(dy.with(getX()), dy.with(getResult()), dy, getAxes()).value()};
}

Gradients ReduceMinOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  Expr dy(builder, loc, cotangents[0]);
  return {extremumGradient(dy.with(getX()), dy.with(getResult()), dy, getAxes()).value()};
}

Gradients ArgmaxOp::buildVjp(OpBuilder &, Location, ValueRange) { return {Value()}; }

// -- Contraction ----------------------------------------------------------------------------------

Gradients DotGeneralOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  int64_t lhsRank = getLhs().getType().getRank(), rhsRank = getRhs().getType().getRank();
  ArrayRef<int64_t> lhsBatch = getLhsBatch(), rhsBatch = getRhsBatch();
  ArrayRef<int64_t> lhsContract = getLhsContract(), rhsContract = getRhsContract();
  auto freeDims = [](ArrayRef<int64_t> batch, ArrayRef<int64_t> contract, int64_t rank) {
    SmallVector<int64_t> used(batch);
    used.append(contract.begin(), contract.end());
    return others(used, rank);
  };
  SmallVector<int64_t> lhsFree = freeDims(lhsBatch, lhsContract, lhsRank);
  SmallVector<int64_t> rhsFree = freeDims(rhsBatch, rhsContract, rhsRank);

  // dy has the batch dims, then lhsFree, then rhsFree.
  auto numBatch = static_cast<int64_t>(lhsBatch.size());
  int64_t lhsEnd = numBatch + static_cast<int64_t>(lhsFree.size());
  SmallVector<int64_t> dyBatch = range(0, numBatch), dyLhs = range(numBatch, lhsEnd);
  SmallVector<int64_t> dyRhs = range(lhsEnd, lhsEnd + static_cast<int64_t>(rhsFree.size()));

  // The free dims of a product keep their order, so the contracting dims come out sorted by their
  // number in the operand that was multiplied.
  auto sortedBy = [](ArrayRef<int64_t> keys, ArrayRef<int64_t> values) {
    SmallVector<std::pair<int64_t, int64_t>> pairs;
    for (auto [key, value] : llvm::zip_equal(keys, values))
      pairs.push_back({key, value});
    llvm::sort(pairs);
    SmallVector<int64_t> result;
    for (auto [key, value] : pairs)
      result.push_back(value);
    return result;
  };
  Expr dy(builder, loc, cotangents[0]);
  // `layout` names, for each dim of the product, the operand's dim that it is.
  auto arrange = [&](Expr product, ArrayRef<int64_t> layout) {
    return transpose(product, inverse(layout)).value();
  };

  Gradients grads(2);
  Expr dLhs = dy.build<DotGeneralOp>(dy.value(), getRhs(), dyBatch, rhsBatch, dyRhs, rhsFree);
  SmallVector<int64_t> layout(lhsBatch);
  layout.append(lhsFree);
  layout.append(sortedBy(rhsContract, lhsContract));
  grads[0] = arrange(dLhs, layout);

  Expr dRhs = dy.build<DotGeneralOp>(getLhs(), dy.value(), lhsBatch, dyBatch, lhsFree, dyLhs);
  layout.assign(rhsBatch.begin(), rhsBatch.end());
  layout.append(sortedBy(lhsContract, rhsContract));
  layout.append(rhsFree);
  grads[1] = arrange(dRhs, layout);
  return grads;
}

// -- Indexing -------------------------------------------------------------------------------------

Gradients GatherRowsOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  if (!isFloatTensor(getTable()))
    return {Value(), Value()};
  return {ScatterAddRowsOp::create(builder, loc, getTable().getType(), getIndices(), cotangents[0]),
          Value()};
}

Gradients ScatterAddRowsOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  if (!isFloatTensor(getUpdates()))
    return {Value(), Value()};
  return {Value(), GatherRowsOp::create(builder, loc, cotangents[0], getIndices())};
}

Gradients PickOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  if (!isFloatTensor(getX()))
    return {Value(), Value()};
  TensorType x = getX().getType();
  int64_t last = x.getRank() - 1;
  SmallVector<int64_t> leading = range(0, last);
  Expr dy(builder, loc, cotangents[0]);
  Expr indices = broadcast(dy.with(getIndices()), x, leading);
  Expr position = dy.build<IotaOp>(indices.type(), last);
  Expr wide = broadcast(dy, x, leading);
  return {select(position == indices, wide, zeroLike(wide)).value(), Value()};
}

} // namespace sinter::ir
