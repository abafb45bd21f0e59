// SPDX-License-Identifier: Apache-2.0
// The reverse and the forward walk. What an op's derivative is stands in ir/ (buildVjp, buildJvp);
// which values carry one, in ir/Activity.
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

/// Expands one derivative op in place: what it stands for is built right before it.
class Expansion {
public:
  Expansion(Operation *asked, ValueRange ys, ValueRange xs, DerivativeMode mode)
      : asked(asked), builder(asked), before(asked->getPrevNode()), mode(mode),
        activity(asked->getBlock(), ys, xs, mode, asked) {}

protected:
  /// Every x must be reachable, by ops that have derivatives.
  LogicalResult checkPaths(ValueRange xs) {
    if (Operation *obstacle = activity.findObstacle())
      return refuse(obstacle);
    for (Value x : xs)
      if (Operation *cut = activity.findCut(x))
        return refuse(cut);
    return success();
  }

  void add(Value value, Value more, Location loc) {
    Value &sum = derivatives[value];
    sum = sum ? AddOp::create(builder, loc, sum, more).getResult() : more;
  }

  /// Zero where no path leads to `value`.
  Value derivativeOf(Value value) {
    if (Value found = derivatives.lookup(value))
      return found;
    ir::TensorType type = tensorType(value);
    return FullOp::create(builder, asked->getLoc(), type,
                          builder.getFloatAttr(type.getElementType(), 0.0));
  }

  /// The user's line of `op`, under a name that says what is built for it.
  Location derived(Operation *op) {
    StringRef prefix = mode == DerivativeMode::Reverse ? "grad of " : "tangent of ";
    std::string name = (prefix + op->getName().stripDialect()).str();
    return NameLoc::get(builder.getStringAttr(name), op->getLoc());
  }

  LogicalResult requireCount(Operation *op, size_t built, size_t wanted, StringRef of) {
    if (built == wanted)
      return success();
    return op->emitOpError() << "has a derivative rule of " << built << " values for " << wanted
                             << " " << of;
  }

  void finish(ValueRange derivativesOf) {
    SmallVector<Value> replacements;
    for (Value value : derivativesOf)
      replacements.push_back(derivativeOf(value));
    asked->replaceAllUsesWith(replacements);
    // Rules build a derivative for every operand; those that nobody asked for go again.
    for (Operation *op = asked->getPrevNode(); op != before;) {
      Operation *previous = op->getPrevNode();
      if (isOpTriviallyDead(op))
        op->erase();
      op = previous;
    }
    asked->erase();
  }

  Operation *asked;
  OpBuilder builder;
  Operation *before; ///< The last op that was there already.
  DerivativeMode mode;
  Activity activity;
  llvm::DenseMap<Value, Value> derivatives; ///< Cotangents or tangents.

private:
  LogicalResult refuse(Operation *op) {
    InFlightDiagnostic diagnostic = op->emitOpError()
                                    << "has no derivative: " << nonDifferentiableReason(op, mode);
    diagnostic.attachNote(asked->getLoc())
        << "the " << (mode == DerivativeMode::Reverse ? "gradient" : "tangent")
        << " asked for here goes through it";
    return diagnostic;
  }
};

/// From ys back to xs.
class ReverseExpansion : Expansion {
public:
  explicit ReverseExpansion(GradientsOp gradients)
      : Expansion(gradients, gradients.getYs(), gradients.getXs(), DerivativeMode::Reverse),
        gradients(gradients) {}

  LogicalResult run() {
    if (failed(checkPaths(gradients.getXs())))
      return failure();
    for (auto [y, seed] : llvm::zip_equal(gradients.getYs(), gradients.getCotangents()))
      add(y, seed, gradients.getLoc());
    for (Operation *op = before; op; op = op->getPrevNode())
      if (activity.isActive(op) && failed(visit(op)))
        return failure();
    finish(gradients.getXs());
    return success();
  }

private:
  /// Hands the cotangents of the results on to the operands.
  LogicalResult visit(Operation *op) {
    SmallVector<Value> incoming;
    for (Value result : op->getResults())
      incoming.push_back(derivatives.lookup(result));
    if (llvm::none_of(incoming, [](Value v) { return bool(v); }))
      return success();
    Location loc = derived(op);
    SmallVector<Value> outgoing =
        cast<DifferentiableOpInterface>(op).buildVjp(builder, loc, incoming);
    if (failed(requireCount(op, outgoing.size(), op->getNumOperands(), "operands")))
      return failure();
    for (auto [operand, cotangent] : llvm::zip_equal(op->getOperands(), outgoing))
      if (cotangent && activity.isActive(operand))
        add(operand, cotangent, loc);
    return success();
  }

  GradientsOp gradients;
};

/// From xs on to ys.
class ForwardExpansion : Expansion {
public:
  explicit ForwardExpansion(JvpOp jvp)
      : Expansion(jvp, jvp.getYs(), jvp.getXs(), DerivativeMode::Forward), jvp(jvp) {}

  LogicalResult run() {
    if (failed(checkPaths(jvp.getXs())))
      return failure();
    for (auto [x, seed] : llvm::zip_equal(jvp.getXs(), jvp.getTangents()))
      add(x, seed, jvp.getLoc());
    Block *block = jvp->getBlock();
    auto end = before ? std::next(Block::iterator(before)) : block->begin();
    for (Operation &op : llvm::make_range(block->begin(), end))
      if (isOnTheWay(&op) && failed(visit(&op)))
        return failure();
    finish(jvp.getYs());
    return success();
  }

private:
  bool isOnTheWay(Operation *op) {
    return activity.isActive(op) &&
           llvm::any_of(op->getResults(), [&](Value v) { return activity.reaches(v); });
  }

  /// Hands the tangents of the operands on to the results. A result that is itself one of xs moves
  /// by its own tangent and by what moves it.
  LogicalResult visit(Operation *op) {
    SmallVector<Value> incoming;
    for (Value operand : op->getOperands())
      incoming.push_back(derivatives.lookup(operand));
    if (llvm::none_of(incoming, [](Value v) { return bool(v); }))
      return success();
    Location loc = derived(op);
    SmallVector<Value> outgoing =
        cast<DifferentiableOpInterface>(op).buildJvp(builder, loc, incoming);
    if (failed(requireCount(op, outgoing.size(), op->getNumResults(), "results")))
      return failure();
    for (auto [result, tangent] : llvm::zip_equal(op->getResults(), outgoing))
      if (tangent && activity.isActive(result))
        add(result, tangent, loc);
    return success();
  }

  JvpOp jvp;
};

/// The first derivative op outside of custom gradients: a region of those counts where it is used.
Operation *findFirst(func::FuncOp function) {
  Operation *found = nullptr;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<WithGradientOp>(op))
      return WalkResult::skip();
    if (!isa<GradientsOp, JvpOp>(op))
      return WalkResult::advance();
    found = op;
    return WalkResult::interrupt();
  });
  return found;
}

LogicalResult expand(Operation *op) {
  if (auto gradients = dyn_cast<GradientsOp>(op))
    return ReverseExpansion(gradients).run();
  return ForwardExpansion(cast<JvpOp>(op)).run();
}

class Autodiff : public impl::AutodiffBase<Autodiff> {
  void runOnOperation() override {
    // In program order the inner derivatives come first, and so do those that the region of a
    // custom gradient brings along.
    while (Operation *op = findFirst(getOperation()))
      if (failed(expand(op)))
        return signalPassFailure();
    SmallVector<WithGradientOp> customs;
    getOperation().walk<WalkOrder::PreOrder>([&](WithGradientOp op) {
      customs.push_back(op);
      return WalkResult::skip();
    });
    for (WithGradientOp op : customs) {
      op.replaceAllUsesWith(op.getY());
      op.erase();
    }
  }
};

} // namespace
} // namespace sinter::passes
