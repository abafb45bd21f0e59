// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/PackChoice.h"
#include "sinter/codegen/forms/gpu/ReduceLayout.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {
namespace {

constexpr int64_t indexBytes = 8; ///< Of what argmax keeps besides the value.

int64_t stateBytes(Operation *anchor) {
  bool isIndexed = cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::ArgMax;
  return registerBytes(anchor->getOperand(0)) + (isIndexed ? indexBytes : 0);
}

LogicalResult chooseGpuReduce(const ScheduledRegion &region, Schedule &schedule) {
  const KernelAnalysis &analysis = region.analysis;
  int64_t states = 0;
  for (Operation *anchor : analysis.anchors)
    states += stateBytes(anchor);
  schedule.block = 1;
  schedule.threads = 256;
  PackChoice choice = PackChoice::of(region.fused, analysis, reducePackWidth(analysis, 8));
  constexpr int64_t mostShared = 32 << 10;
  schedule.lanes = choice.lanes;
  schedule.unroll = choice.unroll;
  while (schedule.lanes > 1 && schedule.lanes * schedule.threads * states > mostShared)
    schedule.lanes /= 2;
  return success();
}

LogicalResult planGpuReduce(FusedOp, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Schedule &schedule = plan.schedule;
  ReduceLayout layout = ReduceLayout::of(analysis, schedule);
  const DimExpr blocks = (layout.columns ? layout.columnTiles : layout.kept) * layout.chunks;
  plan.stages.push_back({blocks, 1, gridFor(blocks, schedule.threads, /*perBlock=*/1)});
  if (layout.chunks.constant() == 1)
    return success();
  DimExpr combining = layout.kept;
  if (layout.columns)
    combining = ceilDiv(layout.kept, ReduceLayout::combineAcross(layout.kept));
  LaunchSize second{combining, 1, gridFor(combining, schedule.threads, /*perBlock=*/1)};
  // One chunk was all: nothing is left to do.
  const DimExpr isSplit = layout.chunks - max(layout.chunks - 1, 1);
  second.grid.blocks = second.grid.blocks * isSplit;
  plan.stages.push_back(second);
  for (Operation *anchor : analysis.anchors) {
    plan.workspaces.push_back(
        alignedBytes(layout.chunks * layout.kept * registerBytes(anchor->getOperand(0))));
    if (cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::ArgMax)
      plan.workspaces.push_back(alignedBytes(layout.chunks * layout.kept * indexBytes));
  }
  return success();
}

/// Blocks write results while others still read: only what no reduction takes in, and is read where
/// it is written, may be overwritten.
bool mayShareGpuReduce(const KernelAnalysis &analysis, Value source, Value result) {
  if (!reduceRules.mayShareBuffer(analysis, source, result))
    return false;
  llvm::SmallVector<Value> work{source};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (isa<YieldOp>(user))
        continue;
      if (!isa<ElementwiseOpInterface>(user))
        return false;
      llvm::append_range(work, user->getResults());
    }
  }
  return true;
}

} // namespace

const FormRules gpuReduceRules = {chooseGpuReduce, planGpuReduce, mayShareGpuReduce};

} // namespace sinter::codegen
