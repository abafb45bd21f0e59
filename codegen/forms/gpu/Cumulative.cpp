// SPDX-License-Identifier: Apache-2.0
// Running reductions on a GPU. Along the innermost dim lanes or a block share a row and go along it
// a tile at a time; along another dim a thread takes a column. Where rows or columns are few and
// long they are cut into chunks, whose totals an earlier launch finds.
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/Grids.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

constexpr int64_t blockThreads = 256;

bool alongInner(const KernelAnalysis &analysis) {
  return analysis.axes.front() == analysis.domain.rank() - 1;
}

LogicalResult chooseGpuCumulative(const ScheduledRegion &region, Schedule &schedule) {
  const KernelAnalysis &analysis = region.analysis;
  const DimExpr &axis = analysis.domain[analysis.axes.front()];
  const auto length = axis.constant(), lines = analysis.keptShape().numElements().constant();
  schedule.threads = blockThreads;
  schedule.rowThreads = 1;
  constexpr int64_t unknownLines = 1 << 20, atOnce = 1 << 17, mostChunks = 256;
  const bool canCut = analysis.anchors.size() == 1;
  if (!alongInner(analysis)) {
    constexpr int64_t shortest = 64;
    schedule.lanes = 4; // Steps that are read ahead.
    const int64_t wanted =
        std::min(mostChunks, atOnce / std::max<int64_t>(1, lines.value_or(unknownLines)));
    if (canCut && wanted > 1 && length.value_or(0) >= 2 * shortest)
      schedule.block = roundUp(std::max(shortest, ceilDivide(*length, wanted)), schedule.lanes);
    return success();
  }
  int64_t widest = 4;
  auto look = [&](Value value) {
    widest = std::max(widest, byteSize(tensorType(value).getDType()));
  };
  llvm::for_each(bodyOf(region.fused).getArguments(), look);
  llvm::for_each(yields(region.fused), look);
  for (schedule.lanes = 32 / widest; schedule.lanes > 1; schedule.lanes /= 2)
    if (axis.dividedExactlyBy(DimExpr(schedule.lanes)))
      break;
  constexpr int64_t warp = 32, tilesOfWarp = 4, longRow = 1 << 14, leastChunk = 1 << 12,
                    fewLines = 264;
  const int64_t tile = schedule.lanes * blockThreads;
  schedule.rowThreads = blockThreads;
  if (length && *length <= schedule.lanes * warp * tilesOfWarp)
    schedule.rowThreads =
        std::min<int64_t>(warp, llvm::PowerOf2Ceil(static_cast<uint64_t>(
                                    std::max<int64_t>(1, ceilDivide(*length, schedule.lanes)))));
  else if (canCut && lines.value_or(unknownLines) < fewLines &&
           length.value_or(longRow) >= longRow) {
    const int64_t chunks =
        std::clamp<int64_t>(2 * fewLines / std::max<int64_t>(1, *lines), 1, mostChunks);
    schedule.block =
        roundUp(std::max(leastChunk, ceilDivide(length.value_or(longRow), chunks)), tile);
  }
  return success();
}

LogicalResult planGpuCumulative(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Schedule &schedule = plan.schedule;
  const bool alongRow = alongInner(analysis), isCut = schedule.block > 0;
  if (schedule.rowThreads < 1 || (isCut && analysis.anchors.size() != 1))
    return fused.emitError("its schedule does not fit it");
  DimExpr units = analysis.keptShape().numElements();
  if (isCut)
    units *= ceilDiv(analysis.domain[analysis.axes.front()], schedule.block);
  const int64_t perBlock = alongRow ? schedule.threads / schedule.rowThreads : schedule.threads;
  const LaunchSize launch{units, 1, gridFor(units, schedule.threads, perBlock)};
  plan.stages.push_back(launch);
  if (!isCut)
    return success();
  plan.stages.push_back(launch); // The totals of chunks, then what runs on from them.
  plan.workspaces.push_back(
      alignedBytes(units * registerBytes(analysis.anchors.front()->getResult(0))));
  return success();
}

} // namespace

const FormRules gpuCumulativeRules = {chooseGpuCumulative, planGpuCumulative,
                                      cumulativeRules.mayShareBuffer};

} // namespace sinter::codegen
