// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/RowTile.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::elementCost;
using sinter::passes::KernelAnalysis;
using sinter::passes::Role;

namespace sinter::codegen {

llvm::SmallVector<Value> chooseCached(FusedOp fused, const KernelAnalysis &analysis) {
  constexpr int64_t worthKeeping = 8;
  auto isPointwise = [&](Value value) { // Computed per element inside the region.
    Operation *op = value.getDefiningOp();
    if (!op || op == analysis.source || llvm::is_contained(analysis.anchors, op))
      return false;
    auto it = analysis.roles.find(value);
    return it == analysis.roles.end() || it->second == Role::Full;
  };
  std::function<int64_t(Value)> cost = [&](Value value) -> int64_t {
    if (!isPointwise(value))
      return 0;
    int64_t sum = elementCost(value.getDefiningOp());
    for (Value operand : value.getDefiningOp()->getOperands())
      sum += cost(operand);
    return sum;
  };
  llvm::SmallVector<Value> cached;
  llvm::DenseSet<Value> computed; // In the phases so far.
  for (unsigned phase = 0; phase <= analysis.numPhases; ++phase) {
    llvm::SmallVector<Value> work;
    if (phase < analysis.numPhases) {
      for (Operation *anchor : analysis.anchors)
        if (analysis.phase.lookup(anchor) == phase)
          work.push_back(anchor->getOperand(0));
    } else {
      for (Value value : yields(fused))
        if (analysis.roles.lookup(value) == Role::Full)
          work.push_back(value);
      for (Operation *column : analysis.columns)
        work.push_back(column->getOperand(0));
    }
    llvm::DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!isPointwise(value) || !seen.insert(value).second || llvm::is_contained(cached, value))
        continue;
      bool sameShape = tensorType(value).getShape() == analysis.domain;
      if (computed.contains(value) && sameShape && cost(value) >= worthKeeping) {
        cached.push_back(value);
        continue;
      }
      llvm::append_range(work, value.getDefiningOp()->getOperands());
    }
    // A value counts as computed in the phase where it first can be, which is where the emitter
    // stores it.
    for (Value value : seen)
      if (analysis.ready.lookup(value) == phase)
        computed.insert(value);
  }
  return cached;
}

namespace {

/// Rows whose elements are added up by one unit of work, for reductions over the rows.
int64_t rowsPerUnit(const KernelAnalysis &analysis) {
  constexpr int64_t fewest = 8, unknown = 32, maxUnits = 64;
  auto rows = analysis.keptShape().numElements().constant();
  return rows ? std::max(fewest, (*rows + maxUnits - 1) / maxUnits) : unknown;
}

/// Rows of a few elements, of which nothing but what they are reduced to is stored, or very few:
/// lanes that share a row would mostly be idle.
bool hasShortRows(FusedOp fused, const KernelAnalysis &analysis) {
  constexpr int64_t shortRow = 128, shortLine = 8, longEnough = 8, fewStored = 4, smallWindow = 9;
  const int64_t storedRow = analysis.axes.size() > 1 ? smallWindow : fewStored;
  Shape kept = analysis.keptShape();
  int64_t row = 1, line = 1;
  for (int64_t axis : analysis.axes) {
    if (!analysis.domain[axis].constant()) // Even beside an axis of size 0.
      return false;
    line = *analysis.domain[axis].constant();
    row = std::min(row * std::min(line, shortRow + 1), shortRow + 1);
  }
  return analysis.columns.empty() && kept.rank() > 0 &&
         kept[kept.rank() - 1].constant().value_or(longEnough) >= longEnough && row <= shortRow &&
         line <= shortLine && llvm::all_of(yields(fused), [&](Value value) {
           return analysis.roles.lookup(value) == Role::Kept || row <= storedRow;
         });
}

LogicalResult chooseRow(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  const Shape &domain = analysis.domain;
  const DimExpr inner = region.inner();
  const int64_t cost = regionCost(fused);
  if (hasShortRows(fused, analysis)) {
    Shape kept = analysis.keptShape();
    const DimExpr &last = kept[kept.rank() - 1];
    schedule.lanes = chooseLanes(fused, target, last);
    schedule.block = std::min<int64_t>(
        1024, roundUp(std::max<int64_t>(last.constant().value_or(1024), 1), schedule.lanes));
    double points =
        static_cast<double>(std::min(schedule.block, last.constant().value_or(unknownSize)));
    for (int64_t axis : analysis.axes)
      points *= static_cast<double>(*domain[axis].constant());
    schedule.grain = grainFor(pointsTime(fused, points, schedule.lanes));
    return success();
  }
  schedule.lanes = chooseLanes(fused, target, inner);
  schedule.unroll = limitUnroll(cost <= 40 ? 2 : 1, inner, schedule.lanes);
  DimExpr row = 1;
  for (int64_t axis : analysis.axes)
    row *= domain[axis];
  schedule.grain = grainFor(
      pointsTime(fused, static_cast<double>(row.constant().value_or(unknownSize)), schedule.lanes));
  schedule.streamStores =
      shouldStream(fused, target, inner, domain, schedule.lanes) && domain.rank() > 1;
  if (!analysis.columns.empty())
    schedule.grain = std::max<int64_t>(1, schedule.grain / rowsPerUnit(analysis));
  return success();
}

LogicalResult planRow(FusedOp fused, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  const Shape &domain = plan.analysis.domain;
  DimExpr row = 1;
  for (int64_t axis : analysis.axes)
    row *= domain[axis];
  if (plan.schedule.block > 0) {
    Shape kept = analysis.keptShape();
    DimExpr extent = ceilDiv(kept[kept.rank() - 1], plan.schedule.block);
    for (int64_t d = 0; d + 1 < kept.rank(); ++d)
      extent *= kept[d];
    plan.stages.push_back({extent, plan.schedule.grain});
    return success();
  }
  if (const int64_t count = rowTile(fused, analysis, plan.schedule).count(); count > 1) {
    plan.stages.push_back({ceilDiv(analysis.keptShape().numElements(), count),
                           std::max<int64_t>(1, plan.schedule.grain / count)});
    return success();
  }
  if (!analysis.columns.empty())
    plan.rowsPerUnit = rowsPerUnit(analysis);
  DimExpr units = ceilDiv(analysis.keptShape().numElements(), plan.rowsPerUnit);
  plan.columnUnits = units;
  plan.stages.push_back({units, plan.schedule.grain});
  plan.cached = chooseCached(fused, analysis);
  for (Value value : plan.cached)
    plan.workspaces.push_back(alignedBytes(row * registerBytes(value)) *
                              DimExpr::symbol(workersSymbol));
  if (analysis.columns.empty())
    return success();
  plan.stages.push_back({ceilDiv(row, plan.schedule.lanes), 64});
  for (Operation *column : analysis.columns)
    plan.workspaces.push_back(alignedBytes(units * row * registerBytes(column->getOperand(0))));
  return success();
}

bool mayShareRow(const KernelAnalysis &analysis, Value source, Value result) {
  return !mayWriteApart(cast<FusedOp>(source.getParentBlock()->getParentOp()), analysis) &&
         mayShareRowAtPoint(analysis, source, result);
}

} // namespace

bool mayShareRowAtPoint(const KernelAnalysis &analysis, Value source, Value result) {
  if (analysis.roles.contains(result) && analysis.roles.lookup(result) == Role::Column)
    return mayShareLater(analysis, source, result, analysis.reducedShape());
  // Reductions have run before the row is written.
  return mayShareElements(analysis, source, result, AnchorRead::Over);
}

const FormRules rowRules = {chooseRow, planRow, mayShareRow};

} // namespace sinter::codegen
