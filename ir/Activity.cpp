// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/Activity.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace sinter::ir {

std::string nonDifferentiableReason(Operation *op) {
  if (isa<GradientsOp>(op))
    return "";
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

Activity::Activity(Block &block, ValueRange ys, ValueRange xs, Operation *end) {
  auto last = end ? Block::iterator(end) : block.end();
  dependents.insert(xs.begin(), xs.end());
  for (Operation &op : llvm::make_range(block.begin(), last))
    if (dependsOnXs(&op))
      dependents.insert(op.result_begin(), op.result_end());

  differentiable.insert(ys.begin(), ys.end());
  for (Operation &op : llvm::reverse(llvm::make_range(block.begin(), last))) {
    if (!dependsOnXs(&op) || isa<StopGradientOp>(op))
      continue;
    bool flows = llvm::any_of(op.getResults(), [&](Value v) { return reaches(v); });
    Operation *culprit = nullptr;
    for (Value result : op.getResults())
      if (auto found = cut.find(result); found != cut.end())
        culprit = found->second;
    bool isCut = llvm::any_of(op.getResults(), [&](Value v) { return cut.contains(v); });
    if (!flows && !isCut)
      continue;
    bool hasDerivative = nonDifferentiableReason(&op).empty();
    if (flows && !hasDerivative && !obstacle)
      obstacle = &op;
    if (!culprit && !hasDerivative)
      culprit = &op;
    bool hasFloats = llvm::any_of(op.getOperands(), isFloatTensor);
    for (Value operand : op.getOperands())
      if (flows && hasDerivative && isFloatTensor(operand))
        differentiable.insert(operand);
      else if (!hasFloats || !isBoolTensor(operand))
        cut.try_emplace(operand, culprit);
  }
}

bool Activity::dependsOnXs(Operation *op) const {
  return llvm::any_of(op->getOperands(), [&](Value v) { return dependents.contains(v); });
}

Operation *Activity::findCut(Value x) const { return reaches(x) ? nullptr : cut.lookup(x); }

} // namespace sinter::ir
