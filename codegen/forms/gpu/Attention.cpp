// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/AttentionTiles.h"
#include "sinter/codegen/forms/gpu/Grids.h"
#include "sinter/ir/base/Error.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

static DimExpr product(llvm::ArrayRef<DimExpr> sizes) {
  DimExpr result = 1;
  for (const DimExpr &size : sizes)
    result *= size;
  return result;
}

std::vector<AttentionPass> AttentionTiles::passes(ValueRange yields) const {
  auto isWanted = [&](unsigned result) {
    return llvm::is_contained(yields, layout.op->getResult(result));
  };
  if (!layout.isBackward)
    return {{true, isWanted(0), isWanted(1)}};
  std::vector<AttentionPass> result;
  bool keys = isWanted(1), values = isWanted(2);
  if (keys && values && tiles.splits > 1) {
    result.push_back({false, true, false});
    result.push_back({false, false, true});
  } else if (keys || values) {
    result.push_back({false, keys, values});
  }
  if (isWanted(0))
    result.push_back({true, true, false});
  return result;
}

DimExpr AttentionTiles::units(const AttentionPass &pass) const {
  return pass.rowsAreQueries ? product(layout.leading) * ceilDiv(layout.queries, DimExpr(tiles.m))
                             : product(layout.served) * ceilDiv(layout.keys, DimExpr(tiles.m));
}

int64_t AttentionTiles::sharedBytes(const AttentionPass &pass) const {
  const int64_t element = byteSize(tensorType(layout.q.value).getDType()),
                sum = layout.elementBytes, pad = 16 / element;
  const int64_t width = roundUp(layout.q.width, 16) + pad,
                valueWidth = roundUp(layout.v.width, 16) + pad;
  const bool keepsBoth = layout.isBackward && pass.first,
             hasNumbers = layout.isBackward && !pass.rowsAreQueries;
  const int64_t rows = tiles.m * (width + (keepsBoth ? valueWidth : 0)) * element;
  const int64_t stage =
      tiles.n * (width + valueWidth) * element + (hasNumbers ? 2 * tiles.n * sum : 0);
  const int64_t weights = kernel() == Kernel::Scalar ? tiles.m * (tiles.n + 16 / sum) * sum : 0;
  return rows + tiles.stages * stage + weights;
}

int64_t AttentionTiles::registers() const {
  const int64_t width = roundUp(layout.q.width, 16), valueWidth = roundUp(layout.v.width, 16);
  const int64_t sums = !layout.isBackward ? valueWidth
                       : tiles.splits > 1 ? std::max(width, valueWidth)
                                          : width + valueWidth;
  const int64_t scores = layout.isBackward ? 2 * tiles.n : tiles.n;
  if (kernel() == Kernel::Matrix)
    return perGroup() * (sums + scores + scores / 4) / 2;
  return perGroup() * (sums + scores) / 16 * (layout.elementBytes / 4);
}

namespace {

/// Every GPU of compute capability 8.0 gives a block as much.
constexpr int64_t mostShared = 99 << 10;

struct Choice {
  int64_t groups, perGroup, columns, stages;
};

/// In order of preference: the first that fits is taken, else the last, which needs least. Groups
/// are half-warps that share rows, or warps of `perGroup` times 16 rows.
constexpr Choice scalarForward[] = {{8, 8, 64, 2}, {8, 8, 32, 2}, {8, 8, 32, 1}, {8, 4, 32, 2},
                                    {8, 4, 32, 1}, {8, 4, 16, 1}, {8, 2, 16, 1}};
constexpr Choice scalarBackward[] = {{16, 4, 32, 2}, {8, 4, 32, 2}, {8, 4, 32, 1},
                                     {8, 2, 32, 1},  {8, 2, 16, 1}, {8, 1, 16, 1}};
constexpr Choice matrixForward[] = {{4, 2, 64, 2}, {4, 2, 32, 2}, {4, 1, 32, 2}, {4, 1, 16, 2}};
constexpr Choice matrixBackward[] = {{4, 1, 64, 2}, {4, 1, 32, 2}, {4, 1, 16, 2}, {4, 1, 16, 1}};

LogicalResult chooseGpuAttention(const ScheduledRegion &region, Schedule &schedule) {
  Operation *op = region.analysis.anchors.front();
  const auto q = tensorType(op->getOperand(0));
  const bool isMatrix = registerType(q.getElementType()) != q.getElementType(),
             isBackward = !isa<AttentionOp>(op);
  llvm::ArrayRef<Choice> choices =
      isBackward ? (isMatrix ? llvm::ArrayRef(matrixBackward) : llvm::ArrayRef(scalarBackward))
                 : (isMatrix ? llvm::ArrayRef(matrixForward) : llvm::ArrayRef(scalarForward));
  const int64_t mostRegisters = isMatrix ? 168 : 100;
  bool hasMemory = false;
  auto take = [&](const Choice &choice) {
    schedule.threads = choice.groups * (isMatrix ? 32 : 16);
    schedule.gpu.kernel = isMatrix;
    schedule.gpu.m = choice.groups * choice.perGroup * (isMatrix ? 16 : 1);
    schedule.gpu.n = schedule.keyBlock = choice.columns;
    schedule.gpu.stages = choice.stages;
    schedule.block = schedule.gpu.m;
    AttentionTiles tiles(op, schedule);
    const int64_t width = roundUp(tiles.layout.q.width, 16),
                  valueWidth = roundUp(tiles.layout.v.width, 16);
    schedule.gpu.splits = isMatrix && isBackward && width + valueWidth > 256 ? 2 : 1;
    // The launches that passes() may give; the keys' also holds two numbers of each query.
    const bool isWhole = schedule.gpu.splits == 1;
    int64_t bytes = tiles.sharedBytes({true, true, !isBackward});
    if (isBackward)
      bytes = std::max(bytes, tiles.sharedBytes({false, true, isWhole}));
    hasMemory = bytes <= mostShared;
    const AttentionTiles whole(op, schedule);
    return hasMemory && whole.registers() <= mostRegisters &&
           whole.scoresBesideMask() <= AttentionTiles::mostScoresBesideMask;
  };
  if (llvm::none_of(choices, take) && !hasMemory)
    throw Error({.kind = ErrorKind::Unsupported,
                 .op = "attention",
                 .location = toSourceLoc(op->getLoc()),
                 .hint = "heads of fewer elements, or a dtype of fewer bits"},
                "its heads take more shared memory than the blocks of a GPU have");
  if (isBackward)
    return success();
  // A few queries fill no large block, and few blocks do not fill the processors.
  constexpr int64_t fewUnits = 128;
  auto queries = q.getDim(q.getRank() - 2).constant();
  DimExpr batches = 1;
  for (int64_t d = 0; d < q.getRank() - 2; ++d)
    batches *= q.getDim(d);
  auto halve = [&] {
    const bool halvesRows = AttentionTiles(op, schedule).perGroup() > 1;
    if (!halvesRows)
      schedule.threads /= 2;
    schedule.gpu.m = schedule.block = schedule.gpu.m / 2;
  };
  while (queries && schedule.gpu.m >= 32 && schedule.gpu.m / 2 >= *queries &&
         (schedule.threads > 32 || AttentionTiles(op, schedule).perGroup() > 1))
    halve();
  if (auto known = batches.constant(); known && queries && schedule.gpu.m > 64 &&
                                       *known * ceilDivide(*queries, schedule.gpu.m) < fewUnits)
    halve();
  return success();
}

LogicalResult planGpuAttention(FusedOp fused, KernelPlan &plan) {
  constexpr int64_t mostBlocks = 1 << 30;
  Operation *op = plan.analysis.anchors.front();
  AttentionTiles tiles(op, plan.schedule);
  for (const AttentionPass &pass : tiles.passes(yields(fused))) {
    const DimExpr units = tiles.units(pass);
    Grid grid;
    grid.blocks = least(units, DimExpr(mostBlocks));
    grid.threads = plan.schedule.threads;
    grid.sharedBytes = tiles.sharedBytes(pass);
    plan.stages.push_back({units, 1, std::move(grid)});
  }
  plan.flops = tiles.layout.flops();
  return success();
}

} // namespace

const FormRules gpuAttentionRules = {chooseGpuAttention, planGpuAttention,
                                     attentionRules.mayShareBuffer};

} // namespace sinter::codegen
