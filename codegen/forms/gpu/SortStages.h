// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// How an argsort runs on a GPU. Rows of up to `run` elements: a block sorts some of them in shared
/// memory. Others: all elements of all rows are items that are sorted digit by digit, by their keys
/// and then by their rows; every digit keeps the order of equals (prelude/Scatter.cuh).
struct SortStages {
  SortStages(mlir::Operation *argsort, const Schedule &schedule);

  enum class Step : uint8_t { Short, Keys, Count, Scan, Place, Write };
  struct Stage {
    Step step;
    int part = 0;       ///< Whose digits: the low word of the key, the high one, the row.
    int digit = 0;      ///< Digits sorted by so far, of all parts.
    int shift = 0;      ///< Where the digit lies in its part.
    int64_t digits = 2; ///< Values that it has.
  };
  llvm::SmallVector<Stage> stages;
  static constexpr int rowPart = 2;

  static constexpr int64_t threads = 256, tile = 2048;
  static constexpr int maxDigitBits = 10, maxDigits = 1 << maxDigitBits;

  int64_t axis = 0;
  bool descending = false;
  int64_t keyBits = 32; ///< Of a key as it is stored: 32 or 64.
  int64_t run = 0;      ///< Short rows: elements that a row takes up, a power of two.
  int64_t shared = 0;   ///< Elements that a block sorts at once.
  DimExpr rows = 1, length = 0;
  DimExpr items() const { return rows * length; }
  int64_t rowsPerBlock() const { return shared / run; }
};

/// The longest row that shared memory is used for.
int64_t longestSharedRow(mlir::Operation *argsort);

/// The workspaces of the way digit by digit.
struct SortSpaces {
  enum Number : unsigned { Keys, Order, OtherKeys, OtherOrder, Counts, Totals, Count };
};

} // namespace sinter::codegen
