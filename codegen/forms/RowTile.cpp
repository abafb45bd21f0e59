// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/RowTile.h"

#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {

namespace {

/// Registers that hold what is reduced to.
int64_t statesOf(Operation *anchor) {
  const Combiner combiner = cast<IndexedOpInterface>(anchor).getIndexing().combiner;
  return combiner == Combiner::Sum || combiner == Combiner::Product ? 1 : 2;
}

/// Flops of a point of the domain.
int64_t costOfPoint(FusedOp fused, const KernelAnalysis &analysis) {
  int64_t cost = 0;
  for (Operation &op : bodyOf(fused).without_terminator())
    if (isa<ElementwiseOpInterface>(op) &&
        tensorType(op.getResult(0)).getShape() == analysis.domain)
      cost += passes::elementCost(&op);
  return cost;
}

/// Whether something that varies along the row is the same for all places of the dim `shared`.
bool isShared(FusedOp fused, const KernelAnalysis &analysis, int64_t shared) {
  return llvm::any_of(bodyOf(fused).without_terminator(), [&](Operation &op) {
    auto broadcast = dyn_cast<BroadcastOp>(op);
    if (!broadcast || tensorType(broadcast.getResult()).getShape() != analysis.domain)
      return false;
    const Shape &source = tensorType(broadcast->getOperand(0)).getShape();
    bool along = false, across = false;
    for (auto [place, dim] : llvm::enumerate(broadcast.getDimensions())) {
      const bool varies = source[static_cast<int64_t>(place)].constant() != 1;
      along |= varies && dim == analysis.axes.back();
      across |= varies && dim == shared;
    }
    return along && !across;
  });
}

/// How many neighbours along a dim of that size a tile takes.
int64_t divisorOf(const DimExpr &size, int64_t most) {
  constexpr int64_t usual = 4;
  const int64_t all = size.constant().value_or(1);
  for (int64_t part = std::min(most, usual); part > 1; --part)
    if (all > 0 && all % part == 0)
      return part;
  return 1;
}

} // namespace

RowTile rowTile(FusedOp fused, const KernelAnalysis &analysis, const Schedule &schedule) {
  constexpr int64_t dearest = 7, fewestTiles = 64, widest = 16;
  const Shape kept = analysis.keptShape();
  const int64_t last = kept.rank() - 1;
  if (schedule.threads > 0 || schedule.block > 0 || schedule.lanes == 1 || analysis.source ||
      !analysis.columns.empty() || analysis.axes.size() != 1 || last < 0 ||
      costOfPoint(fused, analysis) > dearest || !llvm::all_of(yields(fused), [&](Value value) {
        return analysis.roles.lookup(value) == Role::Kept && analysis.roles.contains(value);
      }))
    return {};
  // AVX-512 has 32 registers, half of which hold sums; what has narrower vectors has 16.
  int64_t states = 0;
  for (Operation *anchor : analysis.anchors)
    states += statesOf(anchor);
  const int64_t registers = (schedule.lanes < widest ? 8 : 16) / states;
  const int64_t rows = kept.numElements().constant().value_or(0);
  RowTile tile;
  if (!isShared(fused, analysis, last))
    return tile;
  tile.rows = divisorOf(kept[last], registers);
  if (last > 0 && isShared(fused, analysis, last - 1))
    tile.lines = divisorOf(kept[last - 1], registers / tile.rows);
  if (rows / tile.count() < fewestTiles) // Threads would be left without work.
    tile.lines = 1;
  return rows / tile.count() < fewestTiles ? RowTile() : tile;
}

bool mayWriteApart(FusedOp fused, const KernelAnalysis &analysis) {
  const Shape &domain = analysis.domain;
  constexpr int64_t fewestLanes = 2;
  const auto full = llvm::count_if(yields(fused), [&](Value value) {
    return analysis.roles.contains(value) && analysis.roles.lookup(value) == Role::Full;
  });
  return full > 1 && domain.rank() > 1 &&
         shouldStream(fused, TargetInfo(), domain[domain.rank() - 1], domain, fewestLanes);
}

} // namespace sinter::codegen
