// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/gpu/Grids.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {
namespace {

LogicalResult chooseGpuLoop(const ScheduledRegion &, Schedule &schedule) {
  schedule.block = 1;
  schedule.threads = 256;
  return success();
}

LogicalResult planGpuLoop(FusedOp, KernelPlan &plan) {
  DimExpr elements = plan.analysis.domain.numElements();
  plan.stages.push_back({elements, 1, gridFor(elements, plan.schedule.threads)});
  return success();
}

} // namespace

const FormRules gpuLoopRules = {chooseGpuLoop, planGpuLoop, loopRules.mayShareBuffer};

} // namespace sinter::codegen
