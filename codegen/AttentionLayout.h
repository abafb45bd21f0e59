// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Schedule.h"

#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace sinter::codegen {

/// How an attention kernel walks its operands. Scores are kept transposed, keys by queries: vectors
/// run along queries, so that no step of the softmax crosses lanes, and keys and values are read as
/// they lie in memory.
///
/// Everything is made of one register tile, `rows` x `vectors`, of a product whose left operand is
/// broadcast element by element.
struct AttentionLayout {
  AttentionLayout(mlir::Operation *op, const Schedule &schedule);

  /// A matrix per batch, as the tiles read it: in place, or a wide copy with padded rows.
  struct Matrix {
    mlir::Value value;
    DimExpr batches, rows;
    int64_t width = 0;
    int64_t stride = 0; ///< Elements from row to row.
    std::optional<size_t> copy;
    DimExpr bytes() const;
  };
  /// Index of the copies' first workspace is 0; then come the workers' scratch buffers.
  llvm::SmallVector<DimExpr> workspaces() const;
  /// Rows of the largest matrix that is copied; 0 when none is.
  DimExpr copyExtent() const;
  DimExpr extent() const;
  DimExpr queryRows() const; ///< Of all batches.
  DimExpr flops() const;
  bool copies() const { return numCopies > 0; }

  mlir::Operation *op;
  bool isBackward = false;
  mlir::Value mask; ///< May be null.
  double scale = 1;
  std::optional<DimExpr> causal;
  bool strictRows = false;
  /// Leading sizes of q, and of k and v (1 where they serve several).
  llvm::SmallVector<DimExpr> leading, served;
  DimExpr queries, keys;
  Matrix q, k, v, dout;
  size_t numCopies = 0;

  int64_t lanes, rows;
  int64_t columns;    ///< Queries of a tile of scores.
  int64_t queryBlock; ///< Queries of a unit (forward), or that are taken together (backward).
  int64_t keyBlock;
  int64_t widthVectors, valueVectors; ///< Of the tiles over the widths of q and v.
  int64_t paddedWidth, paddedValueWidth;
  int64_t elementBytes;

  /// Elements of one block of scores, with room for a last tile that is not full.
  int64_t blockElements() const { return (keyBlock + rows) * queryBlock; }
  /// Backward: parts of the keys of one batch that run in parallel, where there are few batches;
  /// each has sums over its keys of its own for the gradient of q, which are added up in order.
  /// This depends on sizes alone, so results do not depend on the number of threads.
  int64_t parts = 1;
  DimExpr keysOfPart() const;                          ///< Whole tiles.
  size_t partialSums() const { return numCopies + 5; } ///< Workspace, where there are parts.
};

/// Vectors per tile of a width that leave the least unused.
int64_t attentionTileVectors(int64_t width, int64_t lanes, int64_t rows);

} // namespace sinter::codegen
