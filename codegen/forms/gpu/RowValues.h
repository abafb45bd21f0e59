// SPDX-License-Identifier: Apache-2.0
// Which values of a row a GPU's kernel keeps between the phases, and how rows are shared out.
#pragma once

#include "sinter/codegen/KernelPlan.h"

namespace sinter::codegen {

/// Values of a row that are worth keeping between phases: needed in a later phase than the first,
/// and dearer to compute again than to read back. In the order in which they are met.
llvm::SmallVector<mlir::Value> chooseCached(ir::FusedOp fused,
                                            const passes::KernelAnalysis &analysis);

/// The inputs that a phase of rows reads at the point that it is at; the last one (numPhases)
/// writes. Kept values and `given` ones are there already.
llvm::SmallVector<mlir::BlockArgument> readInPhase(ir::FusedOp fused,
                                                   const passes::KernelAnalysis &analysis,
                                                   unsigned phase,
                                                   llvm::ArrayRef<mlir::Value> given);
/// What a phase computes at every point.
llvm::SmallVector<mlir::Value>
computedInPhase(ir::FusedOp fused, const passes::KernelAnalysis &analysis, unsigned phase);

/// What a thread keeps of its share of a row.
struct RowValues {
  llvm::SmallVector<mlir::Value> cached;       ///< Computed in one phase, read in later ones.
  llvm::SmallVector<mlir::BlockArgument> held; ///< Inputs that several phases read.
  int64_t registers = 1; ///< Per element of the row, at most, with the sums of columns.
};
RowValues rowValues(ir::FusedOp fused, const passes::KernelAnalysis &analysis);

/// How lanes of a warp share the rows behind a contraction, in blocks of `threads`.
Schedule scheduleRowsBehind(ir::FusedOp fused, const passes::KernelAnalysis &rows, int64_t threads);

/// Row with columns on a GPU: the rows of a unit.
int64_t gpuRowsPerUnit(const passes::KernelAnalysis &analysis, const Schedule &schedule);

} // namespace sinter::codegen
