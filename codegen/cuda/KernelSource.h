// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/KernelPlan.h"

#include <functional>
#include <string>
#include <vector>

namespace sinter::cuda {

/// One launch of a fused region, for which a kernel is wanted.
struct KernelRequest {
  ir::FusedOp fused;
  const codegen::KernelPlan &plan;
  unsigned stage = 0; ///< Which of the plan's launches.
  const TargetInfo &target;
  std::string name;                     ///< Of the __global__ function.
  std::vector<std::string> bufferNames; ///< One per buffer of the launch, for parameters.
  std::vector<std::string> dims;        ///< The program's named dims, in table order.
  /// The number of an op that can report a run-time error, in Program::sites.
  std::function<int64_t(mlir::Operation *)> site;
  /// Of a launch that checks results: the site of the first, and the launch's step.
  int64_t firstSite = -1, step = 0;
  /// The entry of the size table that holds a size of named dims. `isNew`: it may become one, since
  /// every binding gives it and none makes it negative; nullopt where there is none, or no room.
  /// Null: kernels compute their sizes.
  std::function<std::optional<int64_t>(const DimExpr &, bool isNew)> tableEntry = {};
};

/// A kernel as CUDA C++ text.
struct KernelSource {
  /// The __global__ function, whose parameters are those that Grid states, and whatever else belongs
  /// to this kernel alone, under names that begin with the kernel's.
  std::string text;
  /// Parts of the prelude (Prelude.h) that the text needs besides the first.
  std::vector<std::string> parts;
};

/// The kernel of a launch, by the form of its region.
KernelSource emitKernel(const KernelRequest &request);

// One per form.
KernelSource emitContraction(const KernelRequest &request);
KernelSource emitLoop(const KernelRequest &request);
KernelSource emitTiles(const KernelRequest &request); ///< A Loop with a LoopTile.
KernelSource emitRow(const KernelRequest &request);
KernelSource emitReduce(const KernelRequest &request);
KernelSource emitAttention(const KernelRequest &request);
KernelSource emitScatter(const KernelRequest &request);
KernelSource emitCumulative(const KernelRequest &request);
KernelSource emitSort(const KernelRequest &request);
KernelSource emitConvolution(const KernelRequest &request);
KernelSource emitPairs(const KernelRequest &request);
/// The launch behind those of the form, where results are checked.
KernelSource emitCheck(const KernelRequest &request);

} // namespace sinter::cuda
