// SPDX-License-Identifier: Apache-2.0
// Functions that move elements: reversed, repeated, masked, along diagonals. Sizes may be symbolic.
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Arrangement ----------------------------------------------------------------------------------

/// Reverses the axes' elements.
Tensor flip(const Tensor &x, const Axes &axes = {},
            std::source_location loc = std::source_location::current());
/// Moves elements by `shift` places along `axis`; what leaves at one end enters at the other.
Tensor roll(const Tensor &x, int64_t shift, int64_t axis,
            std::source_location loc = std::source_location::current());
/// The whole tensor repeats[i] times along axis i, by NumPy's rules.
Tensor tile(const Tensor &x, const Shape &repeats,
            std::source_location loc = std::source_location::current());
/// Every element `count` times in a row along `axis`.
Tensor repeat(const Tensor &x, const DimExpr &count, int64_t axis,
              std::source_location loc = std::source_location::current());
/// Axis `from` becomes axis `to`; the others keep their order.
Tensor moveAxis(const Tensor &x, int64_t from, int64_t to,
                std::source_location loc = std::source_location::current());
/// Cuts one axis into several of the given sizes, one of which may be -1.
Tensor unflatten(const Tensor &x, int64_t axis, const Shape &sizes,
                 std::source_location loc = std::source_location::current());
/// The lower triangle of the last two axes, up to `diagonal` above the main one; 0 elsewhere.
Tensor tril(const Tensor &x, int64_t diagonal = 0,
            std::source_location loc = std::source_location::current());
/// The upper triangle of the last two axes, from `diagonal` above the main one on; 0 elsewhere.
Tensor triu(const Tensor &x, int64_t diagonal = 0,
            std::source_location loc = std::source_location::current());
/// The elements x[..., i, i + offset] of two axes, as a new last axis.
Tensor diagonal(const Tensor &x, int64_t offset = 0, int64_t rowAxis = -2, int64_t columnAxis = -1,
                std::source_location loc = std::source_location::current());
/// A square matrix with the last axis of x on the diagonal `offset` above the main one, else 0.
Tensor diagonalMatrix(const Tensor &x, int64_t offset = 0,
                      std::source_location loc = std::source_location::current());
/// The sum of the diagonal of the last two axes.
Tensor trace(const Tensor &x, std::source_location loc = std::source_location::current());
/// x, but `value` where the mask holds; both broadcast.
Tensor maskedFill(const Tensor &x, const Tensor &mask, const Operand &value,
                  std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
