// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/Activity.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace sinter::ir {

std::string nonDifferentiableReason(Operation *op, DerivativeMode mode) {
  if (isa<GradientsOp, JvpOp>(op))
    return "";
  if (isa<WithGradientOp>(op) && mode == DerivativeMode::Forward)
    return "a custom gradient has no forward mode";
  auto rule = dyn_cast<DifferentiableOpInterface>(op);
  return rule ? rule.getNonDifferentiableReason().str() : "it has no derivative rule";
}

static bool isFloatTensor(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type && isFloat(type.getDType());
}

static bool isBoolTensor(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type && type.getDType() == boolean;
}

/// The operands that the results depend on as far as derivatives know.
static SmallVector<Value> carriers(Operation *op) {
  if (isa<StopGradientOp>(op))
    return {};
  if (auto custom = dyn_cast<WithGradientOp>(op))
    return SmallVector<Value>(custom.getXs());
  return SmallVector<Value>(op->getOperands());
}

bool Activity::isActive(Operation *op) const {
  return llvm::any_of(carriers(op), [&](Value v) { return active.contains(v); });
}

SmallVector<Operation *> Activity::markDependents(ArrayRef<Block *> blocks, Operation *end) {
  SmallVector<Operation *> order;
  for (Block *block : blocks)
    for (Operation &op : *block) {
      if (&op == end)
        return order;
      if (llvm::none_of(carriers(&op), [&](Value v) { return dependents.contains(v); }))
        continue;
      order.push_back(&op);
      dependents.insert(op.result_begin(), op.result_end());
      if (isActive(&op))
        for (Value result : op.getResults())
          if (isFloatTensor(result))
            active.insert(result);
    }
  return order;
}

Activity::Activity(ArrayRef<Block *> blocks, ValueRange ys, ValueRange xs, DerivativeMode mode,
                   Operation *end) {
  dependents.insert(xs.begin(), xs.end());
  active.insert(xs.begin(), xs.end());
  differentiable.insert(ys.begin(), ys.end());
  direct.insert(ys.begin(), ys.end());
  SmallVector<Operation *> order = markDependents(blocks, end);
  for (Operation *op : llvm::reverse(order))
    visit(op, mode);
}

void Activity::visit(Operation *op, DerivativeMode mode) {
  bool flows = llvm::any_of(op->getResults(), [&](Value v) { return reaches(v); });
  bool isCut = false;
  Operation *culprit = nullptr;
  for (Value result : op->getResults())
    if (auto found = cut.find(result); found != cut.end()) {
      isCut = true;
      culprit = found->second;
    }
  if (!flows && !isCut)
    return;
  bool isNested = isa<GradientsOp, JvpOp>(op);
  bool isDirect = llvm::any_of(op->getResults(), [&](Value v) { return direct.contains(v); });
  // Only the expansion of a nested gradients op tells whether it leaves a custom gradient to go
  // through.
  bool isOpen = isa<WithGradientOp>(op) && !isDirect;
  bool hasDerivative = isOpen || nonDifferentiableReason(op, mode).empty();
  if (flows && !hasDerivative && !obstacle && isActive(op))
    obstacle = op;
  if (!culprit && !hasDerivative)
    culprit = op;
  bool hasFloats = llvm::any_of(op->getOperands(), isFloatTensor);
  for (Value operand : carriers(op))
    if (flows && hasDerivative && isFloatTensor(operand)) {
      differentiable.insert(operand);
      if (isDirect && !isNested)
        direct.insert(operand);
    } else if (!hasFloats || !isBoolTensor(operand)) {
      cut.try_emplace(operand, culprit);
    }
}

Operation *Activity::findCut(Value x) const { return reaches(x) ? nullptr : cut.lookup(x); }

} // namespace sinter::ir
