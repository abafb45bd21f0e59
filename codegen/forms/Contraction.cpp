// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseContraction(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  auto dot = cast<DotGeneralOp>(analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return dot.emitError("its dims cannot be flattened");
  auto shape = tileShape(*layout, fused, dot);
  schedule.tiles = cpu::chooseTiles(target, shape);
  schedule.lanes = schedule.tiles.lanes;
  schedule.grain =
      std::max<int64_t>(1, cpu::contractionGrain(schedule.tiles, shape).constant().value_or(1));
  return success();
}

LogicalResult planContraction(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  auto dot = cast<DotGeneralOp>(analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return fused.emitError("the dims of its contraction cannot be flattened");
  auto shape = tileShape(*layout, fused, dot);
  DimExpr grain = cpu::contractionGrain(plan.schedule.tiles, shape);
  if (grain.isConstant()) // Then the schedule holds it, perhaps changed.
    grain = plan.schedule.grain;
  plan.stages.push_back(
      {cpu::contractionExtent(plan.schedule.tiles, layout->batch, layout->m, layout->n), grain});
  plan.workspaces.push_back(DimExpr(cpu::contractionScratchBytes(plan.schedule.tiles)) *
                            DimExpr::symbol(workersSymbol));
  return success();
}

bool mayShareContraction(const KernelAnalysis &analysis, Value source, Value result) {
  return mayShareElements(analysis, source, result, AnchorRead::Conflict);
}

} // namespace

const FormRules contractionRules = {chooseContraction, planContraction, mayShareContraction};

} // namespace sinter::codegen
