// SPDX-License-Identifier: Apache-2.0
// What a GPU's kernels of contractions ask of the operands: shared by schedule, plan and emitter.
#pragma once

#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/KernelPlan.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// GpuTiles::kernel of a contraction.
enum class GpuContraction : int64_t {
  Simt,       ///< Multiply-adds of the ordinary cores: exact in the dtype of the sums.
  Matrix,     ///< Tensor cores through mma.sync, operands by cp.async (sm_80).
  Hopper,     ///< Tensor cores through wgmma, operands by the copy engine (sm_90a).
  Rows,       ///< At most 8 vectors times a matrix whose rows run along k: a warp per row.
  Columns,    ///< The same where they run along the matrix's own dim.
  HopperPair, ///< Hopper, in clusters of two blocks that share the right operand.
  Tiny,       ///< A thread per few neighbouring sums: small matrices, or hardly any k.
};

/// One operand as loaders see it.
struct GpuOperand {
  mlir::Value memory;  ///< Null where elements are computed, or have no direction of stride 1.
  DType dtype = f32;   ///< Of the elements in memory.
  bool alongK = true;  ///< Else neighbours run along the operand's own dim.
  DimExpr stride = 1;  ///< Between neighbours across.
  int64_t aligned = 1; ///< Elements (a power of two) that divide every stride but the unit one.
  int64_t whole = 1;   ///< As `aligned`, and also divides the size along the unit stride.
  /// One stride for all batches, where there is one.
  std::optional<DimExpr> batchStride;
  DimExpr along = 1, across = 1; ///< Sizes.
};

struct GpuContractionFacts {
  GpuContractionFacts(ir::FusedOp fused, ir::DotGeneralOp dot, const ContractionLayout &layout);

  GpuOperand a, b;
  DType sum = f32;
  /// What tensor cores would multiply: f16, bf16, or f32 for tf32. Nullopt: they cannot.
  std::optional<DType> multiplied;
  int64_t pack = 1; ///< Columns that are stored at once.
  /// The few vectors are columns of b (true) or rows of a.
  bool matrixIsLeft = true;
};

/// Neighbours of an operand that one load brings: 16 bytes at most. 0: elements are computed one by
/// one.
int64_t loadPack(const GpuTiles &tiles, const GpuContractionFacts &facts,
                 const GpuOperand &operand);
/// Elements of k that a part adds up.
DimExpr partDepth(const ContractionLayout &layout, const GpuTiles &tiles);
/// Bytes of dynamic shared memory of a block; `wholeRows`: that has whole rows there.
int64_t sharedBytes(const GpuTiles &tiles, bool wholeRows);

/// Whether blocks finish the rows that follow a contraction; else a launch of its own does, on sums
/// in a workspace.
bool finishesRows(const GpuTiles &tiles);
/// The plan of the rows behind a contraction (KernelAnalysis::rowsBehind), for their emitter: they
/// follow in the blocks of the contraction, or in the launch behind it.
KernelPlan rowsPlan(ir::FusedOp fused, const KernelPlan &plan);

} // namespace sinter::codegen
