// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/ConvolutionCosts.h"
#include "sinter/codegen/forms/PanelPlan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace sinter::ir;

namespace sinter::codegen {

using namespace convolution;

// -- Taps ----------------------------------------------------------------------------------------

TapAxis::TapAxis(const ConvolutionAxis &axis)
    : taps(axis.taps), stride(axis.stride), dilation(axis.dilation), spreads(axis.spreads) {
  auto before = axis.low.constant(), size = axis.source.constant();
  constexpr int64_t longest = int64_t{1} << 40;
  isKnown = before && size && std::abs(*before) <= longest &&
            std::max({*size, stride, dilation}) <= longest;
  if (isKnown) {
    low = *before;
    source = *size;
  }
}

TapAxis::Range TapAxis::within(int64_t first, int64_t last) const {
  if (!isKnown)
    return {0, taps};
  // Tap k of position q reads element q * stride + k * dilation - low, or q + low - k * dilation.
  const int64_t begin = spreads ? first + low - source + 1 : low - last * stride,
                end = spreads ? last + low + 1 : source + low - first * stride;
  auto tapAt = [&](int64_t distance) {
    return std::min(taps, ceilDivide(std::max<int64_t>(0, distance), dilation));
  };
  return {tapAt(begin), std::max(tapAt(begin), tapAt(end))};
}

TapAxis::Range TapAxis::full(int64_t positions) const {
  if (!isKnown)
    return {0, positions};
  // Tap 0 and the last one are the outermost that are read.
  const int64_t reach = (taps - 1) * dilation;
  const int64_t first = spreads ? reach - low : ceilDivide(low, stride),
                behind = spreads ? source - low : (source + low - reach - 1 + stride) / stride;
  return {std::clamp<int64_t>(first, 0, positions), std::clamp<int64_t>(behind, 0, positions)};
}

bool TapAxis::isFull(int64_t positions) const {
  const Range range = full(positions);
  return range.begin == 0 && range.end == positions;
}

double TapAxis::share(int64_t positions, int64_t together) const {
  constexpr int64_t many = 1024; // Positions whose ends do not count.
  if (!isKnown || positions > many)
    return 1;
  int64_t left = 0;
  for (int64_t q = 0; q < positions; q += together) {
    const Range range = within(q, q + together - 1);
    left += range.end - range.begin;
  }
  return static_cast<double>(left) / static_cast<double>(ceilDivide(positions, together) * taps);
}

// -- The plan -------------------------------------------------------------------------------------

bool PanelPlan::applies(const ConvolutionLayout &layout) {
  // Sizes in scratch are products of few of these.
  constexpr int64_t mostChannels = int64_t{1} << 16, longest = int64_t{1} << 14, mostTaps = 256,
                    mostElements = int64_t{1} << 30, mostPhases = 16;
  auto isWithin = [](const DimExpr &size, int64_t last) {
    auto known = size.constant();
    return known && *known >= 1 && *known <= last;
  };
  return !layout.ofWeight && layout.leading.empty() && layout.taps() <= mostTaps &&
         layout.phases() <= mostPhases && isWithin(layout.inputs, mostChannels) &&
         isWithin(layout.outputs, mostChannels) && isWithin(layout.groups, mostChannels) &&
         isWithin(layout.y.positions(), longest) && isWithin(layout.x.positions(), longest) &&
         isWithin(layout.pitch(), 2 * longest) &&
         isWithin(layout.channelSize(layout.y.positions(), 16), mostElements);
}

PanelPlan::PanelPlan(const ConvolutionLayout &layout, const Schedule &schedule)
    : tapsY(layout.y), tapsX(layout.x), batch(layout.batch), schedule(schedule) {
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
  phases = layout.phases();
  together = layout.x.numPhases() == 2 ? 2 : 1;
  mostTaps = 0;
  const auto ofPhases = tapsOfPhases(layout);
  for (int64_t step = 0; step < steps(); ++step) {
    int64_t count = 0;
    for (int64_t k = 0; k < together; ++k)
      count += static_cast<int64_t>(ofPhases[static_cast<size_t>(step * together + k)].size());
    mostTaps = std::max(mostTaps, count);
  }
  for (size_t together = 1; together < rowShares.size(); ++together)
    rowShares[together] = tapsY.share(height, static_cast<int64_t>(together));
  columnShare = tapsX.share(width, 1);
  const TapAxis::Range full = tapsX.full(width);
  fullBegin = full.begin;
  fullEnd = full.end;
  ConvolutionOp op = layout.op;
  const mlir::Value source = layout.x.spreads ? op.getRhs() : op.getLhs();
  const DType dtype = op.getType().getDType();
  isInMemory = mlir::isa<mlir::BlockArgument>(source) && tensorType(source).getDType() == dtype &&
               (dtype == DType::F32 || dtype == DType::F64);
  setChannelSize();
}

PanelPlan::PanelPlan(const PanelPlan &other, const Schedule &schedule)
    : rows(other.rows), depth(other.depth), height(other.height), width(other.width),
      pitch(other.pitch), taps(other.taps), groups(other.groups), phases(other.phases),
      together(other.together), mostTaps(other.mostTaps), tapsY(other.tapsY), tapsX(other.tapsX),
      isInMemory(other.isInMemory), planes(other.planes), planeEnd(other.planeEnd),
      rowShares(other.rowShares), columnShare(other.columnShare), fullBegin(other.fullBegin),
      fullEnd(other.fullEnd), batch(other.batch), schedule(schedule) {
  setChannelSize();
}

void PanelPlan::setChannelSize() {
  channelSize =
      ConvolutionLayout::spacedSize(planes * (blockRows() * pitch + planeEnd), schedule.lanes);
}

bool PanelPlan::skipsColumns() const {
  // The code of a step, as many times as a row has taps, and what has to be left out to be worth
  // it: more where that takes several kinds of tiles, unless they save the copy of the source.
  constexpr int64_t mostProducts = 300;
  const int64_t kinds = std::min<int64_t>(3, tilesX());
  const double worthIt = kinds == 1 || mayReadSource() ? 0.01 : 0.04;
  return phases == 1 && columnShare < 1 - worthIt &&
         kinds * tapsX.taps * tileSize() / schedule.lanes <= mostProducts &&
         (kinds < 3 || (tileColumns() >= fullBegin && (tilesX() - 1) * tileColumns() <= fullEnd));
}

bool PanelPlan::unrollsTaps() const {
  // With so few products in a step the loop around it counts.
  constexpr int64_t fewProducts = 20, mostTaps = 5;
  return skipsColumns() || (phases == 1 && tapsX.taps > 1 && tapsX.taps <= mostTaps &&
                            tileSize() / schedule.lanes <= fewProducts);
}

int64_t PanelPlan::columnOfKind(int64_t kind) const {
  if (kind == 0)
    return 0;
  return kind + 1 == tileKinds() ? width - tileColumns() : tileColumns();
}

bool PanelPlan::mayReadSource() const {
  if (!isInMemory || phases != 1 || !tapsY.isKnown || !tapsX.isKnown)
    return false;
  // Channels a multiple of a page apart fall into the same sets of the cache.
  constexpr int64_t page = 4096, fewChannels = 8;
  if (depth > fewChannels && sourceSize() * schedule.tiles.elementBytes % page == 0)
    return false;
  const bool isWithinRows = tileRows() == 1 || height % blockRows() == 0;
  const auto known = batch.constant();
  const bool isWithinImages = tileImages() == 1 || (known && *known % tileImages() == 0);
  return isWithinRows && isWithinImages &&
         (tapsY.isFull(height) || (skipsRows() && tileRows() == 1));
}

bool PanelPlan::readsSource() const {
  return mayReadSource() && (tapsX.isFull(width) || skipsColumns());
}

int64_t PanelPlan::lineStep() const {
  if (tileImages() == 1)
    return rowStep();
  return readsSource() ? groups * depth * sourceSize() : patchSize();
}

std::vector<llvm::SmallVector<int64_t>> tapsOfPhases(const ConvolutionLayout &layout) {
  std::vector<llvm::SmallVector<int64_t>> taps(static_cast<size_t>(layout.phases()));
  for (int64_t k = 0; k < layout.taps(); ++k) {
    const int64_t y = layout.y.phaseOf(k / layout.x.taps), x = layout.x.phaseOf(k % layout.x.taps);
    taps[static_cast<size_t>(y * layout.x.numPhases() + x)].push_back(k);
  }
  return taps;
}

DimExpr PanelPlan::units() const {
  return ceilDiv(batch, DimExpr(images())) * DimExpr(groups * blocks() * rowBlocks());
}

int64_t PanelPlan::patchSize() const {
  return readsSource() ? 0 : roundUp(depth * channelSize + 2 * schedule.lanes, schedule.lanes);
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

int64_t PanelPlan::tableBytes() const {
  int64_t words = 2 * (phases + taps);
  if (phases > 1)
    words += 2 * (steps() + roundUp(taps, schedule.lanes));
  return roundUp(8 * words, 64);
}

int64_t PanelPlan::scratchBytes() const {
  const int64_t elements =
      images() * patchSize() + areas() * areaSize() + panelSize() + sumsSize() + 2 * schedule.lanes;
  return roundUp(tableBytes() + elements * schedule.tiles.elementBytes, 64);
}

// -- Choosing -------------------------------------------------------------------------------------

namespace {

constexpr double fillCost = 4, fillRowCost = 8; // Cycles of a vector, and of a row of a plane.
constexpr double turnCost = 8;                  // Of a vector of the weights or of sums.
constexpr double storeCost = 8;                 // Of a vector of results.

/// Cycles of one step of a tile. Its weights come from the second-level cache. What nothing hides
/// is that of a loop over taps, or of one over rows of them.
double stepOfPanel(const PanelPlan &plan, int64_t vectors, const TargetInfo &target) {
  constexpr double bytesPerCycle = 12;
  const int64_t lines = plan.tileRows() * plan.tileImages();
  const auto steps = static_cast<double>(plan.unrollsTaps() ? plan.tapsX.taps : 1);
  const TileStep step{.factors = static_cast<double>(plan.tileColumns() * lines),
                      .vectors = static_cast<double>(vectors),
                      .overhead = (0.3 * static_cast<double>(lines) + 0.9) / steps,
                      .others = static_cast<double>(vectors * target.vectorBytes) / bytesPerCycle};
  return step.cycles(target);
}

/// Cycles that one group of an image takes.
double costOf(const PanelPlan &plan, const Schedule &schedule, const TargetInfo &target,
              int64_t planes, int64_t batch) {
  const auto lanes = static_cast<double>(schedule.lanes);
  const double images = static_cast<double>(std::min(plan.images(), batch));
  const int64_t vectors = plan.panel() / schedule.lanes;
  const int64_t strips = ceilDivide(plan.rows, plan.panel());
  const double tiles = static_cast<double>(plan.blocks() * plan.tilesY() * plan.tilesX()) *
                       static_cast<double>(roundUp(batch, plan.tileImages())) /
                       static_cast<double>(batch * plan.tileImages());
  const auto steps = static_cast<double>(plan.depth * plan.taps);
  double cost = tiles * static_cast<double>(strips) * steps * plan.share() *
                stepOfPanel(plan, vectors, target);
  // Sums are stored, turned and stored.
  const double results = static_cast<double>(plan.height * plan.width * plan.rows * plan.phases);
  // A line of a tile ends within a vector.
  const double lines = static_cast<double>(plan.rows * plan.height * plan.tilesX());
  const double stored =
      plan.finishesTiles()
          ? lines * static_cast<double>(ceilDivide(plan.tileColumns(), schedule.lanes))
          : results / lanes;
  cost += stored * (turnCost + storeCost);
  const int64_t depthBlocks = ceilDivide(plan.depth, plan.depthBlock());
  cost += 2 * static_cast<double>(depthBlocks) * results / lanes;
  // What several units do again.
  if (plan.packs())
    cost += turnCost *
            static_cast<double>(plan.blocks() * strips * vectors *
                                (depthBlocks > 1 ? plan.steps() : 1)) *
            steps / images;
  const double fills =
      plan.readsSource() ? 0 : static_cast<double>(plan.blocks()) * static_cast<double>(planes);
  cost += fills * static_cast<double>(plan.depth) *
          (fillRowCost * static_cast<double>(plan.blockRows()) +
           fillCost * static_cast<double>(plan.channelSize) / lanes);
  // Patches and sums fall out of the second-level cache.
  const int64_t scratch = plan.scratchBytes();
  if (scratch > target.l2Bytes * 3 / 4)
    cost *= scratch > target.l2Bytes ? 1.15 : 1.04;
  return cost;
}

/// The first number in [low, high] that `isEnough`, which all behind it then are; else `high`.
int64_t firstOf(int64_t low, int64_t high, llvm::function_ref<bool(int64_t)> isEnough) {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (isEnough(middle))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

} // namespace

double choosePanels(Schedule &schedule, const ConvolutionLayout &layout, const TargetInfo &target,
                    bool fixed, double otherCost) {
  // Positions that share a packed panel: its packing is then 2% of the multiply-adds.
  constexpr int64_t manyPositions = 400, mostScratch = 4 << 20;
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
            !fitRegisters(columns * rows * images * vectors, vectors, target, /*fma=*/true))
          continue;
        tiles.panel = tiles.nr = vectors * lanes;
        tiles.mr = columns;
        tiles.kUnroll = rows * images;
        tiles.packA = ofImages;
        const bool inPanels = fixed && whole.rows % tiles.panel == 0;
        tiles.packB =
            inPanels ? cpu::ContractionTiles::Pack::Never : cpu::ContractionTiles::Pack::Always;
        // A block of the depth whose panel stays in a fifth of the second-level cache.
        const int64_t perChannel = whole.mostTaps * tiles.panel * tiles.elementBytes;
        const int64_t parts = ceilDivide(whole.depth * perChannel, target.l2Bytes / 5);
        tiles.kc = ceilDivide(whole.depth, parts);
        // Rows of positions whose copies stay in a third of it.
        tiles.nBlock = whole.height;
        tiles.groupUnits = 1;
        auto cutInto = [&](int64_t parts) {
          tiles.nBlock = std::min(roundUp(ceilDivide(whole.height, parts), rows), whole.height);
          return PanelPlan(whole, trial).channelSize * depthBytes <= target.l2Bytes / 3;
        };
        cutInto(firstOf(1, whole.height, cutInto));
        // Several images share a panel.
        const int64_t positions = whole.width * tiles.nBlock * whole.together;
        if (tiles.nBlock == whole.height)
          tiles.groupUnits = std::clamp<int64_t>(ceilDivide(manyPositions, positions), 1, batch);
        // Equally many in every unit, or threads end unequally.
        tiles.groupUnits = ceilDivide(batch, ceilDivide(batch, tiles.groupUnits));
        tiles.groupUnits = roundUp(tiles.groupUnits, images);
        tiles.mBlock = roundUp(whole.rows, tiles.panel);
        while (tiles.groupUnits > images && PanelPlan(whole, trial).scratchBytes() > mostScratch)
          tiles.groupUnits -= images;
        PanelPlan plan(whole, trial);
        if (plan.scratchBytes() > mostScratch)
          continue;
        const double work = static_cast<double>(batch * whole.groups * whole.height * whole.width) *
                            static_cast<double>(whole.rows * whole.depth * whole.taps);
        const int64_t wanted = wantedUnits(work);
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
          const int64_t filled = plan.readsSource() ? 1 : ceilDivide(plan.rowBlocks(), fills);
          best.grain = std::max(filled, smallGrain(perUnit));
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
  const auto ofPhases = tapsOfPhases(layout);
  auto copyRows = [&](int64_t group, int64_t strip, int64_t channel, int64_t tap) {
    for (int64_t row = 0; row < panel; ++row, to += bytes)
      std::memcpy(to,
                  from + bytes * (group * groupSize + (strip + row) * rowStride +
                                  channel * depthStride + tap),
                  static_cast<size_t>(bytes));
  };
  for (int64_t group = 0; group < plan.groups; ++group)
    for (int64_t strip = 0; strip < plan.rows; strip += panel)
      for (int64_t step = 0; step < plan.steps(); ++step)
        for (int64_t channel = 0; channel < plan.depth; ++channel)
          for (int64_t k = 0; k < plan.together; ++k)
            for (int64_t tap : ofPhases[static_cast<size_t>(step * plan.together + k)])
              copyRows(group, strip, channel, tap);
}

} // namespace sinter::codegen
