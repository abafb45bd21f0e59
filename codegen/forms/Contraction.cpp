// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseContraction(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  auto dot = cast<DotGeneralOp>(analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return dot.emitError("its dims cannot be flattened");
  auto shape = tileShape(*layout, fused, dot);
  shape.wholeRows = analysis.hasRowsBehind();
  shape.rowTile = rowTileBehind(analysis, *layout);
  schedule.tiles = cpu::chooseTiles(target, shape);
  schedule.lanes = schedule.tiles.lanes;
  schedule.grain =
      std::max<int64_t>(1, cpu::contractionGrain(schedule.tiles, shape).constant().value_or(1));
  return success();
}

/// Scratch of the rows, before that of the contraction; the launch that adds up columns.
void planRowsBehind(FusedOp fused, const ContractionLayout &layout, KernelPlan &plan) {
  const KernelAnalysis rows = plan.analysis.rowsBehind();
  plan.cached = chooseCached(fused, rows);
  const DimExpr row = rows.reducedShape().numElements();
  for (Value value : plan.cached)
    plan.workspaces.push_back(alignedBytes(row * registerBytes(value)) *
                              DimExpr::symbol(workersSymbol));
  plan.rowsPerUnit = plan.schedule.tiles.mBlock;
  plan.columnUnits = layout.batch * ceilDiv(layout.m, plan.rowsPerUnit);
  if (rows.columns.empty())
    return;
  plan.stages.push_back({ceilDiv(layout.n, plan.schedule.lanes), 64});
  for (Operation *column : rows.columns)
    plan.workspaces.push_back(
        alignedBytes(plan.columnUnits * layout.n * registerBytes(column->getOperand(0))));
}

LogicalResult planContraction(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  auto dot = cast<DotGeneralOp>(analysis.anchors.front());
  auto layout = contractionLayout(dot);
  if (!layout)
    return fused.emitError("the dims of its contraction cannot be flattened");
  auto shape = tileShape(*layout, fused, dot);
  const cpu::ContractionTiles &tiles = plan.schedule.tiles;
  shape.wholeRows = analysis.hasRowsBehind();
  shape.rowTile = rowTileBehind(analysis, *layout);
  const bool hasRows = shape.rowTile ? tiles.nBlock == *shape.rowTile
                                     : layout->n.constant().value_or(0) <= tiles.nBlock;
  if (shape.wholeRows && (tiles.directStore || !hasRows))
    return fused.emitError("its schedule has no whole rows of the product");
  DimExpr grain = cpu::contractionGrain(plan.schedule.tiles, shape);
  if (grain.isConstant()) // Then the schedule holds it, perhaps changed.
    grain = plan.schedule.grain;
  plan.stages.push_back(
      {cpu::contractionExtent(plan.schedule.tiles, layout->batch, layout->m, layout->n), grain});
  if (shape.wholeRows)
    planRowsBehind(fused, *layout, plan);
  plan.workspaces.push_back(DimExpr(cpu::contractionScratchBytes(plan.schedule.tiles)) *
                            DimExpr::symbol(workersSymbol));
  return success();
}

bool mayShareContraction(const KernelAnalysis &analysis, Value source, Value result) {
  auto role = analysis.roles.find(result);
  if (role != analysis.roles.end() && role->second == passes::Role::Column)
    return mayShareLater(analysis, source, result, analysis.reducedShape());
  return mayShareElements(analysis, source, result, AnchorRead::Conflict);
}

} // namespace

const FormRules contractionRules = {chooseContraction, planContraction, mayShareContraction};

} // namespace sinter::codegen
