// SPDX-License-Identifier: Apache-2.0
// Transposes operands of contractions whose free or contracting dims are not evenly spaced in
// memory, or which are cheaper to read when transposed, and computes those of wide unsigned dtypes
// in i32 or i64, so that every contraction that reaches a back end is a batch of matrix products.
#include "sinter/passes/ContractionDims.h"
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_NORMALIZECONTRACTIONS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// Brings an operand to [batch..., free..., contract...], if it must be or `always`; updates the
/// dims to match.
Value transposed(OpBuilder &builder, Location loc, Value operand, llvm::SmallVector<int64_t> &batch,
                 llvm::SmallVector<int64_t> &contract, bool always = false) {
  int64_t rank = tensorType(operand).getRank();
  llvm::SmallVector<int64_t> free = freeDims(rank, batch, contract), order;
  Shape shape = tensorType(operand).getShape();
  if (!always && evenlySpaced(shape, free) && evenlySpaced(shape, contract))
    return operand;
  for (auto *dims : {&batch, &free, &contract})
    order.append(dims->begin(), dims->end());
  for (auto [i, d] : llvm::enumerate(batch))
    d = static_cast<int64_t>(i);
  for (auto [i, d] : llvm::enumerate(contract))
    d = static_cast<int64_t>(batch.size() + free.size() + i);
  return TransposeOp::create(builder, loc, operand, builder.getDenseI64ArrayAttr(order));
}

Type sumType(Type element) {
  return toElementType(element.getContext(), sumDType(*toDType(element)));
}

/// Of what a contraction reads: back ends convert 16-bit floats and narrow integers on the way.
Type operandType(Type element) {
  DType dtype = *toDType(element);
  return byteSize(dtype) < 4 ? element : sumType(element);
}

/// A left operand of narrow elements is packed for every block of columns of the result, unless its
/// elements follow each other along the contracted dims: with many columns a copy is cheaper.
bool packsOften(DotGeneralOp dot, llvm::ArrayRef<int64_t> batch, llvm::ArrayRef<int64_t> contract) {
  constexpr int64_t manyColumns = 128, manyRows = 16;
  Shape left = tensorType(dot.getLhs()).getShape(), right = tensorType(dot.getRhs()).getShape();
  if (byteSize(tensorType(dot.getLhs()).getDType()) >= 4 || contract.empty() ||
      contract.back() == left.rank() - 1)
    return false;
  DimExpr rows = 1, columns = 1;
  for (int64_t d : freeDims(left.rank(), batch, contract))
    rows *= left[d];
  for (int64_t d : freeDims(right.rank(), dot.getRhsBatch(), dot.getRhsContract()))
    columns *= right[d];
  return columns.constant().value_or(0) >= manyColumns &&
         rows.constant().value_or(manyRows) >= manyRows;
}

Value converted(OpBuilder &builder, Location loc, Value value, Type element) {
  auto type = tensorType(value);
  if (type.getElementType() == element)
    return value;
  return CastOp::create(builder, loc, type.withElementType(element), value);
}

void widen(ConvolutionOp op) {
  OpBuilder builder(op);
  Type element = op.getType().getElementType(), wide = sumType(element);
  if (element == wide)
    return;
  auto normal =
      ConvolutionOp::create(builder, op.getLoc(), op.getType().withElementType(wide),
                            converted(builder, op.getLoc(), op.getLhs(), wide),
                            converted(builder, op.getLoc(), op.getRhs(), wide), op.getPart(),
                            op.getLow(), op.getStrides(), op.getDilations(), op.getGroups());
  op.replaceAllUsesWith(converted(builder, op.getLoc(), normal.getResult(), element));
  op.erase();
}

struct NormalizeContractionsPass : impl::NormalizeContractionsBase<NormalizeContractionsPass> {
  using Base::Base;
  void runOnOperation() override {
    getOperation().walk([this](ConvolutionOp op) {
      // A GPU multiplies 16-bit floats as they lie in memory.
      if (Type element = op.getType().getElementType();
          !gpu || !(element.isF16() || element.isBF16()))
        widen(op);
    });
    getOperation().walk([this](DotGeneralOp dot) {
      OpBuilder builder(dot);
      llvm::SmallVector<int64_t> lhsBatch(dot.getLhsBatch()), rhsBatch(dot.getRhsBatch());
      llvm::SmallVector<int64_t> lhsContract(dot.getLhsContract()),
          rhsContract(dot.getRhsContract());
      Location loc = dot.getLoc();
      Type element = dot.getType().getElementType(), wide = operandType(element);
      const bool always = !gpu && packsOften(dot, lhsBatch, lhsContract);
      Value lhs = transposed(builder, loc, converted(builder, loc, dot.getLhs(), wide), lhsBatch,
                             lhsContract, always);
      Value rhs = transposed(builder, loc, converted(builder, loc, dot.getRhs(), wide), rhsBatch,
                             rhsContract);
      if (lhs == dot.getLhs() && rhs == dot.getRhs())
        return;
      // The order of the contracting dims is the same on both sides, so the result does not change.
      auto normal = DotGeneralOp::create(builder, loc, dot.getType().withElementType(wide), lhs,
                                         rhs, lhsBatch, rhsBatch, lhsContract, rhsContract);
      normal->setDiscardableAttrs(dot->getDiscardableAttrDictionary());
      dot.replaceAllUsesWith(converted(builder, loc, normal.getResult(), element));
      dot.erase();
    });
  }
};

} // namespace
} // namespace sinter::passes
