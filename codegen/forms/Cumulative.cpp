// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseCumulative(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  const Shape &domain = analysis.domain;
  const DimExpr inner = region.inner();
  constexpr int64_t blockColumns = 2048; // Shorter ones leave a page before prefetching pays.
  schedule.lanes = chooseLanes(fused, target, inner);
  // A long row in chunks is read twice: for their totals, then for what runs on from those.
  constexpr int64_t longRow = 1 << 18, chunk = 1 << 15, maxChunks = 64;
  bool alongInner = analysis.axes.front() == domain.rank() - 1;
  int64_t length = domain[analysis.axes.front()].constant().value_or(unknownSize);
  double points = static_cast<double>(length);
  if (!alongInner) {
    schedule.block =
        std::max<int64_t>(1, std::min(blockColumns, inner.constant().value_or(blockColumns)));
    points *= static_cast<double>(schedule.block);
  } else if (analysis.hasFewLongRows() && length >= longRow && analysis.anchors.size() == 1) {
    schedule.block = std::max(chunk, roundUp((length + maxChunks - 1) / maxChunks, chunk));
    points = static_cast<double>(schedule.block);
  }
  schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
  schedule.streamStores = shouldStream(fused, target, inner, domain, schedule.lanes) &&
                          inner.constant().value_or(1) % schedule.lanes == 0;
  return success();
}

LogicalResult planCumulative(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Shape &domain = plan.analysis.domain;
  int64_t last = domain.rank() - 1, block = plan.schedule.block;
  bool alongInner = analysis.isReduced(last);
  if (!alongInner && block == 0)
    return fused.emitError("its schedule has no block");
  DimExpr extent = 1;
  for (int64_t d = 0; d < last; ++d)
    extent *= analysis.isReduced(d) ? DimExpr(1) : domain[d];
  if (block > 0)
    extent *= ceilDiv(domain[last], block);
  plan.stages.push_back({extent, plan.schedule.grain});
  if (alongInner && block > 0) // The totals of chunks, then what runs on from them.
    plan.stages.push_back({extent, plan.schedule.grain});
  for (Operation *anchor : analysis.anchors) {
    int64_t width = registerBytes(anchor->getResult(0));
    if (!alongInner)
      plan.workspaces.push_back(alignedBytes(DimExpr(block * width)) *
                                DimExpr::symbol(workersSymbol));
    else if (block > 0)
      plan.workspaces.push_back(alignedBytes(extent * width));
  }
  return success();
}

bool mayShareCumulative(const KernelAnalysis &analysis, Value source, Value result) {
  // What has come before is in the state, not in the input.
  return mayShareElements(analysis, source, result, AnchorRead::Followed);
}

} // namespace

const FormRules cumulativeRules = {chooseCumulative, planCumulative, mayShareCumulative};

} // namespace sinter::codegen
