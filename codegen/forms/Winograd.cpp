// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/ConvolutionCosts.h"
#include "sinter/codegen/forms/WinogradPlan.h"

#include <algorithm>
#include <limits>

using namespace sinter::ir;

namespace sinter::codegen {

bool WinogradPlan::applies(const ConvolutionLayout &layout) {
  // Columns are numbered in 32 bits, and sizes in scratch are products of few of these.
  constexpr int64_t longest = int64_t{1} << 24, mostChannels = int64_t{1} << 20;
  auto isWithin = [](const DimExpr &size, int64_t first, int64_t last) {
    auto known = size.constant();
    return known && *known >= first && *known <= last;
  };
  auto isThree = [&](const ConvolutionAxis &axis) {
    return axis.taps == 3 && axis.stride == 1 && axis.dilation == 1 &&
           isWithin(axis.source, 0, longest) && isWithin(axis.result, 1, longest) &&
           isWithin(axis.sourceOffset(0), -longest, longest);
  };
  return !layout.ofWeight && layout.hasY && layout.leading.empty() && isThree(layout.y) &&
         isThree(layout.x) && layout.groups == DimExpr(1) &&
         isWithin(layout.inputs, 1, mostChannels) && isWithin(layout.outputs, 1, mostChannels);
}

WinogradPlan::WinogradPlan(const ConvolutionLayout &layout, const Schedule &schedule)
    : batch(layout.batch), schedule(schedule) {
  rows = *layout.outputs.constant();
  depth = *layout.inputs.constant();
  if (layout.x.spreads)
    std::swap(rows, depth);
  resultY = *layout.y.result.constant();
  resultX = *layout.x.result.constant();
  sourceY = *layout.y.source.constant();
  sourceX = *layout.x.source.constant();
  startY = *layout.y.sourceOffset(0).constant();
  startX = *layout.x.sourceOffset(0).constant();
  tilesY = ceilDivide(resultY, results);
  tilesX = ceilDivide(resultX, results);
}

int64_t WinogradPlan::depthPitch() const {
  // Rows do not fall into the same sets of a cache.
  return (ceilDivide(depth, schedule.lanes) | 1) * schedule.lanes;
}

int64_t WinogradPlan::tilePitch() const {
  int64_t tiles = linesPerBlock() * tilesX;
  int64_t whole = ceilDivide(tiles, schedule.tiles.nr) * schedule.tiles.nr;
  return (std::max(ceilDivide(whole, schedule.lanes), ceilDivide(tiles, schedule.lanes) + 1) | 1) *
         schedule.lanes;
}

int64_t WinogradPlan::scratchBytes() const {
  int64_t size = inputSize() + productsSize() + (elements + 2) * schedule.lanes;
  return ceilDivide(size * schedule.tiles.elementBytes, 64) * 64;
}

bool chooseWinograd(Schedule &schedule, const ConvolutionLayout &layout, const TargetInfo &target,
                    double directCost) {
  using namespace convolution;
  constexpr int64_t fewCuts = 8, manyLines = 64, manyBytes = int64_t{64} << 20;
  constexpr double inputCost = 300, resultCost = 350, weightCost = 400; // Cycles per vector.
  Schedule trial = schedule, best = schedule;
  WinogradPlan plan(layout, trial);
  const auto lanes = static_cast<double>(schedule.lanes);
  const auto images = static_cast<double>(layout.batch.constant().value_or(someImages));
  const double lines = images * static_cast<double>(plan.tilesY);
  double least = directCost * images;
  for (int64_t block = 1; block <= std::min<int64_t>(manyLines, static_cast<int64_t>(lines));
       ++block)
    for (int64_t vectors = 1; vectors <= 4; ++vectors)
      for (int64_t mr = 1; mr <= std::min<int64_t>(24, plan.rows); ++mr) {
        auto &tiles = trial.tiles;
        if (!fitRegisters(mr * vectors, vectors, target, tiles.fma))
          continue;
        tiles.mr = mr;
        tiles.nr = vectors * schedule.lanes;
        tiles.nBlock = block;
        const auto strips = static_cast<double>(ceilDivide(plan.rows, mr));
        // Channels are cut where there would be too few units.
        const auto blocks = static_cast<int64_t>((lines + static_cast<double>(block) - 1) /
                                                 static_cast<double>(block));
        const int64_t cuts = std::clamp<int64_t>(fewCuts / std::max<int64_t>(1, blocks), 1,
                                                 ceilDivide(plan.rows, mr));
        tiles.mBlock = ceilDivide(ceilDivide(plan.rows, mr), cuts) * mr;
        const double step = std::max({static_cast<double>(mr * vectors) * multiplyCycles(target),
                                      static_cast<double>(mr + 2 * vectors) / 2, stepLatency}) +
                            0.2;
        const int64_t columns = ceilDivide(block * plan.tilesX, tiles.nr);
        double cost =
            static_cast<double>(blocks * columns) * 36 * strips *
            (static_cast<double>(plan.depth) * step + 3 * static_cast<double>(mr * vectors));
        const double perLine = static_cast<double>(ceilDivide(plan.tilesX, schedule.lanes));
        cost += lines * perLine *
                (inputCost * static_cast<double>(plan.depth * plan.rowBlocks()) +
                 resultCost * static_cast<double>(plan.rows));
        cost += weightCost * static_cast<double>(plan.rows * plan.depth) / lanes;
        const int64_t bytes = plan.weightBytes();
        if (bytes > 8 * target.l2Bytes) // Written and read again from memory.
          cost += static_cast<double>(bytes) / 2;
        const int64_t scratch = plan.scratchBytes();
        if (scratch > manyBytes) // Lines that long are not worth it.
          continue;
        if (scratch > target.l2Bytes)
          cost *= 1.5;
        else if (scratch > target.l2Bytes * 3 / 4)
          cost *= 1.1;
        if (cost < least) {
          least = cost;
          best = trial;
          best.winograd = 1;
        }
      }
  schedule = best;
  return best.winograd != 0;
}

} // namespace sinter::codegen
