// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/LoopTile.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {
namespace {

constexpr int64_t accessBytes = 16; ///< Of the widest access of a thread.

int64_t storedBytes(Value tensor) { return byteSize(tensorType(tensor).getDType()); }

/// A thread computes packs of `lanes` neighbours, `unroll` of them at once; or a block a tile of
/// `block` by `block`.
LogicalResult chooseGpuLoop(const ScheduledRegion &region, Schedule &schedule) {
  const DimExpr elements = region.analysis.domain.numElements();
  int64_t widest = 1, narrowest = 8, inputs = 0;
  for (Value value : bodyOf(region.fused).getArguments())
    if (tensorType(value).getShape() == region.analysis.domain) {
      widest = std::max(widest, storedBytes(value));
      narrowest = std::min(narrowest, storedBytes(value));
      ++inputs;
    }
  for (Value value : yields(region.fused)) {
    widest = std::max(widest, storedBytes(value));
    narrowest = std::min(narrowest, storedBytes(value));
  }
  schedule.block = 1;
  schedule.threads = 256;
  if (LoopTile::find(region.fused, region.analysis)) {
    schedule.block = LoopTile::size;
    return success();
  }
  // The widest elements fill an access; the narrowest at least a word.
  schedule.lanes = std::max(accessBytes / widest, 4 / narrowest);
  constexpr int64_t mostCost = 512; // Flops of a thread's elements, which are all written out.
  const int64_t cost = regionCost(region.fused);
  while (schedule.lanes > 1 && schedule.lanes * cost > mostCost)
    schedule.lanes /= 2;
  // Several loads are under way at once where inputs are few.
  constexpr int64_t inFlight = 64; // Bytes of a thread.
  while (inputs > 0 && schedule.unroll < 4 && cost * schedule.lanes * schedule.unroll * 2 <= mostCost &&
         schedule.unroll * 2 * inputs * schedule.lanes * widest <= inFlight)
    schedule.unroll *= 2;
  // Small domains had better be spread over the machine.
  constexpr int64_t fullMachine = 1 << 17, handful = 1 << 14;
  const int64_t known = elements.constant().value_or(int64_t{1} << 30);
  if (known < handful)
    schedule.lanes = 1;
  if (known < fullMachine * schedule.lanes * schedule.unroll)
    schedule.unroll = 1;
  return success();
}

LogicalResult planGpuLoop(FusedOp fused, KernelPlan &plan) {
  const Schedule &schedule = plan.schedule;
  if (schedule.block > 1) {
    auto tile = LoopTile::find(fused, plan.analysis);
    if (!tile)
      return fused.emitError("its schedule has tiles, which nothing goes through");
    DimExpr tiles = 1;
    for (const DimExpr &size : tile->units(plan.analysis.domain))
      tiles *= size;
    plan.stages.push_back({tiles, 1, gridFor(tiles, schedule.threads, /*perBlock=*/1)});
    return success();
  }
  Packs packs = Packs::of(plan.analysis.domain.numElements(), schedule.lanes);
  plan.stages.push_back(
      {packs.units, 1, gridFor(packs.units, schedule.threads, schedule.threads * schedule.unroll)});
  return success();
}

} // namespace

const FormRules gpuLoopRules = {chooseGpuLoop, planGpuLoop, loopRules.mayShareBuffer};

} // namespace sinter::codegen
