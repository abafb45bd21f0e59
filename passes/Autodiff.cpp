// SPDX-License-Identifier: Apache-2.0
// The reverse and the forward walk. What an op's derivative is stands in ir/ (buildVjp, buildJvp);
// which values carry one, in ir/Activity.
#include "sinter/ir/Activity.h"
#include "sinter/ir/TensorExpr.h"
#include "sinter/passes/OpFacts.h"
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

LogicalResult refuse(Operation *asked, Operation *op, DerivativeMode mode) {
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << "has no derivative: " << nonDifferentiableReason(op, mode);
  diagnostic.attachNote(asked->getLoc())
      << "the " << (mode == DerivativeMode::Reverse ? "gradient" : "tangent")
      << " asked for here goes through it";
  return diagnostic;
}

/// Elements of its results come from products of many elements of its operands.
bool sumsProducts(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  switch (indexed ? anchorKind(indexed.getIndexing()) : AnchorKind::None) {
  case AnchorKind::Contraction:
  case AnchorKind::Attention:
  case AnchorKind::Convolution:
    return true;
  default:
    return false;
  }
}

/// Expands one derivative op in place: what it stands for is built right before it.
class Expansion {
public:
  Expansion(Operation *asked, ValueRange ys, ValueRange xs, DerivativeMode mode)
      : asked(asked), builder(asked), before(asked->getPrevNode()), mode(mode),
        activity(asked->getBlock(), ys, xs, mode, asked) {}

protected:
  LogicalResult checkPath() {
    Operation *obstacle = activity.findObstacle();
    return obstacle ? refuse(asked, obstacle, mode) : success();
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
};

/// From ys back to xs.
class ReverseExpansion : Expansion {
public:
  explicit ReverseExpansion(GradientsOp gradients)
      : Expansion(gradients, gradients.getYs(), gradients.getXs(), DerivativeMode::Reverse),
        gradients(gradients) {}

  LogicalResult run() {
    if (failed(checkPath()))
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
    bool isMasked = llvm::any_of(op->getResults(), [&](Value v) { return masked.contains(v); });
    for (auto [operand, cotangent] : llvm::zip_equal(op->getOperands(), outgoing)) {
      if (!cotangent || !activity.isActive(operand))
        continue;
      if (isMasked && isa<ElementwiseOpInterface>(op) && !isa<SelectOp>(op))
        cotangent = keepZeros(loc, incoming.front(), cotangent);
      add(operand, cotangent, loc);
      if (isa<SelectOp>(op) || (isMasked && !sumsProducts(op)))
        masked.insert(operand);
    }
    return success();
  }

  /// The cotangent of the branch that a select did not take is zero, and stays zero where the
  /// derivative of what made the branch is infinite or NaN.
  Value keepZeros(Location loc, Value incoming, Value cotangent) {
    auto negated = cotangent.getDefiningOp<NegOp>();
    bool isPassedOn = cotangent == incoming || (negated && negated.getX() == incoming);
    if (isPassedOn || incoming.getType() != cotangent.getType())
      return cotangent;
    tensor::Expr dy(builder, loc, incoming), dx(builder, loc, cotangent);
    return select(dy == 0.0 && dx != dx, zeroLike(dx), dx).value();
  }

  GradientsOp gradients;
  /// Values whose cotangent comes from a select, up to the next contraction, convolution or
  /// attention.
  llvm::DenseSet<Value> masked;
};

/// From xs on to ys.
class ForwardExpansion : Expansion {
public:
  explicit ForwardExpansion(JvpOp jvp)
      : Expansion(jvp, jvp.getYs(), jvp.getXs(), DerivativeMode::Forward), jvp(jvp) {}

  LogicalResult run() {
    if (failed(checkPath()))
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

/// Calls `fn` for the derivative ops outside of custom gradients, in program order, until it
/// interrupts. What the region of a custom gradient holds counts where it is used.
template <typename Fn> void walkDerivatives(func::FuncOp function, Fn fn) {
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<WithGradientOp>(op))
      return WalkResult::skip();
    return isa<GradientsOp, JvpOp>(op) ? fn(op) : WalkResult::advance();
  });
}

Operation *findFirst(func::FuncOp function) {
  Operation *found = nullptr;
  walkDerivatives(function, [&](Operation *op) {
    found = op;
    return WalkResult::interrupt();
  });
  return found;
}

/// Refuses an x on which ys depend only through ops without a derivative, a mistake in what was
/// written. In a derivative this is common: where a gradient goes may depend on x only through an
/// index.
LogicalResult checkCuts(func::FuncOp function) {
  LogicalResult result = success();
  auto check = [&](Operation *op, ValueRange ys, ValueRange xs, DerivativeMode mode) {
    Activity activity(op->getBlock(), ys, xs, mode, op);
    for (Value x : xs)
      if (Operation *cut = succeeded(result) ? activity.findCut(x) : nullptr)
        result = refuse(op, cut, mode);
  };
  walkDerivatives(function, [&](Operation *op) {
    if (auto gradients = dyn_cast<GradientsOp>(op))
      check(op, gradients.getYs(), gradients.getXs(), DerivativeMode::Reverse);
    else if (auto jvp = dyn_cast<JvpOp>(op))
      check(op, jvp.getYs(), jvp.getXs(), DerivativeMode::Forward);
    return succeeded(result) ? WalkResult::advance() : WalkResult::interrupt();
  });
  return result;
}

LogicalResult expand(Operation *op) {
  if (auto gradients = dyn_cast<GradientsOp>(op))
    return ReverseExpansion(gradients).run();
  return ForwardExpansion(cast<JvpOp>(op)).run();
}

class Autodiff : public impl::AutodiffBase<Autodiff> {
  void runOnOperation() override {
    if (failed(checkCuts(getOperation())))
      return signalPassFailure();
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
