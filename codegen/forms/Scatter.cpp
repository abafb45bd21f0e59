// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"
#include "sinter/codegen/ScatterLayout.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseScatter(const ScheduledRegion &region, Schedule &schedule) {
  FusedOp fused = region.fused;
  const KernelAnalysis &analysis = region.analysis;
  const TargetInfo &target = region.target;
  const DimExpr inner = region.inner();
  ScatterLayout layout = scatterLayout(analysis.anchors.front());
  schedule.lanes = chooseLanes(fused, target, layout.numColumns > 0 ? layout.columns : inner);
  schedule.block = schedule.lanes * 16;
  // Rows that are written once, in order, and do not start from what is there.
  Operation *scatter = analysis.anchors.front();
  schedule.streamStores =
      cast<IndexedOpInterface>(scatter).getIndexing().accesses.size() < 2 &&
      layout.isSegmented(tensorType(scatter->getResult(0)).getElementType()) &&
      shouldStream(fused, target, layout.columns, analysis.domain, schedule.lanes);
  DimExpr columns = std::min(layout.columns.constant().value_or(unknownSize), schedule.block);
  DimExpr perUnit = (layout.updates + layout.places) * columns;
  schedule.grain = grainFor(static_cast<double>(perUnit.constant().value_or(unknownSize)));
  return success();
}

LogicalResult planScatter(FusedOp, KernelPlan &plan) {
  const KernelAnalysis &analysis = plan.analysis;
  ScatterLayout layout = scatterLayout(analysis.anchors.front());
  int64_t block = std::max<int64_t>(plan.schedule.block, 1);
  DimExpr parts = layout.parts(block);
  if (layout.isSegmented(tensorType(analysis.anchors.front()->getResult(0)).getElementType())) {
    // A unit is a range of places, with all columns.
    DimExpr workers = DimExpr::symbol(workersSymbol);
    plan.stages.push_back({workers, 1});
    plan.workspaces.push_back(alignedBytes((layout.places + 1) * 4) * workers);
    plan.workspaces.push_back(alignedBytes(layout.updates * 4) * workers);
    return success();
  }
  plan.stages.push_back({layout.outerCount * ceilDiv(layout.columns, block) * parts,
                         parts.isConstant() ? plan.schedule.grain : 1});
  return success();
}

bool mayShareScatter(const KernelAnalysis &analysis, Value source, Value) {
  // Only what the updates are combined into: then nothing is copied.
  Operation *scatter = analysis.anchors.front();
  Indexing indexing = cast<IndexedOpInterface>(scatter).getIndexing();
  return indexing.accesses.size() > 1 && source.hasOneUse() &&
         scatter->getOperand(indexing.accesses[1].operand) == source;
}

} // namespace

const FormRules scatterRules = {chooseScatter, planScatter, mayShareScatter};

} // namespace sinter::codegen
