// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ScatterLayout.h"

namespace sinter::codegen {

/// How a scatter runs on a GPU. Every place of the result takes its updates in their order, in one
/// of two ways.
///
/// Few updates: a thread per column of the result scans all of them. Many: they are sorted by their
/// place first, and a place is then written once. The sort goes digit by digit and keeps the order
/// of equals; nothing in it depends on the grid.
struct ScatterStages {
  explicit ScatterStages(mlir::Operation *scatter);

  /// A launch of the sorted way; `digit` counts from the lowest one.
  enum class Step : uint8_t { Keys, Count, Scan, Place, Starts, Combine };
  struct Stage {
    Step step;
    int digit = 0;
  };
  Stage stage(unsigned number) const;
  unsigned numStages() const { return sorted ? 3 + 3 * static_cast<unsigned>(numDigits) : 2; }

  // The same as in prelude/Scatter.cuh.
  static constexpr int64_t threads = 256;
  static constexpr int64_t tile = 2048;   ///< Items that a block places at once.
  static constexpr int maxDigitBits = 10; ///< What counters in shared memory leave room for.

  ScatterLayout layout;
  bool sorted = false;
  // Sorted: an item is an update with all its columns where they go to one place together, else one
  // element. A key is the number of a place, and one more stands for items without one.
  DimExpr items = 0, keys = 0;
  DimExpr width = 1; ///< Columns of an item.
  int numDigits = 1, digitBits = maxDigitBits;
  int64_t digits() const { return int64_t{1} << digitBits; }
  DimExpr tiles() const { return ceilDiv(items, tile); }
  /// When a key's updates are combined: threads that share out the columns, and columns of each.
  int64_t lanes = 1, columnsPerThread = 1;
  DimExpr columnBlocks() const { return ceilDiv(width, lanes * columnsPerThread); }
};

/// The workspaces of the sorted way: keys and item numbers, twice each; counts of a digit by tile,
/// and in all; where the items of a key start.
struct ScatterSpaces {
  enum Number : unsigned { Keys, Order, OtherKeys, OtherOrder, Counts, Totals, Starts, Count };
};

} // namespace sinter::codegen
