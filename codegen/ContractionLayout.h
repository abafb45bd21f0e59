// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/ir/Ops.h"
#include "sinter/ir/base/Array.h"
#include "sinter/passes/ContractionPrologue.h"
#include "sinter/passes/KernelForm.h"

namespace sinter::codegen {

/// On a dot_general or a convolution: a GPU may round its f32 operands to tf32.
inline constexpr llvm::StringLiteral tf32Attr = "sinter.tf32";

/// A contraction as a batch of matrix products: flat sizes and element strides. Batch dims keep a
/// stride each.
struct ContractionLayout {
  DimExpr batch = 1, m = 1, n = 1, k = 1;
  DimExpr lhsM = 1, lhsK = 1, rhsK = 1, rhsN = 1;
  llvm::SmallVector<DimExpr> batchDims, lhsBatch, rhsBatch; ///< Sizes; strides in each operand.
  /// Sizes of the free dims and of the contracting ones, outermost first.
  llvm::SmallVector<DimExpr> mDims, nDims, kDims;

  /// The dims of an operand in the order batch, free, contracting.
  static llvm::SmallVector<int64_t> operandOrder(ir::DotGeneralOp dot, bool isLeft);
};
/// nullopt when a group of dims cannot be flattened to one stride (the contractions pass prevents
/// it).
std::optional<ContractionLayout> contractionLayout(ir::DotGeneralOp dot);

/// The length of a row where rows that follow a contraction are tiles of the product's rows; nullopt
/// where they are whole.
std::optional<int64_t> rowTileBehind(const passes::KernelAnalysis &analysis,
                                     const ContractionLayout &layout);

/// Where an operand of a region's contraction comes from.
passes::ContractionOperand memoryOf(ir::FusedOp fused, mlir::Value operand);

/// What the tile chooser wants to know of the contraction `dot` in a region: the rest of the region
/// is its epilogue.
cpu::ContractionShape tileShape(const ContractionLayout &layout, ir::FusedOp fused,
                                ir::DotGeneralOp dot);

/// The constant behind a region's argument, if the region is all that reads it.
ir::ConstantOp fixedOperand(ir::FusedOp fused, mlir::Value memory);

/// Copies the elements of a constant, in the order in which the only kernel that reads it expects
/// them: panels for a contraction or a convolution whose schedule says so, else as they are.
void copyConstant(ir::ConstantOp constant, llvm::ArrayRef<char> from, Array &to);

} // namespace sinter::codegen
