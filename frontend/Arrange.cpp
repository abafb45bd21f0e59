// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Arrange.h"

#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/Indexing.h"

#include <algorithm>
#include <numeric>

namespace sinter {

static Tensor moved(const Tensor &x, int64_t from, int64_t to) {
  std::vector<int64_t> order(static_cast<size_t>(x.rank()));
  std::iota(order.begin(), order.end(), int64_t{0});
  order.erase(order.begin() + from);
  order.insert(order.begin() + to, from);
  return from == to ? x : transpose(x, order);
}

// -- Order ----------------------------------------------------------------------------------------

Tensor flip(const Tensor &x, const Axes &axes, std::source_location loc) {
  CompositeCall c(x, "flip", loc);
  Tensor result = x;
  for (int64_t axis : c.axes(axes)) {
    DimExpr size = c.shape[axis];
    if (size == DimExpr(1))
      continue;
    Tensor places = c.handle().arange(i64, size);
    result = gather(result, c.sizeOperand(size - 1, i64) - places, axis);
  }
  return result;
}

Tensor roll(const Tensor &x, int64_t shift, int64_t axis, std::source_location loc) {
  CompositeCall c(x, "roll", loc);
  axis = c.axis(axis);
  DimExpr size = c.shape[axis];
  if (std::optional<int64_t> count = size.constant()) {
    if (*count == 0 || shift % *count == 0)
      return x;
    int64_t first = (*count - shift % *count) % *count; // What comes to place 0.
    return concat({slice(x, axis, first, *count), slice(x, axis, 0, first)}, axis);
  }
  // Place i comes from i - shift, modulo a size that is known when the program runs.
  Operand modulus = c.sizeOperand(size, i64);
  Tensor from = c.handle().arange(i64, size) - shift;
  Tensor rest = from - from / modulus * modulus;
  return gather(x, where(rest < 0, rest + modulus, rest), axis);
}

Tensor moveAxis(const Tensor &x, int64_t from, int64_t to, std::source_location loc) {
  CompositeCall c(x, "moveAxis", loc);
  return moved(x, c.axis(from), c.axis(to));
}

// -- Repetition -----------------------------------------------------------------------------------

Tensor tile(const Tensor &x, const Shape &repeats, std::source_location loc) {
  CompositeCall c(x, "tile", loc);
  int64_t rank = std::max(c.shape.rank(), repeats.rank());
  auto aligned = [&](const Shape &shape, int64_t i) {
    int64_t from = i - (rank - shape.rank());
    return from < 0 ? DimExpr(1) : shape[from];
  };
  // Each axis becomes two, of which the first repeats: [1, n] -> [r, n] -> [r * n].
  Shape apart, repeated, result;
  for (int64_t i = 0; i < rank; ++i) {
    DimExpr size = aligned(c.shape, i), count = aligned(repeats, i);
    if (count.constant().value_or(0) < 0)
      c.fail("cannot repeat " + count.str() + " times", {c.shape, repeats});
    for (const DimExpr &entry : {DimExpr(1), size})
      apart.push_back(entry);
    for (const DimExpr &entry : {count, size})
      repeated.push_back(entry);
    result.push_back(count * size);
  }
  return result == c.shape ? x : x.reshape(apart).broadcastTo(repeated).reshape(result);
}

Tensor repeat(const Tensor &x, const DimExpr &count, int64_t axis, std::source_location loc) {
  CompositeCall c(x, "repeat", loc);
  axis = c.axis(axis);
  if (count.constant().value_or(0) < 0)
    c.fail("cannot repeat " + count.str() + " times");
  std::vector<DimExpr> sizes = c.shape.vector();
  sizes.insert(sizes.begin() + axis + 1, count);
  Shape result = c.shape;
  result[axis] *= count;
  return x.expandDims(axis + 1).broadcastTo(Shape(std::move(sizes))).reshape(result);
}

Tensor unflatten(const Tensor &x, int64_t axis, const Shape &sizes, std::source_location loc) {
  CompositeCall c(x, "unflatten", loc);
  axis = c.axis(axis);
  DimExpr known = 1;
  int64_t open = -1;
  for (int64_t i = 0; i < sizes.rank(); ++i) {
    if (sizes[i] != DimExpr(-1))
      known *= sizes[i];
    else if (open >= 0)
      c.fail("only one size may be -1", {c.shape, sizes});
    else
      open = i;
  }
  Shape parts = sizes;
  if (open >= 0) {
    std::optional<DimExpr> rest =
        known == DimExpr(0) ? std::nullopt : c.shape[axis].dividedExactlyBy(known);
    if (!rest)
      c.fail("size " + c.shape[axis].str() + " does not divide by " + known.str(),
             {c.shape, sizes});
    parts[open] = *rest;
    known *= *rest;
  }
  if (known != c.shape[axis])
    c.fail("the sizes multiply to " + known.str() + ", axis " + std::to_string(axis) +
               " has size " + c.shape[axis].str(),
           {c.shape, sizes});
  std::vector<DimExpr> result = c.shape.vector();
  result.erase(result.begin() + axis);
  result.insert(result.begin() + axis, parts.begin(), parts.end());
  return x.reshape(Shape(std::move(result)));
}

// -- Diagonals ------------------------------------------------------------------------------------

/// 0 in the dtype, for where().
static Operand zeroOf(DType dtype) { return dtype == boolean ? Operand(false) : Operand(0); }

/// column - row over a matrix.
static Tensor aboveMain(const CompositeCall &c, const DimExpr &rows, const DimExpr &columns) {
  Shape shape{rows, columns};
  return c.handle().iota(i64, shape, 1) - c.handle().iota(i64, shape, 0);
}

Tensor tril(const Tensor &x, int64_t diagonal, std::source_location loc) {
  CompositeCall c(x, "tril", loc);
  c.requireRank(2);
  return where(aboveMain(c, x.size(-2), x.size(-1)) <= diagonal, x, zeroOf(c.dtype));
}

Tensor triu(const Tensor &x, int64_t diagonal, std::source_location loc) {
  CompositeCall c(x, "triu", loc);
  c.requireRank(2);
  return where(aboveMain(c, x.size(-2), x.size(-1)) >= diagonal, x, zeroOf(c.dtype));
}

/// The size of a diagonal; that of a matrix whose sizes are unequal must be known.
static DimExpr diagonalSize(const CompositeCall &c, const DimExpr &rows, const DimExpr &columns,
                            int64_t offset) {
  DimExpr below = offset < 0 ? rows + DimExpr(offset) : rows;
  DimExpr right = offset > 0 ? columns - DimExpr(offset) : columns;
  std::optional<int64_t> a = below.constant(), b = right.constant();
  if (a && b)
    return std::max<int64_t>(std::min(*a, *b), 0);
  if (rows != columns)
    c.fail("the size of the diagonal depends on which of " + rows.str() + " and " + columns.str() +
           " is smaller");
  return offset < 0 ? below : right;
}

Tensor diagonal(const Tensor &x, int64_t offset, int64_t rowAxis, int64_t columnAxis,
                std::source_location loc) {
  CompositeCall c(x, "diagonal", loc);
  c.requireRank(2);
  rowAxis = c.axis(rowAxis);
  columnAxis = c.axis(columnAxis);
  if (rowAxis == columnAxis)
    c.fail("axis " + std::to_string(rowAxis) + " is given twice");
  int64_t last = c.shape.rank() - 1;
  DimExpr size = diagonalSize(c, c.shape[rowAxis], c.shape[columnAxis], offset);
  // [..., rows, columns], of which the rows that the diagonal crosses, and of each one element.
  Tensor matrix = moved(moved(x, rowAxis, last), columnAxis - (columnAxis > rowAxis), last);
  DimExpr first = offset < 0 && size != DimExpr(0) ? DimExpr(-offset) : DimExpr(0);
  Tensor rows = slice(matrix, -2, first, first + size);
  std::vector<DimExpr> sizes = rows.shape().vector();
  sizes.pop_back();
  Shape shape(std::move(sizes));
  return pick(rows, c.handle().iota(i64, shape, last - 1) + std::max<int64_t>(offset, 0));
}

Tensor diagonalMatrix(const Tensor &x, int64_t offset, std::source_location loc) {
  CompositeCall c(x, "diagonalMatrix", loc);
  c.requireRank(1);
  DimExpr size = x.size(-1) + DimExpr(std::abs(offset));
  Tensor isDiagonal = equal(aboveMain(c, size, size), offset);
  // Above the main diagonal element i stands in row i, below it in column i.
  Shape none(std::vector<DimExpr>(static_cast<size_t>(c.shape.rank()), DimExpr(0)));
  Shape rest = none;
  rest[c.shape.rank() - 1] = DimExpr(std::abs(offset));
  Tensor longer = offset == 0 ? x : pad(x, none, rest);
  return where(isDiagonal, longer.expandDims(offset < 0 ? -2 : -1), zeroOf(c.dtype));
}

Tensor trace(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "trace", loc);
  c.requireRank(2);
  return diagonal(x).sum(-1);
}

Tensor maskedFill(const Tensor &x, const Tensor &mask, const Operand &value,
                  std::source_location loc) {
  CompositeCall c(x, "maskedFill", loc);
  return where(mask, value, x);
}

} // namespace sinter
