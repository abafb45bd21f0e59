// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/FormRules.h"
#include "sinter/codegen/forms/gpu/Grids.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {
namespace {

constexpr int64_t warp = 32;

LogicalResult chooseGpuPairs(const ScheduledRegion &, Schedule &schedule) {
  schedule.block = 1;
  schedule.threads = 256;
  return success();
}

/// A warp per kept point.
LogicalResult planGpuPairs(FusedOp, KernelPlan &plan) {
  const int64_t threads = plan.schedule.threads;
  DimExpr points = plan.analysis.keptShape().numElements();
  plan.stages.push_back({points, 1, gridFor(points, threads, threads / warp)});
  return success();
}

} // namespace

const FormRules gpuPairsRules = {chooseGpuPairs, planGpuPairs, pairsRules.mayShareBuffer};

} // namespace sinter::codegen
