// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/gpu/Grids.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {
namespace {

LogicalResult chooseGpuRow(const ScheduledRegion &, Schedule &schedule) {
  schedule.block = 1;
  schedule.threads = 256;
  return success();
}

/// A block per kept point.
LogicalResult planGpuRow(FusedOp, KernelPlan &plan) {
  DimExpr points = plan.analysis.keptShape().numElements();
  plan.stages.push_back({points, 1, gridFor(points, plan.schedule.threads, /*perBlock=*/1)});
  return success();
}

} // namespace

const FormRules gpuRowRules = {chooseGpuRow, planGpuRow, rowRules.mayShareBuffer};

} // namespace sinter::codegen
