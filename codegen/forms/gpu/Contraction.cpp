// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/ContractionKernels.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

#include "sinter/passes/ContractionDims.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

namespace {

/// The largest power of two up to 16 that divides a size.
int64_t divisor(const DimExpr &size) {
  for (int64_t width = 16; width > 1; width /= 2)
    if (size.dividedExactlyBy(width))
      return width;
  return 1;
}

GpuOperand operandOf(FusedOp fused, Value operand, const DimExpr &size, const DimExpr &depth,
                     const DimExpr &stride, const DimExpr &strideK,
                     llvm::ArrayRef<DimExpr> batchDims, llvm::ArrayRef<DimExpr> batchStrides) {
  GpuOperand result;
  passes::ContractionOperand source = memoryOf(fused, operand);
  result.dtype = source.dtype;
  const bool unitK = strideK.constant() == 1, unit = stride.constant() == 1;
  result.alongK = unitK && !(unit && depth.constant() == 1);
  if (source.memory && (unitK || unit))
    result.memory = source.memory;
  result.stride = result.alongK ? stride : strideK;
  result.along = result.alongK ? depth : size;
  result.across = result.alongK ? size : depth;
  result.aligned = result.across.constant() == 1 ? 16 : divisor(result.stride);
  for (auto [batch, batchStride] : llvm::zip(batchDims, batchStrides))
    if (batch.constant() != 1)
      result.aligned = std::min(result.aligned, divisor(batchStride));
  result.whole = std::min(result.aligned, divisor(result.along));
  // Batch dims that follow each other evenly are one.
  std::optional<DimExpr> known;
  bool even = true;
  DimExpr next = 1;
  for (size_t i = batchDims.size(); i-- > 0;) {
    if (batchDims[i].constant() == 1)
      continue;
    if (!known)
      known = batchStrides[i];
    else
      even &= batchStrides[i] == next;
    next = batchDims[i] * batchStrides[i];
  }
  if (even)
    result.batchStride = known ? *known : result.stride * result.across;
  return result;
}

int64_t sizeOr(const DimExpr &size) { return size.constant().value_or(unknownSize); }

} // namespace

GpuContractionFacts::GpuContractionFacts(FusedOp fused, DotGeneralOp dot,
                                         const ContractionLayout &layout) {
  a = operandOf(fused, dot.getLhs(), layout.m, layout.k, layout.lhsM, layout.lhsK, layout.batchDims,
                layout.lhsBatch);
  b = operandOf(fused, dot.getRhs(), layout.n, layout.k, layout.rhsN, layout.rhsK, layout.batchDims,
                layout.rhsBatch);
  sum = passes::sumDType(tensorType(dot.getLhs()).getDType());
  const DType dtype = tensorType(dot.getLhs()).getDType();
  if (dtype == f16 || dtype == bf16)
    multiplied = dtype;
  else if (dtype == f32 && a.dtype == b.dtype && (a.dtype == f16 || a.dtype == bf16) &&
           memoryOf(fused, dot.getLhs()).memory && memoryOf(fused, dot.getRhs()).memory)
    multiplied = a.dtype; // Products of converted elements are exact in f32.
  else if (dtype == f32 && dot->hasAttr(tf32Attr))
    multiplied = f32;
  int64_t bytes = 8;
  for (Value value : yields(fused))
    bytes = std::min<int64_t>(bytes, byteSize(tensorType(value).getDType()));
  pack = std::min<int64_t>({8, 16 / bytes, divisor(layout.n)});
  matrixIsLeft = sizeOr(layout.n) <= sizeOr(layout.m);
}

int64_t loadPack(const GpuTiles &tiles, const GpuContractionFacts &facts,
                 const GpuOperand &operand) {
  if (!operand.memory || tiles.kernel == static_cast<int64_t>(GpuContraction::Tiny))
    return 0;
  const int64_t bytes = byteSize(operand.dtype), sumBytes = byteSize(facts.sum);
  switch (static_cast<GpuContraction>(tiles.kernel)) {
  case GpuContraction::Tiny:
    return 0;
  case GpuContraction::Simt: // A thread's share of a tile is as many elements at least.
    return std::min(operand.whole, sumBytes == 8 ? 2 : int64_t{4});
  case GpuContraction::Matrix:
    return operand.dtype == *facts.multiplied && operand.aligned * bytes >= 16 ? 16 / bytes : 0;
  case GpuContraction::Hopper:
  case GpuContraction::HopperPair:
    return 16 / bytes;
  case GpuContraction::Rows:
    return std::min(operand.whole, 16 / bytes);
  case GpuContraction::Columns: { // Sums of a thread, and of a block in shared memory.
    const int64_t vectors = llvm::PowerOf2Ceil(static_cast<uint64_t>(tiles.n));
    return std::min({operand.whole, 16 / bytes, 128 / (sumBytes * vectors)});
  }
  }
  llvm_unreachable("a kernel without loads");
}

DimExpr partDepth(const ContractionLayout &layout, const GpuTiles &tiles) {
  const DimExpr step = tiles.k;
  return ceilDiv(ceilDiv(layout.k, DimExpr(tiles.splits)), step) * step;
}

int64_t sharedBytes(const GpuTiles &tiles, bool wholeRows) {
  constexpr int64_t rowBytes = 64;
  switch (static_cast<GpuContraction>(tiles.kernel)) {
  case GpuContraction::Matrix:
    return tiles.stages * (tiles.m + tiles.n) * rowBytes;
  case GpuContraction::Hopper:
  case GpuContraction::HopperPair: { // Stages; sums of 8 warps on their way out; barriers.
    const int64_t staged = wholeRows ? 8 * (tiles.n + 8) : 16 * 40;
    return tiles.stages * (tiles.m + tiles.n) * 2 * rowBytes + 8 * staged * 4 + tiles.stages * 16;
  }
  default:
    return 0;
  }
}

bool finishesRows(const GpuTiles &tiles) {
  const auto kernel = static_cast<GpuContraction>(tiles.kernel);
  return tiles.splits == 1 && kernel != GpuContraction::Rows && kernel != GpuContraction::Columns &&
         kernel != GpuContraction::Tiny;
}

KernelPlan rowsPlan(FusedOp fused, const KernelPlan &plan) {
  constexpr int64_t threads = 256;
  KernelPlan rows = plan;
  const bool inBlocks = finishesRows(plan.schedule.gpu);
  rows.analysis = plan.analysis.rowsBehind();
  rows.schedule =
      scheduleRowsBehind(fused, rows.analysis, inBlocks ? plan.schedule.threads : threads);
  rows.cached = chooseCached(fused, rows.analysis);
  if (!inBlocks) // Sums are read, and their parts added up, once.
    rows.cached.insert(rows.cached.begin(), rows.analysis.source->getResult(0));
  return rows;
}

namespace {

/// Blocks of the result for which a tile is large enough: those of today's large GPUs have about
/// that many processors. Nothing else may be asked: the same sizes give the same bits on every GPU.
constexpr int64_t enoughBlocks = 120;

struct Sizes {
  int64_t batch, m, n, k;
  int64_t blocks(int64_t tileM, int64_t tileN) const {
    return batch * ceilDivide(m, tileM) * ceilDivide(n, tileN);
  }
};

/// Parts of k where there are few blocks: at most 16, each at least `least` long.
int64_t splitsFor(const Sizes &sizes, int64_t blocks, int64_t wanted, int64_t least) {
  if (blocks * 2 > wanted)
    return 1;
  return std::clamp<int64_t>(std::min(wanted / std::max<int64_t>(1, blocks), sizes.k / least), 1,
                             16);
}

bool suitsHopper(const GpuContractionFacts &facts, const ContractionLayout &layout,
                 const Sizes &sizes) {
  auto fits = [&](const GpuOperand &operand) {
    return operand.memory && operand.dtype == *facts.multiplied && operand.aligned >= 8 &&
           operand.batchStride && operand.batchStride->dividedExactlyBy(8) &&
           operand.across.constant() != 1;
  };
  return byteSize(*facts.multiplied) == 2 && fits(facts.a) && fits(facts.b) && sizes.m >= 64 &&
         sizes.n >= 64 && layout.k.constant().value_or(0) >= 64;
}

/// Tiles of whole rows, or as wide as the tiles that rows were cut into. Where those are too few
/// blocks, k is split and another launch finishes the rows; so it does behind a few vectors that
/// multiply a matrix.
LogicalResult chooseWithRows(const ScheduledRegion &region, const GpuContractionFacts &facts,
                             const ContractionLayout &layout, const Sizes &sizes,
                             Schedule &schedule) {
  auto choose = [&](GpuContraction kernel, GpuTiles tiles, int64_t threads, int64_t least) {
    tiles.kernel = static_cast<int64_t>(kernel);
    tiles.splits = splitsFor(sizes, sizes.blocks(tiles.m, tiles.n), enoughBlocks, least);
    schedule.gpu = tiles;
    schedule.threads = threads;
    return success();
  };
  const int64_t row = rowTileBehind(region.analysis, layout).value_or(sizes.n);
  if (facts.multiplied) {
    if (region.target.arch == "sm_90a" && suitsHopper(facts, layout, sizes)) {
      const int64_t tileN = row <= 64 ? 64 : row <= 128 ? 128 : 256;
      return choose(GpuContraction::Hopper,
                    {.m = 128, .n = tileN, .k = 64, .stages = tileN == 256 ? 3 : 6}, 384, 512);
    }
    const int64_t tileK = 64 / byteSize(*facts.multiplied);
    if (row <= 64)
      return choose(GpuContraction::Matrix, {.m = 64, .n = 64, .k = tileK, .stages = 4}, 128, 256);
    const bool large = row <= 128 && sizes.blocks(128, 128) >= enoughBlocks && sizes.m > 64;
    return choose(GpuContraction::Matrix,
                  {.m = large ? 128 : 64, .n = row <= 128 ? 128 : 256, .k = tileK, .stages = 4},
                  256, 256);
  }
  GpuTiles tiles = {.m = 64, .n = 64, .k = byteSize(facts.sum) == 8 ? 8 : 16, .stages = 2};
  int64_t threads = 256;
  if (row > 64)
    tiles = sizes.blocks(128, 128) >= enoughBlocks && sizes.m > 64
                ? GpuTiles{.m = 128, .n = 128, .k = 8, .stages = 2}
                : GpuTiles{.m = 32, .n = 128, .k = 32, .stages = 2};
  else if (row <= 32 && byteSize(facts.sum) != 8) {
    tiles.m = tiles.n = 32;
    threads = 128;
  }
  return choose(GpuContraction::Simt, tiles, threads, 128);
}

/// Tiles where no rows follow in the same block.
LogicalResult chooseTiles(const ScheduledRegion &region, const GpuContractionFacts &facts,
                          const ContractionLayout &layout, const Sizes &sizes, Schedule &schedule) {
  auto choose = [&](GpuContraction kernel, GpuTiles tiles, int64_t threads) {
    tiles.kernel = static_cast<int64_t>(kernel);
    schedule.gpu = tiles;
    schedule.threads = threads;
    return success();
  };
  if (facts.multiplied) {
    if (region.target.arch == "sm_90a" && suitsHopper(facts, layout, sizes)) {
      const bool wide = sizes.blocks(128, 256) >= enoughBlocks && sizes.n >= 256;
      const int64_t tileN = wide                                                         ? 256
                            : sizes.n > 64 && sizes.blocks(128, 128) >= enoughBlocks / 2 ? 128
                                                                                         : 64;
      const int64_t splits = splitsFor(sizes, sizes.blocks(128, tileN), enoughBlocks, 512);
      const bool paired = wide && sizes.m > 128;
      return choose(paired ? GpuContraction::HopperPair : GpuContraction::Hopper,
                    {.m = 128, .n = tileN, .k = 64, .stages = wide ? 4 : 6, .splits = splits}, 384);
    }
    const int64_t tileK = 64 / byteSize(*facts.multiplied);
    const bool large = sizes.blocks(128, 128) >= enoughBlocks && sizes.m > 64 && sizes.n > 64;
    const int64_t tile = large ? 128 : 64;
    const int64_t splits = splitsFor(sizes, sizes.blocks(tile, tile), enoughBlocks, 256);
    return choose(GpuContraction::Matrix,
                  {.m = tile, .n = tile, .k = tileK, .stages = 4, .splits = splits},
                  large ? 256 : 128);
  }

  GpuTiles tiles = {.m = 64, .n = 64, .k = 16, .stages = 2};
  int64_t threads = 256;
  if (byteSize(facts.sum) == 8)
    tiles.k = 8;
  else if (sizes.blocks(128, 128) >= enoughBlocks && sizes.m > 64 && sizes.n > 64)
    tiles.m = tiles.n = 128, tiles.k = 8;
  else if (sizes.blocks(64, 64) < enoughBlocks / 2 || (sizes.m <= 32 && sizes.n <= 32)) {
    tiles.m = tiles.n = 32;
    threads = 128;
  }
  tiles.splits = splitsFor(sizes, sizes.blocks(tiles.m, tiles.n), enoughBlocks, 128);
  return choose(GpuContraction::Simt, tiles, threads);
}

LogicalResult chooseGpuContraction(const ScheduledRegion &region, Schedule &schedule) {
  auto dot = cast<DotGeneralOp>(region.analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return dot.emitError("its dims cannot be flattened");
  const GpuContractionFacts facts(region.fused, dot, *layout);
  const Sizes sizes = {sizeOr(layout->batch), sizeOr(layout->m), sizeOr(layout->n),
                       sizeOr(layout->k)};
  auto choose = [&](GpuContraction kernel, GpuTiles tiles, int64_t threads) {
    tiles.kernel = static_cast<int64_t>(kernel);
    schedule.gpu = tiles;
    schedule.threads = threads;
    return success();
  };

  const bool hasRows = region.analysis.hasRowsBehind();
  constexpr int64_t smallMatrix = 16, shortSum = 64, hardlyAny = 4;
  const int64_t depth = layout->k.constant().value_or(shortSum + 1);
  if (!hasRows && (depth <= hardlyAny ||
                   (depth <= shortSum && sizes.m <= smallMatrix && sizes.n <= smallMatrix)))
    return choose(GpuContraction::Tiny, {.m = 1, .n = facts.pack, .k = 1}, 128);

  constexpr int64_t fewVectors = 8, shortRow = 128;
  const DimExpr &few = facts.matrixIsLeft ? layout->n : layout->m;
  const int64_t many = facts.matrixIsLeft ? sizes.m : sizes.n;
  if (few.constant().value_or(fewVectors + 1) <= fewVectors && few.constant() != 0 &&
      !(hasRows && facts.matrixIsLeft)) { // Tiles finish short rows themselves.
    const bool rows = (facts.matrixIsLeft ? facts.a : facts.b).alongK;
    if (rows &&
        sizes.k >= shortRow) { // A warp per row; 16 warps a processor hide the memory's latency.
      const int64_t splits = splitsFor(sizes, sizes.batch * many, enoughBlocks * 16, 2048);
      return choose(GpuContraction::Rows,
                    {.m = 1, .n = *few.constant(), .k = 128, .splits = splits}, 256);
    }
    if (!rows && sizes.k >= 32) {
      const int64_t width =
          32 * std::min<int64_t>(4, (facts.matrixIsLeft ? facts.a : facts.b).whole);
      const int64_t splits =
          splitsFor(sizes, sizes.batch * ceilDivide(many, width), enoughBlocks * 2, 256);
      return choose(GpuContraction::Columns,
                    {.m = 1, .n = *few.constant(), .k = 32, .splits = splits}, 256);
    }
  }

  if (!hasRows)
    return chooseTiles(region, facts, *layout, sizes, schedule);
  if (failed(chooseWithRows(region, facts, *layout, sizes, schedule)))
    return failure();
  // Where k is cut another launch finishes the rows, so tiles need not hold them: those that leave
  // more blocks.
  Schedule parts = schedule;
  if (schedule.gpu.splits > 1 && succeeded(chooseTiles(region, facts, *layout, sizes, parts))) {
    auto blocks = [&](const GpuTiles &tiles) {
      return sizes.blocks(tiles.m, tiles.n) * tiles.splits;
    };
    if (parts.gpu.splits > 1 && blocks(parts.gpu) > blocks(schedule.gpu))
      schedule = parts;
  }
  return success();
}

/// The map of an operand for the copy engine: boxes of 64 neighbours.
TensorMap mapOf(const GpuOperand &operand, const DimExpr &batch, int64_t tile) {
  TensorMap map;
  map.buffer = static_cast<int>(cast<BlockArgument>(operand.memory).getArgNumber());
  map.dtype = operand.dtype;
  const int64_t bytes = byteSize(operand.dtype);
  map.sizes = {operand.along, operand.across, batch};
  map.strides = {operand.stride * DimExpr(bytes), *operand.batchStride * DimExpr(bytes)};
  map.box = {64, operand.alongK ? tile : 64, 1};
  map.swizzleBytes = 128;
  return map;
}

void planRowsBehind(FusedOp fused, const ContractionLayout &layout,
                    const GpuContractionFacts &facts, KernelPlan &plan) {
  constexpr int64_t rowsOfUnit = 8, columnsPerBlock = 32, columnThreads = 256;
  const KernelPlan rows = rowsPlan(fused, plan);
  const DimExpr count = rows.analysis.keptShape().numElements();
  const bool inBlocks = finishesRows(plan.schedule.gpu),
             hasColumns = !rows.analysis.columns.empty();
  if (inBlocks) {
    plan.rowsPerUnit = hasColumns ? rowsOfUnit : 1;
    plan.columnUnits = layout.batch * ceilDiv(layout.m, plan.rowsPerUnit);
  } else {
    plan.rowsPerUnit = hasColumns ? gpuRowsPerUnit(rows.analysis, rows.schedule) : 1;
    plan.columnUnits = ceilDiv(count, plan.rowsPerUnit);
    const int64_t perBlock = rows.schedule.threads / rows.schedule.rowThreads;
    plan.stages.push_back(
        {plan.columnUnits, 1, gridFor(plan.columnUnits, rows.schedule.threads, perBlock)});
  }
  if (hasColumns)
    plan.stages.push_back({layout.n, 1, gridFor(layout.n, columnThreads, columnsPerBlock)});
  for (Operation *column : rows.analysis.columns)
    plan.workspaces.push_back(
        alignedBytes(plan.columnUnits * layout.n * registerBytes(column->getOperand(0))));
  if (inBlocks)
    return;
  const DimExpr parts = DimExpr(plan.schedule.gpu.splits) * DimExpr(byteSize(facts.sum));
  const DimExpr sums = plan.analysis.domain.numElements();
  plan.workspaces.push_back(alignedBytes(sums * parts));
  plan.bytesMoved += sums * parts * DimExpr(2);
}

LogicalResult planGpuContraction(FusedOp fused, KernelPlan &plan) {
  auto dot = cast<DotGeneralOp>(plan.analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return fused.emitError("the dims of its contraction cannot be flattened");
  const GpuContractionFacts facts(fused, dot, *layout);
  const GpuTiles &tiles = plan.schedule.gpu;
  const auto kernel = static_cast<GpuContraction>(tiles.kernel);
  const int64_t threads = plan.schedule.threads;
  const DimExpr parts = tiles.splits;
  limitToInts(dot, plan, {layout->m, layout->n, layout->k}, 2 * tiles.n + 2 * tiles.m + tiles.k);

  LaunchSize launch;
  launch.grid.threads = threads;
  launch.grid.sharedBytes = sharedBytes(tiles, plan.analysis.hasRowsBehind());
  const GpuOperand &matrix = facts.matrixIsLeft ? facts.a : facts.b;
  const DimExpr many = facts.matrixIsLeft ? layout->m : layout->n;
  switch (kernel) {
  case GpuContraction::Rows:
    launch.extent = layout->batch * many * parts;
    launch.grid.blocks = gridFor(launch.extent, threads, threads / 32).blocks;
    break;
  case GpuContraction::Columns: {
    const int64_t pack = std::max<int64_t>(1, loadPack(tiles, facts, matrix));
    launch.extent = layout->batch * ceilDiv(many, DimExpr(32 * pack)) * parts;
    launch.grid.blocks = gridFor(launch.extent, threads, 1).blocks;
    break;
  }
  case GpuContraction::Tiny:
    launch.extent = *(layout->batch * layout->m * layout->n).dividedExactlyBy(facts.pack);
    launch.grid.blocks = gridFor(launch.extent, threads).blocks;
    break;
  case GpuContraction::Hopper:
  case GpuContraction::HopperPair: { // As many blocks as run at once, whole clusters of them.
    const int64_t pair = kernel == GpuContraction::HopperPair ? 2 : 1;
    launch.grid.cluster = pair;
    launch.grid.maps = {mapOf(facts.a, layout->batch, tiles.m),
                        mapOf(facts.b, layout->batch, tiles.n / pair)};
    launch.extent = layout->batch * ceilDiv(layout->m, DimExpr(tiles.m * pair)) *
                    ceilDiv(layout->n, DimExpr(tiles.n)) * parts;
    const DimExpr clusters =
        max(floorDiv(DimExpr::symbol(workersSymbol), DimExpr(pair)), DimExpr(1));
    launch.grid.blocks = least(launch.extent, clusters) * DimExpr(pair);
    break;
  }
  default: {
    constexpr int64_t mostBlocks = int64_t{1} << 30;
    launch.extent = layout->batch * ceilDiv(layout->m, DimExpr(tiles.m)) *
                    ceilDiv(layout->n, DimExpr(tiles.n)) * parts;
    launch.grid.blocks = least(launch.extent, DimExpr(mostBlocks));
    break;
  }
  }
  plan.stages.push_back(launch);
  if (plan.analysis.hasRowsBehind()) {
    planRowsBehind(fused, *layout, facts, plan);
  } else if (tiles.splits > 1) {
    const DimExpr sums = layout->batch * layout->m * layout->n;
    const DimExpr packs = *sums.dividedExactlyBy(facts.pack);
    plan.stages.push_back({packs, 1, gridFor(packs, 256)});
    plan.workspaces.push_back(alignedBytes(sums * parts * DimExpr(byteSize(facts.sum))));
    plan.bytesMoved += sums * parts * DimExpr(2 * byteSize(facts.sum));
  }
  return success();
}

} // namespace

const FormRules gpuContractionRules = {chooseGpuContraction, planGpuContraction,
                                       contractionRules.mayShareBuffer};

} // namespace sinter::codegen
