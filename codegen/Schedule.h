// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/passes/KernelForm.h"

namespace sinter::codegen {

/// How a fused region runs: the one vocabulary of both back ends. Stored on `sinter.fused` as the
/// `schedule` attribute, so that the scheduled stage can be read, tested and edited as text.
struct Schedule {
  passes::KernelForm form = passes::KernelForm::Loop;
  int64_t lanes = 1;  ///< Elements computed together along the innermost dim.
  int64_t unroll = 1; ///< Vectors per iteration, each with its own accumulators.
  /// Loop: elements of the innermost dim per parallel unit. Reduce: points of the outermost reduced dim per
  /// chunk. Scatter: columns per unit.
  int64_t block = 0;
  int64_t grain = 1;          ///< Parallel units per chunk of work.
  /// GPU: threads per block. A unit is then an element (Loop) or a kept point (Row, Reduce) in one launch. CPU: 0.
  int64_t threads = 0;
  bool streamStores = false;  ///< Results bypass the cache.
  cpu::ContractionTiles tiles; ///< Contraction only.

  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;
  /// nullopt for an attribute that toAttribute() did not make.
  static std::optional<Schedule> fromAttribute(mlir::DictionaryAttr attribute);
};

/// One launch of a kernel form: a region runs as one launch, or as several that share workspaces.
struct Stage {
  DimExpr extent; ///< Parallel units.
  DimExpr grain;
};

/// Everything the planner and the emitters derive from a region and its schedule.
struct KernelPlan {
  passes::KernelAnalysis analysis;
  Schedule schedule;
  llvm::SmallVector<Stage> stages;
  /// Bytes of each scratch buffer; per-worker ones are multiplied by the symbol `$workers`.
  llvm::SmallVector<DimExpr> workspaces;
  DimExpr bytesMoved; ///< Inputs and outputs once each, plus workspaces that reach memory.
  DimExpr flops;
  /// Row: values computed in one phase and kept in row-local scratch for a later one.
  llvm::SmallVector<mlir::Value> cached;
};

/// Chooses a schedule. Deterministic: depends on the region and the target only.
mlir::FailureOr<Schedule> chooseSchedule(ir::FusedOp fused, const TargetInfo &target);
/// Derives the plan from the region and its `schedule` attribute.
mlir::FailureOr<KernelPlan> planKernel(ir::FusedOp fused);
/// Output `output` may overwrite input `input`: each element is read last where it is written.
bool mayShareBuffer(ir::FusedOp fused, unsigned input, unsigned output);

/// A contraction as a batch of matrix products: flat sizes and element strides. Batch dims keep a stride each.
struct ContractionLayout {
  DimExpr batch = 1, m = 1, n = 1, k = 1;
  DimExpr lhsM = 1, lhsK = 1, rhsK = 1, rhsN = 1;
  llvm::SmallVector<DimExpr> batchDims, lhsBatch, rhsBatch; ///< Sizes; strides in each operand.
  llvm::SmallVector<DimExpr> mDims, nDims;                  ///< Sizes of the free dims, outermost first.
};
/// nullopt when a group of dims cannot be flattened to one stride (the contractions pass prevents it).
std::optional<ContractionLayout> contractionLayout(ir::DotGeneralOp dot);

} // namespace sinter::codegen
