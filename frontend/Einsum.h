// SPDX-License-Identifier: Apache-2.0
// Sums of products, written with names for axes.
#pragma once

#include "sinter/frontend/Structural.h"

#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

// -- Contractions ---------------------------------------------------------------------------------

/// Einstein's notation, as in NumPy: "bij,bjk->bik". One letter names an axis; axes of one name
/// have equal sizes (or 1), and those that the output does not name are summed. A name twice in one
/// operand takes the diagonal, "..." stands for the axes that broadcast; without "->" the output
/// names, in order of the alphabet, what occurs once. Operands are contracted from left to right.
Tensor einsum(std::string_view equation, const std::vector<Tensor> &operands,
              std::source_location loc = std::source_location::current());
/// a[i] * b[j] of two vectors.
Tensor outer(const Tensor &a, const Tensor &b,
             std::source_location loc = std::source_location::current());
/// Sums products over the last axis of both: axes of a, then axes of b.
Tensor inner(const Tensor &a, const Tensor &b,
             std::source_location loc = std::source_location::current());
/// Kronecker's product: blocks of b, one per element of a, which have equal ranks.
Tensor kron(const Tensor &a, const Tensor &b,
            std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
