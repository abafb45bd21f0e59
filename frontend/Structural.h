// SPDX-License-Identifier: Apache-2.0
// Operators whose C++ form is friendlier than their definition in ir/StructuralOps.td. Each
// function whose first parameter is a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Tensor.h"

#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// a where condition holds, else b; all three broadcast. Alias: select.
Tensor where(const Tensor &condition, const Operand &a, const Operand &b,
             std::source_location loc = std::source_location::current());
/// a where condition holds, else b; all three broadcast.
Tensor select(const Tensor &condition, const Operand &a, const Operand &b,
              std::source_location loc = std::source_location::current());
/// The elements converted to another dtype (float to integer truncates and saturates; to bool is x
/// != 0).
Tensor cast(const Tensor &x, DType dtype,
            std::source_location loc = std::source_location::current());
/// The bits of each element as another dtype of the same width.
Tensor bitcast(const Tensor &x, DType dtype,
               std::source_location loc = std::source_location::current());

// -- Sizes ----------------------------------------------------------------------------------------

/// x repeated to `shape`, by NumPy's rules. A symbolic size never repeats.
Tensor broadcastTo(const Tensor &x, const Shape &shape,
                   std::source_location loc = std::source_location::current());
/// The same elements in row-major order; one size may be -1.
Tensor reshape(const Tensor &x, const Shape &shape,
               std::source_location loc = std::source_location::current());
/// Reverses the axes.
Tensor transpose(const Tensor &x, std::source_location loc = std::source_location::current());
/// Axis i of the result is axis permutation[i] of x.
Tensor transpose(const Tensor &x, const std::vector<int64_t> &permutation,
                 std::source_location loc = std::source_location::current());
/// Exchanges two axes.
Tensor swapAxes(const Tensor &x, int64_t a, int64_t b,
                std::source_location loc = std::source_location::current());
/// A new axis of size 1 at `axis` of the result.
Tensor expandDims(const Tensor &x, int64_t axis,
                  std::source_location loc = std::source_location::current());
/// Removes axes of size 1 (all of them by default).
Tensor squeeze(const Tensor &x, const Axes &axes = {},
               std::source_location loc = std::source_location::current());
/// Merges the axes from `firstAxis` on into one.
Tensor flatten(const Tensor &x, int64_t firstAxis = 0,
               std::source_location loc = std::source_location::current());
/// Elements start, start + step, … below limit along `axis`. Negative numbers count from the end.
Tensor slice(const Tensor &x, int64_t axis, const DimExpr &start, const DimExpr &limit,
             int64_t step = 1, std::source_location loc = std::source_location::current());
/// Slices every axis at once; steps default to 1.
Tensor slices(const Tensor &x, const Shape &starts, const Shape &limits,
              const std::vector<int64_t> &steps = {},
              std::source_location loc = std::source_location::current());
/// One index along `axis`, which disappears.
Tensor at(const Tensor &x, int64_t axis, const DimExpr &index,
          std::source_location loc = std::source_location::current());
/// Surrounds x with `value`: low[i] elements before and high[i] after it along axis i.
Tensor pad(const Tensor &x, const Shape &low, const Shape &high, double value = 0,
           std::source_location loc = std::source_location::current());
/// Joins tensors along an axis.
Tensor concat(const std::vector<Tensor> &tensors, int64_t axis = 0,
              std::source_location loc = std::source_location::current());
/// Joins tensors of equal shapes along a new axis.
Tensor stack(const std::vector<Tensor> &tensors, int64_t axis = 0,
             std::source_location loc = std::source_location::current());
/// Cuts x into parts of the given sizes along `axis`.
std::vector<Tensor> split(const Tensor &x, const Shape &sizes, int64_t axis = 0,
                          std::source_location loc = std::source_location::current());
/// Cuts x into `parts` equal parts along `axis`.
std::vector<Tensor> split(const Tensor &x, int64_t parts, int64_t axis = 0,
                          std::source_location loc = std::source_location::current());

// -- Reductions -----------------------------------------------------------------------------------

/// Sum over the axes; 0 when empty.
Tensor sum(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
           std::source_location loc = std::source_location::current());
/// Product over the axes; 1 when empty.
Tensor prod(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
            std::source_location loc = std::source_location::current());
/// Largest over the axes; NaN if any is. See maximum() for the larger of two tensors.
Tensor max(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
           std::source_location loc = std::source_location::current());
/// Smallest over the axes; NaN if any is. See minimum() for the smaller of two tensors.
Tensor min(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
           std::source_location loc = std::source_location::current());
/// Index (i64) of the largest along `axis`; the first of equals.
Tensor argmax(const Tensor &x, int64_t axis = -1, bool keepDims = false,
              std::source_location loc = std::source_location::current());

// -- Contraction and indexing ---------------------------------------------------------------------

/// Sums products over contracting dims. Result: batch dims, free dims of lhs, free dims of rhs.
Tensor dotGeneral(const Tensor &lhs, const Tensor &rhs, const DotDims &dims,
                  std::source_location loc = std::source_location::current());
/// Matrix product by NumPy's rules: 1-D operands are vectors, leading axes are batches that
/// broadcast.
Tensor matmul(const Tensor &a, const Tensor &b,
              std::source_location loc = std::source_location::current());
/// table[indices[i...], ...]: whole rows, e.g. of an embedding.
Tensor gatherRows(const Tensor &table, const Tensor &indices,
                  std::source_location loc = std::source_location::current());
/// A tensor of `rows` rows: row indices[i...] is the sum of all updates[i..., ...]; the others are
/// 0.
Tensor scatterAddRows(const Tensor &indices, const Tensor &updates, const DimExpr &rows,
                      std::source_location loc = std::source_location::current());
/// x[i..., indices[i...]]: one element per row, e.g. the score of a label.
Tensor pick(const Tensor &x, const Tensor &indices,
            std::source_location loc = std::source_location::current());

// -- Creation, in the graph of `x` ----------------------------------------------------------------

/// A tensor of the given shape and x's dtype with equal elements.
Tensor fullLike(const Tensor &x, const Operand &value, const Shape &shape,
                std::source_location loc = std::source_location::current());
/// Zeros in x's shape and dtype.
Tensor zerosLike(const Tensor &x, std::source_location loc = std::source_location::current());
/// Ones in x's shape and dtype.
Tensor onesLike(const Tensor &x, std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
