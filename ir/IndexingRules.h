// SPDX-License-Identifier: Apache-2.0
// Internal: what the index maps of structural ops are made of.
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/STLExtras.h"

namespace sinter::ir::rules {

using namespace mlir;

inline SmallVector<DimExpr> dimsOf(TensorType type) {
  SmallVector<DimExpr> dims;
  for (int64_t i = 0; i < type.getRank(); ++i)
    dims.push_back(type.getDim(i));
  return dims;
}

/// dim(first), dim(first + 1), …
inline std::vector<IndexExpr> consecutive(unsigned first, int64_t count) {
  std::vector<IndexExpr> index;
  for (int64_t i = 0; i < count; ++i)
    index.push_back(IndexExpr::dim(first + static_cast<unsigned>(i)));
  return index;
}

inline void append(SmallVector<IndexExpr> &index, unsigned first, int64_t count) {
  for (IndexExpr &expr : consecutive(first, count))
    index.push_back(std::move(expr));
}

inline SmallVector<IndexExpr> identity(TensorType type) {
  SmallVector<IndexExpr> index;
  append(index, 0, type.getRank());
  return index;
}

inline IndexExpr operator-(const IndexExpr &a, const DimExpr &b) {
  return a + IndexExpr::constant(DimExpr(0) - b);
}

/// The op reads each operand once, in its result's ranges.
inline Indexing overResult(Operation *op) {
  Indexing indexing;
  indexing.ranges = dimsOf(cast<TensorType>(op->getResult(0).getType()));
  return indexing;
}

} // namespace sinter::ir::rules
