// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/OpFacts.h"

#include <optional>
#include <string>

namespace sinter::passes {

/// On a fused region: it was made for thread blocks (OpFacts::forGpu).
inline constexpr llvm::StringLiteral forGpuAttr = "sinter.gpu";

/// Where an operand of a contraction comes from.
struct ContractionOperand {
  mlir::Value memory; ///< A tensor in memory that holds its elements; null when they are computed.
  DType dtype = DType::F32; ///< Of the elements in memory; those of the sums may be wider.
};
/// A cast from a narrow dtype is no computation: kernels convert what they read. `isInside` tells
/// which ops belong to the kernel.
ContractionOperand contractionOperand(mlir::Value operand,
                                      llvm::function_ref<bool(mlir::Operation *)> isInside);

/// Why a kernel of the ops that are inside cannot, or should not, compute the operands of its
/// contraction `dot` while it packs them; nullopt when it may.
///
/// B is computed once per block of rows of the result, A once per block of columns, so that only
/// few columns allow a computed A. Vectors run along an operand's last dim, which must not be a
/// batch dim, and in B must be a column. Narrow operands come from memory: there they take half the
/// room, and instructions multiply them in pairs. A GPU computes narrow operands where they are
/// read by few blocks.
std::optional<std::string> refusesPrologue(ir::DotGeneralOp dot,
                                           llvm::function_ref<bool(mlir::Operation *)> isInside,
                                           OpFacts &facts);

} // namespace sinter::passes
