// SPDX-License-Identifier: Apache-2.0
// Linear algebra of small matrices: the elimination is unrolled, so sizes are known when the graph
// is built, and at most 32. Leading axes are batches.
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Linear algebra -------------------------------------------------------------------------------

/// The determinant of matrices [..., n, n], with partial pivoting; 0 exactly where a column has no
/// pivot. Gradients are right where the determinant is not 0.
Tensor det(const Tensor &x, std::source_location loc = std::source_location::current());
/// The inverse of matrices [..., n, n]; infinities or NaN where there is none.
Tensor inverse(const Tensor &x, std::source_location loc = std::source_location::current());
/// y with a . y = b, for a [..., n, n] and b [..., n, m], by elimination with partial pivoting.
Tensor solve(const Tensor &a, const Tensor &b,
             std::source_location loc = std::source_location::current());
/// The lower triangle l with l . transpose(l) = x, for symmetric positive definite x [..., n, n],
/// of which only the lower triangle is read; NaN where it is not positive definite.
Tensor cholesky(const Tensor &x, std::source_location loc = std::source_location::current());
/// y with t . y = b, for t the lower (or upper) triangle of a [..., n, n] and b [..., n, m].
Tensor triangularSolve(const Tensor &a, const Tensor &b, bool lower = true,
                       std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
