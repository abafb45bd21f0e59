// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/DirectConvolution.h"
#include "sinter/codegen/forms/ConvolutionCosts.h"
#include "sinter/passes/OpFacts.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

using namespace convolution;

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

/// A grain that makes even chunks, as far as work is enough for them, and an even number of those:
/// of two threads each then gets one half, the one that it gets of the layers before and behind.
int64_t grainOf(double cycles, double units) {
  double chunks = 1;
  if (cycles >= sharedCycles)
    chunks =
        2 * std::floor(std::clamp(cycles / chunkCycles, 2.0, static_cast<double>(mostChunks)) / 2);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(units / chunks)));
}

} // namespace

bool DirectPlan::applies(const ConvolutionLayout &layout, int64_t lanes) {
  ConvolutionOp op = layout.op;
  const DType dtype = op.getType().getDType();
  const ConvolutionAxis &y = layout.y, &x = layout.x;
  auto isRead = [&](Value value) {
    return isa<BlockArgument>(value) && tensorType(value).getDType() == dtype;
  };
  auto isWithin = [](const DimExpr &size, int64_t least) {
    auto known = size.constant();
    return known && *known >= least && *known <= longest;
  };
  if (layout.ofWeight || x.spreads || !layout.leading.empty() ||
      (dtype != DType::F32 && dtype != DType::F64) || !isRead(op.getLhs()) ||
      !isRead(op.getRhs()) || !isWithin(layout.groups, 1) || !isWithin(layout.inputs, 1) ||
      !isWithin(layout.outputs, 1) || !treatsPositionsAlike(op))
    return false;
  for (const ConvolutionAxis &axis : {y, x})
    if (!isWithin(axis.result, 1) || !isWithin(axis.source, 1) || !isWithin(axis.low, 0) ||
        std::max({axis.taps, axis.stride, axis.dilation}) > longest)
      return false;
  const DirectPlan plan(layout, lanes);
  // A broadcast reads along an axis of size 1 as along any other.
  if (plan.width == 1 && plan.height > 1)
    return false;
  if (!plan.pointwise)
    return plan.inputs == 1 && layout.taps() <= mostTaps && x.stride <= 2 &&
           plan.rowsTogether() > 0 && plan.codeSize() <= mostCode;
  if (y.stride != 1 || x.stride != 1 || plan.lowY != 0 || plan.lowX != 0 ||
      plan.height != plan.sourceHeight || plan.width != plan.sourceWidth)
    return false;
  // Channels a multiple of a page apart fall into the same sets of the cache.
  constexpr int64_t page = 4096, fewChannels = 8;
  const int64_t channelBytes = plan.positions() * byteSize(dtype);
  return channelBytes % page != 0 || plan.inputs <= fewChannels;
}

DirectPlan::DirectPlan(const ConvolutionLayout &layout, int64_t lanes)
    : pointwise(layout.taps() == 1), batch(layout.batch), groups(*layout.groups.constant()),
      inputs(*layout.inputs.constant()), outputs(*layout.outputs.constant()),
      height(*layout.y.result.constant()), width(*layout.x.result.constant()),
      sourceHeight(*layout.y.source.constant()), sourceWidth(*layout.x.source.constant()),
      tapsY(layout.y.taps), tapsX(layout.x.taps), strideY(layout.y.stride),
      strideX(layout.x.stride), dilationY(layout.y.dilation), dilationX(layout.x.dilation),
      lowY(*layout.y.low.constant()), lowX(*layout.x.low.constant()), lanes(lanes) {}

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
  const auto images =
      static_cast<double>(std::max<int64_t>(1, batch.constant().value_or(someImages)));
  const double wide = multiplyCycles(target);
  auto &tiles = schedule.tiles;
  if (!pointwise) {
    schedule.block = rowsTogether();
    tiles.mr = 1;
    tiles.nr = lanes;
    tiles.mBlock = 1;
    // Of a multiply-add with its load, which often straddles lines; every second element takes two
    // loads and a shuffle. A vector's store and what is applied to it, and a channel's factors.
    const double perTap = strideX == 1 ? 1.2 : 2.4;
    constexpr double perVector = 3, perChannel = 30;
    const double vectors = static_cast<double>(vectorsOf(height));
    const double cycles =
        perChannel + vectors * (static_cast<double>(tapsX * tapsY) * perTap + perVector) * wide;
    const double channels = images * static_cast<double>(groups * outputs);
    schedule.grain = grainOf(cycles * channels, channels);
    return cycles * static_cast<double>(outputs);
  }
  double best = std::numeric_limits<double>::max();
  for (int64_t vectors = 1; vectors <= 4; ++vectors)
    for (int64_t mr = 1; mr <= std::min<int64_t>(28, outputs); ++mr) {
      if (!fitRegisters(mr * vectors, vectors, target, tiles.fma))
        continue;
      const double loads = factorLoad * static_cast<double>(mr) + static_cast<double>(vectors);
      auto cost = [&](int64_t rows, double width) {
        constexpr double overhead = 0.5; // Of the loop.
        const double multiplies = static_cast<double>(rows) * width * wide;
        return std::max({multiplies, loads * wide, stepLatency}) + overhead;
      };
      // The last columns take a vector of as many lanes as they need; half of one costs little
      // less than a whole one where loads bound it.
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
      constexpr double otherCode = 1.02; // The last rows are a tile of their own.
      if (outputs % mr > 0)
        total += ofRows(outputs % mr) * otherCode;
      if (total < best) {
        best = total;
        tiles.mr = mr;
        tiles.nr = columns;
      }
    }
  constexpr double storeCost = 4; // Of a vector, with what is applied to it.
  const double cycles = best * static_cast<double>(inputs * groups) * images +
                        storeCost * images * static_cast<double>(groups * outputs) *
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
