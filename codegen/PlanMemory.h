// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DimExpr.h"

#include <vector>

namespace sinter::codegen {

/// Memory that is needed from step `first` to step `last`, both included.
struct Allocation {
  DimExpr bytes;
  int first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<DimExpr> offsets; ///< One per allocation, multiples of bufferAlignment.
  DimExpr bytes;                ///< The arena's size: the end of the highest allocation.
};

/// Gives allocations that are live at the same time disjoint places.
///
/// Static sizes: one by one, each at the lowest place that fits between its live neighbours; large
/// ones first (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
/// 2020), then in other orders, until the arena is no larger than what is live at once or enough
/// orders have been tried. What grows with the workers lies above all that it meets. Other symbolic
/// sizes share slots: a slot is as large as its largest tenant, so that offsets stay formulas and
/// hold for every value of the named dims. Slots come first, the static part on top of them.
MemoryPlan planMemory(const std::vector<Allocation> &allocations);

} // namespace sinter::codegen
