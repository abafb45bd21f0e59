// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/KernelPlan.h"

#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::analyzeKernel;
using sinter::passes::elementCost;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

FailureOr<KernelPlan> planKernel(FusedOp fused) {
  auto schedule = Schedule::fromAttribute(fused.getScheduleAttr());
  if (!schedule)
    return fused.emitError("has no valid schedule");
  auto answer = analyzeKernel(fused);
  if (auto *reason = std::get_if<std::string>(&answer))
    return fused.emitError("cannot be planned: ") << *reason;
  KernelPlan plan{std::move(std::get<KernelAnalysis>(answer)), *schedule, {}, {}, 0, 0, {}, 1, {}};
  if (schedule->form != plan.analysis.form)
    return fused.emitError("its schedule is for another form");
  for (Value value : bodyOf(fused).getArguments())
    plan.bytesMoved += bytesOf(value);
  for (Value value : yields(fused))
    plan.bytesMoved += bytesOf(value);
  for (Operation &op : bodyOf(fused).without_terminator()) {
    DimExpr points = elementCost(&op);
    if (isa<ElementwiseOpInterface>(op)) {
      plan.flops += points * tensorType(op.getResult(0)).getNumElements();
      continue;
    }
    Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
    for (const DimExpr &range : indexing.ranges)
      points *= range;
    plan.flops += indexing.combiner == Combiner::Contract ? points * 2 : points;
  }

  if (failed(formRules(plan.analysis.form).plan(fused, plan)))
    return failure();
  return plan;
}

bool mayShareBuffer(FusedOp fused, const KernelAnalysis &analysis, unsigned input,
                    unsigned output) {
  return formRules(analysis.form)
      .mayShareBuffer(analysis, bodyOf(fused).getArgument(input), yields(fused)[output]);
}

} // namespace sinter::codegen
