// SPDX-License-Identifier: Apache-2.0
// Kernels hold f16 and bf16 in f32 registers and round at stores. This pass asks for a rounding
// after every op that can give more digits than it takes, so that fusion changes no bit.
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_ROUNDRESULTS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// Ops whose results are numbers of the dtype when their operands are.
bool isExact(Operation *op) {
  if (isa<ElementwiseOpInterface>(op))
    return isa<AbsOp, BitcastOp, CastOp, FullOp, MaxOp, MinOp, NegOp, ReluOp, SelectOp,
               StopGradientOp>(op);
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return true;
  // Scatters are rounded by the memory they add into.
  Indexing indexing = indexed.getIndexing();
  return indexing.combiner != Combiner::Sum && indexing.combiner != Combiner::Product &&
         indexing.combiner != Combiner::Contract && indexing.combiner != Combiner::Convolve &&
         !indexing.generator;
}

struct RoundResultsPass : impl::RoundResultsBase<RoundResultsPass> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      if (op->getNumResults() != 1 || isExact(op))
        return;
      Value result = op->getResult(0);
      auto type = dyn_cast<ir::TensorType>(result.getType());
      if (!type || registerType(type.getElementType()) == type.getElementType() ||
          !isa<FloatType>(type.getElementType()))
        return;
      OpBuilder builder(op->getContext());
      builder.setInsertionPointAfter(op);
      // The first cast only names the register; the second rounds it.
      auto held = CastOp::create(builder, op->getLoc(),
                                 type.withElementType(registerType(type.getElementType())), result);
      auto rounded = CastOp::create(builder, op->getLoc(), type, held);
      result.replaceAllUsesExcept(rounded.getResult(), held);
    });
  }
};

} // namespace
} // namespace sinter::passes
