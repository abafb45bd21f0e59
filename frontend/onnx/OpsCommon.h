// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: what several families of handlers share.
#pragma once

#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

/// The dtype in which statistics and scores of `dtype` are computed: f32 for the 16-bit floats.
inline DType computeDType(DType dtype) {
  return isFloat(dtype) && byteSize(dtype) == 2 ? f32 : dtype;
}

/// A vector of one value per index of `axis`, shaped to broadcast against a tensor of `rank`.
inline Tensor alongAxis(const Tensor &vector, int64_t axis, int64_t rank) {
  std::vector<DimExpr> dims(static_cast<size_t>(rank), DimExpr(1));
  dims[static_cast<size_t>(axis)] = vector.shape().numElements();
  return vector.reshape(Shape(std::move(dims)));
}

/// first, first + 1, …, last - 1.
inline std::vector<int64_t> axisRange(int64_t first, int64_t last) {
  std::vector<int64_t> axes;
  for (int64_t axis = first; axis < last; ++axis)
    axes.push_back(axis);
  return axes;
}

/// A constant of `dtype` from numbers in row-major order.
inline Tensor constantOf(Node &node, DType dtype, const std::vector<double> &values,
                         std::vector<int64_t> sizes) {
  return node.graph().constant(Array::from(values, std::move(sizes)).cast(dtype));
}
inline Tensor indexConstant(Node &node, const std::vector<int64_t> &values,
                            std::vector<int64_t> sizes) {
  return node.graph().constant(Array::from(values, std::move(sizes)));
}

/// A required floating-point input of the node.
inline Tensor floatInput(Node &node, size_t i) {
  Tensor x = node.input(i);
  if (!isFloat(x.dtype()))
    node.unsupported("input " + std::to_string(i) + " of dtype " + std::string(name(x.dtype())));
  return x;
}

inline void requireRank(Node &node, const Tensor &x, int64_t least, const char *what) {
  if (x.rank() < least)
    node.invalid(std::string(what) + " needs rank " + std::to_string(least) + " or more, not " +
                 x.str());
}

} // namespace sinter::onnx
