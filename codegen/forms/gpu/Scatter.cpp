// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/ScatterStages.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

ScatterStages::ScatterStages(Operation *scatter) : layout(scatterLayout(scatter)) {
  constexpr int64_t fewUpdates = 32, someUpdates = 1024, manyThreads = 1 << 15;
  bool together = layout.sameForAllColumns;
  width = together ? layout.columns : DimExpr(1);
  items = layout.outerCount * layout.updates;
  keys = layout.outerCount * layout.places;
  if (!together) {
    items *= layout.columns;
    keys *= layout.columns;
  } else if (auto columns = layout.columns.constant(); !columns || *columns == 0) {
    // Without columns there are no items: nothing is looked up.
    items *= least(layout.columns, DimExpr(1));
  }
  auto known = layout.updates.constant(),
       parallel = (layout.outerCount * layout.columns).constant();
  bool scans = (known && *known <= fewUpdates) ||
               (known && *known <= someUpdates && parallel && *parallel >= manyThreads);
  // Items and keys are 32 bits wide.
  bool fits = items.constant().value_or(0) <= INT32_MAX && keys.constant().value_or(0) < INT32_MAX;
  sorted = !scans && fits && !layout.indexed.empty();
  int bits = keys.constant() ? static_cast<int>(llvm::Log2_64(
                                   static_cast<uint64_t>(std::max<int64_t>(1, *keys.constant())))) +
                                   1
                             : 31;
  numDigits = static_cast<int>(ceilDivide(bits, maxDigitBits));
  digitBits = static_cast<int>(ceilDivide(bits, numDigits));

  constexpr int64_t warp = 32, atOnce = 4;
  int64_t columns = width.constant().value_or(warp * atOnce);
  lanes = std::min(warp, static_cast<int64_t>(llvm::PowerOf2Ceil(
                             static_cast<uint64_t>(std::max<int64_t>(1, columns)))));
  columnsPerThread = std::clamp<int64_t>(ceilDivide(columns, lanes), 1, atOnce);
}

ScatterStages::Stage ScatterStages::stage(unsigned number) const {
  constexpr Step perDigit[] = {Step::Count, Step::Scan, Step::Place};
  if (number == 0)
    return {Step::Keys};
  if (number + 2 >= numStages())
    return {number + 2 == numStages() ? Step::Starts : Step::Combine};
  return {perDigit[(number - 1) % 3], static_cast<int>((number - 1) / 3)};
}

namespace {

LogicalResult chooseGpuScatter(const ScheduledRegion &, Schedule &schedule) {
  schedule.block = 1;
  schedule.threads = ScatterStages::threads;
  return success();
}

LogicalResult planGpuScatter(FusedOp fused, KernelPlan &plan) {
  if (plan.schedule.threads != ScatterStages::threads)
    return fused.emitError("its schedule has a number of threads that no scatter runs with");
  const ScatterStages way(plan.analysis.anchors.front());
  const int64_t threads = ScatterStages::threads;
  auto add = [&](const DimExpr &units, int64_t perBlock) {
    plan.stages.push_back({units, 1, gridFor(units, threads, perBlock)});
  };
  if (!way.sorted) {
    add(plan.analysis.domain.numElements(), 0);
    add(way.layout.outerCount * way.layout.columns, 0);
    return success();
  }
  constexpr int64_t wordBytes = 4;
  limitToInts(plan.analysis.anchors.front(), plan, {way.items, way.keys}, /*margin=*/1);
  DimExpr itemBytes = alignedBytes(way.items * wordBytes);
  DimExpr spaces[ScatterSpaces::Count] = {itemBytes,
                                          itemBytes,
                                          itemBytes,
                                          itemBytes,
                                          alignedBytes(way.tiles() * (way.digits() * wordBytes)),
                                          alignedBytes(DimExpr(way.digits() * wordBytes)),
                                          alignedBytes((way.keys + 1) * wordBytes)};
  plan.workspaces.append(std::begin(spaces), std::end(spaces));
  for (unsigned number = 0; number < way.numStages(); ++number)
    switch (way.stage(number).step) {
    case ScatterStages::Step::Keys:
      add(way.items, 0);
      break;
    case ScatterStages::Step::Count:
    case ScatterStages::Step::Place:
      add(way.items, ScatterStages::tile);
      break;
    case ScatterStages::Step::Scan:
      add(way.digits(), 1);
      break;
    case ScatterStages::Step::Starts:
      add(way.keys + 1, 0);
      break;
    case ScatterStages::Step::Combine:
      add(way.keys * way.columnBlocks() * way.lanes, 0);
      break;
    }
  return success();
}

} // namespace

const FormRules gpuScatterRules = {chooseGpuScatter, planGpuScatter, scatterRules.mayShareBuffer};

} // namespace sinter::codegen
