// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ContractionLayout.h"

#include "sinter/passes/KernelForm.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

/// Element strides of each dim of a row-major tensor.
llvm::SmallVector<DimExpr> rowMajorStrides(const Shape &shape) {
  llvm::SmallVector<DimExpr> strides(static_cast<size_t>(shape.rank()), DimExpr(1));
  for (int64_t d = shape.rank() - 2; d >= 0; --d)
    strides[static_cast<size_t>(d)] = strides[static_cast<size_t>(d + 1)] * shape[d + 1];
  return strides;
}

/// One size and stride for a group of dims, or false when their elements are not evenly spaced.
bool flatten(const Shape &shape, llvm::ArrayRef<int64_t> dims, DimExpr &size, DimExpr &stride) {
  llvm::SmallVector<DimExpr> strides = rowMajorStrides(shape);
  size = 1;
  stride = 1;
  bool first = true;
  for (int64_t d : llvm::reverse(dims)) {
    if (shape[d].constant() == 1)
      continue;
    if (first)
      stride = strides[static_cast<size_t>(d)];
    else if (strides[static_cast<size_t>(d)] != size * stride)
      return false;
    first = false;
    size *= shape[d];
  }
  return true;
}

} // namespace

std::optional<ContractionLayout> contractionLayout(DotGeneralOp dot) {
  ContractionLayout layout;
  Shape lhs = tensorType(dot.getLhs()).getShape(), rhs = tensorType(dot.getRhs()).getShape();
  auto freeDims = [](const Shape &shape, llvm::ArrayRef<int64_t> batch,
                     llvm::ArrayRef<int64_t> contract) {
    llvm::SmallVector<int64_t> dims;
    for (int64_t d = 0; d < shape.rank(); ++d)
      if (!llvm::is_contained(batch, d) && !llvm::is_contained(contract, d))
        dims.push_back(d);
    return dims;
  };
  llvm::SmallVector<int64_t> lhsFree = freeDims(lhs, dot.getLhsBatch(), dot.getLhsContract());
  llvm::SmallVector<int64_t> rhsFree = freeDims(rhs, dot.getRhsBatch(), dot.getRhsContract());
  DimExpr kOther;
  if (!flatten(lhs, lhsFree, layout.m, layout.lhsM) ||
      !flatten(lhs, dot.getLhsContract(), layout.k, layout.lhsK) ||
      !flatten(rhs, dot.getRhsContract(), kOther, layout.rhsK) ||
      !flatten(rhs, rhsFree, layout.n, layout.rhsN))
    return std::nullopt;
  llvm::SmallVector<DimExpr> lhsStrides = rowMajorStrides(lhs), rhsStrides = rowMajorStrides(rhs);
  for (auto [l, r] : llvm::zip(dot.getLhsBatch(), dot.getRhsBatch())) {
    layout.batchDims.push_back(lhs[l]);
    layout.batch *= lhs[l];
    layout.lhsBatch.push_back(lhsStrides[static_cast<size_t>(l)]);
    layout.rhsBatch.push_back(rhsStrides[static_cast<size_t>(r)]);
  }
  for (int64_t d : lhsFree)
    layout.mDims.push_back(lhs[d]);
  for (int64_t d : rhsFree)
    layout.nDims.push_back(rhs[d]);
  return layout;
}

cpu::ContractionShape tileShape(const ContractionLayout &layout, FusedOp fused, DotGeneralOp dot) {
  cpu::ContractionShape shape;
  shape.dtype = tensorType(dot.getLhs()).getDType();
  shape.storeOps = 0;
  for (Operation &op : fused.getBody().front().without_terminator())
    shape.storeOps += isa<ElementwiseOpInterface>(op) ? passes::elementCost(&op) : 0;
  shape.batch = layout.batch;
  shape.m = layout.m;
  shape.n = layout.n;
  shape.k = layout.k;
  shape.aStrideM = layout.lhsM.constant();
  shape.aStrideK = layout.lhsK.constant();
  shape.bStrideK = layout.rhsK.constant();
  shape.bStrideN = layout.rhsN.constant();
  return shape;
}

} // namespace sinter::codegen
