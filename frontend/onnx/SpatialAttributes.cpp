// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/SpatialAttributes.h"

namespace sinter::onnx {

/// So that sums and products of two sizes fit into 64 bits.
static constexpr int64_t largestSize = int64_t{1} << 31;

static std::vector<int64_t> list(Node &node, std::string_view name, size_t length,
                                 int64_t otherwise) {
  std::vector<int64_t> values = node.intsAttribute(name, std::vector<int64_t>(length, otherwise));
  if (values.size() != length)
    node.invalid("attribute " + std::string(name) + " has " + std::to_string(values.size()) +
                 " entries instead of " + std::to_string(length));
  for (int64_t value : values)
    if (value < (name == "pads" ? -largestSize : 1) || value > largestSize)
      node.invalid("attribute " + std::string(name) + " has an entry of " + std::to_string(value));
  return values;
}

SpatialAttributes::SpatialAttributes(Node &node, int64_t axes,
                                     std::optional<std::vector<int64_t>> kernelShape) {
  size_t n = static_cast<size_t>(axes);
  if (!kernelShape && !node.hasAttribute("kernel_shape"))
    node.invalid("attribute kernel_shape is required");
  kernel = node.hasAttribute("kernel_shape") ? list(node, "kernel_shape", n, 1) : *kernelShape;
  if (kernelShape && kernel != *kernelShape)
    node.invalid("kernel_shape disagrees with the weights");
  for (int64_t size : kernel)
    if (size > largestSize)
      node.unsupported("a window of " + std::to_string(size) + " elements");
  strides = list(node, "strides", n, 1);
  dilations = list(node, "dilations", n, 1);
  std::vector<int64_t> pads = list(node, "pads", 2 * n, 0);
  static constexpr std::string_view names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
  autoPad = static_cast<AutoPad>(node.choiceAttribute("auto_pad", names, "NOTSET"));
  if (autoPad != NotSet)
    pads.assign(2 * n, 0);
  low.assign(pads.begin(), pads.begin() + axes);
  high.assign(pads.begin() + axes, pads.end());
}

Padding SpatialAttributes::padding() const {
  switch (autoPad) {
  case SameUpper:
    return Padding::same();
  case SameLower:
    return Padding::sameLower();
  default:
    return Padding(low, high);
  }
}

int64_t SpatialAttributes::extent(size_t i) const { return (kernel[i] - 1) * dilations[i] + 1; }

int64_t spatialAxes(Node &node, const Tensor &x) {
  if (x.rank() < 3)
    node.invalid("needs [batch, channels, spatial...], not " + x.str());
  return x.rank() - 2;
}

} // namespace sinter::onnx
