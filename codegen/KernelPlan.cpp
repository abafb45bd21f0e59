// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/KernelPlan.h"

#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/Grids.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::elementCost;

namespace sinter::codegen {

/// The rules that a schedule follows: only one for a GPU has threads.
static const FormRules *rulesOf(const Schedule &schedule) {
  return schedule.threads > 0 ? gpuFormRules(schedule.form) : &formRules(schedule.form);
}

/// A GPU's kernels hand packs of results on in many ways: a launch of its own looks at them.
static LaunchSize checkLaunch(FusedOp fused) {
  constexpr int64_t threads = 256, perBlock = 4096;
  DimExpr most = 0;
  for (Value value : yields(fused))
    most = max(most, tensorType(value).getNumElements());
  return {most, 1, gridFor(most, threads, perBlock)};
}

FailureOr<KernelPlan> planKernel(FusedOp fused, passes::KernelAnalysis analysis) {
  auto schedule = Schedule::fromAttribute(fused.getScheduleAttr());
  if (!schedule)
    return fused.emitError("has no valid schedule");
  KernelPlan plan{std::move(analysis), *schedule, {}, {}, 0, 0, {}, 1, 0, {}};
  if (schedule->form != plan.analysis.form)
    return fused.emitError("its schedule is for another form");
  for (Value value : bodyOf(fused).getArguments())
    plan.bytesMoved += bytesOf(value);
  for (Value value : yields(fused))
    plan.bytesMoved += bytesOf(value);
  llvm::MapVector<Type, int64_t> elements; ///< Flops per element of results of a type.
  for (Operation &op : bodyOf(fused).without_terminator()) {
    const int64_t cost = elementCost(&op);
    if (isa<ElementwiseOpInterface>(op)) {
      elements[op.getResult(0).getType()] += cost;
      continue;
    }
    DimExpr points = cost;
    Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
    for (const DimExpr &range : indexing.ranges)
      points *= range;
    plan.flops += indexing.combiner == Combiner::Contract ? points * 2 : points;
  }
  for (auto [type, cost] : elements)
    plan.flops += cast<ir::TensorType>(type).getNumElements() * cost;

  const FormRules *rules = rulesOf(*schedule);
  if (!rules)
    return fused.emitError("its schedule is for a GPU, which has no kernel of this form");
  if (failed(rules->plan(fused, plan)))
    return failure();
  if (checksStores(fused) && schedule->threads > 0)
    plan.stages.push_back(checkLaunch(fused));
  return plan;
}

/// Whether what makes an element is read where it is written, by nothing but that element: of a
/// region that stops at a bad one, what made it is then still there.
static bool keepsWhatMade(const KernelPlan &plan, Value result) {
  if (plan.analysis.form == passes::KernelForm::Row)
    return plan.analysis.roles.lookup(result) == passes::Role::Column;
  return plan.analysis.form != passes::KernelForm::Cumulative;
}

bool mayShareBuffer(FusedOp fused, const KernelPlan &plan, unsigned input, unsigned output) {
  if (checksStores(fused) && !keepsWhatMade(plan, yields(fused)[output]))
    return false;
  return rulesOf(plan.schedule)
      ->mayShareBuffer(plan.analysis, bodyOf(fused).getArgument(input), yields(fused)[output]);
}

} // namespace sinter::codegen
