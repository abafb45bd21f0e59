// SPDX-License-Identifier: Apache-2.0
// Elements at positions that are data, order, and running reductions. Indices are i32 or i64 and
// not negative: one that is out of range is an error when the program runs.
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Looking up -----------------------------------------------------------------------------------

/// The slices of x at indices along `axis`, which becomes the axes of the indices (NumPy's take).
Tensor gather(const Tensor &x, const Tensor &indices, int64_t axis = 0,
              std::source_location loc = std::source_location::current());
/// One element per index: the indices have x's axes, and say where to look along `axis` (NumPy's
/// take_along_axis). Other axes of size 1 repeat.
Tensor takeAlong(const Tensor &x, const Tensor &indices, int64_t axis = -1,
                 std::source_location loc = std::source_location::current());
/// The last axis of the indices holds positions in the axes of x behind the first `batchAxes`,
/// which both share; what is left of x's axes follows.
Tensor gatherNd(const Tensor &x, const Tensor &indices, int64_t batchAxes = 0,
                std::source_location loc = std::source_location::current());
/// `sizes` elements from `starts` on (a scalar per axis). A start is moved so that the slice lies
/// within x.
Tensor dynamicSlice(const Tensor &x, const std::vector<Tensor> &starts, const Shape &sizes,
                    std::source_location loc = std::source_location::current());

// -- Placing --------------------------------------------------------------------------------------

/// x with `updates` combined in where gather(x, indices, axis) looks, in row-major order: of
/// several sets to one place the last wins. The updates broadcast.
Tensor scatter(const Tensor &x, const Tensor &indices, const Tensor &updates, int64_t axis = 0,
               ScatterMode mode = ScatterMode::Set,
               std::source_location loc = std::source_location::current());
/// x with `updates` combined in where takeAlong(x, indices, axis) looks.
Tensor scatterAlong(const Tensor &x, const Tensor &indices, const Tensor &updates,
                    int64_t axis = -1, ScatterMode mode = ScatterMode::Set,
                    std::source_location loc = std::source_location::current());
/// x with `updates` combined in where gatherNd(x, indices, batchAxes) looks.
Tensor scatterNd(const Tensor &x, const Tensor &indices, const Tensor &updates,
                 ScatterMode mode = ScatterMode::Set, int64_t batchAxes = 0,
                 std::source_location loc = std::source_location::current());
/// x with `update` written from `starts` on (a scalar per axis). A start is moved so that the
/// update lies within x. In a program that updates x itself nothing else is copied.
Tensor dynamicUpdateSlice(const Tensor &x, const Tensor &update, const std::vector<Tensor> &starts,
                          std::source_location loc = std::source_location::current());

// -- Order ----------------------------------------------------------------------------------------

/// The indices (i64) that sort x along `axis`. Equal elements keep their order; NaN counts as the
/// largest.
Tensor argsort(const Tensor &x, int64_t axis = -1, bool descending = false,
               std::source_location loc = std::source_location::current());
/// x sorted along `axis`; NaN counts as the largest.
Tensor sort(const Tensor &x, int64_t axis = -1, bool descending = false,
            std::source_location loc = std::source_location::current());
/// What topK() finds.
struct TopK {
  Tensor values, indices;
};
/// The k largest (smallest) along `axis`, the best first, and their indices (i64).
TopK topK(const Tensor &x, const DimExpr &k, int64_t axis = -1, bool largest = true,
          std::source_location loc = std::source_location::current());
/// Index (i64) of the smallest along `axis`: the first NaN, else the first of equals.
Tensor argmin(const Tensor &x, int64_t axis = -1, bool keepDims = false,
              std::source_location loc = std::source_location::current());

// -- Running reductions ---------------------------------------------------------------------------

/// Running sum along `axis`.
Tensor cumsum(const Tensor &x, int64_t axis = -1, const CumulativeOptions &options = {},
              std::source_location loc = std::source_location::current());
/// Running product along `axis`.
Tensor cumprod(const Tensor &x, int64_t axis = -1, const CumulativeOptions &options = {},
               std::source_location loc = std::source_location::current());
/// Running maximum along `axis`; NaN from the first NaN on.
Tensor cummax(const Tensor &x, int64_t axis = -1, const CumulativeOptions &options = {},
              std::source_location loc = std::source_location::current());
/// Running minimum along `axis`; NaN from the first NaN on.
Tensor cummin(const Tensor &x, int64_t axis = -1, const CumulativeOptions &options = {},
              std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
