// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/ConvolutionTiles.h"
#include "sinter/codegen/forms/gpu/Grids.h"

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
  return ceilDiv(rows, tiles.m) * ceilDiv(columns, tiles.n) * groups *
         DimExpr(phases * tiles.splits);
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
  // Few tiles leave processors idle: their depth is cut, as the sizes say and not the device.
  constexpr int64_t enoughUnits = 256, mostSplits = 64;
  tiles.splits = 1;
  const int64_t part = isDirect ? 4 * convolutionThreads : 16 * tiles.k;
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
  constexpr int64_t mostSplits = 1024;
  Type element = op.getType().getElementType();
  if (tiles.kernel < 0 || tiles.kernel > static_cast<int64_t>(GpuConvolution::Matrix) ||
      (isMatrix && !element.isF16() && !element.isBF16()))
    return fused.emitError("its schedule names a kernel that does not multiply ") << element;
  if (isDirect && !op.makesW() && tiles.splits != 1)
    return fused.emitError("its schedule cuts the depth of a kernel that takes all of it");
  if (plan.schedule.threads != convolutionThreads || tiles.n != 128 || tiles.splits < 1 ||
      tiles.splits > mostSplits || (tiles.m != 64 && tiles.m != 128 && (tiles.m != 32 || isMatrix)))
    return fused.emitError("its schedule has tiles that no convolution runs with");
  // Places and offsets in an image are 32 bits wide.
  llvm::SmallVector<DimExpr> sizes{problem.columns, problem.depth, problem.inputs * problem.xPlane,
                                   problem.outputs * problem.yPlane,
                                   problem.outputs * problem.inputs * DimExpr(problem.allTaps)};
  for (const ConvolutionProblem::Axis &axis : problem.axes)
    sizes.push_back(axis.x + axis.low + axis.y * DimExpr(axis.stride) +
                    DimExpr(axis.taps) * DimExpr(axis.dilation));
  limitToInts(op, plan, sizes, 2 * tiles.n);
  const bool isElement = isDirect && !op.makesW();
  DimExpr units = problem.units(tiles);
  plan.stages.push_back({units, 1, gridFor(units, convolutionThreads, isElement ? 0 : 1)});
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
