// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/OpsCommon.h"
#include "sinter/frontend/onnx/Resize.h"
#include "sinter/frontend/onnx/Sampling.h"

#include <algorithm>
#include <cmath>

namespace sinter::onnx {

namespace {

// -- Sampling at the points of a grid -------------------------------------------------------------

enum class Outside { Zeros, Border, Reflection };

/// x folded back at low and high until it lies between them.
Tensor reflected(const Tensor &x, double low, double high) {
  double extent = high - low;
  if (extent <= 0)
    return zerosLike(x) + low;
  Tensor distance = abs(x - low);
  Tensor phase = distance - floor(distance / (2 * extent)) * (2 * extent);
  return low + minimum(phase, 2 * extent - phase);
}

struct GridAxis {
  int64_t size;
  bool alignCorners;
  Outside outside;

  double low() const { return alignCorners ? 0 : -0.5; }
  double high() const { return static_cast<double>(size) - (alignCorners ? 1 : 0.5); }
  /// From -1 … 1 to elements.
  Tensor position(const Tensor &normalized) const {
    double n = static_cast<double>(size);
    return alignCorners ? (normalized + 1) / 2 * (n - 1) : ((normalized + 1) * n - 1) / 2;
  }
  /// Positions outside of the image are moved into it, where the mode says so.
  Tensor moved(const Tensor &x) const {
    switch (outside) {
    case Outside::Zeros:
      break;
    case Outside::Border:
      // Not those between the border and the middle of the outermost element.
      return where(x < low() || x > high(), clamp(x, 0, static_cast<double>(size - 1)), x);
    case Outside::Reflection:
      return reflected(x, low(), high());
    }
    return x;
  }
  Tap tap(const Tensor &place, const Tensor &weight) const {
    switch (outside) {
    case Outside::Zeros:
      return elementOrZero(place, size, weight);
    case Outside::Border:
      break;
    case Outside::Reflection:
      return nearestElement(reflected(place, low(), high()), size, weight);
    }
    return nearestElement(place, size, weight);
  }
};

/// Keys' cubic convolution: the weights of the elements at -1, 0, 1 and 2 for a position in 0 … 1.
std::vector<Tensor> cubicWeights(const Tensor &x) {
  constexpr double a = -0.75;
  auto inner = [](const Tensor &d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  auto outer = [](const Tensor &d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {outer(x + 1), inner(x), inner(1 - x), outer(2 - x)};
}

void importGridSample(Node &node) {
  static constexpr std::string_view modes[] = {"linear", "cubic", "nearest", "bilinear", "bicubic"};
  static constexpr std::string_view paddings[] = {"zeros", "border", "reflection"};
  size_t mode = node.choiceAttribute("mode", modes, "linear") % 3;
  Outside outside = static_cast<Outside>(node.choiceAttribute("padding_mode", paddings, "zeros"));
  bool alignCorners = node.flagAttribute("align_corners", false);
  Tensor x = node.input(0), grid = floatInput(node, 1);
  int64_t axes = x.rank() - 2;
  if (axes < 1 || grid.rank() != x.rank() || grid.size(-1) != DimExpr(axes))
    node.invalid("grid " + grid.str() + " for " + x.str());
  if (mode != 2 && !isFloat(x.dtype()))
    node.unsupported("interpolation of " + std::string(name(x.dtype())));
  if ((mode == 1 && axes > 3) || axes > 6)
    node.unsupported("this many spatial axes");
  DType compute = mode == 2 ? x.dtype() : computeDType(x.dtype());
  grid = grid.cast(computeDType(grid.dtype()));

  std::vector<DimExpr> shape{x.size(0), x.size(1)};
  std::vector<int64_t> sizes;
  std::vector<std::vector<Tap>> taps;
  DimExpr places = 1;
  for (int64_t i = 0; i < axes; ++i) {
    shape.push_back(grid.size(i + 1));
    places *= grid.size(i + 1);
    GridAxis axis{node.staticSize(x.size(i + 2), "a spatial size"), alignCorners, outside};
    if (axis.size < 1)
      node.invalid("an image without elements: " + x.str());
    sizes.push_back(axis.size);
    // The last component of a point belongs to the first axis.
    Tensor position = axis.position(grid.at(-1, axes - 1 - i)).expandDims(1);
    if (mode == 2) {
      taps.push_back({axis.tap(axis.moved(round(position)), {})});
      continue;
    }
    position = axis.moved(position);
    Tensor low = floor(position), share = (position - low).cast(compute);
    std::vector<Tensor> weights =
        mode == 1 ? cubicWeights(share) : std::vector<Tensor>{1 - share, share};
    std::vector<Tap> all;
    for (size_t k = 0; k < weights.size(); ++k)
      all.push_back(axis.tap(low + (static_cast<double>(k) - (mode == 1 ? 1 : 0)), weights[k]));
    taps.push_back(std::move(all));
  }
  Tensor pixels = x.cast(compute).flatten(2);
  Reader read = [&](const Tensor &place) {
    return pixels.takeAlong(place.reshape({x.size(0), 1, places}), 2).reshape(Shape(shape));
  };
  Tensor y = weightedSum(corners(read, sizes, taps));
  node.output(0, y.cast(x.dtype()));
}

void importAffineGrid(Node &node) {
  Tensor theta = floatInput(node, 0);
  std::vector<int64_t> size = node.knownInts(1);
  bool alignCorners = node.flagAttribute("align_corners", false);
  size_t axes = size.size() < 3 ? 0 : size.size() - 2;
  int64_t count = static_cast<int64_t>(axes);
  if (axes < 2 || axes > 3 || theta.rank() != 3 || theta.size(1) != DimExpr(count) ||
      theta.size(2) != DimExpr(count + 1))
    node.invalid("theta " + theta.str() + " for a size of " + std::to_string(size.size()) +
                 " entries");
  DType compute = computeDType(theta.dtype());
  std::vector<DimExpr> places(size.begin() + 2, size.end());
  std::vector<Tensor> coordinates;
  // The last axis gives the first coordinate.
  for (size_t i = axes; i-- > 0;) {
    double n = static_cast<double>(size[i + 2]);
    Tensor index = node.graph().iota(compute, Shape(places), static_cast<int64_t>(i));
    if (alignCorners)
      coordinates.push_back(index * (n > 1 ? 2 / (n - 1) : 0) - 1);
    else
      coordinates.push_back((2 * index + 1) / n - 1);
  }
  coordinates.push_back(onesLike(coordinates[0]));
  // [places..., axes + 1] x [N, axes, axes + 1]
  Tensor points = stack(coordinates, count);
  Tensor y = theta.cast(compute).dotGeneral(
      points, {.lhsContract = {2}, .rhsContract = {count}}); // [N, axes, places...]
  std::vector<int64_t> order = axisRange(2, 2 + count);
  order.insert(order.begin(), 0);
  order.push_back(1);
  node.output(0, y.transpose(order).cast(theta.dtype()));
}

// -- Regions --------------------------------------------------------------------------------------

void importRoiAlign(Node &node) {
  static constexpr std::string_view reductions[] = {"avg", "max"};
  static constexpr std::string_view coordinateModes[] = {"output_half_pixel", "half_pixel"};
  bool largest = node.choiceAttribute("mode", reductions, "avg") == 1;
  bool halfPixel = node.opset() >= 16 && node.choiceAttribute("coordinate_transformation_mode",
                                                              coordinateModes, "half_pixel") == 1;
  int64_t height = node.intAttribute("output_height", 1);
  int64_t width = node.intAttribute("output_width", 1);
  int64_t samples = node.intAttribute("sampling_ratio", 0);
  double scale = node.floatAttribute("spatial_scale", 1.0);
  if (samples == 0)
    node.unsupported("a sampling_ratio that depends on the regions (0)");
  if (height < 1 || width < 1 || samples < 0)
    node.invalid("output sizes and the sampling_ratio must be positive");
  Tensor x = floatInput(node, 0), rois = node.input(1);
  if (x.rank() != 4 || rois.rank() != 2 || rois.size(1) != DimExpr(4))
    node.invalid("regions " + rois.str() + " of " + x.str());
  DType compute = computeDType(x.dtype());
  rois = rois.cast(compute) * scale - (halfPixel ? 0.5 : 0.0);

  // Samples are [channels, regions, height, width, samples, samples].
  Tensor visible;
  std::vector<int64_t> sizes;
  std::vector<std::vector<Tap>> taps;
  for (int64_t axis = 0; axis < 2; ++axis) {
    int64_t size = node.staticSize(x.size(axis + 2), "a spatial size");
    if (size < 1)
      node.invalid("an image without elements: " + x.str());
    sizes.push_back(size);
    int64_t cells = axis == 0 ? height : width;
    auto column = [&](int64_t i) { return rois.at(1, i).reshape({rois.size(0), 1, 1, 1, 1}); };
    Tensor begin = column(1 - axis), extent = column(3 - axis) - begin;
    if (!halfPixel)
      extent = maximum(extent, 1);
    Tensor cell = extent / static_cast<double>(cells);
    auto along = [&](int64_t dim, int64_t count) {
      return alongAxis(node.graph().arange(compute, count), dim, 5);
    };
    Tensor position = begin + along(1 + axis, cells) * cell +
                      (along(3 + axis, samples) + 0.5) * cell / static_cast<double>(samples);
    Tensor near = position >= -1 && position <= static_cast<double>(size);
    visible = visible.defined() ? visible && near : near;
    position = clamp(position, 0, static_cast<double>(size - 1));
    Tensor low = floor(position), share = position - low;
    taps.push_back({nearestElement(low, size, 1 - share), nearestElement(low + 1, size, share)});
  }
  Tensor pixels = x.cast(compute).transpose({1, 0, 2, 3}).flatten(1);
  Tensor image = node.input(2).cast(i64).reshape({rois.size(0), 1, 1, 1, 1});
  Reader read = [&](const Tensor &place) {
    return pixels.gather(place + image * (sizes[0] * sizes[1]), 1);
  };
  std::vector<Corner> near = corners(read, sizes, taps);
  Tensor y;
  if (largest) {
    // The definition takes the largest weighted element, not the largest interpolated value.
    for (const Corner &corner : near)
      y = y.defined() ? maximum(y, corner.weighted()) : corner.weighted();
    y = where(visible, y, 0).max({4, 5});
  } else {
    y = where(visible, weightedSum(near), 0).mean({4, 5});
  }
  node.output(0, y.transpose({1, 0, 2, 3}).cast(x.dtype()));
}

struct Box {
  float low[2], high[2];

  float area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

/// Two opposite corners in any order, or centre and size.
Box boxOf(const float *numbers, bool centre) {
  Box box;
  for (int axis = 0; axis < 2; ++axis) {
    float a = numbers[axis], b = numbers[axis + 2];
    box.low[axis] = centre ? a - b / 2 : std::min(a, b);
    box.high[axis] = centre ? a + b / 2 : std::max(a, b);
  }
  return box;
}

/// Whether the intersection's share of the union is above the threshold.
bool overlaps(const Box &a, const Box &b, float threshold) {
  float shared = 1;
  for (int axis = 0; axis < 2; ++axis) {
    float extent = std::min(a.high[axis], b.high[axis]) - std::max(a.low[axis], b.low[axis]);
    if (!(extent > 0))
      return false;
    shared *= extent;
  }
  float united = a.area() + b.area() - shared;
  return a.area() > 0 && b.area() > 0 && united > 0 && shared / united > threshold;
}

/// How many boxes remain depends on their values, so that all of them must be known.
void importNonMaxSuppression(Node &node) {
  bool centre = node.flagAttribute("center_point_box", false);
  Array boxes = node.known(0).cast(f32).contiguous(), scores = node.known(1).cast(f32).contiguous();
  int64_t limit = node.has(2) ? node.knownInt(2) : 0;
  float overlap = node.has(3) ? static_cast<float>(node.knownFloat(3)) : 0;
  std::optional<float> least;
  if (node.has(4))
    least = static_cast<float>(node.knownFloat(4));
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.sizes()[0] != scores.sizes()[0] ||
      boxes.sizes()[1] != scores.sizes()[2] || boxes.sizes()[2] != 4)
    node.invalid("boxes " + boxes.str() + " with scores " + scores.str());
  int64_t count = boxes.sizes()[1], classes = scores.sizes()[1];
  std::vector<int64_t> selected;
  for (int64_t row = 0; row < scores.sizes()[0] * classes; ++row) {
    const float *score = scores.as<float>() + row * count;
    const float *box = boxes.as<float>() + row / classes * count * 4;
    std::vector<int64_t> order;
    for (int64_t i = 0; i < count; ++i)
      if (!std::isnan(score[i]) && (!least || score[i] > *least))
        order.push_back(i);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return score[a] != score[b] ? score[a] > score[b] : a < b;
    });
    std::vector<Box> kept;
    for (int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= limit)
        break;
      Box candidate = boxOf(box + i * 4, centre);
      if (std::any_of(kept.begin(), kept.end(),
                      [&](const Box &other) { return overlaps(candidate, other, overlap); }))
        continue;
      kept.push_back(candidate);
      selected.insert(selected.end(), {row / classes, row % classes, i});
    }
  }
  int64_t rows = static_cast<int64_t>(selected.size()) / 3;
  node.output(0, indexConstant(node, selected, {rows, 3}));
}

constexpr OpHandler handlers[] = {
    {"AffineGrid", 20, importAffineGrid},
    {"GridSample", 16, importGridSample},
    {"NonMaxSuppression", 10, importNonMaxSuppression},
    {"Resize", 10, importResize},
    {"RoiAlign", 10, importRoiAlign},
    {"Upsample", 7, importUpsample},
};

} // namespace

std::span<const OpHandler> visionHandlers() { return handlers; }

} // namespace sinter::onnx
