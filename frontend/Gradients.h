// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Tensor.h"

#include <vector>

namespace sinter {

/// The gradients of the sum over ys of (y · cotangent) in each of xs: symbolic, so they can be
/// differentiated again. Without cotangents every y must be a scalar. An x that no y depends on has
/// gradient zero; one that ys depend on only through an op without a derivative is a User error
/// that names this op and its line.
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

} // namespace sinter
