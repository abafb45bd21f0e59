// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/forms/PanelPlan.h"

#include "sinter/codegen/Schedule.h"

#include "sinter/passes/ContractionDims.h"
#include "sinter/passes/KernelForm.h"

#include <algorithm>
#include <cstring>

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
  auto freeDims = [](const Shape &shape, auto batch, auto contract) {
    return passes::freeDims(shape.rank(), batch, contract);
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
  for (int64_t d : dot.getLhsContract())
    layout.kDims.push_back(lhs[d]);
  return layout;
}

llvm::SmallVector<int64_t> ContractionLayout::operandOrder(DotGeneralOp dot, bool isLeft) {
  llvm::SmallVector<int64_t> batch(isLeft ? dot.getLhsBatch() : dot.getRhsBatch()),
      contract(isLeft ? dot.getLhsContract() : dot.getRhsContract());
  Shape shape = tensorType(isLeft ? dot.getLhs() : dot.getRhs()).getShape();
  llvm::SmallVector<int64_t> order = batch;
  llvm::append_range(order, passes::freeDims(shape.rank(), batch, contract));
  llvm::append_range(order, contract);
  return order;
}

ConstantOp fixedOperand(FusedOp fused, Value memory) {
  auto argument = dyn_cast<BlockArgument>(memory);
  if (!argument || !memory.hasOneUse())
    return {};
  Value source = fused.getOperand(argument.getArgNumber());
  return source.hasOneUse() ? source.getDefiningOp<ConstantOp>() : ConstantOp();
}

std::optional<int64_t> rowTileBehind(const passes::KernelAnalysis &analysis,
                                     const ContractionLayout &layout) {
  if (!analysis.hasRowsBehind() || analysis.axes.size() == layout.nDims.size())
    return std::nullopt;
  return analysis.reducedShape().numElements().constant();
}

passes::ContractionOperand memoryOf(FusedOp fused, Value operand) {
  return passes::contractionOperand(
      operand, [&](Operation *op) { return op->getParentOp() == fused.getOperation(); });
}

cpu::ContractionShape tileShape(const ContractionLayout &layout, FusedOp fused, DotGeneralOp dot) {
  cpu::ContractionShape shape;
  passes::ContractionOperand a = memoryOf(fused, dot.getLhs()), b = memoryOf(fused, dot.getRhs());
  shape.dtype = passes::sumDType(tensorType(dot.getLhs()).getDType());
  shape.aDtype = a.memory ? a.dtype : shape.dtype;
  shape.bDtype = b.memory ? b.dtype : shape.dtype;
  shape.computedA = !a.memory;
  shape.computedB = !b.memory;
  shape.fixedB = b.memory && fixedOperand(fused, b.memory);
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

/// Rows of the constant as panels of `panel` columns.
template <typename T>
static void copyPanels(const ContractionLayout &layout, int64_t panel, const T *from, T *to) {
  constexpr int64_t block = 16; // Rows at a time, so that pages of both sides stay in reach.
  const int64_t n = *layout.n.constant(), k = *layout.k.constant(),
                strideN = *layout.rhsN.constant(), strideK = *layout.rhsK.constant();
  for (int64_t k0 = 0; k0 < k; k0 += block)
    for (int64_t n0 = 0; n0 < n; n0 += panel)
      for (int64_t row = k0; row < std::min(k, k0 + block); ++row) {
        const T *source = from + row * strideK + n0 * strideN;
        T *target = to + n0 * k + row * panel;
        for (int64_t column = 0; column < panel; ++column)
          target[column] = source[column * strideN];
      }
}

void copyConstant(ConstantOp constant, llvm::ArrayRef<char> from, Array &to) {
  auto fused = constant.getResult().hasOneUse()
                   ? dyn_cast<FusedOp>(*constant.getResult().getUsers().begin())
                   : FusedOp();
  auto schedule = fused ? Schedule::fromAttribute(fused.getScheduleAttr()) : std::nullopt;
  if (schedule && schedule->form == passes::KernelForm::Contraction && schedule->tiles.panel) {
    DotGeneralOp dot = *fused.getBody().front().getOps<DotGeneralOp>().begin();
    if (fixedOperand(fused, memoryOf(fused, dot.getRhs()).memory) == constant)
      return dispatch(to.dtype(), [&](auto sample) {
        using T = decltype(sample);
        copyPanels(*contractionLayout(dot), schedule->tiles.panel,
                   reinterpret_cast<const T *>(from.data()), static_cast<T *>(to.data()));
      });
  }
  if (schedule && schedule->form == passes::KernelForm::Convolution && schedule->tiles.panel &&
      schedule->tiles.packB == cpu::ContractionTiles::Pack::Never) {
    auto op = *fused.getBody().front().getOps<ConvolutionOp>().begin();
    if (fixedOperand(fused, op.makesX() ? op.getLhs() : op.getRhs()) == constant)
      return copyWeightPanels(ConvolutionLayout(op), *schedule, from.data(),
                              static_cast<char *>(to.data()));
  }
  std::memcpy(to.data(), from.data(),
              std::min<size_t>(from.size(), static_cast<size_t>(to.numBytes())));
}

} // namespace sinter::codegen
