// SPDX-License-Identifier: Apache-2.0
// Windows of convolutions and pooling: index maps and derivatives. Each of the two ops is the
// transpose of the other.
#include "sinter/ir/IndexingRules.h"
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;

namespace {

/// Calls fn(spatial dim, window dim, number) for each pair of a window op of this rank.
template <typename Fn> void forEachPair(int64_t rank, size_t count, Fn fn) {
  auto n = static_cast<int64_t>(count);
  for (int64_t i = 0; i < n; ++i)
    fn(static_cast<unsigned>(rank - 2 * n + i), static_cast<unsigned>(rank - n + i),
       static_cast<size_t>(i));
}

} // namespace

Indexing WindowReadOp::getIndexing() {
  Indexing indexing = overResult(*this);
  Access access;
  access.index = identity(getType());
  forEachPair(getType().getRank(), getStrides().size(),
              [&](unsigned spatial, unsigned window, size_t i) {
                access.index[spatial] = IndexExpr::dim(spatial) * DimExpr(getStrides()[i]) +
                                        IndexExpr::dim(window) * DimExpr(getDilations()[i]);
              });
  indexing.accesses.push_back(std::move(access));
  return indexing;
}

Indexing WindowWriteOp::getIndexing() {
  Indexing indexing = overResult(*this);
  TensorType y = getY().getType();
  Access access;
  access.index = identity(getType());
  forEachPair(y.getRank(), getStrides().size(), [&](unsigned spatial, unsigned window, size_t i) {
    DimExpr stride(getStrides()[i]);
    IndexExpr offset =
        IndexExpr::dim(spatial) + IndexExpr::dim(window) * DimExpr(-getDilations()[i]);
    access.guards.push_back({offset, 0, y.getDim(spatial) * stride});
    if (stride != DimExpr(1))
      access.guards.push_back({mod(offset, stride), 0, 1});
    access.index[spatial] = stride == DimExpr(1) ? offset : floorDiv(offset, stride);
  });
  indexing.accesses.push_back(std::move(access));
  indexing.otherwise = 0.0;
  return indexing;
}

SmallVector<Value> WindowReadOp::buildVjp(OpBuilder &builder, Location loc, ValueRange cotangents) {
  TensorType dy = tensorType(cotangents[0]);
  TensorType type = getX().getType().withElementType(dy.getElementType());
  return {WindowWriteOp::create(builder, loc, type, cotangents[0], getStrides(), getDilations())};
}

SmallVector<Value> WindowWriteOp::buildVjp(OpBuilder &builder, Location loc,
                                           ValueRange cotangents) {
  return {WindowReadOp::create(builder, loc, cotangents[0], getStrides(), getDilations())};
}

} // namespace sinter::ir
