// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/ir/Ops.h"

namespace sinter::codegen {

/// A contraction as a batch of matrix products: flat sizes and element strides. Batch dims keep a
/// stride each.
struct ContractionLayout {
  DimExpr batch = 1, m = 1, n = 1, k = 1;
  DimExpr lhsM = 1, lhsK = 1, rhsK = 1, rhsN = 1;
  llvm::SmallVector<DimExpr> batchDims, lhsBatch, rhsBatch; ///< Sizes; strides in each operand.
  llvm::SmallVector<DimExpr> mDims, nDims; ///< Sizes of the free dims, outermost first.
};
/// nullopt when a group of dims cannot be flattened to one stride (the contractions pass prevents
/// it).
std::optional<ContractionLayout> contractionLayout(ir::DotGeneralOp dot);

/// What the tile chooser wants to know of the contraction `dot` in a region: the rest of the region
/// is its epilogue.
cpu::ContractionShape tileShape(const ContractionLayout &layout, ir::FusedOp fused,
                                ir::DotGeneralOp dot);

} // namespace sinter::codegen
