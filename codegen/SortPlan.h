// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

namespace sinter::codegen {

/// How rows are sorted: by words that hold a key in the upper half, an unsigned number that orders
/// as the elements do, and the index in the lower one. Words differ, so any sort of them is stable.
struct SortPlan {
  int64_t keyBits = 32; ///< Half a word: 32 or 64.
  int64_t digits = 4;   ///< Bytes of the key in which elements may differ.
  DimExpr size;         ///< Elements of a row.
  /// Rows of at least this length are sorted digit by digit.
  int64_t radixFrom = 0;

  int64_t wordBytes() const { return keyBits / 4; }
  static constexpr int64_t radix = 256;
  /// Of one worker: the words twice, and a counter for every value of every digit.
  DimExpr wordsBytes() const { return size * (2 * wordBytes()); }
  int64_t counterBytes() const { return digits * radix * 8; }
};
SortPlan sortPlan(mlir::Operation *argsort);

} // namespace sinter::codegen
