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
constexpr int64_t fewInputs = 4;      // Channels that a window over several has.
constexpr int64_t mostEpilogue = 16;  // Costs of what follows, which is emitted once per register.
constexpr int64_t longest = 1 << 20;  // Of an axis.
constexpr double chunkCycles = 3000;  // Less is not worth handing to a thread...
constexpr double sharedCycles = 4000; // ...nor is it where this is all there is.
constexpr int64_t mostChunks = 16;
// Where threads share rows of positions: of planes of so many bytes, as rows at the edges of parts
// are read by both, and more is asked for by prefetchers; in parts of so many, at most so many.
constexpr int64_t leastPlane = 8192, leastPart = 512, mostParts = 8;
constexpr double storeCost = 4; // Of a vector, with what is applied to it.

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

/// Whether threads may share planes of so many bytes, of source and result, cut into `parts` of
/// their `rows`. Of several images each thread has some.
bool isWorth(double images, int64_t source, int64_t result, int64_t parts, int64_t rows) {
  constexpr double severalImages = 4;
  return images < severalImages && source >= leastPlane && result / parts >= leastPart &&
         ceilDivide(rows, parts) * parts <= rows + rows / 16;
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
    return plan.inputs <= fewInputs && (plan.inputs > 1 || layout.taps() <= mostTaps) &&
           x.taps <= mostTaps && x.stride <= 2 && plan.rowsTogether(plan.height) > 0 &&
           plan.codeSize() <= mostCode;
  if (y.stride != 1 || x.stride != 1 || plan.lowY != 0 || plan.lowX != 0 ||
      plan.height != plan.sourceHeight || plan.width != plan.sourceWidth)
    return false;
  // Channels a multiple of a page apart fall into the same sets of the cache.
  constexpr int64_t page = 4096, fewChannels = 8;
  const int64_t channelBytes = plan.positions() * byteSize(dtype);
  return channelBytes % page != 0 || plan.inputs <= fewChannels;
}

DirectPlan::DirectPlan(const ConvolutionLayout &layout, int64_t lanes)
    : pointwise(layout.taps() == 1),
      elementBytes(byteSize(ir::ConvolutionOp(layout.op).getType().getDType())),
      batch(layout.batch), groups(*layout.groups.constant()), inputs(*layout.inputs.constant()),
      outputs(*layout.outputs.constant()), height(*layout.y.result.constant()),
      width(*layout.x.result.constant()), sourceHeight(*layout.y.source.constant()),
      sourceWidth(*layout.x.source.constant()), tapsY(layout.y.taps), tapsX(layout.x.taps),
      strideY(layout.y.stride), strideX(layout.x.stride), dilationY(layout.y.dilation),
      dilationX(layout.x.dilation), lowY(*layout.y.low.constant()), lowX(*layout.x.low.constant()),
      lanes(lanes) {}

int64_t DirectPlan::rowsTogether(int64_t rows) const {
  if (inputs > 1)
    return vectorsOf(1) <= mostVectors ? 1 : 0;
  int64_t best = 0;
  double least = std::numeric_limits<double>::max();
  for (int64_t count = 1; count <= rows && vectorsOf(count) <= mostVectors; ++count) {
    if (rows < height && rows % count != 0)
      continue;
    // Short groups test more often and hold less in registers.
    const double cost = (static_cast<double>(vectorsOf(count)) + 1.0) / static_cast<double>(count);
    if (cost < least) {
      least = cost;
      best = count;
    }
  }
  return best;
}

DirectPlan::Tile DirectPlan::windowTile() const {
  const bool isWide = lanes * elementBytes >= 64;
  const int64_t registers = isWide ? 32 : 16, ofRow = ceilDivide(width, lanes);
  // Every second element takes two loads and a shuffle.
  const double perVector = strideX == 1 ? 0.3 : 1, multiply = isWide ? 1 : 0.5;
  Tile best;
  best.cycles = std::numeric_limits<double>::max();
  for (int64_t vectors = 1; vectors <= std::min<int64_t>(4, ofRow); ++vectors)
    for (int64_t rows = 1; rows <= std::min<int64_t>(24, outputs); ++rows) {
      if (outputs % rows != 0 || rows * vectors + vectors + 2 >= registers)
        continue;
      auto step = [&](int64_t vectors) {
        const auto count = static_cast<double>(vectors);
        constexpr double overhead = 0.3;
        return std::max(stepLatency, static_cast<double>(rows) * count * multiply) +
               perVector * count + overhead;
      };
      double ofTiles = static_cast<double>(ofRow / vectors) * step(vectors);
      if (ofRow % vectors > 0)
        ofTiles += step(ofRow % vectors);
      const double cycles =
          static_cast<double>(inputs * tapsY * tapsX * (outputs / rows)) * ofTiles;
      // Of tiles that are about as fast, that of fewest outputs is the least code.
      constexpr double muchFaster = 0.97;
      if (cycles < muchFaster * best.cycles ||
          (cycles * muchFaster < best.cycles && rows < best.outputs))
        best = {rows, vectors, cycles};
    }
  return best;
}

bool DirectPlan::sharesPositions() const { return positions() * elementBytes >= leastPlane; }

int64_t DirectPlan::vectorsOf(int64_t rows) const {
  return isFlat() && isDepthwise() ? ceilDivide(rows * width, lanes)
                                   : rows * ceilDivide(width, lanes);
}

bool DirectPlan::isInner(int64_t row, int64_t rows) const {
  return row + rows <= height && row * strideY >= lowY &&
         (row + rows - 1) * strideY - lowY + (tapsY - 1) * dilationY < sourceHeight;
}

int64_t DirectPlan::codeSize() const {
  if (inputs > 1) // A row of the window is code, and all of the window's rows are one loop.
    return vectorsOf(1) * tapsX * windowTile().outputs;
  const int64_t rows = rowsTogether(height);
  const int64_t perGroup = vectorsOf(rows) * tapsY * tapsX;
  int64_t size = perGroup;
  for (int64_t row = 0; row < height && size <= mostCode; row += rows)
    if (!isInner(row, rows))
      size += perGroup;
  return size;
}

int64_t DirectPlan::unitsOfImage(const Schedule &schedule) const {
  const int64_t parts = pointwise ? ceilDivide(positions(), schedule.block)
                                  : ceilDivide(height, schedule.tiles.nBlock);
  return groups * ceilDivide(outputs, schedule.tiles.mBlock) * parts;
}

DimExpr DirectPlan::units(const Schedule &schedule) const {
  return batch * DimExpr(unitsOfImage(schedule));
}

double DirectPlan::choose(Schedule &schedule, const TargetInfo &target) const {
  const auto images =
      static_cast<double>(std::max<int64_t>(1, batch.constant().value_or(someImages)));
  const double cycles =
      pointwise ? choosePositions(schedule, target) : chooseWindows(schedule, target);
  const double all = cycles * images * static_cast<double>(groups);
  if (pointwise)
    cutPositions(schedule, images, all, target);
  else
    cutRows(schedule, images, all);
  schedule.grain = grainOf(all, images * static_cast<double>(unitsOfImage(schedule)));
  // Chunks do not cross the edges of parts.
  if (!pointwise && schedule.tiles.nBlock < height) {
    const int64_t ofPart = groups * ceilDivide(outputs, schedule.tiles.mBlock);
    const int64_t least = std::max(schedule.grain / 2, schedule.grain - 64);
    for (int64_t grain = schedule.grain; grain > least; --grain)
      if (ofPart % grain == 0 || grain % ofPart == 0) {
        schedule.grain = grain;
        break;
      }
  }
  return cycles;
}

double DirectPlan::chooseWindows(Schedule &schedule, const TargetInfo &target) const {
  auto &tiles = schedule.tiles;
  if (inputs > 1) {
    const Tile tile = windowTile();
    tiles.mr = tiles.mBlock = tile.outputs;
    tiles.nr = tile.vectors * lanes;
    return static_cast<double>(height) *
           (tile.cycles + storeCost * static_cast<double>(outputs * vectorsOf(1)));
  }
  tiles.mr = tiles.mBlock = 1;
  tiles.nr = lanes;
  // Of a multiply-add with its load, which often straddles lines; every second element takes two
  // loads and a shuffle. A vector's store and what is applied to it, and a channel's factors.
  const double perTap = strideX == 1 ? 1.2 : 2.4;
  constexpr double perVector = 3, perChannel = 30;
  const auto vectors = static_cast<double>(vectorsOf(height));
  return static_cast<double>(outputs) *
         (perChannel + vectors * (static_cast<double>(tapsX * tapsY) * perTap + perVector) *
                           multiplyCycles(target));
}

void DirectPlan::cutRows(Schedule &schedule, double images, double cycles) const {
  const int64_t sourcePlane = sourceHeight * sourceWidth * elementBytes;
  int64_t parts = 1;
  if (cycles >= sharedCycles)
    while (images * static_cast<double>(2 * parts) <= mostParts &&
           isWorth(images, sourcePlane, positions() * elementBytes, 2 * parts, height))
      parts *= 2;
  schedule.tiles.nBlock = ceilDivide(height, parts);
  schedule.block = rowsTogether(schedule.tiles.nBlock);
}

double DirectPlan::choosePositions(Schedule &schedule, const TargetInfo &target) const {
  auto &tiles = schedule.tiles;
  const double wide = multiplyCycles(target);
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
  return best * static_cast<double>(inputs) +
         storeCost * static_cast<double>(outputs * ceilDivide(positions(), lanes));
}

void DirectPlan::cutPositions(Schedule &schedule, double images, double cycles,
                              const TargetInfo &target) const {
  auto &tiles = schedule.tiles;
  const double parts =
      cycles < sharedCycles ? 1 : std::clamp(cycles / chunkCycles, 2.0, double(mostChunks));
  const double planes = images * static_cast<double>(groups);
  const int64_t columns = ceilDivide(positions(), tiles.nr), strips = ceilDivide(outputs, tiles.mr);
  const int64_t plane = positions() * elementBytes;
  int64_t cuts = 1, rowCuts = 1;
  while (images * static_cast<double>(2 * cuts) <= std::min<double>(parts, mostParts) &&
         isWorth(images, plane, plane, 2 * cuts, columns))
    cuts *= 2;
  // Short planes stay whole, or a thread would read half of what it wrote: channels are cut, an
  // even number of times.
  if (const double made = planes * static_cast<double>(cuts); made < parts)
    rowCuts = std::min<int64_t>(strips, 2 * static_cast<int64_t>(std::ceil(parts / made / 2)));
  tiles.mBlock = ceilDivide(strips, rowCuts) * tiles.mr;
  rowCuts = ceilDivide(outputs, tiles.mBlock);
  // Positions are while x does not stay in the first-level cache, or there are too few strips.
  const int64_t cached = std::max<int64_t>(
      4, target.l1Bytes * 3 / 4 / std::max<int64_t>(1, inputs * tiles.nr * tiles.elementBytes));
  if (const int64_t least = ceilDivide(columns, cached); cuts < least)
    cuts = roundUp(least, cuts);
  if (planes * static_cast<double>(cuts * rowCuts) < parts && columns >= 8)
    cuts = std::min<int64_t>(columns / 2, static_cast<int64_t>(std::ceil(
                                              parts / planes / static_cast<double>(rowCuts))));
  schedule.block = ceilDivide(columns, cuts) * tiles.nr;
}

} // namespace sinter::codegen
