// SPDX-License-Identifier: Apache-2.0
// Random graphs around rows that are treated in a way of their own because they are large: rows of
// a product that no tile of a kernel holds, and rows that are looked up in tables larger than a
// cache. The plans of RandomGraph.h are too small to meet either.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Philox.h"

#include <map>
#include <string>

namespace sinter::fuzz {

/// How close to the interpreter's a result must be.
struct Closeness {
  double relative = 0; ///< 0: the same value; what is not finite always is.
  double absolute = 0;
};

struct LargeGraph {
  Graph graph;
  ArrayMap inputs;
  std::map<std::string, Closeness> outputs;
  size_t productRank = 0; ///< Of a product whose rows may be cut into tiles.
  bool isBad = false;     ///< One index is out of range.
};

/// A product with long rows and what is reduced of them. The values are multiples of 1/16 that a
/// sum in any order is exact for; some are infinite or NaN.
LargeGraph longRows(uint64_t seed);
/// Rows of a large table, looked up and added to, by indices that may be computed or bad.
LargeGraph lookUps(uint64_t seed);

} // namespace sinter::fuzz
