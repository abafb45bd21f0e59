// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: reading a tensor at positions between its elements.
#pragma once

#include "sinter/frontend/onnx/Node.h"

#include <functional>

namespace sinter::onnx {

/// One of the elements near a position along one axis.
struct Tap {
  Tensor index;  ///< i64, within the axis.
  Tensor weight; ///< Undefined: 1.
  Tensor inside; ///< False where the element counts as 0; undefined: everywhere inside.
};

/// Element `place` (a whole float) of an axis of `size` elements, counting as 0 outside of it.
Tap elementOrZero(const Tensor &place, int64_t size, const Tensor &weight);
/// Element `place`; outside of the axis its first or last one.
Tap nearestElement(const Tensor &place, int64_t size, const Tensor &weight);
/// The two elements around `position`, weighted by distance, counting as 0 outside of the axis.
std::vector<Tap> linearTaps(const Tensor &position, int64_t size);

/// One of the elements near a position, over all axes, with its weight (undefined: 1).
struct Corner {
  Tensor value, weight;
  Tensor weighted() const { return weight.defined() ? value * weight : value; }
};

/// Reads elements of a tensor whose sampled axes are flattened into one, at given places of it.
using Reader = std::function<Tensor(const Tensor &place)>;

/// All products of one tap per axis; `sizes` are those of the sampled axes.
std::vector<Corner> corners(const Reader &read, const std::vector<int64_t> &sizes,
                            const std::vector<std::vector<Tap>> &taps);

/// The sum of weighted values.
Tensor weightedSum(const std::vector<Corner> &corners);

} // namespace sinter::onnx
