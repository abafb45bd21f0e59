// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/ConvolutionCosts.h"
#include "sinter/codegen/forms/ConvolutionPlan.h"
#include "sinter/codegen/forms/DirectConvolution.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/PanelPlan.h"
#include "sinter/codegen/forms/WinogradPlan.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

// -- The plan -------------------------------------------------------------------------------------

DimExpr ConvolutionPlan::bytes(const DimExpr &elements) const {
  return alignedBytes(elements * DimExpr(schedule.tiles.elementBytes));
}

DimExpr ConvolutionPlan::units() const {
  if (layout.ofWeight)
    return layout.groups * rowBlocks() * ceilDiv(layout.depth(), depthBlock()) * DimExpr(chunks());
  DimExpr count = layout.batch * layout.groups * rowBlocks();
  for (const ConvolutionAxis &axis : layout.leading)
    count *= axis.result;
  return count * ceilDiv(layout.y.positions(), blockRows());
}

DimExpr ConvolutionPlan::stripSize() const {
  DimExpr nr(schedule.tiles.nr);
  return ceilDiv(layout.span(blockRows()), nr) * nr;
}

DimExpr ConvolutionPlan::patchOffset() const {
  return alignedBytes(DimExpr(16 * (layout.phases() + layout.taps())));
}

DimExpr ConvolutionPlan::sumsOffset() const {
  // Tiles and copies run over the end by less than a tile.
  DimExpr patch = layout.depth() * layout.channelSize(blockRows(), schedule.lanes) +
                  DimExpr(schedule.tiles.nr + 2 * schedule.lanes);
  return patchOffset() + bytes(patch);
}

DimExpr ConvolutionPlan::blocks() const {
  DimExpr count = ceilDiv(layout.batch, images());
  for (const ConvolutionAxis &axis : layout.leading)
    count *= axis.result;
  return count * ceilDiv(layout.y.positions(), blockRows());
}

int64_t ConvolutionPlan::tapsPerTile(const ConvolutionLayout &layout, int64_t mr) {
  for (int64_t taps : {layout.taps(), layout.x.taps})
    if (mr % taps == 0)
      return taps;
  return 1;
}

int64_t ConvolutionPlan::patchChannels() const {
  return byChannels() ? roundUp(depthBlock(), channelsPerTile()) : depthBlock();
}

DimExpr ConvolutionPlan::rowSize() const {
  if (byChannels())
    return blockRows() * layout.x.positions();
  DimExpr lanes(schedule.lanes);
  return ceilDiv(layout.span(blockRows()), lanes) * lanes + lanes;
}

int64_t ConvolutionPlan::weightSumsStride() const {
  int64_t entries = roundUp(depthBlock() * layout.taps(), schedule.tiles.nr);
  return roundUp(entries, schedule.lanes);
}

int64_t ConvolutionPlan::weightSumsSize() const {
  if (byChannels())
    return rowsPerBlock() * roundUp(patchChannels() * layout.taps(), schedule.lanes);
  return rowsPerBlock() * weightSumsStride() * schedule.lanes;
}

DimExpr ConvolutionPlan::weightPatchOffset() const {
  return alignedBytes(DimExpr(8 * (depthBlock() * layout.taps() + schedule.tiles.nr)));
}

DimExpr ConvolutionPlan::rowsOffset() const {
  DimExpr patch = DimExpr(images()) * patchSize() + DimExpr(3 * schedule.lanes);
  return weightPatchOffset() + bytes(patch);
}

DimExpr ConvolutionPlan::weightSumsOffset() const {
  // A last block of positions is copied whole.
  const int64_t behind = schedule.lanes * (byChannels() ? schedule.tiles.nr : 2);
  return rowsOffset() + bytes(DimExpr(images()) * rowsSize() + DimExpr(behind));
}

DimExpr ConvolutionPlan::scratchBytes() const {
  if (layout.ofWeight)
    return weightSumsOffset() +
           bytes(DimExpr(weightSumsSize() + schedule.lanes * (schedule.lanes + 1)));
  return sumsOffset() + bytes(stripSize() * DimExpr(schedule.tiles.mr * (joinsPhases() ? 2 : 1)) +
                              DimExpr(2 * schedule.lanes));
}

// -- Choosing -------------------------------------------------------------------------------------

namespace {

using namespace convolution;

constexpr double copyCost = 3; // Cycles for a vector: a masked load, a store, the loop.

struct Sizes {
  int64_t batch, groups, rows, depth, height, width, pitch, leading = 1;
};

Sizes sizesOf(const ConvolutionLayout &layout, const DimExpr &rows) {
  // Bounded, so that products stay within 64 bits.
  auto bounded = [](const DimExpr &size, int64_t unknown, int bits) {
    return std::clamp<int64_t>(size.constant().value_or(unknown), 1, int64_t{1} << bits);
  };
  Sizes sizes;
  sizes.batch = bounded(layout.batch, someImages, 20);
  sizes.groups = bounded(layout.groups, 1, 16);
  sizes.rows = bounded(rows, someChannels, 18);
  sizes.depth = bounded(layout.depth(), someChannels, 18);
  sizes.height = bounded(layout.y.positions(), somePixels, 24);
  sizes.width = bounded(layout.x.positions(), somePixels, 24);
  sizes.pitch = bounded(layout.pitch(), sizes.width + layout.x.reach(), 24);
  for (const ConvolutionAxis &axis : layout.leading)
    sizes.leading =
        std::min(sizes.leading * bounded(axis.result, somePixels, 16), int64_t{1} << 16);
  return sizes;
}

/// Refuses what would take memory out of all proportion.
void requireSizes(ConvolutionOp op, const ConvolutionLayout &layout) {
  constexpr int64_t manyPhases = int64_t{1} << 20;
  if (layout.phases() > manyPhases)
    throw Error(
        {.kind = ErrorKind::Unsupported, .op = "convolution", .location = toSourceLoc(op.getLoc())},
        "strides of " + std::to_string(layout.y.numPhases()) + " times " +
            std::to_string(layout.x.numPhases()) + " are too long for its transpose");
}

/// Cycles of one step of a tile whose vectors are positions: those straddle lines.
double stepOfPositions(int64_t mr, int64_t vectors, const TargetInfo &target) {
  const TileStep step{.factors = static_cast<double>(mr),
                      .vectors = static_cast<double>(vectors),
                      .overhead = 0.2,
                      .vectorLoad = target.vectorBytes >= 64 ? 2 : 0.75};
  return step.cycles(target);
}

int64_t blockBytes(const ConvolutionLayout &layout, int64_t rows, int64_t lanes) {
  constexpr int64_t most = int64_t{1} << 36;
  int64_t size = layout.channelSize(rows, lanes).constant().value_or(int64_t{40} * (rows + 4));
  return std::min(size, most);
}

/// Heights of blocks worth trying: about even parts of the whole.
llvm::SmallVector<int64_t> heights(int64_t whole) {
  llvm::SmallVector<int64_t> result;
  for (int64_t parts : {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 28, 32, 56, 64, 112, 224})
    if (int64_t rows = ceilDivide(whole, parts); result.empty() || result.back() != rows)
      result.push_back(rows);
  return result;
}

/// Returns about how many cycles an image takes.
double chooseResultTile(Schedule &schedule, const ConvolutionLayout &layout,
                        const TargetInfo &target) {
  auto &tiles = schedule.tiles;
  const DimExpr rows = layout.x.spreads ? layout.inputs : layout.outputs;
  const Sizes sizes = sizesOf(layout, rows);
  const int64_t lanes = schedule.lanes, phases = layout.phases();
  const double taps = static_cast<double>(layout.taps()) / static_cast<double>(phases);
  double best = std::numeric_limits<double>::max();
  for (int64_t height : heights(sizes.height)) {
    const int64_t patch = sizes.depth * blockBytes(layout, height, lanes) * tiles.elementBytes;
    const int64_t span = (height - 1) * sizes.pitch + sizes.width;
    for (int64_t vectors = 1; vectors <= 6; ++vectors)
      for (int64_t mr = 1; mr <= std::min<int64_t>(24, sizes.rows); ++mr) {
        if (!fitRegisters(mr * vectors, vectors, target, tiles.fma))
          continue;
        const double strips = static_cast<double>(ceilDivide(sizes.rows, mr));
        const double steps = static_cast<double>(ceilDivide(span, vectors * lanes)) * strips *
                             static_cast<double>(sizes.depth) * static_cast<double>(phases) * taps;
        const double blocks = static_cast<double>(ceilDivide(sizes.height, height));
        double cost = steps * stepOfPositions(mr, vectors, target);
        cost += copyCost * static_cast<double>(patch / tiles.elementBytes / lanes);
        // Sums go through memory: a store, a load, what follows and its store.
        constexpr double sumsCost = 4;
        cost += sumsCost * strips * static_cast<double>(mr * span) * static_cast<double>(phases) /
                static_cast<double>(lanes);
        cost *= blocks;
        // The patch comes from the next cache for every strip; the sums leave the first one before
        // they are stored: fitted to layers of 7x7 to 112x112.
        if (patch > target.l2Bytes / 2)
          cost *= 1.25;
        if (static_cast<double>(mr * span * tiles.elementBytes) * static_cast<double>(phases) >
            2.0 * static_cast<double>(target.l1Bytes))
          cost *= 1.05;
        if (cost < best) {
          best = cost;
          tiles.mr = mr;
          tiles.nr = vectors * lanes;
          tiles.nBlock = height;
        }
      }
  }
  // Where there would be too few units rows of positions are cut while a unit has tiles enough:
  // units of other channels copy the same source again. Then channels are, then rows whatever is
  // left.
  const int64_t strips = ceilDivide(sizes.rows, tiles.mr);
  const double planes =
      static_cast<double>(sizes.batch * sizes.groups) * static_cast<double>(sizes.leading);
  auto units = [&] {
    return planes * static_cast<double>(ceilDivide(sizes.height, tiles.nBlock)) *
           static_cast<double>(ceilDivide(sizes.rows, tiles.mBlock));
  };
  tiles.mBlock = strips * tiles.mr;
  const double work = planes * static_cast<double>(sizes.height * sizes.width) *
                      static_cast<double>(sizes.rows * sizes.depth) *
                      static_cast<double>(layout.taps());
  const auto wanted = static_cast<double>(wantedUnits(work));
  constexpr int64_t manyTiles = 8; // What the last one lacks is then little.
  auto half = [&] { return ceilDivide(tiles.nBlock, 2); };
  while (units() < wanted && tiles.nBlock > 1 &&
         (half() - 1) * sizes.pitch + sizes.width >= manyTiles * tiles.nr)
    tiles.nBlock = half();
  for (int64_t parts = 2; units() < wanted && parts <= std::min<int64_t>(strips, 8); ++parts)
    tiles.mBlock = ceilDivide(strips, parts) * tiles.mr;
  while (units() < wanted && tiles.nBlock > 1)
    tiles.nBlock = ceilDivide(tiles.nBlock, 2);
  schedule.block = 0;
  schedule.grain = smallGrain(work / std::max(1.0, units()));
  // The row blocks of one patch stay together where there are enough of those.
  const int64_t rowBlocks = ceilDivide(sizes.rows, tiles.mBlock);
  if (units() / static_cast<double>(rowBlocks) >= fewUnits)
    schedule.grain = std::max(schedule.grain, rowBlocks);
  return best;
}

/// Cycles of all sums, for one position.
struct WeightTile {
  int64_t mr = 1, nr = 1;
  double cost = std::numeric_limits<double>::max();
};

/// Channels of x that each copied vector of y serves: with 16 of them copying is 8% of 3x3 windows.
int64_t weightReuse(const ConvolutionLayout &layout) {
  return std::max<int64_t>(32, ceilDivide(128, layout.taps()));
}

double copiesOfY(const ConvolutionLayout &layout, const Sizes &sizes) {
  return static_cast<double>(ceilDivide(sizes.depth, weightReuse(layout)));
}

/// Lanes run along positions: `mr` channels by `nr` weights. Rows of positions are as far apart as
/// in the patch, and what is behind the last one fills its vector.
WeightTile dotTile(const Schedule &schedule, const ConvolutionLayout &layout, const Sizes &sizes,
                   const TargetInfo &target) {
  const int64_t lanes = schedule.lanes, weights = sizes.depth * layout.taps();
  WeightTile best;
  for (int64_t nr = 1; nr <= std::min<int64_t>(9, weights); ++nr)
    for (int64_t mr = 1; mr <= std::min<int64_t>(12, sizes.rows); ++mr) {
      if (!fitRegisters(mr * nr, nr, target, schedule.tiles.fma))
        continue;
      const double cost =
          static_cast<double>(ceilDivide(sizes.rows, mr) * ceilDivide(weights, nr)) *
          stepOfPositions(mr, nr, target);
      if (cost < best.cost)
        best = {mr, nr, cost};
    }
  const int64_t span = (sizes.height - 1) * sizes.pitch + sizes.width;
  // Every second load straddles lines, which keeps multiply-adds waiting.
  constexpr double straddling = 1.15;
  best.cost *= straddling * static_cast<double>(ceilDivide(span, lanes)) /
               (static_cast<double>(sizes.height) * static_cast<double>(sizes.width));
  best.cost += copyCost * copiesOfY(layout, sizes) * static_cast<double>(sizes.rows) /
               static_cast<double>(lanes);
  return best;
}

/// Lanes run along channels of y: `mr` weights by `nr` channels.
WeightTile outerTile(const Schedule &schedule, const ConvolutionLayout &layout, const Sizes &sizes,
                     const TargetInfo &target) {
  const int64_t lanes = schedule.lanes, taps = layout.taps();
  WeightTile best;
  if (!layout.channelSize(1, lanes).isConstant())
    return best;
  for (int64_t vectors = 1; vectors <= 4; ++vectors)
    for (int64_t mr = 1; mr <= 28; ++mr) {
      if (!fitRegisters(mr * vectors, vectors, target, schedule.tiles.fma))
        continue;
      const int64_t together = ConvolutionPlan::tapsPerTile(layout, mr);
      const double tiles =
          static_cast<double>(ceilDivide(sizes.depth, mr / together) * (taps / together) *
                              ceilDivide(sizes.rows, vectors * lanes));
      const TileStep step{.factors = static_cast<double>(mr),
                          .vectors = static_cast<double>(vectors),
                          .overhead = 0.5};
      const double cost = tiles * step.cycles(target);
      if (cost < best.cost)
        best = {mr, vectors * lanes, cost};
    }
  // y is transposed once per block of channels of x: 4 shuffles a vector.
  constexpr double transposeCost = 4;
  best.cost +=
      transposeCost * copiesOfY(layout, sizes) * static_cast<double>(ceilDivide(sizes.rows, lanes));
  return best;
}

void chooseWeightTile(Schedule &schedule, const ConvolutionLayout &layout,
                      const TargetInfo &target) {
  using Form = cpu::ContractionTiles::Form;
  auto &tiles = schedule.tiles;
  const Sizes sizes = sizesOf(layout, layout.outputs);
  const int64_t lanes = schedule.lanes;
  const WeightTile dot = dotTile(schedule, layout, sizes, target),
                   outer = outerTile(schedule, layout, sizes, target);
  tiles.form = outer.cost < dot.cost ? Form::Tiled : Form::Dot;
  const WeightTile &tile = tiles.form == Form::Tiled ? outer : dot;
  tiles.mr = tile.mr;
  tiles.nr = tile.nr;
  const int64_t rowStep = tiles.form == Form::Tiled ? tiles.nr : tiles.mr;
  // Each copied vector of x serves mBlock * taps sums, each of y depthBlock * taps.
  const int64_t reuse = weightReuse(layout);
  const int64_t ofRows = std::max<int64_t>(32, ceilDivide(256, layout.taps()));
  tiles.mBlock = roundUp(std::min(sizes.rows, ofRows), rowStep);
  schedule.block = std::min(sizes.depth, reuse);
  auto units = [&] {
    return sizes.groups * ceilDivide(sizes.rows, tiles.mBlock) *
           ceilDivide(sizes.depth, schedule.block);
  };
  // Images or rows of positions whose copies stay in the second-level cache, while the rows of a
  // tile stay in the first.
  constexpr int64_t longSpan = 1024;
  tiles.kc = 1;
  int64_t span = 0;
  auto copied = [&](int64_t height) {
    span = (height - 1) * sizes.pitch + sizes.width;
    return (schedule.block * blockBytes(layout, height, lanes) + tiles.mBlock * span) *
           tiles.elementBytes;
  };
  for (int64_t height : heights(sizes.height)) {
    tiles.nBlock = height;
    const int64_t bytes = copied(height);
    if (span <= longSpan && bytes <= target.l2Bytes / 2) {
      if (height == sizes.height)
        tiles.kc = std::clamp<int64_t>(
            std::min(longSpan / 2 / span, target.l2Bytes / 2 / std::max<int64_t>(1, bytes)), 1,
            sizes.batch);
      break;
    }
  }
  // Where channels make too few units, so do chunks of images.
  tiles.groupUnits = 1;
  const int64_t blocks =
      ceilDivide(sizes.batch, tiles.kc) * sizes.leading * ceilDivide(sizes.height, tiles.nBlock);
  if (units() < fewUnits / 2 && blocks > 1)
    tiles.groupUnits = std::min({blocks, ceilDivide(fewUnits, units()), fewUnits});
  while (units() * tiles.groupUnits < fewUnits / 2 && tiles.mBlock > rowStep)
    tiles.mBlock = roundUp(ceilDivide(tiles.mBlock, 2), rowStep);
  schedule.grain = 1;
}

LogicalResult chooseConvolution(const ScheduledRegion &region, Schedule &schedule) {
  auto op = cast<ConvolutionOp>(region.analysis.anchors.front());
  ConvolutionLayout layout(op);
  requireSizes(op, layout);
  auto &tiles = schedule.tiles;
  DType dtype = op.getType().getDType();
  tiles.elementBytes = byteSize(dtype);
  schedule.lanes = std::max<int64_t>(2, region.target.vectorBytes / tiles.elementBytes);
  tiles.lanes = schedule.lanes;
  tiles.fma = region.target.hasFma && isFloat(dtype);
  if (op.makesW()) {
    chooseWeightTile(schedule, layout, region.target);
    return success();
  }
  const Schedule empty = schedule;
  constexpr double straddling = 1.12; // Vectors of positions cross lines of the cache: measured.
  const bool direct =
      DirectPlan::pays(region.target) && DirectPlan::applies(layout, schedule.lanes);
  double cost = direct ? DirectPlan(layout, schedule.lanes).choose(schedule, region.target)
                       : straddling * chooseResultTile(schedule, layout, region.target);
  if (direct && DirectPlan(layout, schedule.lanes).isDepthwise())
    return success();
  Schedule other = empty;
  if (direct && layout.taps() != 1)
    if (const double least = straddling * chooseResultTile(other, layout, region.target);
        least < cost) {
      schedule = other;
      cost = least;
    }
  other = empty;
  const Value weights = op.makesX() ? op.getLhs() : op.getRhs();
  const bool fixed = static_cast<bool>(fixedOperand(region.fused, weights));
  if (double least = choosePanels(other, layout, region.target, fixed, cost); least < cost) {
    schedule = other;
    cost = least;
  }
  if (!op->hasAttr(winogradAttr) || dtype != DType::F32 || !WinogradPlan::applies(layout))
    return success();
  other = empty;
  if (chooseWinograd(other, layout, region.target, cost))
    schedule = other;
  return success();
}

LogicalResult planConvolution(FusedOp fused, KernelPlan &plan) {
  ConvolutionLayout layout(cast<ConvolutionOp>(plan.analysis.anchors.front()));
  requireSizes(layout.op, layout);
  ConvolutionPlan cut(layout, plan.schedule);
  const auto &tiles = plan.schedule.tiles;
  if (tiles.mr < 1 || tiles.nr < 1 || tiles.mBlock < 1 || tiles.nBlock < 1 ||
      (layout.ofWeight ? plan.schedule.block < 1 || tiles.kc < 1 || tiles.groupUnits < 1 ||
                             tiles.mBlock % (cut.byChannels() ? tiles.nr : tiles.mr) != 0 ||
                             (cut.byChannels() && tiles.nr % plan.schedule.lanes != 0)
                       : tiles.nr % plan.schedule.lanes != 0))
    return fused.emitError("its schedule has no tile");
  DimExpr workers = DimExpr::symbol(workersSymbol);
  plan.flops = layout.batch * layout.groups * layout.inputs * layout.outputs * DimExpr(2);
  ConvolutionOp op = layout.op;
  for (int64_t i = 2; i < op.getYType().getRank(); ++i)
    plan.flops *= op.getYType().getDim(i) * op.getWType().getDim(i);
  if (!layout.ofWeight && plan.schedule.block > 0) {
    if (!DirectPlan::applies(layout, plan.schedule.lanes))
      return fused.emitError("its schedule is not for this convolution");
    const DirectPlan direct(layout, plan.schedule.lanes);
    plan.stages.push_back({direct.units(plan.schedule), plan.schedule.grain});
    return success();
  }
  if (plan.schedule.winograd != 0) {
    if (!WinogradPlan::applies(layout))
      return fused.emitError("its schedule is not for this convolution");
    WinogradPlan winograd(layout, plan.schedule);
    plan.stages.push_back({DimExpr(winograd.rows), 4});
    plan.stages.push_back({winograd.units(), plan.schedule.grain});
    plan.workspaces.push_back(alignedBytes(winograd.weightBytes()));
    plan.workspaces.push_back(DimExpr(winograd.scratchBytes()) * workers);
    return success();
  }
  if (!layout.ofWeight && tiles.panel != 0) {
    if (!PanelPlan::applies(layout))
      return fused.emitError("its schedule is not for this convolution");
    PanelPlan panels(layout, plan.schedule);
    plan.stages.push_back({panels.units(), plan.schedule.grain});
    plan.workspaces.push_back(DimExpr(panels.scratchBytes()) * workers);
    return success();
  }
  plan.stages.push_back({cut.units(), plan.schedule.grain});
  plan.workspaces.push_back(cut.scratchBytes() * workers);
  if (layout.ofWeight && cut.chunks() > 1) {
    plan.stages.push_back({layout.groups * layout.outputs, 8});
    plan.workspaces.push_back(
        alignedBytes(op.getType().getNumElements() * DimExpr(cut.chunks() * tiles.elementBytes)));
  }
  return success();
}

bool mayShareConvolution(const KernelAnalysis &analysis, Value source, Value result) {
  return mayShareElements(analysis, source, result, AnchorRead::Conflict);
}

} // namespace

const FormRules convolutionRules = {chooseConvolution, planConvolution, mayShareConvolution};

} // namespace sinter::codegen
