// SPDX-License-Identifier: Apache-2.0
// What the generated op definitions call to infer types. Every diagnostic ends with the label of
// the constraint, e.g. [dot_c3]; a hint follows the last "; ".
#pragma once

#include "sinter/ir/Ops.h"

namespace sinter::ir {

/// "f32[N, 784]".
std::string str(TensorType type);

/// All operands have one type, which is the result's.
llvm::LogicalResult inferSameType(llvm::StringRef op, mlir::MLIRContext *context,
                                  std::optional<mlir::Location> loc, mlir::ValueRange operands,
                                  llvm::SmallVectorImpl<mlir::Type> &types);
/// All operands have one type; the result is bool.
llvm::LogicalResult inferCompare(llvm::StringRef op, mlir::MLIRContext *context,
                                 std::optional<mlir::Location> loc, mlir::ValueRange operands,
                                 llvm::SmallVectorImpl<mlir::Type> &types);
/// (condition, a, b): a and b have one type, the condition its sizes.
llvm::LogicalResult inferSelect(llvm::StringRef op, mlir::MLIRContext *context,
                                std::optional<mlir::Location> loc, mlir::ValueRange operands,
                                llvm::SmallVectorImpl<mlir::Type> &types);

/// (key, counter), both u64; the result is u32.
llvm::LogicalResult inferRandomBits(llvm::StringRef op, mlir::MLIRContext *context,
                                    std::optional<mlir::Location> loc, mlir::ValueRange operands,
                                    llvm::SmallVectorImpl<mlir::Type> &types);

/// Strides and dilations of windows, and interior padding, are at most this.
inline constexpr int64_t maxWindowStep = int64_t{1} << 31;
/// How many windows of `window` elements, `dilation` apart, start every `stride` elements of `size`.
DimExpr numWindows(const DimExpr &size, const DimExpr &window, int64_t stride, int64_t dilation);

/// True when `value` cannot be negative, whatever the named dims (which are not).
bool provablyNonNegative(const DimExpr &value);

/// The element type of the op's result.
inline mlir::Type resultElementType(mlir::Operation *op) {
  return mlir::cast<TensorType>(op->getResult(0).getType()).getElementType();
}

/// The element type of an operand of the op.
inline mlir::Type operandElementType(mlir::Operation *op, unsigned operand) {
  return mlir::cast<TensorType>(op->getOperand(operand).getType()).getElementType();
}

/// Every operand is read at the result's own index.
Indexing elementwiseIndexing(mlir::Operation *op);

} // namespace sinter::ir
