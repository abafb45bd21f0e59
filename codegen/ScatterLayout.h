// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

namespace sinter::codegen {

/// How a scatter is walked. A dim of the result that follows a dim of the updates is parallel: no
/// update crosses it. The other dims of the updates are scanned in row-major order by every unit.
struct ScatterLayout {
  /// Dims of the result that units enumerate, and the dims of the updates they follow.
  llvm::SmallVector<unsigned> outer, outerUpdates;
  llvm::SmallVector<unsigned> indexed; ///< Dims of the result whose index is looked up.
  llvm::SmallVector<unsigned> scanned; ///< The updates' other dims, increasing.
  /// The last dims of the result where they are the last ones of the updates: walked as one dim,
  /// along which vectors run.
  unsigned numColumns = 0;
  /// Sizes: products of the dims above.
  DimExpr outerCount = 1, columns = 1, updates = 1, places = 1;
  /// Whether the look-ups are the same for all columns of an update.
  bool sameForAllColumns = true;

  /// Into how many ranges the first dim of `indexed` is cut: one per worker where there are few
  /// other units, of `block` columns each. Every unit scans all updates and takes those in its
  /// range, so how it is cut does not change the result.
  DimExpr parts(int64_t block) const;
  /// Whether updates are ordered by their place first, so that each place is written once: pays where
  /// whole rows go into a result that no cache holds. Narrow floats round with every update, in
  /// memory.
  bool isSegmented(mlir::Type elementType) const;
};
ScatterLayout scatterLayout(mlir::Operation *scatter);

/// Whether the elements of `value` may differ along its dim `dim`; looks through broadcasts and
/// elementwise ops.
bool variesAlong(mlir::Value value, unsigned dim);

} // namespace sinter::codegen
