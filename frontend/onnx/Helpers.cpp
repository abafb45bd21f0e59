// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Helpers.h"

#include <numeric>

namespace sinter::onnx {

Tensor takeAlong(Node &node, const Tensor &x, int64_t axis, const std::vector<int64_t> &positions) {
  std::vector<int64_t> permutation(static_cast<size_t>(x.rank()));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation[0], permutation[static_cast<size_t>(axis)]); // Its own inverse.
  Tensor indices = node.graph().constant(Array::from(positions));
  if (axis == 0)
    return x.gatherRows(indices);
  return x.transpose(permutation).gatherRows(indices).transpose(permutation);
}

} // namespace sinter::onnx
