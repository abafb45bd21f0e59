// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"
#include "sinter/codegen/SortPlan.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseSort(const ScheduledRegion &region, Schedule &schedule) {
  const KernelAnalysis &analysis = region.analysis;
  const Shape &domain = analysis.domain;
  const int64_t cost = regionCost(region.fused);
  double length =
      static_cast<double>(domain[analysis.axes.front()].constant().value_or(unknownSize));
  schedule.grain = grainFor(length * (10 + static_cast<double>(cost) / 3));
  return success();
}

LogicalResult planSort(FusedOp, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  SortPlan sort = sortPlan(analysis.anchors.front());
  if (!sort.size.isConstant() && sort.keyBits == 32) // The index of an element is as wide.
    plan.nonNegative.push_back(DimExpr(int64_t{1} << 32) - sort.size);
  plan.stages.push_back({analysis.keptShape().numElements(), plan.schedule.grain});
  plan.workspaces.push_back(alignedBytes(sort.wordsBytes()) * DimExpr::symbol(workersSymbol));
  plan.workspaces.push_back(alignedBytes(DimExpr(sort.counterBytes())) *
                            DimExpr::symbol(workersSymbol));
  return success();
}

bool mayShareSort(const KernelAnalysis &, Value, Value) { return false; }

} // namespace

const FormRules sortRules = {chooseSort, planSort, mayShareSort};

} // namespace sinter::codegen
