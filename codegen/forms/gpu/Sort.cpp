// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/SortStages.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

static int64_t elementBits(Operation *argsort) {
  return registerType(tensorType(argsort->getOperand(0)).getElementType()).getIntOrFloatBitWidth();
}

int64_t longestSharedRow(Operation *argsort) {
  constexpr int64_t sharedBytes = 32 << 10, numberBytes = 4;
  int64_t keyBytes = elementBits(argsort) > 32 ? 8 : 4;
  return static_cast<int64_t>(
      llvm::bit_floor(static_cast<uint64_t>(sharedBytes / (keyBytes + numberBytes))));
}

SortStages::SortStages(Operation *argsort, const Schedule &schedule) {
  Indexing indexing = cast<IndexedOpInterface>(argsort).getIndexing();
  Shape domain = tensorType(argsort->getResult(0)).getShape();
  axis = static_cast<int64_t>(indexing.order->axis);
  descending = indexing.order->descending;
  length = domain[axis];
  for (int64_t d = 0; d < domain.rank(); ++d)
    if (d != axis)
      rows *= domain[d];
  const int64_t bits = elementBits(argsort);
  keyBits = bits > 32 ? 64 : 32;
  if (schedule.block > 0) {
    run = schedule.block;
    shared = std::max(run, tile);
    stages.push_back({Step::Short});
    return;
  }
  int done = 0;
  auto addPart = [&](int part, int partBits) {
    stages.push_back({Step::Keys, part, done});
    const int count = std::max(1, static_cast<int>(ceilDivide(partBits, maxDigitBits)));
    const int digitBits = static_cast<int>(ceilDivide(partBits, count));
    for (int digit = 0; digit < count; ++digit, ++done)
      for (Step step : {Step::Count, Step::Scan, Step::Place})
        stages.push_back({step, part, done, digit * digitBits, int64_t{1} << digitBits});
  };
  addPart(0, static_cast<int>(std::min<int64_t>(bits, 32)));
  if (keyBits == 64)
    addPart(1, 32);
  constexpr int unknownBits = 31;
  if (auto count = rows.constant(); !count || *count > 1)
    addPart(rowPart, count ? static_cast<int>(llvm::Log2_64_Ceil(static_cast<uint64_t>(*count)))
                           : unknownBits);
  stages.push_back({Step::Write, 0, done});
}

namespace {

LogicalResult chooseGpuSort(const ScheduledRegion &region, Schedule &schedule) {
  Operation *argsort = region.analysis.anchors.front();
  schedule.threads = SortStages::threads;
  const auto length = region.analysis.domain[region.analysis.axes.front()].constant();
  if (length && *length <= longestSharedRow(argsort))
    schedule.block =
        std::max<int64_t>(2, static_cast<int64_t>(llvm::PowerOf2Ceil(
                                 static_cast<uint64_t>(std::max<int64_t>(*length, 1)))));
  return success();
}

LogicalResult planGpuSort(FusedOp fused, KernelPlan &plan) {
  Operation *argsort = plan.analysis.anchors.front();
  const SortStages way(argsort, plan.schedule);
  const int64_t threads = SortStages::threads;
  if (plan.schedule.threads != threads ||
      (way.run > 0 && (!llvm::isPowerOf2_64(static_cast<uint64_t>(way.run)) ||
                       way.run > longestSharedRow(argsort) ||
                       way.length.constant().value_or(way.run + 1) > way.run)))
    return fused.emitError("its schedule does not fit the rows");
  auto add = [&](const DimExpr &units, int64_t perBlock) {
    plan.stages.push_back({units, 1, gridFor(units, threads, perBlock)});
  };
  if (way.run > 0) {
    add(way.rows, way.rowsPerBlock());
    return success();
  }
  const DimExpr items = way.items();
  limitToInts(plan.analysis.anchors.front(), plan, items);
  constexpr int64_t wordBytes = 4;
  const DimExpr itemBytes = alignedBytes(items * wordBytes);
  const DimExpr spaces[SortSpaces::Count] = {
      itemBytes,
      itemBytes,
      itemBytes,
      itemBytes,
      alignedBytes(ceilDiv(items, SortStages::tile) * (SortStages::maxDigits * wordBytes)),
      DimExpr(SortStages::maxDigits * wordBytes)};
  plan.workspaces.append(std::begin(spaces), std::end(spaces));
  for (const SortStages::Stage &stage : way.stages)
    switch (stage.step) {
    case SortStages::Step::Count:
    case SortStages::Step::Place:
      add(items, SortStages::tile);
      break;
    case SortStages::Step::Scan:
      add(DimExpr(stage.digits), 1);
      break;
    default:
      add(items, 0);
      break;
    }
  return success();
}

} // namespace

const FormRules gpuSortRules = {chooseGpuSort, planGpuSort, sortRules.mayShareBuffer};

} // namespace sinter::codegen
