// SPDX-License-Identifier: Apache-2.0
// The reverse walk. What an op's derivative is stands in ir/ (buildVjp); which values carry one, in
// ir/Activity.
#include "sinter/ir/Activity.h"
#include "sinter/passes/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace sinter::passes {
#define GEN_PASS_DEF_AUTODIFF
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// Expands one gradients op in place.
class Expansion {
public:
  explicit Expansion(GradientsOp gradients)
      : gradients(gradients), builder(gradients),
        activity(*gradients->getBlock(), gradients.getYs(), gradients.getXs(), gradients) {}

  LogicalResult run() {
    if (Operation *obstacle = activity.findObstacle())
      return refuse(obstacle);
    for (Value x : gradients.getXs())
      if (Operation *cut = activity.findCut(x))
        return refuse(cut);
    Operation *before = gradients->getPrevNode();
    for (auto [y, seed] : llvm::zip_equal(gradients.getYs(), gradients.getCotangents()))
      accumulate(y, seed, gradients.getLoc());
    // The ops built here come after `before`, so the walk starts there.
    for (Operation *op = before; op; op = op->getPrevNode())
      if (failed(visit(op)))
        return failure();
    for (auto [x, result] : llvm::zip_equal(gradients.getXs(), gradients.getGrads()))
      result.replaceAllUsesWith(gradientOf(x));
    eraseDeadOps(before);
    gradients.erase();
    return success();
  }

private:
  LogicalResult refuse(Operation *op) {
    InFlightDiagnostic diagnostic = op->emitOpError()
                                    << "has no derivative: " << nonDifferentiableReason(op);
    diagnostic.attachNote(gradients.getLoc()) << "the gradient asked for here goes through it";
    return diagnostic;
  }

  void accumulate(Value value, Value cotangent, Location loc) {
    Value &sum = cotangents[value];
    sum = sum ? AddOp::create(builder, loc, sum, cotangent).getResult() : cotangent;
  }

  /// Hands the cotangents of the results on to the operands.
  LogicalResult visit(Operation *op) {
    SmallVector<Value> incoming;
    for (Value result : op->getResults())
      incoming.push_back(cotangents.lookup(result));
    if (!activity.dependsOnXs(op) || llvm::none_of(incoming, [](Value v) { return bool(v); }))
      return success();
    std::string name = ("grad of " + op->getName().stripDialect()).str();
    Location loc = NameLoc::get(builder.getStringAttr(name), op->getLoc());
    SmallVector<Value> outgoing =
        cast<DifferentiableOpInterface>(op).buildVjp(builder, loc, incoming);
    if (outgoing.size() != op->getNumOperands())
      return op->emitOpError() << "has a derivative rule of " << outgoing.size() << " values for "
                               << op->getNumOperands() << " operands";
    for (auto [operand, cotangent] : llvm::zip_equal(op->getOperands(), outgoing))
      if (cotangent && activity.isActive(operand))
        accumulate(operand, cotangent, loc);
    return success();
  }

  /// Zero where no path leads from x to ys.
  Value gradientOf(Value x) {
    if (Value found = cotangents.lookup(x))
      return found;
    ir::TensorType type = tensorType(x);
    return FullOp::create(builder, gradients.getLoc(), type,
                          builder.getFloatAttr(type.getElementType(), 0.0));
  }

  /// Rules build a cotangent for every operand; those that nobody asked for go again.
  void eraseDeadOps(Operation *before) {
    for (Operation *op = gradients->getPrevNode(); op != before;) {
      Operation *previous = op->getPrevNode();
      if (isOpTriviallyDead(op))
        op->erase();
      op = previous;
    }
  }

  GradientsOp gradients;
  OpBuilder builder;
  Activity activity;
  llvm::DenseMap<Value, Value> cotangents;
};

class Autodiff : public impl::AutodiffBase<Autodiff> {
  void runOnOperation() override {
    SmallVector<GradientsOp> all;
    getOperation().walk([&](GradientsOp op) { all.push_back(op); });
    for (GradientsOp op : all)
      if (failed(Expansion(op).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace sinter::passes
