// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/LoopTile.h"
#include "sinter/codegen/forms/gpu/PackChoice.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {
namespace {

/// A thread computes packs of `lanes` neighbours, `unroll` of them at once; or a block a tile of
/// `block` by `block`.
LogicalResult chooseGpuLoop(const ScheduledRegion &region, Schedule &schedule) {
  schedule.block = 1;
  schedule.threads = 256;
  if (LoopTile::find(region.fused, region.analysis)) {
    schedule.block = LoopTile::size;
    return success();
  }
  PackChoice choice = PackChoice::of(region.fused, region.analysis, /*most=*/16);
  schedule.lanes = choice.lanes;
  schedule.unroll = choice.unroll;
  // Small domains had better be spread over the machine.
  constexpr int64_t fullMachine = 1 << 17, handful = 1 << 14;
  const int64_t known = region.analysis.domain.numElements().constant().value_or(int64_t{1} << 30);
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
