// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/ADT/StringRef.h"

namespace sinter::codegen {

/// A note on quotients and sums of a graph that is compiled with strict rounding: no reciprocal
/// stands in for a division, and what is added up has been rounded.
inline constexpr llvm::StringLiteral strictAttr = "sinter.strict";

} // namespace sinter::codegen
