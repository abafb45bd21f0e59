// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {
namespace {

LogicalResult chooseReduce(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  const Shape &domain = analysis.domain;
  const DimExpr inner = region.inner();
  schedule.lanes = chooseLanes(fused, target, inner);
  schedule.unroll = 4;
  int64_t first = analysis.axes.front();
  DimExpr before = 1, behind = 1, reducedBehind = 1;
  for (int64_t d = 0; d < domain.rank(); ++d) {
    (d < first ? before : behind) *= d == first ? DimExpr(1) : domain[d];
    if (d > first && analysis.isReduced(d))
      reducedBehind *= domain[d];
  }
  int64_t perPoint = std::max<int64_t>(behind.constant().value_or(unknownSize), 1);
  // A partial result sums at least `fewTerms` numbers.
  constexpr int64_t fewTerms = 64, pointsPerChunk = 16384;
  int64_t terms = std::max<int64_t>(reducedBehind.constant().value_or(1), 1);
  schedule.block = std::max({ceilDivide(fewTerms, terms), pointsPerChunk / perPoint, int64_t{1}});
  if (auto size = domain[first].constant())
    schedule.block = std::max(schedule.block, (*size + 63) / 64);
  if (before.constant().value_or(1) >= 64)
    schedule.block = std::max<int64_t>(domain[first].constant().value_or(int64_t{1} << 30), 1);
  // What the first launch unrolls comes out even.
  const bool lastReduced = analysis.isReduced(domain.rank() - 1);
  if (analysis.axes.size() == 1)
    schedule.block =
        roundUp(schedule.block, lastReduced ? schedule.lanes * schedule.unroll : schedule.unroll);
  int64_t points =
      std::min(schedule.block, domain[first].constant().value_or(unknownSize)) * perPoint;
  schedule.grain = grainFor(pointsTime(fused, static_cast<double>(points), schedule.lanes));
  return success();
}

LogicalResult planReduce(FusedOp, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Shape &domain = plan.analysis.domain;
  int64_t first = analysis.axes.front();
  DimExpr chunks = ceilDiv(domain[first], std::max<int64_t>(plan.schedule.block, 1));
  DimExpr before = 1, kept = analysis.keptShape().numElements();
  for (int64_t d = 0; d < first; ++d)
    before *= domain[d];
  plan.stages.push_back({before * chunks, plan.schedule.grain});
  plan.stages.push_back({ceilDiv(kept, plan.schedule.lanes), 64});
  for (Operation *anchor : analysis.anchors) {
    plan.workspaces.push_back(alignedBytes(chunks * kept * registerBytes(anchor->getOperand(0))));
    if (cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::ArgMax)
      plan.workspaces.push_back(alignedBytes(chunks * kept * 8));
  }
  return success();
}

bool mayShareReduce(const KernelAnalysis &analysis, Value source, Value result) {
  return analysis.roles.lookup(result) == Role::Kept &&
         mayShareLater(analysis, source, result, analysis.keptShape());
}

} // namespace

const FormRules reduceRules = {chooseReduce, planReduce, mayShareReduce};

} // namespace sinter::codegen
