// SPDX-License-Identifier: Apache-2.0
// Transposes operands of contractions whose free or contracting dims are not evenly spaced in
// memory, so that every contraction that reaches a back end is a batch of matrix products.
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

/// Brings an operand to [batch..., free..., contract...]; updates the dims to match.
Value transposed(OpBuilder &builder, Location loc, Value operand, llvm::SmallVector<int64_t> &batch,
                 llvm::SmallVector<int64_t> &contract) {
  int64_t rank = tensorType(operand).getRank();
  llvm::SmallVector<int64_t> free = freeDims(rank, batch, contract), order;
  Shape shape = tensorType(operand).getShape();
  if (evenlySpaced(shape, free) && evenlySpaced(shape, contract))
    return operand;
  for (auto *dims : {&batch, &free, &contract})
    order.append(dims->begin(), dims->end());
  for (auto [i, d] : llvm::enumerate(batch))
    d = static_cast<int64_t>(i);
  for (auto [i, d] : llvm::enumerate(contract))
    d = static_cast<int64_t>(batch.size() + free.size() + i);
  return TransposeOp::create(builder, loc, operand, builder.getDenseI64ArrayAttr(order));
}

struct NormalizeContractionsPass : impl::NormalizeContractionsBase<NormalizeContractionsPass> {
  void runOnOperation() override {
    getOperation().walk([](DotGeneralOp dot) {
      OpBuilder builder(dot);
      llvm::SmallVector<int64_t> lhsBatch(dot.getLhsBatch()), rhsBatch(dot.getRhsBatch());
      llvm::SmallVector<int64_t> lhsContract(dot.getLhsContract()),
          rhsContract(dot.getRhsContract());
      Value lhs = transposed(builder, dot.getLoc(), dot.getLhs(), lhsBatch, lhsContract);
      Value rhs = transposed(builder, dot.getLoc(), dot.getRhs(), rhsBatch, rhsContract);
      if (lhs == dot.getLhs() && rhs == dot.getRhs())
        return;
      // The order of the contracting dims is the same on both sides, so the result does not change.
      auto normal = DotGeneralOp::create(builder, dot.getLoc(), dot.getType(), lhs, rhs, lhsBatch,
                                         rhsBatch, lhsContract, rhsContract);
      dot.replaceAllUsesWith(normal.getResult());
      dot.erase();
    });
  }
};

} // namespace
} // namespace sinter::passes
