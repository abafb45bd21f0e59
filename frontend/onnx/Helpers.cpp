// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Helpers.h"

namespace sinter::onnx {

Tensor sizeValue(Node &node, DType dtype, const DimExpr &size) {
  std::optional<int64_t> number = size.constant();
  return number ? node.graph().scalar(dtype, *number) : node.graph().dimValue(dtype, size);
}

/// Whether the positions are start, start + step, … with a positive step.
static bool isRange(const std::vector<int64_t> &positions) {
  if (positions.size() < 2)
    return !positions.empty();
  int64_t step = positions[1] - positions[0];
  for (size_t i = 1; i < positions.size(); ++i)
    if (positions[i] - positions[i - 1] != step)
      return false;
  return step > 0;
}

Tensor takePositions(Node &node, const Tensor &x, int64_t axis,
                     const std::vector<int64_t> &positions) {
  if (positions.empty())
    return x.slice(axis, 0, 0);
  if (isRange(positions))
    return x.slice(axis, positions.front(), positions.back() + 1,
                   positions.size() > 1 ? positions[1] - positions[0] : 1);
  return gather(x, node.graph().constant(Array::from(positions)), axis);
}

} // namespace sinter::onnx
