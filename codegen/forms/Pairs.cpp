// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult choosePairs(const ScheduledRegion &region, Schedule &schedule) {
  const KernelAnalysis &analysis = region.analysis;
  Shape kept = analysis.keptShape();
  const DimExpr &last = kept[kept.rank() - 1];
  schedule.lanes = chooseLanes(region.fused, region.target, last);
  schedule.block = schedule.lanes;
  double points = static_cast<double>(schedule.lanes);
  for (int64_t axis : analysis.axes)
    points *= static_cast<double>(analysis.domain[axis].constant().value_or(unknownSize));
  schedule.grain = grainFor(pointsTime(region.fused, points, schedule.lanes));
  return success();
}

LogicalResult planPairs(FusedOp fused, KernelPlan &plan) {
  if (plan.schedule.block <= 0)
    return fused.emitError("its schedule has no block");
  Shape kept = plan.analysis.keptShape();
  DimExpr extent = ceilDiv(kept[kept.rank() - 1], plan.schedule.block);
  for (int64_t d = 0; d + 1 < kept.rank(); ++d)
    extent *= kept[d];
  plan.stages.push_back({extent, plan.schedule.grain});
  return success();
}

/// Every unit reads what other units write.
bool mayShareNothing(const KernelAnalysis &, Value, Value) { return false; }

} // namespace

const FormRules pairsRules = {choosePairs, planPairs, mayShareNothing};

} // namespace sinter::codegen
