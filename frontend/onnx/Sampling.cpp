// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Sampling.h"

namespace sinter::onnx {

Tap elementOrZero(const Tensor &place, int64_t size, const Tensor &weight) {
  Tap tap = nearestElement(place, size, weight);
  tap.inside = place >= 0 && place <= static_cast<double>(size - 1);
  return tap;
}

Tap nearestElement(const Tensor &place, int64_t size, const Tensor &weight) {
  return {clamp(place.cast(i64), 0, size - 1), weight, {}};
}

std::vector<Tap> linearTaps(const Tensor &position, int64_t size) {
  Tensor low = floor(position), share = position - low;
  return {elementOrZero(low, size, 1 - share), elementOrZero(low + 1, size, share)};
}

std::vector<Corner> corners(const Reader &read, const std::vector<int64_t> &sizes,
                            const std::vector<std::vector<Tap>> &taps) {
  std::vector<Corner> all;
  std::vector<size_t> choice(taps.size(), 0);
  while (true) {
    Tensor place, weight, inside;
    for (size_t axis = 0; axis < taps.size(); ++axis) {
      const Tap &tap = taps[axis][choice[axis]];
      place = place.defined() ? place * sizes[axis] + tap.index : tap.index;
      if (tap.weight.defined())
        weight = weight.defined() ? weight * tap.weight : tap.weight;
      if (tap.inside.defined())
        inside = inside.defined() ? inside && tap.inside : tap.inside;
    }
    Tensor value = read(place);
    all.push_back({inside.defined() ? where(inside, value, 0) : value, weight});
    size_t axis = 0;
    while (axis < taps.size() && ++choice[axis] == taps[axis].size())
      choice[axis++] = 0;
    if (axis == taps.size())
      return all;
  }
}

Tensor weightedSum(const std::vector<Corner> &corners) {
  Tensor total;
  for (const Corner &corner : corners)
    total = total.defined() ? total + corner.weighted() : corner.weighted();
  return total;
}

} // namespace sinter::onnx
