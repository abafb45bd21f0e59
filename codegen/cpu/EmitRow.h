// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/forms/RowTile.h"

namespace sinter::cpu {

class KernelFunction;

/// Rows of a product, as a unit of its contraction has them.
struct RowSums {
  mlir::Value unit;  ///< The unit's number.
  mlir::Value first; ///< The number of its first row, over all batches.
  mlir::Value step;  ///< From the number of a row to that of the next.
  mlir::Value rows;
  mlir::Value at; ///< Where the sums of the first row begin.
  int64_t pitch;  ///< From row to row.
  mlir::Type type;
};
/// What follows a contraction as rows (KernelAnalysis::rowsBehind): one unit.
void emitRowsBehind(KernelFunction &kernel, const RowSums &sums);
/// Rows that are reduced in tiles of more than one.
void emitRowTiles(KernelFunction &kernel, const codegen::RowTile &tile);
/// The second launch, which combines the partial results of columns.
void emitColumnsBehind(KernelFunction &kernel);

} // namespace sinter::cpu
