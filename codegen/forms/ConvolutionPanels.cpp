// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/PanelPlan.h"
#include "sinter/codegen/forms/Region.h"

#include <algorithm>
#include <cstring>

using namespace sinter::ir;

namespace sinter::codegen {

bool PanelPlan::applies(const ConvolutionLayout &layout) {
  // Sizes in scratch are products of few of these.
  constexpr int64_t mostChannels = int64_t{1} << 16, longest = int64_t{1} << 14, mostTaps = 256,
                    mostElements = int64_t{1} << 30;
  auto isWithin = [](const DimExpr &size, int64_t last) {
    auto known = size.constant();
    return known && *known >= 1 && *known <= last;
  };
  return !layout.ofWeight && layout.leading.empty() && layout.taps() <= mostTaps &&
         layout.phases() == 1 && isWithin(layout.inputs, mostChannels) &&
         isWithin(layout.outputs, mostChannels) && isWithin(layout.groups, mostChannels) &&
         isWithin(layout.y.positions(), longest) && isWithin(layout.x.positions(), longest) &&
         isWithin(layout.pitch(), 2 * longest) &&
         isWithin(layout.channelSize(layout.y.positions(), 16), mostElements);
}

PanelPlan::PanelPlan(const ConvolutionLayout &layout, const Schedule &schedule)
    : batch(layout.batch), schedule(schedule) {
  rows = *layout.outputs.constant();
  depth = *layout.inputs.constant();
  if (layout.x.spreads)
    std::swap(rows, depth);
  height = *layout.y.positions().constant();
  width = *layout.x.positions().constant();
  pitch = *layout.pitch().constant();
  planes = layout.y.numPlanes() * layout.x.numPlanes();
  planeEnd = *layout.planeSize(0).constant();
  taps = layout.taps();
  groups = *layout.groups.constant();
  setChannelSize();
}

PanelPlan::PanelPlan(const PanelPlan &other, const Schedule &schedule)
    : rows(other.rows), depth(other.depth), height(other.height), width(other.width),
      pitch(other.pitch), taps(other.taps), groups(other.groups), planes(other.planes),
      planeEnd(other.planeEnd), batch(other.batch), schedule(schedule) {
  setChannelSize();
}

void PanelPlan::setChannelSize() {
  channelSize =
      ConvolutionLayout::spacedSize(planes * (blockRows() * pitch + planeEnd), schedule.lanes);
}

DimExpr PanelPlan::units() const {
  return ceilDiv(batch, DimExpr(images())) * DimExpr(groups * blocks() * rowBlocks());
}

int64_t PanelPlan::patchSize() const {
  return roundUp(depth * channelSize + 2 * schedule.lanes, schedule.lanes);
}

int64_t PanelPlan::panelSize() const {
  // Packing runs over the end by less than a square of vectors.
  return packs() ? (depthBlock() * taps + schedule.lanes) * panel() : 0;
}

int64_t PanelPlan::sumsStride() const {
  // Stores run over the end by less than a vector; an odd number of them.
  const int64_t span = (blockRows() - 1) * pitch + width + schedule.lanes;
  return (ceilDivide(span, schedule.lanes) | 1) * schedule.lanes;
}

int64_t PanelPlan::tableBytes() const { return roundUp(16 * (1 + taps), 64); }

int64_t PanelPlan::scratchBytes() const {
  const int64_t elements = images() * patchSize() + areas() * areaSize() + panelSize() +
                           panel() * sumsStride() + 2 * schedule.lanes;
  return roundUp(tableBytes() + elements * schedule.tiles.elementBytes, 64);
}

// -- Choosing -------------------------------------------------------------------------------------

namespace {

constexpr double fillCost = 4, fillRowCost = 8; // Cycles of a vector, and of a row of a plane.
constexpr double turnCost = 8;                  // Of a vector of the weights or of sums.
constexpr double storeCost = 8;                 // Of a vector of results.

/// Cycles of one step of a tile: multiply-adds, loads, the weights' way from the second-level
/// cache, latency.
double stepCost(int64_t positions, int64_t lines, int64_t vectors, const TargetInfo &target) {
  constexpr double bytesPerCycle = 12, latency = 4.5;
  const double multiplies =
      static_cast<double>(positions * vectors) * (target.vectorBytes >= 64 ? 1 : 0.5);
  const double loads = 0.5 * static_cast<double>(positions) + static_cast<double>(vectors);
  const double bytes = static_cast<double>(vectors * target.vectorBytes) / bytesPerCycle;
  return std::max({multiplies, loads, bytes, latency}) + 0.02 * loads +
         0.3 * static_cast<double>(lines) + 0.9;
}

/// Cycles that one group of an image takes.
double costOf(const PanelPlan &plan, const Schedule &schedule, const TargetInfo &target,
              int64_t planes, int64_t batch) {
  const auto lanes = static_cast<double>(schedule.lanes);
  const double images = static_cast<double>(std::min(plan.images(), batch));
  const int64_t vectors = plan.panel() / schedule.lanes;
  const int64_t lines = plan.tileRows() * plan.tileImages();
  const int64_t strips = ceilDivide(plan.rows, plan.panel());
  const double tiles = static_cast<double>(plan.blocks() * plan.tilesY() * plan.tilesX()) *
                       static_cast<double>(roundUp(batch, plan.tileImages())) /
                       static_cast<double>(batch * plan.tileImages());
  const auto steps = static_cast<double>(plan.depth * plan.taps);
  double cost = tiles * static_cast<double>(strips) * steps *
                stepCost(plan.tileColumns() * lines, lines, vectors, target);
  // Sums are stored, turned and stored.
  const double results = static_cast<double>(plan.height * plan.width * plan.rows);
  cost += results / lanes * (turnCost + storeCost);
  const int64_t depthBlocks = ceilDivide(plan.depth, plan.depthBlock());
  cost += 2 * static_cast<double>(depthBlocks) * results / lanes;
  // What several units do again.
  if (plan.packs())
    cost += turnCost * static_cast<double>(plan.blocks() * strips * vectors) * steps / images;
  const double fills = static_cast<double>(plan.blocks()) * static_cast<double>(planes);
  cost += fills * static_cast<double>(plan.depth) *
          (fillRowCost * static_cast<double>(plan.blockRows()) +
           fillCost * static_cast<double>(plan.channelSize) / lanes);
  const int64_t scratch = plan.scratchBytes();
  if (scratch > target.l2Bytes * 3 / 4)
    cost *= scratch > target.l2Bytes ? 1.15 : 1.04;
  return cost;
}

} // namespace

double choosePanels(Schedule &schedule, const ConvolutionLayout &layout, const TargetInfo &target,
                    bool fixed, double otherCost) {
  constexpr int64_t someImages = 4, fewUnits = 16, manyPositions = 400, mostScratch = 4 << 20;
  constexpr double smallWork = 100e3; // Multiply-adds that one thread does at once.
  if (!PanelPlan::applies(layout) || !schedule.tiles.fma)
    return otherCost;
  Schedule trial = schedule, best = schedule;
  auto &tiles = trial.tiles;
  const int64_t lanes = schedule.lanes, batch = layout.batch.constant().value_or(someImages);
  const PanelPlan whole(layout, schedule);
  if (whole.rows < lanes || batch < 1)
    return otherCost;
  const int64_t depthBytes = whole.depth * tiles.elementBytes;
  const int64_t planes = layout.y.numPlanes() * layout.x.numPlanes();
  double least = otherCost;
  for (int64_t vectors = 1; vectors <= 4 && vectors * lanes <= whole.rows; ++vectors)
    for (int64_t columns = 1; columns <= std::min<int64_t>(28, whole.width); ++columns)
      for (int64_t lines = 1; lines <= 8; ++lines) {
        // Up to four rows of an image, or a row of up to five images.
        const bool ofImages = lines > 4;
        const int64_t rows = ofImages ? 1 : lines, images = ofImages ? lines - 3 : 1;
        if (rows > whole.height || images > batch ||
            columns * rows * images * vectors + vectors + 1 >= target.vectorRegisters)
          continue;
        tiles.panel = tiles.nr = vectors * lanes;
        tiles.mr = columns;
        tiles.kUnroll = rows * images;
        tiles.packA = ofImages;
        const bool inPanels = fixed && whole.rows % tiles.panel == 0;
        tiles.packB =
            inPanels ? cpu::ContractionTiles::Pack::Never : cpu::ContractionTiles::Pack::Always;
        // A block of the depth whose panel stays in a fifth of the second-level cache.
        const int64_t perChannel = whole.taps * tiles.panel * tiles.elementBytes;
        const int64_t parts = ceilDivide(whole.depth * perChannel, target.l2Bytes / 5);
        tiles.kc = ceilDivide(whole.depth, parts);
        // Rows of positions whose copies stay in a third of it.
        tiles.nBlock = whole.height;
        tiles.groupUnits = 1;
        for (int64_t cut = 1; cut <= whole.height; ++cut) {
          tiles.nBlock = std::min(roundUp(ceilDivide(whole.height, cut), rows), whole.height);
          if (PanelPlan(whole, trial).channelSize * depthBytes <= target.l2Bytes / 3)
            break;
        }
        // Several images share a panel.
        const int64_t positions = whole.width * tiles.nBlock;
        if (tiles.nBlock == whole.height)
          tiles.groupUnits = std::clamp<int64_t>(ceilDivide(manyPositions, positions), 1, batch);
        tiles.groupUnits = roundUp(tiles.groupUnits, images);
        tiles.mBlock = roundUp(whole.rows, tiles.panel);
        while (tiles.groupUnits > images && PanelPlan(whole, trial).scratchBytes() > mostScratch)
          tiles.groupUnits -= images;
        PanelPlan plan(whole, trial);
        if (plan.scratchBytes() > mostScratch)
          continue;
        const double work = static_cast<double>(batch * whole.groups * whole.height * whole.width) *
                            static_cast<double>(whole.rows * whole.depth * whole.taps);
        auto wanted = static_cast<int64_t>(std::clamp<double>(work / smallWork, 1, fewUnits));
        wanted = wanted > 1 ? roundUp(wanted, 2) : 1; // Few units are an even number of them.
        auto units = [&] {
          return ceilDivide(batch, plan.images()) * whole.groups * plan.blocks() * plan.rowBlocks();
        };
        const int64_t strips = ceilDivide(whole.rows, tiles.panel);
        for (int64_t cut = 2; units() < wanted && cut <= strips; ++cut)
          tiles.mBlock = ceilDivide(strips, cut) * tiles.panel;
        // Chunks of units that share their source.
        const int64_t fewest = wanted > 1 && units() == plan.rowBlocks() ? 2 : 1;
        const int64_t fills = std::min(
            plan.rowBlocks(), std::max(fewest, ceilDivide(wanted * plan.rowBlocks(), 2 * units())));
        const double cost = costOf(plan, trial, target, planes * fills, batch);
        if (cost < least) {
          least = cost;
          best = trial;
          const double perUnit = work / static_cast<double>(std::max<int64_t>(1, units()));
          best.grain = std::max<int64_t>(ceilDivide(plan.rowBlocks(), fills),
                                         static_cast<int64_t>(smallWork / std::max(1.0, perUnit)));
        }
      }
  schedule = best;
  return least;
}

// -- Constant weights -----------------------------------------------------------------------------

void copyWeightPanels(const ConvolutionLayout &layout, const Schedule &schedule, const char *from,
                      char *to) {
  const PanelPlan plan(layout, schedule);
  const int64_t bytes = schedule.tiles.elementBytes, panel = plan.panel(), taps = plan.taps;
  const bool spreads = layout.x.spreads;
  // Elements from one channel of the result to the next, and from one of the source.
  const int64_t rowStride = spreads ? taps : plan.depth * taps,
                depthStride = spreads ? plan.rows * taps : taps,
                groupSize = plan.rows * plan.depth * taps;
  for (int64_t group = 0; group < plan.groups; ++group)
    for (int64_t strip = 0; strip < plan.rows; strip += panel)
      for (int64_t channel = 0; channel < plan.depth; ++channel)
        for (int64_t tap = 0; tap < taps; ++tap)
          for (int64_t row = 0; row < panel; ++row, to += bytes)
            std::memcpy(to,
                        from + bytes * (group * groupSize + (strip + row) * rowStride +
                                        channel * depthStride + tap),
                        static_cast<size_t>(bytes));
}

} // namespace sinter::codegen
