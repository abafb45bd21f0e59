// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/KernelPlan.h"
#include "sinter/codegen/Program.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <unordered_map>
#include <vector>

namespace sinter::codegen {

/// A launch of the program before its kernel is compiled.
struct PlannedLaunch {
  ir::FusedOp fused;
  unsigned stage = 0;
  size_t step = 0; ///< In Program::steps.
  int64_t firstSite = -1; ///< Of the region's outputs in Program::sites, where stores are checked.
};

/// Everything but machine code: arguments, results, buffers with offsets, steps. Launches name
/// kernel `i` for the i-th planned launch; equal kernels are merged when they are compiled.
struct PlannedProgram {
  Program program;
  std::vector<PlannedLaunch> launches;
  std::vector<KernelPlan> plans; ///< One per launch.
};

/// What the regions of a graph are as kernels.
using KernelAnalyses = std::unordered_map<mlir::Operation *, passes::KernelAnalysis>;

/// Orders are those of the block; results that update an argument are computed in its own buffer
/// where no later step reads the old value. `analyses` has every region, and goes into the plans.
/// Fails with diagnostics on IR that is not scheduled.
mlir::FailureOr<PlannedProgram> buildProgram(mlir::func::FuncOp graph, const TargetInfo &target,
                                             KernelAnalyses analyses);

/// The sites of launches that test what they store, by step.
std::map<size_t, int64_t> firstSitesOf(const PlannedProgram &planned);

/// The number of an op that can report a run-time error, in Program::sites.
int64_t siteOf(Program &program, mlir::Operation *op);

/// What the sizes of a graph's ops rest on beyond what is known without a call.
std::vector<Condition> sizeConditionsOf(mlir::func::FuncOp graph);
/// Adds conditions on named dims of the program, as entries of its table too.
void addConditions(Program &program, const std::vector<Condition> &conditions);

/// The signature attributes of a graph function as plain data.
std::vector<Argument> argumentsOf(mlir::func::FuncOp graph);
std::vector<Result> resultsOf(mlir::func::FuncOp graph, const std::vector<Argument> &arguments);

} // namespace sinter::codegen
