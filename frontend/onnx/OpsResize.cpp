// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Resize.h"

#include "sinter/frontend/onnx/OpsCommon.h"
#include "sinter/frontend/onnx/Resize.h"

#include <algorithm>
#include <cmath>

namespace sinter::onnx {

namespace {

constexpr int64_t largestSize = int64_t{1} << 24;

struct ResizedAxis {
  int64_t axis, input, output;
  double scale;
};

void setResized(Node &node, ResizeOptions options, const std::vector<ResizedAxis> &axes) {
  Tensor x = node.input(0);
  DType compute = x.dtype();
  if (options.mode != ResizeMode::Nearest) {
    if (!isFloat(compute))
      node.unsupported("interpolation of " + std::string(name(compute)));
    compute = computeDType(compute);
  }
  std::vector<int64_t> sizes, changed;
  std::vector<double> starts, ends;
  for (size_t i = 0; i < axes.size(); ++i) {
    const ResizedAxis &a = axes[i];
    if (a.output < 0 || a.input < 1 || !(a.scale > 0))
      node.invalid("axis " + std::to_string(a.axis) + " of " + x.str() + " resized by " +
                   std::to_string(a.scale));
    bool crop = options.coordinates == Coordinates::Crop;
    if (a.output == a.input && a.scale == 1 &&
        (!crop || (options.cropStarts[i] == 0 && options.cropEnds[i] == 1)))
      continue;
    sizes.push_back(a.output);
    changed.push_back(a.axis);
    options.scales.push_back(a.scale);
    if (crop) {
      starts.push_back(options.cropStarts[i]);
      ends.push_back(options.cropEnds[i]);
    }
  }
  options.cropStarts = starts;
  options.cropEnds = ends;
  Tensor y = changed.empty() ? x : resize(x.cast(compute), sizes, changed, options);
  node.output(0, y.cast(x.dtype()));
}

/// Axes by their factors; those of factor 1 may have a named size.
std::vector<ResizedAxis> axesByScales(Node &node, const std::vector<int64_t> &axes,
                                      const std::vector<double> &scales) {
  Tensor x = node.input(0);
  if (scales.size() != axes.size())
    node.invalid(std::to_string(scales.size()) + " scales for " + std::to_string(axes.size()) +
                 " axes");
  std::vector<ResizedAxis> resized;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (scales[i] == 1 && !x.size(axes[i]).constant()) {
      resized.push_back({axes[i], 1, 1, 1});
      continue;
    }
    int64_t input = node.staticSize(x.size(axes[i]), "a resized axis");
    double output = std::floor(static_cast<double>(input) * scales[i]);
    if (!(output >= 0 && output <= static_cast<double>(largestSize)))
      node.unsupported("a size of " + std::to_string(output));
    resized.push_back({axes[i], input, static_cast<int64_t>(output), scales[i]});
  }
  return resized;
}

std::vector<ResizedAxis> axesBySizes(Node &node, const std::vector<int64_t> &axes,
                                     const std::vector<DimExpr> &sizes) {
  static constexpr std::string_view policies[] = {"stretch", "not_larger", "not_smaller"};
  size_t policy = node.opset() >= 18
                      ? node.choiceAttribute("keep_aspect_ratio_policy", policies, "stretch")
                      : 0;
  Tensor x = node.input(0);
  if (sizes.size() != axes.size())
    node.invalid(std::to_string(sizes.size()) + " sizes for " + std::to_string(axes.size()) +
                 " axes");
  std::vector<ResizedAxis> resized;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (policy == 0 && sizes[i] == x.size(axes[i]) && !sizes[i].constant()) {
      resized.push_back({axes[i], 1, 1, 1});
      continue;
    }
    int64_t input = node.staticSize(x.size(axes[i]), "a resized axis");
    int64_t output = node.staticSize(sizes[i], "a size");
    if (input < 1 || output < 0 || output > largestSize)
      node.invalid("axis " + std::to_string(axes[i]) + " of " + x.str() + " resized to " +
                   std::to_string(output));
    resized.push_back(
        {axes[i], input, output, static_cast<double>(output) / static_cast<double>(input)});
  }
  if (policy != 0 && !resized.empty()) {
    auto smaller = [](const ResizedAxis &a, const ResizedAxis &b) { return a.scale < b.scale; };
    double scale = policy == 1 ? std::min_element(resized.begin(), resized.end(), smaller)->scale
                               : std::max_element(resized.begin(), resized.end(), smaller)->scale;
    for (ResizedAxis &a : resized) {
      double output = std::floor(scale * static_cast<double>(a.input) + 0.5);
      if (!(output <= static_cast<double>(largestSize)))
        node.unsupported("a size of " + std::to_string(output));
      a.scale = scale;
      a.output = static_cast<int64_t>(output);
    }
  }
  return resized;
}

ResizeMode modeAttribute(Node &node) {
  static constexpr std::string_view modes[] = {"nearest", "linear", "cubic"};
  constexpr ResizeMode values[] = {ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic};
  return values[node.choiceAttribute("mode", modes, "nearest")];
}

Coordinates coordinatesAttribute(Node &node) {
  static constexpr std::string_view names[] = {
      "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
      "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn"};
  constexpr Coordinates values[] = {Coordinates::HalfPixel,      Coordinates::HalfPixelSymmetric,
                                    Coordinates::TorchHalfPixel, Coordinates::AlignCorners,
                                    Coordinates::Asymmetric,     Coordinates::Crop};
  size_t choice = node.choiceAttribute("coordinate_transformation_mode", names, "half_pixel");
  if (choice == std::size(values))
    node.unsupported("coordinates of the mode tf_half_pixel_for_nn");
  return values[choice];
}

Nearest nearestAttribute(Node &node) {
  static constexpr std::string_view names[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                               "ceil"};
  constexpr Nearest values[] = {Nearest::RoundPreferFloor, Nearest::RoundPreferCeil, Nearest::Floor,
                                Nearest::Ceil};
  return values[node.choiceAttribute("nearest_mode", names, "round_prefer_floor")];
}

/// Resize before version 11, and Upsample.
void importOld(Node &node, const std::vector<double> &scales) {
  ResizeOptions options;
  options.mode = modeAttribute(node);
  options.coordinates = Coordinates::Asymmetric;
  options.nearest = Nearest::Floor;
  setResized(node, options, axesByScales(node, axisRange(0, node.input(0).rank()), scales));
}

} // namespace

void importResize(Node &node) {
  if (node.opset() < 11)
    return importOld(node, node.knownFloats(1));
  Tensor x = node.input(0);
  ResizeOptions options;
  options.mode = modeAttribute(node);
  options.coordinates = coordinatesAttribute(node);
  options.nearest = nearestAttribute(node);
  options.cubicCoefficient = node.floatAttribute("cubic_coeff_a", -0.75);
  options.excludeOutside = node.flagAttribute("exclude_outside", false);
  options.extrapolation = node.floatAttribute("extrapolation_value", 0.0);
  std::vector<int64_t> axes = axisRange(0, x.rank());
  if (node.opset() >= 18) {
    options.antialias = node.flagAttribute("antialias", false);
    if (options.antialias && options.mode == ResizeMode::Nearest)
      node.invalid("nearest elements with antialiasing");
    axes = node.axes(node.intsAttribute("axes", axes), x.rank());
  }

  // An empty list stands for none.
  std::vector<double> scales = node.has(2) ? node.knownFloats(2) : std::vector<double>{};
  std::vector<DimExpr> sizes = node.has(3) ? node.knownDims(3) : std::vector<DimExpr>{};
  if (scales.empty() == sizes.empty() && !axes.empty())
    node.invalid("takes either scales or sizes");
  node.ignoreAttribute("keep_aspect_ratio_policy"); // only says something about sizes
  node.ignoreInput(1);                              // only read by one mode
  if (options.coordinates == Coordinates::Crop) {
    std::vector<double> roi = node.knownFloats(1);
    if (roi.size() != 2 * axes.size())
      node.invalid("roi has " + std::to_string(roi.size()) + " numbers");
    auto half = roi.begin() + static_cast<int64_t>(axes.size());
    options.cropStarts.assign(roi.begin(), half);
    options.cropEnds.assign(half, roi.end());
  }
  setResized(node, options,
             sizes.empty() ? axesByScales(node, axes, scales) : axesBySizes(node, axes, sizes));
}

void importUpsample(Node &node) {
  importOld(node, node.opset() >= 9 ? node.knownFloats(1) : node.floatsAttribute("scales"));
}

} // namespace sinter::onnx
