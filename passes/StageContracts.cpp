// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/StageContracts.h"

#include "sinter/passes/KernelForm.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

LogicalResult verifyDifferentiated(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    if (!isa<GradientsOp, JvpOp, WithGradientOp>(op))
      return WalkResult::advance();
    op->emitError("is left after differentiation");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult verifyFused(ModuleOp module) {
  WalkResult result = module.walk<WalkOrder::PreOrder>([](Operation *op) {
    if (auto fused = dyn_cast<FusedOp>(op)) {
      auto answer = analyzeKernel(fused);
      if (auto *reason = std::get_if<std::string>(&answer)) {
        fused.emitError("cannot become a kernel: ") << *reason;
        return WalkResult::interrupt();
      }
      return WalkResult::skip();
    }
    if (isa<IndexedOpInterface>(op) && !isa<ReshapeOp>(op)) {
      op->emitError("is outside of every kernel");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

} // namespace sinter::passes
