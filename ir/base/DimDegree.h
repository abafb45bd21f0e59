// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DimExpr.h"

#include <optional>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// The degree of `size` as a polynomial in `symbol`, where everything else is known. nullopt where
/// it is none: `symbol` is in a quotient or a maximum.
std::optional<int> degreeIn(const DimExpr &size, std::string_view symbol);

} // namespace sinter
#pragma GCC visibility pop
