// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/RowValues.h"

#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {

llvm::SmallVector<Value> computedInPhase(FusedOp fused, const KernelAnalysis &analysis,
                                         unsigned phase) {
  llvm::SmallVector<Value> values;
  if (phase < analysis.numPhases) {
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase)
        values.push_back(anchor->getOperand(0));
    return values;
  }
  for (Value value : yields(fused))
    if (auto role = analysis.roles.find(value);
        role != analysis.roles.end() && role->second == Role::Full)
      values.push_back(value);
  for (Operation *column : analysis.columns)
    values.push_back(column->getOperand(0));
  return values;
}

namespace {

/// Calls met(value) for everything that `roots` are computed from, down to inputs and to what
/// isGiven() holds for.
void walkBack(llvm::SmallVector<Value> work, const KernelAnalysis &analysis,
              llvm::function_ref<bool(Value)> isGiven, llvm::function_ref<void(Value)> met) {
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    auto role = analysis.roles.find(value);
    bool isKept = role != analysis.roles.end() && role->second == Role::Kept;
    if (!seen.insert(value).second || isKept)
      continue;
    met(value);
    Operation *op = value.getDefiningOp();
    if (op && op != analysis.source && !isGiven(value))
      llvm::append_range(work, op->getOperands());
  }
}

} // namespace

llvm::SmallVector<BlockArgument> readInPhase(FusedOp fused, const KernelAnalysis &analysis,
                                             unsigned phase, llvm::ArrayRef<Value> given) {
  auto isGiven = [&](Value value) {
    return llvm::is_contained(given, value) && analysis.ready.lookup(value) < phase;
  };
  llvm::SmallVector<Value> roots = computedInPhase(fused, analysis, phase);
  for (Value value : given)
    if (analysis.ready.lookup(value) == phase)
      roots.push_back(value);
  llvm::SmallVector<BlockArgument> inputs;
  walkBack(roots, analysis, isGiven, [&](Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      inputs.push_back(argument);
  });
  llvm::sort(inputs,
             [](BlockArgument a, BlockArgument b) { return a.getArgNumber() < b.getArgNumber(); });
  return inputs;
}

RowValues rowValues(FusedOp fused, const KernelAnalysis &analysis) {
  RowValues values;
  values.cached = chooseCached(fused, analysis);
  struct Uses {
    unsigned first, last;
  };
  llvm::MapVector<Value, Uses> uses;
  auto use = [&](Value value, unsigned phase) {
    auto [entry, isNew] = uses.insert({value, Uses{phase, phase}});
    entry->second.last = phase;
  };
  for (unsigned phase = 0; phase <= analysis.numPhases; ++phase) {
    auto isGiven = [&](Value value) {
      return llvm::is_contained(values.cached, value) && analysis.ready.lookup(value) < phase;
    };
    llvm::SmallVector<Value> roots = computedInPhase(fused, analysis, phase);
    for (Value value : values.cached)
      if (analysis.ready.lookup(value) == phase)
        roots.push_back(value);
    walkBack(roots, analysis, isGiven, [&](Value value) {
      bool isInput = isa<BlockArgument>(value) && tensorType(value).getShape() == analysis.domain;
      if (isInput || llvm::is_contained(values.cached, value))
        use(value, phase);
    });
  }
  int64_t sums = 0;
  for (Operation *column : analysis.columns)
    sums += std::max<int64_t>(1, registerBytes(column->getOperand(0)) / 4);
  for (unsigned boundary = 1; boundary <= analysis.numPhases; ++boundary) {
    int64_t alive = sums;
    for (auto &[value, when] : uses)
      if (when.first < boundary && when.last >= boundary)
        alive += std::max<int64_t>(1, registerBytes(value) / 4);
    values.registers = std::max(values.registers, alive);
  }
  for (auto &[value, when] : uses)
    if (auto argument = dyn_cast<BlockArgument>(value); argument && when.first < when.last)
      values.held.push_back(argument);
  return values;
}

int64_t gpuRowsPerUnit(const KernelAnalysis &analysis, const Schedule &schedule) {
  // Partial results of few units are little beside the rows; too few leave processors idle.
  constexpr int64_t fewest = 4, unknown = 32, threadsAtOnce = 1 << 17, fewestUnits = 128;
  auto rows = analysis.keptShape().numElements().constant();
  int64_t units = std::max(fewestUnits, threadsAtOnce / std::max<int64_t>(1, schedule.rowThreads));
  return rows ? std::max(fewest, ceilDivide(*rows, units)) : unknown;
}

} // namespace sinter::codegen
