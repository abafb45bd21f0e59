// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/AttentionLayout.h"
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {
namespace {

LogicalResult chooseAttention(const ScheduledRegion &region, Schedule &schedule) {
  Operation *op = region.analysis.anchors.front();
  auto q = tensorType(op->getOperand(0));
  int64_t bytes = registerType(q.getElementType()).getIntOrFloatBitWidth() / 8;
  bool manyRegisters = region.target.vectorRegisters >= 32;
  schedule.lanes = std::max<int64_t>(1, region.target.vectorBytes / bytes);
  // Rows x 2 sums, two vectors and a broadcast fit into the registers; a block of scores into the
  // first level of cache, or nearly.
  schedule.unroll = manyRegisters ? 8 : 6;
  int64_t columns = 2 * schedule.lanes;
  int64_t step = manyRegisters ? columns : 3 * columns; // Whole tiles both ways.
  while (step % schedule.unroll != 0)
    step *= 2;
  schedule.block = roundUp(manyRegisters ? 64 : 48, step);
  if (auto queries = q.getDim(q.getRank() - 2).constant())
    schedule.block = std::min(schedule.block, roundUp(std::max<int64_t>(*queries, 1), step));
  schedule.keyBlock = isa<AttentionOp>(op) ? 192 : 96;
  auto keys = tensorType(op->getOperand(1)).getDim(q.getRank() - 2).constant();
  double pairs = static_cast<double>(schedule.block * keys.value_or(unknownSize));
  double width = static_cast<double>(*q.getDim(q.getRank() - 1).constant());
  schedule.grain = grainFor(pairs * width / static_cast<double>(schedule.lanes));
  return success();
}

LogicalResult planAttention(FusedOp, KernelPlan &plan) {
  const Schedule &s = plan.schedule;
  Operation *op = plan.analysis.anchors.front();
  if (s.block <= 0 || s.keyBlock <= 0 || s.block % (2 * s.lanes) != 0 || s.block % s.unroll != 0 ||
      s.keyBlock % s.unroll != 0)
    return op->emitError("its schedule has blocks that are not made of tiles");
  AttentionLayout layout(op, s);
  if (layout.copies())
    plan.stages.push_back({layout.copyExtent(), 64});
  plan.stages.push_back({layout.extent(), s.grain});
  if (layout.parts > 1)
    plan.stages.push_back({layout.queryRows(), 64});
  plan.workspaces = layout.workspaces();
  plan.flops = layout.flops();
  return success();
}

bool mayShareAttention(const KernelAnalysis &, Value, Value) { return false; }

} // namespace

const FormRules attentionRules = {chooseAttention, planAttention, mayShareAttention};

} // namespace sinter::codegen
