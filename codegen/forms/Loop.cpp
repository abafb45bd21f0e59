// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseLoop(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const TargetInfo &target = region.target;
  const Shape &domain = region.analysis.domain;
  const DimExpr inner = region.inner();
  const int64_t cost = regionCost(fused);
  schedule.lanes = chooseLanes(fused, target, inner);
  schedule.unroll = limitUnroll(cost <= 8 ? 4 : cost <= 24 ? 2 : 1, inner, schedule.lanes);
  schedule.block = std::min<int64_t>(
      4096, roundUp(std::max<int64_t>(inner.constant().value_or(4096), 1), schedule.lanes));
  double points =
      static_cast<double>(std::min(schedule.block, inner.constant().value_or(unknownSize)));
  schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
  schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes);
  return success();
}

LogicalResult planLoop(FusedOp, KernelPlan &plan) {
  const Shape &domain = plan.analysis.domain;
  DimExpr extent = 1;
  for (int64_t d = 0; d < domain.rank(); ++d)
    extent *= d + 1 == domain.rank() ? ceilDiv(domain[d], std::max<int64_t>(plan.schedule.block, 1))
                                     : domain[d];
  plan.stages.push_back({extent, plan.schedule.grain});
  return success();
}

bool mayShareLoop(const KernelAnalysis &analysis, Value source, Value result) {
  return mayShareElements(analysis, source, result, AnchorRead::Conflict);
}

} // namespace

const FormRules loopRules = {chooseLoop, planLoop, mayShareLoop};

} // namespace sinter::codegen
