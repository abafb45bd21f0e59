// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sinter::tools {

/// A graph to measure, and what one call of it must do.
struct Model {
  Graph graph = {};
  double flops = 0; ///< Of its contractions, as an algorithm without tricks needs them.
};

enum class CaseKind { Kernel, ColdCompile, EmptyCall };

struct CaseRow {
  const char *name;
  const char *doc;
  CaseKind kind;
  /// Builds the graph with this many rows (the leading size of its inputs).
  Model (*make)(int64_t rows);
  int64_t rows;
  /// The interpreter computes the last `checkedRows` rows; equal to `rows` where they depend on
  /// each other.
  int64_t checkedRows;
};

const std::vector<CaseRow> &caseTable();

} // namespace sinter::tools
