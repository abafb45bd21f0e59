// SPDX-License-Identifier: Apache-2.0
// Resizing with factors that are known at import: along each axis every result is a weighted sum of
// a few elements, whose positions and weights are constants.
#include "sinter/frontend/onnx/Resize.h"

#include "sinter/frontend/onnx/OpsCommon.h"

#include <algorithm>
#include <cmath>

namespace sinter::onnx {

namespace {

enum class Interpolation { Nearest, Linear, Cubic };
enum class Coordinates {
  HalfPixel,
  HalfPixelSymmetric,
  PytorchHalfPixel,
  AlignCorners,
  Asymmetric,
  TfHalfPixelForNn,
  TfCropAndResize,
};
enum class Rounding { PreferFloor, PreferCeil, Floor, Ceil };

struct ResizeMode {
  Interpolation interpolation = Interpolation::Nearest;
  Coordinates coordinates = Coordinates::HalfPixel;
  Rounding rounding = Rounding::PreferFloor;
  double cubicCoefficient = -0.75;
  double extrapolation = 0;
  bool antialias = false, excludeOutside = false;
};

struct ResizedAxis {
  int64_t axis, input, output;
  double scale;
  double begin = 0, end = 1; ///< The part that is resized (TfCropAndResize).
};

constexpr int64_t largestConstant = int64_t{1} << 24; ///< Elements.

/// Where in the input, in units of elements, result i lies.
double sourcePosition(const ResizeMode &mode, const ResizedAxis &a, int64_t index) {
  double i = static_cast<double>(index), input = static_cast<double>(a.input);
  double output = a.scale * input; // need not be whole
  switch (mode.coordinates) {
  case Coordinates::HalfPixel:
    return (i + 0.5) / a.scale - 0.5;
  case Coordinates::HalfPixelSymmetric: {
    double adjustment = static_cast<double>(a.output) / output;
    return input / 2 * (1 - adjustment) + (i + 0.5) / a.scale - 0.5;
  }
  case Coordinates::PytorchHalfPixel:
    return output == 1 ? -0.5 : (i + 0.5) / a.scale - 0.5;
  case Coordinates::AlignCorners:
    return output == 1 ? 0 : i * (input - 1) / (output - 1);
  case Coordinates::Asymmetric:
    return i / a.scale;
  case Coordinates::TfHalfPixelForNn:
    return (i + 0.5) / a.scale;
  case Coordinates::TfCropAndResize:
    break;
  }
  double extent = (a.end - a.begin) * (input - 1);
  return a.begin * (input - 1) + (output == 1 ? extent / 2 : i * extent / (output - 1));
}

/// The weight of an element at distance x.
double kernel(const ResizeMode &mode, double x) {
  x = std::abs(x);
  if (mode.interpolation == Interpolation::Linear)
    return std::max(0.0, 1 - x);
  double a = mode.cubicCoefficient;
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

int64_t nearest(const ResizeMode &mode, double x) {
  switch (mode.rounding) {
  case Rounding::PreferFloor:
    return static_cast<int64_t>(std::ceil(x - 0.5));
  case Rounding::PreferCeil:
    return static_cast<int64_t>(std::floor(x + 0.5));
  case Rounding::Floor:
    return static_cast<int64_t>(std::floor(x));
  case Rounding::Ceil:
    return static_cast<int64_t>(std::ceil(x));
  }
  return 0;
}

/// Which elements make up each result: `taps` of them, row by row.
struct Taps {
  int64_t taps = 1;
  std::vector<int64_t> positions;
  std::vector<double> weights;
  std::vector<double> inside; ///< 0 where the result is the extrapolation value.
};

Taps tapsOf(Node &node, const ResizeMode &mode, const ResizedAxis &a) {
  Taps result;
  // Antialiasing widens the kernel when the result is smaller.
  double shrink = mode.antialias ? std::min(a.scale, 1.0) : 1.0;
  double reach = (mode.interpolation == Interpolation::Cubic ? 2 : 1) / shrink;
  if (mode.interpolation != Interpolation::Nearest)
    result.taps = 2 * static_cast<int64_t>(std::ceil(reach));
  if (a.output > largestConstant / result.taps)
    node.unsupported("interpolation weights for " + std::to_string(a.output) + " elements");
  for (int64_t i = 0; i < a.output; ++i) {
    double x = sourcePosition(mode, a, i);
    result.inside.push_back(x >= 0 && x <= static_cast<double>(a.input - 1));
    if (mode.interpolation == Interpolation::Nearest) {
      result.positions.push_back(std::clamp<int64_t>(nearest(mode, x), 0, a.input - 1));
      result.weights.push_back(1);
      continue;
    }
    int64_t first = static_cast<int64_t>(std::floor(x)) - result.taps / 2 + 1;
    double total = 0;
    for (int64_t k = first; k < first + result.taps; ++k) {
      double weight = kernel(mode, (static_cast<double>(k) - x) * shrink);
      if (mode.excludeOutside && (k < 0 || k >= a.input))
        weight = 0;
      total += weight;
      result.positions.push_back(std::clamp<int64_t>(k, 0, a.input - 1));
      result.weights.push_back(weight);
    }
    if (total != 0)
      for (auto w = result.weights.end() - result.taps; w != result.weights.end(); ++w)
        *w /= total;
  }
  return result;
}

Tensor resizeAxis(Node &node, const Tensor &x, const ResizeMode &mode, const ResizedAxis &a) {
  Taps taps = tapsOf(node, mode, a);
  std::vector<int64_t> toFront = axisRange(0, x.rank()), back = axisRange(1, x.rank());
  toFront.erase(toFront.begin() + a.axis);
  toFront.insert(toFront.begin(), a.axis);
  back.insert(back.begin() + a.axis, 0);
  Tensor front = x.transpose(toFront), y;
  if (mode.interpolation == Interpolation::Nearest) {
    y = front.gatherRows(indexConstant(node, taps.positions, {a.output}));
  } else {
    y = front.gatherRows(indexConstant(node, taps.positions, {a.output, taps.taps}));
    std::vector<int64_t> sizes(static_cast<size_t>(x.rank()) + 1, 1);
    sizes[0] = a.output;
    sizes[1] = taps.taps;
    y = (y * constantOf(node, x.dtype(), taps.weights, sizes)).sum(1);
  }
  if (mode.coordinates == Coordinates::TfCropAndResize) {
    std::vector<int64_t> sizes(static_cast<size_t>(x.rank()), 1);
    sizes[0] = a.output;
    y = where(constantOf(node, boolean, taps.inside, sizes), y, mode.extrapolation);
  }
  return y.transpose(back);
}

void resizeAxes(Node &node, const ResizeMode &mode, const std::vector<ResizedAxis> &axes) {
  Tensor x = node.input(0);
  DType compute = x.dtype();
  if (mode.interpolation != Interpolation::Nearest) {
    if (!isFloat(compute))
      node.unsupported("interpolation of " + std::string(name(compute)));
    compute = computeDType(compute);
  }
  Tensor y = x.cast(compute);
  for (const ResizedAxis &a : axes) {
    if (a.output < 0 || a.input < 1 || !(a.scale > 0))
      node.invalid("axis " + std::to_string(a.axis) + " of " + x.str() + " resized by " +
                   std::to_string(a.scale));
    bool whole = mode.coordinates != Coordinates::TfCropAndResize || (a.begin == 0 && a.end == 1);
    if (a.output != a.input || a.scale != 1 || !whole)
      y = resizeAxis(node, y, mode, a);
  }
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
    if (scales[i] == 1 && !x.size(axes[i]).constant())
      continue;
    int64_t input = node.staticSize(x.size(axes[i]), "a resized axis");
    double output = std::floor(static_cast<double>(input) * scales[i]);
    if (!(output >= 0 && output <= static_cast<double>(largestConstant)))
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
    if (policy == 0 && sizes[i] == x.size(axes[i]) && !sizes[i].constant())
      continue;
    int64_t input = node.staticSize(x.size(axes[i]), "a resized axis");
    int64_t output = node.staticSize(sizes[i], "a size");
    if (input < 1 || output < 0 || output > largestConstant)
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
      a.scale = scale;
      a.output = static_cast<int64_t>(scale * static_cast<double>(a.input) + 0.5);
    }
  }
  return resized;
}

Interpolation interpolationAttribute(Node &node) {
  static constexpr std::string_view modes[] = {"nearest", "linear", "cubic"};
  return static_cast<Interpolation>(node.choiceAttribute("mode", modes, "nearest"));
}

} // namespace

void importResize(Node &node) {
  Tensor x = node.input(0);
  ResizeMode mode;
  mode.interpolation = interpolationAttribute(node);
  if (node.opset() < 11) {
    mode.coordinates = Coordinates::Asymmetric;
    mode.rounding = Rounding::Floor;
    resizeAxes(node, mode, axesByScales(node, axisRange(0, x.rank()), node.knownFloats(1)));
    return;
  }
  static constexpr std::string_view coordinates[] = {
      "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
      "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
  static constexpr std::string_view roundings[] = {"round_prefer_floor", "round_prefer_ceil",
                                                   "floor", "ceil"};
  mode.coordinates = static_cast<Coordinates>(
      node.choiceAttribute("coordinate_transformation_mode", coordinates, "half_pixel"));
  mode.rounding =
      static_cast<Rounding>(node.choiceAttribute("nearest_mode", roundings, "round_prefer_floor"));
  mode.cubicCoefficient = node.floatAttribute("cubic_coeff_a", -0.75);
  mode.excludeOutside = node.flagAttribute("exclude_outside", false);
  mode.extrapolation = node.floatAttribute("extrapolation_value", 0.0);
  std::vector<int64_t> axes = axisRange(0, x.rank());
  if (node.opset() >= 18) {
    mode.antialias = node.flagAttribute("antialias", false);
    if (mode.antialias && mode.interpolation == Interpolation::Nearest)
      node.invalid("nearest elements with antialiasing");
    axes = node.axes(node.intsAttribute("axes", axes), x.rank());
  }

  // An empty list stands for none.
  std::vector<double> scales = node.has(2) ? node.knownFloats(2) : std::vector<double>{};
  std::vector<DimExpr> sizes = node.has(3) ? node.knownDims(3) : std::vector<DimExpr>{};
  if (scales.empty() == sizes.empty() && !axes.empty())
    node.invalid("takes either scales or sizes");
  node.ignoreAttribute("keep_aspect_ratio_policy"); // only says something about sizes
  std::vector<ResizedAxis> resized =
      sizes.empty() ? axesByScales(node, axes, scales) : axesBySizes(node, axes, sizes);
  node.ignoreInput(1);
  if (mode.coordinates == Coordinates::TfCropAndResize) {
    std::vector<double> roi = node.knownFloats(1);
    if (roi.size() != 2 * axes.size())
      node.invalid("roi has " + std::to_string(roi.size()) + " numbers");
    for (ResizedAxis &a : resized) {
      size_t i = static_cast<size_t>(std::find(axes.begin(), axes.end(), a.axis) - axes.begin());
      a.begin = roi[i];
      a.end = roi[axes.size() + i];
    }
  }
  resizeAxes(node, mode, resized);
}

void importUpsample(Node &node) {
  ResizeMode mode;
  mode.interpolation = interpolationAttribute(node);
  mode.coordinates = Coordinates::Asymmetric;
  mode.rounding = Rounding::Floor;
  std::vector<double> scales =
      node.opset() >= 9 ? node.knownFloats(1) : node.floatsAttribute("scales");
  resizeAxes(node, mode, axesByScales(node, axisRange(0, node.input(0).rank()), scales));
}

} // namespace sinter::onnx
