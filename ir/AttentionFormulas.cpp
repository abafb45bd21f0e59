// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/AttentionFormulas.h"

#include "sinter/ir/StructuralRules.h"

#include <limits>

using namespace mlir;

namespace sinter::ir {

using namespace rules;

static constexpr double infinity = std::numeric_limits<double>::infinity();

AttentionFormulas::AttentionFormulas(OpBuilder &builder, Location loc, Value q, Value k, Value v,
                                     Value mask, double scale, std::optional<ArrayAttr> causal)
    : q(builder, loc, q), k(builder, loc, k), v(builder, loc, v), scale(scale), builder(builder),
      loc(loc), narrowType(tensorType(q).getElementType()), wideType(registerType(narrowType)),
      mask(mask) {
  if (causal)
    this->causal = toDim((*causal)[0]);
  this->q = wide(q);
  this->k = wide(k);
  this->v = wide(v);
  TensorType queries = tensorType(q), keys = tensorType(k);
  for (int64_t d = 0; d < queries.getRank() - 2; ++d)
    (queries.getDims()[d] == keys.getDims()[d] ? shared : repeated).push_back(d);
}

AttentionFormulas::Expr AttentionFormulas::wide(Value value) const {
  TensorType type = tensorType(value);
  if (type.getElementType() == wideType)
    return Expr(builder, loc, value);
  return Expr(builder, loc, CastOp::create(builder, loc, type.withElementType(wideType), value));
}

Value AttentionFormulas::narrow(Expr value) const {
  if (narrowType == wideType)
    return value.value();
  return CastOp::create(builder, loc, value.type().withElementType(narrowType), value.value());
}

TensorType AttentionFormulas::matrixType(Type elementType) const {
  Shape shape = q.type().getShape();
  shape[shape.rank() - 1] = k.type().getDim(k.type().getRank() - 2);
  return TensorType::get(builder.getContext(), elementType,
                         llvm::to_vector(toAttribute(builder.getContext(), shape).getValue()));
}

/// Without the dims of size 1 along which it is repeated.
static Expr dropRepeated(Expr x, ArrayRef<int64_t> repeated) {
  if (repeated.empty())
    return x;
  TensorType type = x.type();
  SmallVector<Attribute> dims;
  for (auto [d, dim] : llvm::enumerate(type.getDims()))
    if (!llvm::is_contained(repeated, static_cast<int64_t>(d)))
      dims.push_back(dim);
  return reshape(x, TensorType::get(type.getContext(), type.getElementType(), dims));
}

AttentionFormulas::Expr AttentionFormulas::product(Expr x, Expr y, int64_t fromLast) const {
  Expr right = dropRepeated(y, repeated);
  int64_t rank = x.type().getRank();
  auto numShared = static_cast<int64_t>(shared.size());
  Expr result = x.build<DotGeneralOp>(x.value(), right.value(), shared, range(0, numShared),
                                      ArrayRef<int64_t>{rank - 1},
                                      ArrayRef<int64_t>{right.type().getRank() - fromLast});
  // Dims are now: shared, repeated, rows, columns.
  SmallVector<int64_t> order(shared);
  llvm::append_range(order, repeated);
  SmallVector<int64_t> back(static_cast<size_t>(rank));
  for (auto [i, d] : llvm::enumerate(order))
    back[static_cast<size_t>(d)] = static_cast<int64_t>(i);
  for (int64_t d = rank - 2; d < rank; ++d)
    back[static_cast<size_t>(d)] = d;
  return transpose(result, back);
}

AttentionFormulas::Expr AttentionFormulas::timesAcross(Expr x, Expr y) const {
  int64_t rank = x.type().getRank();
  SmallVector<int64_t> contracted(repeated);
  contracted.push_back(rank - 2);
  Expr result = x.build<DotGeneralOp>(x.value(), y.value(), shared, shared, contracted, contracted);
  if (repeated.empty())
    return result;
  Shape shape = k.type().getShape();
  shape[rank - 1] = result.type().getDim(result.type().getRank() - 1);
  SmallVector<Attribute> dims =
      llvm::to_vector(toAttribute(builder.getContext(), shape).getValue());
  return reshape(result, TensorType::get(builder.getContext(), wideType, dims));
}

AttentionFormulas::Expr AttentionFormulas::rowSums(Expr x) const {
  return reduceSum(x, {x.type().getRank() - 1});
}

AttentionFormulas::Expr AttentionFormulas::alongRows(Expr x) const {
  TensorType type = matrixType(wideType);
  return spread(x, type, {type.getRank() - 1});
}

AttentionFormulas::Expr AttentionFormulas::spreadMask(Expr value) const {
  TensorType type = matrixType(value.type().getElementType());
  return broadcast(value, type, range(0, type.getRank()));
}

AttentionFormulas::Expr AttentionFormulas::scores() const {
  Expr result = timesTransposed(q, k);
  result = result * scale;
  if (mask && tensorType(mask).getElementType().isInteger(1))
    result = select(spreadMask(Expr(builder, loc, mask)), result, result.like(-infinity));
  else if (mask)
    result = result + spreadMask(wide(mask));
  if (!causal)
    return result;
  TensorType indices = matrixType(builder.getI64Type());
  int64_t rank = indices.getRank();
  auto count = [&](int64_t axis) {
    return Expr(builder, loc, IotaOp::create(builder, loc, indices, axis));
  };
  Expr last = count(rank - 2);
  if (*causal != DimExpr(0)) {
    TensorType scalar = TensorType::get(builder.getContext(), builder.getI64Type(), {});
    Value offset = DimValueOp::create(builder, loc, scalar, causal->str());
    last = last + broadcast(Expr(builder, loc, offset), indices, {});
  }
  return select(count(rank - 1) > last, result.like(-infinity), result);
}

AttentionFormulas::Expr AttentionFormulas::weights(Value lse) const {
  return exp(scores() - alongRows(Expr(builder, loc, lse)));
}

Value AttentionFormulas::maskGradient(Expr scores) const {
  if (!mask || !isFloatTensor(mask))
    return {};
  TensorType type = tensorType(mask);
  SmallVector<int64_t> axes;
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (type.getDims()[d] != scores.type().getDims()[d])
      axes.push_back(d);
  Expr sum = reshape(reduceSum(scores, axes), type.withElementType(wideType));
  if (type.getElementType() == wideType)
    return sum.value();
  return CastOp::create(builder, loc, type, sum.value());
}

AttentionFormulas::Expr AttentionFormulas::scoresTangent(Value dq, Value dk, Value dmask) const {
  Value result;
  auto add = [&](Expr term) {
    result = result ? (Expr(builder, loc, result) + term).value() : term.value();
  };
  if (dq)
    add(timesTransposed(wide(dq), k) * scale);
  if (dk)
    add(timesTransposed(q, wide(dk)) * scale);
  if (dmask && isFloatTensor(dmask))
    add(spreadMask(wide(dmask)));
  return Expr(builder, loc, result);
}

SmallVector<Value> AttentionFormulas::attention(bool strictRows) const {
  Expr s = scores();
  SmallVector<int64_t> axis = {s.type().getRank() - 1};
  Expr largest = s.build<ReduceMaxOp>(s.value(), axis);
  Expr shift = strictRows ? largest : select(largest == -infinity, zeroLike(largest), largest);
  Expr e = exp(s - alongRows(shift));
  Expr total = rowSums(e);
  Expr divisor = strictRows ? total : select(total == 0.0, total.like(1), total);
  Expr lse = shift + log(divisor);
  if (!strictRows)
    lse = select(total == 0.0, total.like(infinity), lse);
  return {narrow(times(e / alongRows(divisor), v)), lse.value()};
}

SmallVector<Value> AttentionFormulas::backward(Value lse, Value delta, Value dout) const {
  Expr p = weights(lse), dy = wide(dout);
  Expr ds = p * (timesTransposed(dy, v) - alongRows(Expr(builder, loc, delta)));
  return {narrow(times(ds, k) * scale), narrow(timesAcross(ds, q) * scale),
          narrow(timesAcross(p, dy))};
}

void expandAttention(Operation *op) {
  OpBuilder builder(op);
  SmallVector<Value> results;
  if (auto attention = dyn_cast<AttentionOp>(op))
    results =
        AttentionFormulas(attention, builder, op->getLoc()).attention(attention.getStrictRows());
  else if (auto backward = dyn_cast<AttentionBackwardOp>(op))
    results = AttentionFormulas(backward, builder, op->getLoc())
                  .backward(backward.getLse(), backward.getDelta(), backward.getDout());
  else
    return;
  op->replaceAllUsesWith(results);
  op->erase();
}

} // namespace sinter::ir
