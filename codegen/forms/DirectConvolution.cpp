// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/DirectConvolution.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/passes/OpFacts.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

constexpr int64_t mostVectors = 12;   // Of a group of rows; each is code of its own.
constexpr int64_t mostTaps = 25;      // Of a depthwise window: so are they.
constexpr int64_t mostCode = 1024;    // Multiply-adds of all groups at borders.
constexpr int64_t mostEpilogue = 16;  // Costs of what follows, which is emitted once per register.
constexpr int64_t longest = 1 << 20;  // Of an axis.
constexpr double chunkCycles = 3000;  // Less is not worth handing to a thread...
constexpr double sharedCycles = 4000; // ...nor is it where this is all there is.
constexpr int64_t mostChunks = 16;

/// Whether ops beside the convolution take one element per position, wherever it is.
bool treatsPositionsAlike(ConvolutionOp op) {
  int64_t cost = 0;
  for (Operation &other : op->getBlock()->without_terminator()) {
    if (&other == op)
      continue;
    if (auto broadcast = dyn_cast<BroadcastOp>(other)) {
      for (auto [i, dim] : llvm::enumerate(broadcast.getDimensions()))
        if (dim >= 2 && tensorType(broadcast.getX()).getDim(static_cast<int64_t>(i)) != DimExpr(1))
          return false;
    } else if (!isa<ElementwiseOpInterface>(other)) {
      return false;
    }
    cost += passes::elementCost(&other);
  }
  for (Value value : op->getBlock()->getTerminator()->getOperands())
    if (tensorType(value).getShape() != op.getType().getShape())
      return false;
  return cost <= mostEpilogue;
}

/// A grain that makes `chunks` even ones, as far as work is enough for them.
int64_t grainOf(double cycles, double units) {
  double chunks = 1;
  if (cycles >= sharedCycles)
    chunks = std::clamp(cycles / chunkCycles, 2.0, static_cast<double>(mostChunks));
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(units / chunks)));
}

} // namespace

std::optional<DirectPlan> DirectPlan::of(const ConvolutionLayout &layout, int64_t lanes) {
  ConvolutionOp op = layout.op;
  const DType dtype = op.getType().getDType();
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  if (layout.ofWeight || x.spreads || !layout.leading.empty() ||
      (dtype != DType::F32 && dtype != DType::F64) || !isa<BlockArgument>(op.getLhs()) ||
      tensorType(op.getLhs()).getDType() != dtype || !isa<BlockArgument>(op.getRhs()) ||
      tensorType(op.getRhs()).getDType() != dtype)
    return std::nullopt;
  DirectPlan plan;
  plan.batch = layout.batch;
  plan.lanes = lanes;
  bool isKnown = true;
  auto known = [&](const DimExpr &size, int64_t least) {
    auto value = size.constant();
    isKnown &= value && *value >= least && *value <= longest;
    return isKnown ? *value : 0;
  };
  plan.groups = known(layout.groups, 1);
  plan.inputs = known(layout.inputs, 1);
  plan.outputs = known(layout.outputs, 1);
  plan.height = known(y.result, 1);
  plan.width = known(x.result, 1);
  plan.sourceHeight = known(y.source, 1);
  plan.sourceWidth = known(x.source, 1);
  plan.lowY = known(y.low, 0);
  plan.lowX = known(x.low, 0);
  plan.tapsY = y.taps, plan.tapsX = x.taps;
  plan.strideY = y.stride, plan.strideX = x.stride;
  plan.dilationY = y.dilation, plan.dilationX = x.dilation;
  if (!isKnown ||
      std::max({y.taps, x.taps, y.stride, x.stride, y.dilation, x.dilation}) > longest ||
      !treatsPositionsAlike(op))
    return std::nullopt;
  // A broadcast reads along an axis of size 1 as along any other.
  if (plan.width == 1 && plan.height > 1)
    return std::nullopt;
  plan.pointwise = layout.taps() == 1;
  if (!plan.pointwise) {
    const bool fits = plan.inputs == 1 && layout.taps() <= mostTaps && x.stride <= 2 &&
                      plan.rowsTogether() > 0 && plan.codeSize() <= mostCode;
    return fits ? std::optional(plan) : std::nullopt;
  }
  if (y.stride != 1 || x.stride != 1 || plan.lowY != 0 || plan.lowX != 0 ||
      plan.height != plan.sourceHeight || plan.width != plan.sourceWidth)
    return std::nullopt;
  // Channels a multiple of a page apart fall into the same sets of the cache.
  constexpr int64_t page = 4096, fewChannels = 8;
  const int64_t channelBytes = plan.positions() * byteSize(dtype);
  if (channelBytes % page == 0 && plan.inputs > fewChannels)
    return std::nullopt;
  return plan;
}

int64_t DirectPlan::vectorsOf(int64_t rows) const {
  return isFlat() ? ceilDivide(rows * width, lanes) : rows * ceilDivide(width, lanes);
}

int64_t DirectPlan::rowsTogether() const {
  int64_t best = 0;
  double least = std::numeric_limits<double>::max();
  for (int64_t rows = 1; rows <= height && vectorsOf(rows) <= mostVectors; ++rows) {
    // Short groups test more often and hold less in registers.
    const double cost = (static_cast<double>(vectorsOf(rows)) + 1.0) / static_cast<double>(rows);
    if (cost < least) {
      least = cost;
      best = rows;
    }
  }
  return best;
}

bool DirectPlan::isInner(int64_t row, int64_t rows) const {
  return row + rows <= height && row * strideY >= lowY &&
         (row + rows - 1) * strideY - lowY + (tapsY - 1) * dilationY < sourceHeight;
}

int64_t DirectPlan::codeSize() const {
  const int64_t rows = rowsTogether(), perGroup = vectorsOf(rows) * tapsY * tapsX;
  int64_t size = perGroup;
  for (int64_t row = 0; row < height && size <= mostCode; row += rows)
    if (!isInner(row, rows))
      size += perGroup;
  return size;
}

DimExpr DirectPlan::units(const Schedule &schedule) const {
  if (!pointwise)
    return batch * DimExpr(groups * outputs);
  return batch * DimExpr(groups * ceilDivide(positions(), schedule.block) *
                         ceilDivide(outputs, schedule.tiles.mBlock));
}

double DirectPlan::choose(Schedule &schedule, const TargetInfo &target) const {
  constexpr int64_t someImages = 4;
  const auto images =
      static_cast<double>(std::max<int64_t>(1, batch.constant().value_or(someImages)));
  const double wide = target.vectorBytes >= 64 ? 1 : 0.5;
  auto &tiles = schedule.tiles;
  if (!pointwise) {
    schedule.block = rowsTogether();
    tiles.mr = 1;
    tiles.nr = lanes;
    tiles.mBlock = 1;
    const double perTap = strideX == 1 ? 1.2 : 2.4;
    const double vectors = static_cast<double>(vectorsOf(height));
    const double cycles = 30 + vectors * (static_cast<double>(tapsX * tapsY) * perTap + 3) * wide;
    const double channels = images * static_cast<double>(groups * outputs);
    schedule.grain = grainOf(cycles * channels, channels);
    return cycles * static_cast<double>(outputs);
  }
  double best = std::numeric_limits<double>::max();
  for (int64_t vectors = 1; vectors <= 4; ++vectors)
    for (int64_t mr = 1; mr <= std::min<int64_t>(28, outputs); ++mr) {
      if (mr * vectors + vectors + 1 + (tiles.fma ? 0 : 1) >= target.vectorRegisters)
        continue;
      const double loads = 0.5 * static_cast<double>(mr) + static_cast<double>(vectors);
      auto cost = [&](int64_t rows, double width) {
        constexpr double latency = 4.5;
        return std::max({static_cast<double>(rows) * width * wide, loads * wide, latency}) + 0.5;
      };
      // The last columns take a vector of as many lanes as they need.
      const int64_t columns = vectors * lanes, rest = positions() % columns;
      const double last = static_cast<double>(rest / lanes) + (rest % lanes == 0           ? 0
                                                               : rest % lanes <= lanes / 2 ? 0.6
                                                                                           : 1.0);
      auto ofRows = [&](int64_t rows) {
        return static_cast<double>(positions() / columns) *
                   cost(rows, static_cast<double>(vectors)) +
               (rest > 0 ? cost(rows, last) : 0);
      };
      double total = static_cast<double>(outputs / mr) * ofRows(mr);
      if (outputs % mr > 0)
        total += ofRows(outputs % mr) * 1.02;
      if (total < best) {
        best = total;
        tiles.mr = mr;
        tiles.nr = columns;
      }
    }
  const double cycles = best * static_cast<double>(inputs * groups) * images +
                        4 * images * static_cast<double>(groups * outputs) *
                            static_cast<double>(ceilDivide(positions(), lanes));
  // Even parts: of positions while x stays in the first-level cache, else of channels.
  const double parts =
      cycles < sharedCycles ? 1 : std::clamp(cycles / chunkCycles, 2.0, double(mostChunks));
  const int64_t columns = ceilDivide(positions(), tiles.nr), strips = ceilDivide(outputs, tiles.mr);
  const int64_t cached = std::max<int64_t>(
      1, target.l1Bytes * 3 / 4 / std::max<int64_t>(1, inputs * tiles.nr * tiles.elementBytes));
  // Channels are cut before positions: a thread then makes whole planes, which the next depthwise
  // convolution reads plane by plane.
  const double ofImages = images * static_cast<double>(groups);
  int64_t rowCuts = 1;
  if (ofImages < parts)
    rowCuts = std::min<int64_t>(strips, 2 * static_cast<int64_t>(std::ceil(parts / ofImages / 2)));
  tiles.mBlock = ceilDivide(strips, rowCuts) * tiles.mr;
  rowCuts = ceilDivide(outputs, tiles.mBlock);
  int64_t cuts = std::max<int64_t>(ceilDivide(columns, std::max<int64_t>(cached, 4)), 1);
  if (static_cast<double>(cuts * rowCuts) * ofImages < parts && columns >= 8)
    cuts = std::min<int64_t>(columns / 2, static_cast<int64_t>(std::ceil(
                                              parts / ofImages / static_cast<double>(rowCuts))));
  schedule.block = ceilDivide(columns, cuts) * tiles.nr;
  const auto blocks = static_cast<double>(ceilDivide(positions(), schedule.block)) * ofImages;
  const double units = blocks * static_cast<double>(ceilDivide(outputs, tiles.mBlock));
  schedule.grain = grainOf(cycles, units);
  return cycles / ofImages;
}

} // namespace sinter::codegen
