// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

#include <cstdint>

namespace sinter::cpu {

/// Transposes squares: `rows` are n vectors, each of which holds a row of every n lanes' square; n
/// is a power of two. Element (i, j) of each square is in its element (j, i) behind. Shuffles of
/// neighbours within 128 bits come last: each is one instruction that may repeat an operand.
llvm::SmallVector<mlir::Value> transposeSquares(mlir::OpBuilder &builder, mlir::Location loc,
                                                mlir::ValueRange rows);

/// `count` vectors of `lanes` elements, made of shorter ones: vector i holds pieces i, i + count, …
llvm::SmallVector<mlir::Value> joinPieces(mlir::OpBuilder &builder, mlir::Location loc,
                                          int64_t count, int64_t lanes,
                                          llvm::function_ref<mlir::Value(int64_t)> piece);

} // namespace sinter::cpu
