// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: the attributes that convolutions and pooling share.
#pragma once

#include "sinter/frontend/nn/Options.h"
#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

/// kernel_shape, strides, dilations, pads and auto_pad of a node over `axes` spatial axes.
struct SpatialAttributes {
  /// Without a default for kernel_shape the attribute is required.
  SpatialAttributes(Node &node, int64_t axes, std::optional<std::vector<int64_t>> kernelShape = {});

  enum AutoPad { NotSet, SameUpper, SameLower, Valid };
  AutoPad autoPad = NotSet;
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<int64_t> low, high; ///< As written; 0 unless autoPad is NotSet.

  Padding padding() const;
  /// From the first to behind the last element of a window along axis i.
  int64_t extent(size_t i) const;
};

/// The number of spatial axes of x, which is [batch, channels, spatial...].
int64_t spatialAxes(Node &node, const Tensor &x);

} // namespace sinter::onnx
