// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// One launch of a kernel form: a region runs as one launch, or as several that share workspaces.
struct LaunchSize {
  DimExpr extent; ///< Parallel units.
  DimExpr grain = 1;
  Grid grid = {}; ///< GPU: how the units are launched.
};

/// Everything the planner and the emitters derive from a region and its schedule.
struct KernelPlan {
  passes::KernelAnalysis analysis;
  Schedule schedule;
  llvm::SmallVector<LaunchSize> stages;
  /// Bytes of each scratch buffer; per-worker ones are multiplied by the symbol `$workers`.
  llvm::SmallVector<DimExpr> workspaces;
  DimExpr bytesMoved; ///< Inputs and outputs once each, plus workspaces that reach memory.
  DimExpr flops;
  /// Row: values computed in one phase and kept in row-local scratch for a later one.
  llvm::SmallVector<mlir::Value> cached;
  /// Row with columns: the rows of a unit, which adds up its own partial results of them; a second
  /// launch combines those. Follows from the sizes alone.
  int64_t rowsPerUnit = 1;
  /// How many units there are; behind a contraction every batch begins one.
  DimExpr columnUnits = 0;
  /// Sizes that the kernel relies on not to be negative.
  llvm::SmallVector<DimExpr> nonNegative;
};

/// Derives the plan from the region, its analysis and its `schedule` attribute.
mlir::FailureOr<KernelPlan> planKernel(ir::FusedOp fused, passes::KernelAnalysis analysis);
/// Output `output` may overwrite input `input`: each element is read last where it is written.
bool mayShareBuffer(ir::FusedOp fused, const KernelPlan &plan, unsigned input, unsigned output);

} // namespace sinter::codegen
