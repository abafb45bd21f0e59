// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/LinearAlgebra.h"

#include "sinter/frontend/Arrange.h"
#include "sinter/frontend/CompositeCall.h"

namespace sinter {

namespace {

constexpr int64_t largestMatrix = 32;

/// Square matrices of a size that elimination is unrolled for.
struct Matrices : CompositeCall {
  Matrices(const Tensor &x, const char *name, std::source_location loc)
      : CompositeCall(x, name, loc) {
    requireFloat();
    if (shape.rank() < 2 || shape[shape.rank() - 1] != shape[shape.rank() - 2])
      fail("needs square matrices");
    std::optional<int64_t> known = shape[shape.rank() - 1].constant();
    if (!known || *known > largestMatrix)
      fail("is unrolled, so matrices need a known size of at most " +
           std::to_string(largestMatrix));
    size = *known;
  }

  /// b [..., n, m] beside matrices [..., n, n].
  void requireRight(const Tensor &b) const {
    requireSameDType(b, "the right side");
    Shape other = b.shape();
    bool fits = other.rank() == shape.rank();
    for (int64_t i = 0; fits && i < other.rank() - 1; ++i)
      fits = other[i] == shape[i];
    if (!fits)
      fail("the right side does not have the sizes of the matrices but for the last",
           {shape, other});
  }

  /// The index of the row, [rows, 1].
  Tensor rowIndex(int64_t rows) const { return handle().iota(i64, {rows, 1}, 0); }

  int64_t size = 0;
};

Tensor row(const Tensor &x, int64_t i) { return slice(x, -2, i, i + 1); }
Tensor column(const Tensor &x, int64_t i) { return slice(x, -1, i, i + 1); }
/// The rest of an axis; may be empty.
Tensor from(const Tensor &x, int64_t axis, int64_t first) {
  return slice(x, axis, first, x.size(axis));
}

/// The pivot of the first column among the rows from `first` on.
struct Pivot {
  Pivot(const Matrices &c, const Tensor &x, int64_t at) {
    Tensor rows = c.rowIndex(*x.size(-2).constant());
    Tensor sizes = abs(column(x, at)).stopGradient();
    place = argmax(where(rows >= at, sizes, -1), -2, true);
    isPlace = equal(rows, place);
    isFirst = equal(rows, at);
    content = where(isPlace, x, 0).sum(-2).expandDims(-2);
    value = column(content, at);
  }
  Tensor place, isPlace, isFirst;
  Tensor content; ///< The row with the pivot, [..., 1, width].
  Tensor value;   ///< [..., 1, 1]
};

/// The right part of [a | b] after Gauss and Jordan made the left part the unit matrix.
Tensor eliminated(const Matrices &c, const Tensor &a, const Tensor &b) {
  Tensor x = concat({a, b}, c.shape.rank() - 1);
  for (int64_t k = 0; k < c.size; ++k) {
    Pivot pivot(c, x, k);
    Tensor scaled = pivot.content / pivot.value;
    Tensor others = where(pivot.isPlace, row(x, k), x);
    x = where(pivot.isFirst, scaled, others - column(others, k) * scaled);
  }
  return from(x, -1, c.size);
}

} // namespace

Tensor det(const Tensor &x, std::source_location loc) {
  Matrices c(x, "det", loc);
  Tensor rest = x, result;
  for (int64_t k = 0; k < c.size; ++k) {
    Pivot pivot(c, rest, 0);
    Tensor factor = where(equal(pivot.place, 0), pivot.value, -pivot.value);
    result = result.defined() ? result * factor : factor;
    // What is left: without the pivot's row and column. Where there is no pivot the column is 0.
    Tensor scaled = pivot.content / where(equal(pivot.value, 0), 1, pivot.value);
    Tensor others = from(where(pivot.isPlace, row(rest, 0), rest), -2, 1);
    rest = from(others, -1, 1) - column(others, 0) * from(scaled, -1, 1);
  }
  std::vector<DimExpr> batch = c.shape.vector();
  batch.resize(batch.size() - 2);
  Shape shape(std::move(batch));
  return result.defined() ? result.reshape(shape) : fullLike(x, 1, shape);
}

Tensor inverse(const Tensor &x, std::source_location loc) {
  Matrices c(x, "inverse", loc);
  Tensor unit =
      equal(c.handle().iota(i64, {c.size, c.size}, 0), c.handle().iota(i64, {c.size, c.size}, 1));
  return eliminated(c, x, unit.cast(c.dtype).broadcastTo(c.shape));
}

Tensor solve(const Tensor &a, const Tensor &b, std::source_location loc) {
  Matrices c(a, "solve", loc);
  c.requireRight(b);
  return eliminated(c, a, b);
}

Tensor cholesky(const Tensor &x, std::source_location loc) {
  Matrices c(x, "cholesky", loc);
  // Column by column; `rest` is what the columns so far leave of x, below and right of them.
  std::vector<Tensor> columns;
  Tensor rest = x;
  Shape zeros = c.shape;
  zeros[c.shape.rank() - 1] = 1;
  for (int64_t k = 0; k < c.size; ++k) {
    Tensor first = column(rest, 0), own = first / sqrt(row(first, 0));
    zeros[c.shape.rank() - 2] = k;
    columns.push_back(k == 0 ? own : concat({fullLike(x, 0, zeros), own}, c.shape.rank() - 2));
    Tensor below = from(own, -2, 1);
    rest = from(from(rest, -2, 1), -1, 1) - below * swapAxes(below, -1, -2);
  }
  return columns.empty() ? x : concat(columns, c.shape.rank() - 1);
}

Tensor triangularSolve(const Tensor &a, const Tensor &b, bool lower, std::source_location loc) {
  Matrices c(a, "triangularSolve", loc);
  c.requireRight(b);
  // The rows that are known leave the right sides of the others.
  std::vector<Tensor> rows(static_cast<size_t>(c.size));
  Tensor rest = b;
  for (int64_t step = 0; step < c.size; ++step) {
    int64_t k = lower ? step : c.size - 1 - step;
    Tensor own = row(rest, lower ? 0 : k) / column(row(a, k), k);
    rows[static_cast<size_t>(k)] = own;
    Tensor factors = column(a, k);
    if (lower)
      rest = from(rest, -2, 1) - from(factors, -2, k + 1) * own;
    else
      rest = slice(rest, -2, 0, k) - slice(factors, -2, 0, k) * own;
  }
  return rows.empty() ? b : concat(rows, c.shape.rank() - 2);
}

} // namespace sinter
