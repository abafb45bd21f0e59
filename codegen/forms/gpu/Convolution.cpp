// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/ConvolutionTiles.h"
#include "sinter/codegen/forms/gpu/Grids.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

ConvolutionProblem::ConvolutionProblem(ConvolutionOp op) : op(op) {
  ir::TensorType xType = op.getXType(), wType = op.getWType(), yType = op.getYType();
  rank = xType.getRank() - 2;
  batch = xType.getDim(0);
  groups = op.getGroups();
  inputs = wType.getDim(1);
  outputs = *wType.getDim(0).dividedExactlyBy(groups);
  for (int64_t i = 0; i < rank; ++i) {
    auto at = static_cast<size_t>(i);
    Axis axis{xType.getDim(i + 2),
              yType.getDim(i + 2),
              *toDim(op.getLow()[static_cast<unsigned>(i)]),
              *wType.getDim(i + 2).constant(),
              op.getStrides()[at],
              op.getDilations()[at]};
    // A step that leaves x at once has the same terms, however long it is.
    if (auto all = (axis.x + axis.low).constant()) {
      axis.stride = std::min(axis.stride, std::max<int64_t>(1, *all));
      axis.dilation = std::min(axis.dilation, std::max<int64_t>(1, *all));
    }
    allTaps *= axis.taps;
    xPlane *= axis.x;
    yPlane *= axis.y;
    axes.push_back(std::move(axis));
  }
  images = batch;
  if (op.makesW()) {
    rows = outputs;
    columns = inputs * DimExpr(allTaps);
    depth = batch * yPlane;
    images = 1;
    channels = groups * outputs;
    places = columns;
  } else if (op.makesY()) {
    rows = outputs;
    columns = batch * yPlane;
    depth = inputs * DimExpr(allTaps);
    channels = groups * outputs;
    places = yPlane;
  } else {
    rows = inputs;
    columns = batch;
    depth = outputs;
    for (const Axis &axis : axes) {
      phases *= axis.stride;
      columns *= ceilDiv(axis.x, axis.stride);
      depth *= ceilDiv(DimExpr(axis.taps), axis.stride);
    }
    channels = groups * inputs;
    places = xPlane;
  }
}

int64_t ConvolutionProblem::tapParts() const {
  constexpr int64_t together = 9; // convolveDirectToW
  return ceilDivide(allTaps, std::min(allTaps, together));
}

DimExpr ConvolutionProblem::units(const GpuTiles &tiles) const {
  if (tiles.kernel == static_cast<int64_t>(GpuConvolution::Direct))
    return ConvolutionOp(op).makesW()
               ? groups * outputs * inputs * DimExpr(tapParts() * tiles.splits)
               : elements();
  if (tiles.kernel == static_cast<int64_t>(GpuConvolution::Product))
    return ceilDiv(rows, tiles.m) * ceilDiv(places, tiles.n) * batch * groups;
  return ceilDiv(rows, tiles.m) * ceilDiv(columns, tiles.n) * groups *
         DimExpr(phases * tiles.splits);
}

bool ConvolutionProblem::isProduct() const {
  constexpr int64_t perCopy = 8; // Elements of 16 bits.
  return !ConvolutionOp(op).makesW() && allTaps == 1 && inputs.dividedExactlyBy(perCopy) &&
         places.dividedExactlyBy(perCopy) && llvm::all_of(axes, [](const Axis &axis) {
           return axis.stride == 1 && axis.low.constant() == 0 && axis.x == axis.y;
         });
}

std::optional<ConvolutionPatch> ConvolutionProblem::patch() const {
  constexpr int64_t mostTaps = 32, mostTapsOfW = 9, mostPositions = 1024, mostPositionsOfW = 512;
  const bool ofWeight = ConvolutionOp(op).makesW(), spreads = ConvolutionOp(op).makesX();
  if (allTaps > (ofWeight ? mostTapsOfW : mostTaps))
    return std::nullopt;
  // A neighbour is as many places of the source further as says the last dim, and `jump` more where
  // neighbours go on in the next row: `inner` to `outer` are the dims so far.
  int64_t inner = 1, reach = 0, next = 1, neighbours = 1, width = 1, low = 0, high = 0;
  const int64_t last = (ofWeight ? patchDepth : patchColumns) - 1;
  auto wrap = [&](int64_t step) {
    const int64_t jump = step - width * next;
    high += std::max<int64_t>(0, jump) * ceilDivide(last, neighbours);
    low += std::min<int64_t>(0, jump);
    next = step;
  };
  for (size_t d = axes.size(); d-- > 0;) {
    const Axis &axis = axes[d];
    auto from = (spreads ? axis.y : axis.x).constant();
    auto to = (spreads ? ceilDiv(axis.x, axis.stride) : axis.y).constant();
    if (!from || !to || *from < 1 || *to < 1 || std::max(*from, *to) > INT32_MAX ||
        axis.stride > mostPositions || (axis.taps > 1 && axis.dilation > mostPositions))
      return std::nullopt;
    const int64_t step = spreads ? 1 : axis.stride;
    if (d + 1 == axes.size()) {
      next = step;
      high = step * last;
      low = step;
    } else {
      wrap(step * inner);
    }
    const int64_t every = axis.stride / std::gcd(axis.stride, axis.dilation);
    reach += inner *
             (spreads ? (ceilDivide(axis.taps, every) - 1) * (every * axis.dilation / axis.stride)
                      : (axis.taps - 1) * axis.dilation);
    inner *= *from;
    width = *to;
    neighbours *= *to;
    if (inner > INT32_MAX || reach > INT32_MAX || neighbours > INT32_MAX)
      return std::nullopt;
  }
  if (batch.constant() != 1)
    wrap(inner);
  const int64_t slack = std::max<int64_t>(0, -low);
  ConvolutionPatch patch{0, slack + (spreads ? reach : 0), inner % 2 == 0};
  // It begins at an even place.
  const int64_t all = slack + reach + high + 2;
  if (all > (ofWeight ? mostPositionsOfW : patch.pairs ? mostPositions : mostPositions / 2))
    return std::nullopt;
  patch.positions = std::max<int64_t>(patchColumns, llvm::PowerOf2Ceil(static_cast<uint64_t>(all)));
  return patch;
}

int64_t ConvolutionProblem::patchBytes(const GpuTiles &tiles) const {
  constexpr int64_t pitch = 80, rowBytes = 64, warps = 8; // ConvolutionPatches.cuh
  const int64_t bytes = (patch()->positions + 1) * pitch;
  if (ConvolutionOp(op).makesW()) // Two of all; what a warp stages to be stored.
    return std::max(2 * (bytes + tiles.m * tiles.k * 2), warps * 8 * (16 * allTaps + 4) * 4);
  return bytes + tiles.stages * tiles.m * rowBytes;
}

std::optional<DimExpr> ConvolutionProblem::preparedBytes() const {
  if (ConvolutionOp(op).makesW())
    return std::nullopt;
  const DimExpr width = ceilDiv(patchChannels(), DimExpr(patchSlice)) * DimExpr(patchSlice);
  return groups * rows * width * DimExpr(allTaps * 2);
}

namespace {

constexpr int64_t convolutionThreads = 256;

LogicalResult chooseGpuConvolution(const ScheduledRegion &region, Schedule &schedule) {
  ConvolutionProblem problem(cast<ConvolutionOp>(region.analysis.anchors.front()));
  constexpr int64_t fewChannels = 4, unknown = 1 << 20;
  Type element = problem.op.getType().getElementType();
  const int64_t bytes = byteSize(*toDType(element)),
                rows = problem.rows.constant().value_or(unknown);
  const bool isDirect = problem.groups != DimExpr(1) &&
                        problem.inputs.constant().value_or(unknown) <= fewChannels &&
                        problem.outputs.constant().value_or(unknown) <= fewChannels;
  const bool isMatrix = element.isF16() || element.isBF16();
  schedule.block = 1;
  schedule.threads = convolutionThreads;
  GpuTiles &tiles = schedule.gpu;
  tiles.kernel = static_cast<int64_t>(isDirect   ? GpuConvolution::Direct
                                      : isMatrix ? GpuConvolution::Matrix
                                                 : GpuConvolution::Tiles);
  const int64_t least = isMatrix ? 64 : 32, most = bytes == 8 ? 64 : 128;
  tiles.m = rows <= least ? least : rows <= 64 ? 64 : most;
  tiles.n = 128;
  tiles.k = isMatrix ? 32 : 8;
  tiles.stages = 2;
  if (isMatrix && !isDirect && problem.isProduct()) {
    // Where tiles are few the depth is cut, which other kernels do.
    constexpr int64_t enoughTiles = 120;
    const GpuTiles small{static_cast<int64_t>(GpuConvolution::Product), 64, 64, 32, 4, 1};
    GpuTiles large = small;
    large.m = large.n = 128;
    auto isEnough = [&](const GpuTiles &these) {
      return problem.units(these).constant().value_or(unknown) >= enoughTiles;
    };
    if (isEnough(small)) {
      const bool isLarge = rows > 64 && isEnough(large);
      tiles = isLarge ? large : small;
      schedule.threads = isLarge ? 256 : 128;
      return success();
    }
  }
  // Half of a slice of channels may be idle.
  if (isMatrix && !isDirect &&
      problem.patchChannels().constant().value_or(unknown) * 2 >= patchSlice)
    if (auto patch = problem.patch()) {
      constexpr int64_t manyPositions = 512; // With large tiles they would fill a processor.
      tiles.kernel = static_cast<int64_t>(GpuConvolution::Patches);
      const bool ofWeight = problem.op.makesW();
      if (patch->positions > manyPositions / (ofWeight ? 2 : 1))
        tiles.m = 64;
      tiles.n = ofWeight ? patchSlice * problem.allTaps : patchColumns;
      tiles.k = ofWeight ? patchDepth : patchSlice;
      tiles.stages = ofWeight ? 2 : 4;
    }
  // Few tiles leave processors idle: their depth is cut, as the sizes say and not the device.
  constexpr int64_t enoughUnits = 256, mostSplits = 64;
  tiles.splits = 1;
  const int64_t part = isDirect                ? 4 * convolutionThreads
                       : tiles.k == patchDepth ? 4 * tiles.k // All taps of them.
                                               : 16 * tiles.k;
  if (auto units = problem.units(tiles).constant();
      units && *units > 0 && *units < enoughUnits && (!isDirect || problem.op.makesW())) {
    int64_t depth = problem.depth.constant().value_or(part * mostSplits);
    tiles.splits =
        std::clamp<int64_t>(std::min(ceilDivide(enoughUnits, *units), depth / part), 1, mostSplits);
  }
  return success();
}

LogicalResult planGpuConvolution(FusedOp fused, KernelPlan &plan) {
  auto op = cast<ConvolutionOp>(plan.analysis.anchors.front());
  ConvolutionProblem problem(op);
  const GpuTiles &tiles = plan.schedule.gpu;
  const bool isMatrix = tiles.kernel == static_cast<int64_t>(GpuConvolution::Matrix);
  const bool isDirect = tiles.kernel == static_cast<int64_t>(GpuConvolution::Direct);
  const bool isProduct = tiles.kernel == static_cast<int64_t>(GpuConvolution::Product);
  const bool isPatches = tiles.kernel == static_cast<int64_t>(GpuConvolution::Patches);
  constexpr int64_t mostSplits = 1024;
  Type element = op.getType().getElementType();
  if (tiles.kernel < 0 || tiles.kernel > static_cast<int64_t>(GpuConvolution::Product) ||
      ((isMatrix || isPatches || isProduct) && !element.isF16() && !element.isBF16()) ||
      (isPatches && !problem.patch()) || (isProduct && !problem.isProduct()))
    return fused.emitError("its schedule names a kernel that does not multiply ") << element;
  if (isDirect && !op.makesW() && tiles.splits != 1)
    return fused.emitError("its schedule cuts the depth of a kernel that takes all of it");
  const bool ofPatchesToW = isPatches && op.makesW();
  const bool isLarge = tiles.m == 128;
  const bool fits =
      isProduct ? (isLarge || tiles.m == 64) && tiles.n == tiles.m && tiles.k == 32 &&
                      tiles.stages == 4 && tiles.splits == 1 &&
                      plan.schedule.threads == (isLarge ? 256 : 128)
                : plan.schedule.threads == convolutionThreads &&
                      tiles.n == (ofPatchesToW ? patchSlice * problem.allTaps : patchColumns) &&
                      tiles.splits >= 1 && tiles.splits <= mostSplits &&
                      (!isPatches || (tiles.k == (ofPatchesToW ? patchDepth : patchSlice) &&
                                      tiles.stages == (ofPatchesToW ? 2 : 4))) &&
                      (isLarge || tiles.m == 64 || (tiles.m == 32 && !isMatrix && !isPatches));
  if (!fits)
    return fused.emitError("its schedule has tiles that no convolution runs with");
  // Places and offsets in an image are 32 bits wide.
  llvm::SmallVector<DimExpr> sizes{problem.columns, problem.depth, problem.inputs * problem.xPlane,
                                   problem.outputs * problem.yPlane,
                                   problem.outputs * problem.inputs * DimExpr(problem.allTaps)};
  for (const ConvolutionProblem::Axis &axis : problem.axes)
    sizes.push_back(axis.x + axis.low + axis.y * DimExpr(axis.stride) +
                    DimExpr(axis.taps) * DimExpr(axis.dilation));
  if (isPatches) { // Places of all images are counted.
    sizes.push_back(problem.batch * problem.xPlane);
    sizes.push_back(problem.batch * problem.yPlane);
  }
  limitToInts(op, plan, sizes, 2 * std::max(tiles.n, patchColumns) + (isPatches ? 4096 : 0));
  if (auto bytes = problem.preparedBytes(); bytes && isPatches) {
    constexpr int64_t perThread = 16;
    plan.workspaces.push_back(alignedBytes(*bytes));
    const DimExpr parts = floorDiv(*bytes, DimExpr(perThread));
    plan.stages.push_back({parts, 1, gridFor(parts, convolutionThreads)});
  }
  const bool isElement = isDirect && !op.makesW();
  DimExpr units = problem.units(tiles);
  plan.stages.push_back({units, 1, gridFor(units, plan.schedule.threads, isElement ? 0 : 1)});
  if (isProduct)
    plan.stages.back().grid.sharedBytes = tiles.stages * (tiles.m + tiles.n) * 64; // GemmMatrix.cuh
  if (isPatches)
    plan.stages.back().grid.sharedBytes = problem.patchBytes(tiles);
  if (tiles.splits > 1) {
    int64_t sumBytes = std::max<int64_t>(4, byteSize(*toDType(op.getType().getElementType())));
    plan.workspaces.push_back(alignedBytes(problem.elements() * DimExpr(tiles.splits * sumBytes)));
    plan.stages.push_back({problem.elements(), 1, gridFor(problem.elements(), convolutionThreads)});
  }
  return success();
}

/// Other blocks read the operands at any time.
bool mayShareConvolution(const KernelAnalysis &analysis, Value source, Value result) {
  return mayShareElements(analysis, source, result, AnchorRead::Conflict);
}

} // namespace

const FormRules gpuConvolutionRules = {chooseGpuConvolution, planGpuConvolution,
                                       mayShareConvolution};

} // namespace sinter::codegen
