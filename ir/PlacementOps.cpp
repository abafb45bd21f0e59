// SPDX-License-Identifier: Apache-2.0
// Gather and scatter: index maps and derivatives.
#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;
using tensor::Expr;

namespace {

/// Where each dim of `x` is looked at, by the rule of gather and scatter. `firstIndex` is the
/// number of the operand that holds the first index tensor.
SmallVector<IndexExpr> positions(TensorType x, TensorType frame, ArrayRef<int64_t> dims,
                                 unsigned firstIndex) {
  SmallVector<IndexExpr> result;
  for (auto [i, d] : llvm::enumerate(dims)) {
    if (d >= 0)
      result.push_back(IndexExpr::dim(static_cast<unsigned>(d)));
    else
      result.push_back(IndexExpr::load(firstIndex++, consecutive(0, frame.getRank()),
                                       x.getDim(static_cast<int64_t>(i))));
  }
  return result;
}

/// The mathematics of one scatter: what an update reads of the result, and the way back.
class ScatterRule {
public:
  ScatterRule(ScatterOp op, OpBuilder &builder, Location loc)
      : op(op), x(builder, loc, op.getX()), updates(builder, loc, op.getUpdates()) {}

  Expr gather(Expr from) {
    return from.build<GatherOp>(from.value(), op.getIndices(), op.getDims());
  }
  Expr scatter(Expr into, Expr values, StringRef mode) {
    return into.build<ScatterOp>(into.value(), values.value(), op.getIndices(), op.getDims(), mode);
  }
  /// The row-major number of each update.
  Expr numbers(TensorType type) {
    if (type.getRank() == 0)
      return x.build<FullOp>(type, IntegerAttr::get(type.getElementType(), 0));
    TensorType scalar = TensorType::get(type.getContext(), type.getElementType(), {});
    Expr number = x.build<IotaOp>(type, 0);
    for (int64_t d = 1; d < type.getRank(); ++d) {
      Expr size = broadcast(x.build<DimValueOp>(scalar, type.getDim(d).str()), type, {});
      number = number * size + x.build<IotaOp>(type, d);
    }
    return number;
  }
  /// True for the updates whose value stands in the result of a "set".
  Expr wins() {
    Type i64 = IntegerType::get(updates.type().getContext(), 64);
    Expr number = numbers(updates.type().withElementType(i64));
    Expr none = x.build<FullOp>(x.type().withElementType(i64), IntegerAttr::get(i64, -1));
    return gather(scatter(none, number, "set")) == number;
  }
  /// How many of the element itself and its updates attain the extremum, 1 each.
  Expr shares(Expr xAttains, Expr updateAttains) {
    return scatter(select(xAttains, x.like(1), zeroLike(x)),
                   select(updateAttains, updates.like(1), zeroLike(updates)), "add");
  }
  /// x times the other updates of the same element; right for any number of zeros.
  Expr others() {
    Expr isZero = updates == 0.0, one = updates.like(1), zero = zeroLike(updates);
    Expr safe = select(isZero, one, updates);
    Expr zeros = select(isZero, one, zero);
    Expr otherZeros = gather(scatter(zeroLike(x), zeros, "add")) - zeros;
    return select(otherZeros == 0.0, gather(scatter(x, safe, "mul")) / safe, zero);
  }
  Expr productOfUpdates() { return scatter(x.like(1), updates, "mul"); }

  ScatterOp op;
  Expr x, updates;
};

} // namespace

Indexing GatherOp::getIndexing() {
  Indexing indexing = overResult(*this);
  Access access;
  access.index = positions(getX().getType(), getType(), getDims(), 1);
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing ScatterOp::getIndexing() {
  Indexing indexing;
  TensorType updates = getUpdates().getType();
  indexing.ranges = dimsOf(updates);
  indexing.combiner = Combiner::Scatter;
  indexing.mode = getScatterMode();
  indexing.accesses.resize(2);
  indexing.accesses[0].operand = 1;
  indexing.accesses[0].index = identity(updates);
  indexing.accesses[1].operand = 0;
  indexing.accesses[1].index = identity(getType());
  indexing.scatter = positions(getType(), updates, getDims(), 2);
  return indexing;
}

SmallVector<Value> GatherOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  SmallVector<Value> grads(getNumOperands());
  if (!isFloatTensor(getX()))
    return grads;
  Expr x(builder, loc, getX());
  grads[0] = ScatterOp::create(builder, loc, zeroLike(x).value(), cotangents[0], getIndices(),
                               getDims(), "add");
  return grads;
}

SmallVector<Value> ScatterOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  SmallVector<Value> grads(getNumOperands());
  if (!isFloatTensor(getX()))
    return grads;
  ScatterRule rule(*this, builder, loc);
  Expr x = rule.x, updates = rule.updates;
  Expr y = x.with(getResult()), dy = x.with(cotangents[0]);
  switch (getScatterMode()) {
  case ScatterMode::Add:
    grads[0] = dy.value();
    grads[1] = rule.gather(dy).value();
    break;
  case ScatterMode::Set:
    grads[0] = rule.scatter(dy, zeroLike(updates), "set").value();
    grads[1] = select(rule.wins(), rule.gather(dy), zeroLike(updates)).value();
    break;
  case ScatterMode::Mul:
    grads[0] = (dy * rule.productOfUpdates()).value();
    grads[1] = (rule.gather(dy) * rule.others()).value();
    break;
  case ScatterMode::Max:
  case ScatterMode::Min: {
    Expr xAttains = x == y, updateAttains = updates == rule.gather(y);
    Expr share = dy / rule.shares(xAttains, updateAttains);
    grads[0] = select(xAttains, share, zeroLike(x)).value();
    grads[1] = select(updateAttains, rule.gather(share), zeroLike(updates)).value();
    break;
  }
  }
  return grads;
}

SmallVector<Value> ScatterOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  if (!tangents[0] && !tangents[1])
    return {Value()};
  ScatterRule rule(*this, builder, loc);
  Expr x = rule.x, updates = rule.updates, y = x.with(getResult());
  Expr tx = tangents[0] ? x.with(tangents[0]) : zeroLike(x);
  Expr tu = tangents[1] ? x.with(tangents[1]) : zeroLike(updates);
  switch (getScatterMode()) {
  case ScatterMode::Add:
  case ScatterMode::Set:
    return {rule.scatter(tx, tu, getMode()).value()};
  case ScatterMode::Mul:
    return {rule.scatter(tx * rule.productOfUpdates(), tu * rule.others(), "add").value()};
  case ScatterMode::Max:
  case ScatterMode::Min:
    break;
  }
  Expr xAttains = x == y, updateAttains = updates == rule.gather(y);
  Expr moved = rule.scatter(select(xAttains, tx, zeroLike(x)),
                            select(updateAttains, tu, zeroLike(updates)), "add");
  return {(moved / rule.shares(xAttains, updateAttains)).value()};
}

} // namespace sinter::ir
