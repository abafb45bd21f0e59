// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/OpFacts.h"

#include <optional>
#include <string>

namespace sinter::passes {

/// The dims of a contraction's result that come from its right operand: a row of the product.
unsigned numRowDims(ir::DotGeneralOp dot);

/// Why a kernel cannot, or should not, have whole rows of the product at hand, so that reductions
/// of them follow in it; nullopt when it may.
///
/// On a GPU a block multiplies whole rows, and these fit into its tile. On a CPU a unit does: what
/// it multiplies them with has to stay in the core's cache, and is then no more work than a thread
/// takes at once anyway, so that nothing is lost to the threads.
std::optional<std::string> refusesRows(ir::DotGeneralOp dot, const OpFacts &facts);

} // namespace sinter::passes
