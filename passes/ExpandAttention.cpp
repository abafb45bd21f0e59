// SPDX-License-Identifier: Apache-2.0
// Attention that no kernel computes becomes the products and the softmax that it is made of.
#include "sinter/ir/AttentionFormulas.h"
#include "sinter/passes/AttentionForm.h"
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_EXPANDATTENTION
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static constexpr int64_t maxWidth = 256, fewQueries = 3;

bool hasAttentionKernel(Operation *op) {
  auto suits = [](ir::TensorType q, ir::TensorType v) {
    auto width = q.getDim(q.getRank() - 1).constant(),
         valueWidth = v.getDim(v.getRank() - 1).constant();
    return width && valueWidth && *width >= 1 && *width <= maxWidth && *valueWidth >= 1 &&
           *valueWidth <= maxWidth &&
           q.getDim(q.getRank() - 2).constant().value_or(fewQueries) >= fewQueries;
  };
  if (auto attention = dyn_cast<AttentionOp>(op))
    return suits(attention.getQ().getType(), attention.getV().getType());
  if (auto backward = dyn_cast<AttentionBackwardOp>(op))
    return suits(backward.getQ().getType(), backward.getV().getType());
  return false;
}

namespace {

struct ExpandAttentionPass : impl::ExpandAttentionBase<ExpandAttentionPass> {
  using ExpandAttentionBase::ExpandAttentionBase;

  void runOnOperation() override {
    llvm::SmallVector<Operation *> found;
    getOperation().walk([&](Operation *op) {
      if (isa<AttentionOp, AttentionBackwardOp>(op) && (all || !hasAttentionKernel(op)))
        found.push_back(op);
    });
    for (Operation *op : found)
      expandAttention(op);
  }
};

} // namespace
} // namespace sinter::passes
