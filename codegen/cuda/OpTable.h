// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/Operation.h"

#include <string_view>

namespace sinter::cuda {

/// How one op is written. In the text `$0` … `$9` are operands, `$t` the result's type, `$u` the
/// unsigned type of the first operand, `$f` the suffix of C's mathematical functions: `f` for
/// float, nothing for double.
struct OpRow {
  std::string_view name;
  std::string_view text;
  /// For index arithmetic, whose numbers are never negative and never overflow; empty: as `text`.
  std::string_view indexText = {};
  /// May be written where its value is used rather than as a statement of its own.
  bool pure = true;
};

/// The row of an op, or null. Comparisons have a row per predicate; `.i1` and `.same` (equal
/// operands) rows come first.
const OpRow *findRow(mlir::Operation *op);

} // namespace sinter::cuda
