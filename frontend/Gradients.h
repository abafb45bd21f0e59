// SPDX-License-Identifier: Apache-2.0
// Derivatives are part of the graph: tensors like others, which can be differentiated again, in
// either mode. Every call is checked when it is made; the autodiff pass expands it.
#pragma once

#include "sinter/frontend/Tensor.h"

#include <functional>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

// -- Reverse mode: one output, many inputs --------------------------------------------------------

/// The gradients of the sum over ys of (y · cotangent) in each of xs. Without cotangents every y
/// must be a scalar. An x that no y depends on has gradient zero; one that ys depend on only
/// through an op without a derivative is a User error that names this op and its line.
std::vector<Tensor> gradients(const std::vector<Tensor> &ys, const std::vector<Tensor> &xs,
                              const std::vector<Tensor> &cotangents = {},
                              std::source_location loc = std::source_location::current());
inline std::vector<Tensor> gradients(const Tensor &y, const std::vector<Tensor> &xs,
                                     const std::vector<Tensor> &cotangents = {},
                                     std::source_location loc = std::source_location::current()) {
  return gradients(std::vector<Tensor>{y}, xs, cotangents, loc);
}
/// The gradient of one scalar in one tensor.
inline Tensor gradient(const Tensor &y, const Tensor &x,
                       std::source_location loc = std::source_location::current()) {
  return gradients(std::vector<Tensor>{y}, {x}, {}, loc).front();
}

// -- Forward mode: one direction, many outputs ----------------------------------------------------

/// The tangent of each of ys when all xs move at once, each along its tangent (of its shape and
/// dtype): the Jacobian times the tangents. An x that is computed from another one moves by its own
/// tangent and with the other. Errors are those of gradients().
std::vector<Tensor> jvp(const std::vector<Tensor> &ys, const std::vector<Tensor> &xs,
                        const std::vector<Tensor> &tangents,
                        std::source_location loc = std::source_location::current());
/// The tangent of one tensor when another moves along `direction`.
inline Tensor tangent(const Tensor &y, const Tensor &x, const Tensor &direction,
                      std::source_location loc = std::source_location::current()) {
  return jvp({y}, {x}, {direction}, loc).front();
}

/// The Hessian of a scalar in xs times the vectors vs, without the Hessian: forward over reverse.
inline std::vector<Tensor> hvp(const Tensor &y, const std::vector<Tensor> &xs,
                               const std::vector<Tensor> &vs,
                               std::source_location loc = std::source_location::current()) {
  return jvp(gradients(y, xs, {}, loc), xs, vs, loc);
}

// -- Custom gradients -----------------------------------------------------------------------------

/// From the cotangent of the result to the cotangents of xs.
using BackwardFunction = std::function<std::vector<Tensor>(const Tensor &dy)>;

/// y, but with the gradient of xs that `backward` gives; none flows to y itself. `backward` is
/// called once, now, and may use any tensor of the graph; what it makes can only be used inside of
/// it. It gives one tensor for each of xs, of its shape and dtype. There is no forward mode: a
/// tangent that reaches xs is a User error.
///
///   // Rounds, and lets the gradient through as if it had not.
///   Tensor q = customGradient(round(x), {x}, [](const Tensor &dy) { return std::vector{dy}; });
Tensor customGradient(const Tensor &y, const std::vector<Tensor> &xs,
                      const BackwardFunction &backward,
                      std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
