// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/OpFacts.h"

#include <optional>
#include <string>

namespace sinter::passes {

/// The dims of a contraction's result that come from its right operand: a row of the product.
unsigned numRowDims(ir::DotGeneralOp dot);

/// Why a kernel cannot, or should not, have whole rows of the product at hand, so that reductions
/// of them follow in it; nullopt when it may. `rowDims` last dims are a row: all of numRowDims(),
/// or fewer, when the others number the tiles that a long row was cut into.
///
/// On a GPU a block multiplies whole rows, and these fit into its tile. On a CPU a unit does: what
/// it multiplies them with has to stay in the core's cache, and is then no more work than a thread
/// takes at once anyway, so that nothing is lost to the threads. A tile of a row is exactly what a
/// block or a unit has of it.
std::optional<std::string> refusesRows(ir::DotGeneralOp dot, unsigned rowDims,
                                       const OpFacts &facts);

/// What reads a product whose rows are reduced.
struct RowReads {
  bool isStored = false;  ///< Something else reads it from memory too.
  bool hasArgmax = false; ///< Of its rows.
};
/// The width of the tiles that rows of the product should be cut into, so that reductions of the
/// tiles follow in its kernel and only their results are read again; nullopt when rows stay whole:
/// they are short enough, no width divides them, or what is saved is less than what it costs.
std::optional<int64_t> rowTile(ir::DotGeneralOp dot, const RowReads &reads, const OpFacts &facts);

} // namespace sinter::passes
