// SPDX-License-Identifier: Apache-2.0
// Rows on a GPU: a row is shared by a few lanes of a warp, a block or a cluster of blocks, so that
// what its threads hold of it fits into their registers; it is then read once. Rows of unknown or
// greater length are read again in every phase.
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/RowTile.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {
namespace {

constexpr int64_t warp = 32, blockThreads = 256, mostBlockThreads = 512, mostCluster = 8;

DimExpr rowSize(const KernelAnalysis &analysis) { return analysis.reducedShape().numElements(); }

/// Neighbours in a row that move in one access of 16 bytes, of the widest type that does.
int64_t packWidth(FusedOp fused, const KernelAnalysis &analysis) {
  int64_t widest = 2;
  auto look = [&](Value value) {
    if (tensorType(value).getShape() == analysis.domain)
      widest = std::max(widest, byteSize(tensorType(value).getDType()));
  };
  for (Value value : bodyOf(fused).getArguments())
    look(value);
  for (Value value : yields(fused))
    look(value);
  int64_t width = 16 / widest;
  while (width > 1 && !rowSize(analysis).dividedExactlyBy(DimExpr(width)))
    width /= 2; // Rows start at multiples of a pack.
  return width;
}

/// Threads, a power of two from `least` to `most`, that share a row of `packs` packs: the most of
/// them of which few have less to do than others.
int64_t sharingThreads(int64_t packs, int64_t least, int64_t most) {
  int64_t best = most, leastIdle = std::numeric_limits<int64_t>::max();
  for (int64_t threads = most; threads >= least; threads /= 2) {
    int64_t idle = threads * ceilDivide(packs, threads) - packs;
    if (8 * idle <= packs)
      return threads;
    if (idle < leastIdle) {
      leastIdle = idle;
      best = threads;
    }
  }
  return best;
}

/// Computes much for a point, or in numbers of 64 bits.
bool isHeavy(FusedOp fused) {
  constexpr int64_t muchWork = 120;
  return regionCost(fused) > muchWork ||
         llvm::any_of(bodyOf(fused).without_terminator(), [](Operation &op) {
           return llvm::any_of(op.getResults(), [](Value value) {
             return tensorType(value).getElementType().isF64();
           });
         });
}

LogicalResult chooseGpuRow(const ScheduledRegion &region, Schedule &schedule) {
  const KernelAnalysis &analysis = region.analysis;
  constexpr int64_t mostParts = 16; // Written out by the compiler.
  // Where much is computed its own values need registers, and slow paths are calls that save them.
  const int64_t share = isHeavy(region.fused) ? 2 : 1;
  const int64_t heldRegisters = 48 / share, wantedRegisters = 32 / share,
                easyRegisters = 24 / share;
  schedule.block = 1;
  schedule.lanes = packWidth(region.fused, analysis);
  const int64_t perElement = rowValues(region.fused, analysis).registers, width = schedule.lanes;
  auto parts = [&](int64_t registers) {
    return std::clamp<int64_t>(registers / (perElement * width), 1, mostParts);
  };
  const bool hasClusters = region.target.arch.size() > 3 && std::atoi(&region.target.arch[3]) >= 90;
  schedule.hold = 1;
  if (auto length = rowSize(analysis).constant(); length && perElement * width <= 64) {
    const int64_t packs = std::max<int64_t>(1, ceilDivide(*length, width));
    auto sharing = [&](int64_t registers) {
      return static_cast<int64_t>(
          llvm::PowerOf2Ceil(static_cast<uint64_t>(ceilDivide(packs, parts(registers)))));
    };
    const int64_t least = sharing(heldRegisters), wanted = sharing(wantedRegisters),
                  easy = sharing(easyRegisters);
    int64_t threads = 0;
    if (easy <= warp) // Short rows need no barrier.
      threads = sharingThreads(packs, std::min(least, easy), warp);
    else if (wanted <= mostBlockThreads)
      threads = sharingThreads(packs, std::max(2 * warp, least),
                               std::clamp(easy, 2 * warp, mostBlockThreads));
    else if (hasClusters && wanted <= mostBlockThreads * mostCluster)
      threads = wanted;
    if (threads > 0) {
      schedule.rowThreads = threads;
      schedule.cluster = std::max<int64_t>(1, threads / mostBlockThreads);
      schedule.threads = threads <= warp ? blockThreads : threads / schedule.cluster;
      schedule.unroll = ceilDivide(packs, threads);
      return success();
    }
  }
  schedule.hold = 0;
  schedule.unroll = std::min<int64_t>(4, parts(wantedRegisters));
  schedule.rowThreads = schedule.threads = blockThreads;
  // A few long rows, a block each, would leave most of the processors idle.
  constexpr int64_t manyRows = 264;
  const auto length = rowSize(analysis).constant();
  const auto rows = analysis.keptShape().numElements().constant();
  if (hasClusters && length && *length >= mostBlockThreads * mostCluster && rows &&
      *rows < manyRows) {
    schedule.threads = mostBlockThreads;
    schedule.cluster = mostCluster;
    schedule.rowThreads = mostBlockThreads * mostCluster;
  }
  return success();
}

} // namespace

Schedule scheduleRowsBehind(FusedOp fused, const KernelAnalysis &rows, int64_t threads) {
  constexpr int64_t mostElements = 16, fewLanes = 4; // Of a lane, in registers; of a row.
  Schedule schedule;
  schedule.form = passes::KernelForm::Row;
  schedule.threads = threads;
  schedule.block = 1;
  schedule.hold = 1;
  schedule.lanes = packWidth(fused, rows);
  const int64_t packs = ceilDivide(*rowSize(rows).constant(), schedule.lanes);
  auto powerOf2 = [](int64_t count) {
    return static_cast<int64_t>(llvm::PowerOf2Ceil(static_cast<uint64_t>(count)));
  };
  const int64_t least = std::max(powerOf2(ceilDivide(packs, mostElements / schedule.lanes)),
                                 std::min(powerOf2(packs), fewLanes));
  schedule.rowThreads = sharingThreads(packs, least, warp);
  schedule.unroll = ceilDivide(packs, schedule.rowThreads);
  return schedule;
}

namespace {

LogicalResult planGpuRow(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Schedule &schedule = plan.schedule;
  if (schedule.rowThreads < 1 || !llvm::isPowerOf2_64(static_cast<uint64_t>(schedule.rowThreads)))
    return fused.emitError("its schedule has no threads that share a row");
  DimExpr rows = analysis.keptShape().numElements(), row = rowSize(analysis);
  if (!analysis.columns.empty())
    plan.rowsPerUnit = gpuRowsPerUnit(analysis, schedule);
  DimExpr units = ceilDiv(rows, plan.rowsPerUnit);
  plan.columnUnits = units;
  int64_t perBlock = std::max<int64_t>(1, schedule.threads / schedule.rowThreads);
  Grid grid = gridFor(units, schedule.threads, perBlock);
  if (schedule.cluster > 1) {
    grid = gridFor(units, schedule.threads * schedule.cluster > 1024 ? 1024 : 512, 1);
    grid.threads = schedule.threads;
    grid.blocks *= schedule.cluster;
    grid.cluster = schedule.cluster;
  }
  plan.stages.push_back({units, 1, grid});
  if (schedule.hold > 0)
    plan.cached = chooseCached(fused, analysis);
  if (analysis.columns.empty())
    return success();
  constexpr int64_t columnsPerBlock = 32, columnThreads = 256;
  plan.stages.push_back({row, 1, gridFor(row, columnThreads, columnsPerBlock)});
  for (Operation *column : analysis.columns)
    plan.workspaces.push_back(alignedBytes(units * row * registerBytes(column->getOperand(0))));
  return success();
}

} // namespace

const FormRules gpuRowRules = {chooseGpuRow, planGpuRow, mayShareRowAtPoint};

} // namespace sinter::codegen
