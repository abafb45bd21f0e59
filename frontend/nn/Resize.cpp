// SPDX-License-Identifier: Apache-2.0
// Interpolation works along one axis at a time: a gather for the nearest element, a product with a
// matrix of weights for the rest, so gradients are a scatter and the product with the transposed
// matrix.
#include "sinter/frontend/nn/Resize.h"

#include "sinter/frontend/nn/Layer.h"

#include <algorithm>
#include <cmath>

namespace sinter {

using nn::Layer;

namespace {

/// One axis and its two sizes.
struct Line {
  int64_t axis, from, to;
  double scale;
  double cropStart = 0, cropEnd = 1;
};

/// Where element i of the result lies among those of the operand.
double sourceOf(const Line &line, Coordinates coordinates, int64_t i) {
  auto at = static_cast<double>(i), from = static_cast<double>(line.from);
  double to = line.scale * from;
  double halfPixel = (at + 0.5) / line.scale - 0.5;
  switch (coordinates) {
  case Coordinates::HalfPixel:
    return halfPixel;
  case Coordinates::HalfPixelSymmetric:
    return halfPixel + from / 2 * (1 - static_cast<double>(line.to) / to);
  case Coordinates::TorchHalfPixel:
    return line.to == 1 ? 0 : halfPixel;
  case Coordinates::AlignCorners:
    return to == 1 ? 0 : at * (from - 1) / (to - 1);
  case Coordinates::Asymmetric:
    return at / line.scale;
  case Coordinates::Crop:
    break;
  }
  double extent = (line.cropEnd - line.cropStart) * (from - 1);
  return line.cropStart * (from - 1) + (to == 1 ? extent / 2 : at * extent / (to - 1));
}

/// A position as a whole number and what is left, in (0, 1].
struct Position {
  explicit Position(double x) : base(std::ceil(x) - 1), rest(x - base) {}
  double base, rest;
};

double nearestTo(double x, Nearest nearest) {
  Position position(x);
  bool up = position.rest == 1 || nearest == Nearest::Ceil ||
            (nearest == Nearest::RoundPreferFloor && position.rest > 0.5) ||
            (nearest == Nearest::RoundPreferCeil && position.rest >= 0.5);
  return position.base + (up ? 1 : 0);
}

double kernel(const ResizeOptions &options, double distance) {
  double x = std::fabs(distance), a = options.cubicCoefficient;
  if (options.mode == ResizeMode::Linear)
    return std::max(0.0, 1 - x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// The weights of the operand's elements in element i of the result.
std::vector<double> weightsOf(const Line &line, const ResizeOptions &options, int64_t i) {
  Position position(sourceOf(line, options.coordinates, i));
  double scale = options.antialias ? std::min(line.scale, 1.0) : 1.0;
  auto radius = static_cast<double>(options.mode == ResizeMode::Linear ? 1 : 2);
  auto first = static_cast<int64_t>(std::floor(-radius / scale)) + 1;
  int64_t last = 1 - first; // As many on either side.
  std::vector<double> weights(static_cast<size_t>(line.from), 0);
  double sum = 0;
  for (int64_t k = first; k <= last; ++k) {
    double weight = kernel(options, scale * (static_cast<double>(k) - position.rest));
    double at = position.base + static_cast<double>(k);
    double inside = std::clamp(at, 0.0, static_cast<double>(line.from - 1));
    if (at != inside && options.excludeOutside)
      continue;
    weights[static_cast<size_t>(inside)] += weight;
    sum += weight;
  }
  if (options.antialias || options.excludeOutside)
    for (double &weight : weights)
      weight /= sum;
  return weights;
}

/// Whether each element of the result lies inside of x, or null when all do.
Tensor insideOf(const Layer &layer, const Line &line, const ResizeOptions &options, int64_t rank) {
  Array mask(boolean, {line.to});
  bool all = true;
  for (int64_t i = 0; i < line.to; ++i) {
    double at = sourceOf(line, options.coordinates, i);
    bool inside = at >= 0 && at <= static_cast<double>(line.from - 1);
    mask.as<bool>()[i] = inside;
    all &= inside;
  }
  if (all || options.coordinates != Coordinates::Crop)
    return {};
  std::vector<DimExpr> along(static_cast<size_t>(rank), DimExpr(1));
  along[static_cast<size_t>(line.axis)] = line.to;
  return reshape(layer.graph().constant(mask), Shape(std::move(along)));
}

Tensor nearestAlong(const Layer &layer, const Tensor &x, const Line &line,
                    const ResizeOptions &options) {
  Array index(i64, {line.to});
  int64_t *values = index.as<int64_t>();
  bool repeats = line.to % line.from == 0;
  for (int64_t i = 0; i < line.to; ++i) {
    double at = nearestTo(sourceOf(line, options.coordinates, i), options.nearest);
    values[i] = static_cast<int64_t>(std::clamp(at, 0.0, static_cast<double>(line.from - 1)));
    repeats &= values[i] == i / std::max<int64_t>(line.to / line.from, 1);
  }
  if (repeats)
    return upsampleNearest(x, line.to / line.from, {line.axis});
  return nn::gatherAlong(layer, x, line.axis, layer.graph().constant(index));
}

Tensor interpolate(const Layer &layer, const Tensor &x, const Line &line,
                   const ResizeOptions &options) {
  // The axis comes out last when the matrix is the right operand, else first.
  bool isLast = line.axis == x.rank() - 1;
  Array matrix(f64, isLast ? std::vector<int64_t>{line.from, line.to}
                           : std::vector<int64_t>{line.to, line.from});
  for (int64_t i = 0; i < line.to; ++i) {
    std::vector<double> weights = weightsOf(line, options, i);
    for (int64_t k = 0; k < line.from; ++k)
      matrix.as<double>()[isLast ? k * line.to + i : i * line.from + k] =
          weights[static_cast<size_t>(k)];
  }
  Tensor factor = cast(layer.graph().constant(matrix), layer.dtype);
  if (isLast)
    return dotGeneral(x, factor, {.lhsContract = {line.axis}, .rhsContract = {0}});
  Tensor y = dotGeneral(factor, x, {.lhsContract = {1}, .rhsContract = {line.axis}});
  std::vector<int64_t> order = nn::axesFrom(1, line.axis);
  order.push_back(0);
  for (int64_t i = line.axis + 1; i < x.rank(); ++i)
    order.push_back(i);
  return transpose(y, order);
}

Line makeLine(const Layer &layer, const std::vector<int64_t> &sizes,
              const std::vector<int64_t> &axes, const ResizeOptions &options, size_t i) {
  int64_t axis = layer.axis(axes[i]);
  std::optional<int64_t> from = layer.shape[axis].constant();
  if (!from)
    layer.fail("size " + layer.shape[axis].str() + " of axis " + std::to_string(axis) +
               " must be known");
  constexpr int64_t largest = int64_t{1} << 24;
  if (*from <= 0 || sizes[i] <= 0 || sizes[i] > largest)
    layer.fail("axis " + std::to_string(axis) + " cannot go from size " + std::to_string(*from) +
               " to " + std::to_string(sizes[i]));
  Line line{.axis = axis, .from = *from, .to = sizes[i], .scale = 0};
  line.scale = static_cast<double>(line.to) / static_cast<double>(line.from);
  if (!options.scales.empty())
    line.scale = options.scales[i];
  if (!(line.scale > 0) || !std::isfinite(line.scale))
    layer.fail("scale " + std::to_string(line.scale) + " is not positive");
  if (options.coordinates == Coordinates::Crop) {
    line.cropStart = options.cropStarts[i];
    line.cropEnd = options.cropEnds[i];
  }
  constexpr double mostWeights = 1 << 26;
  if (options.mode != ResizeMode::Nearest &&
      static_cast<double>(line.from) * static_cast<double>(line.to) > mostWeights)
    layer.fail("axis " + std::to_string(axis) + " from size " + std::to_string(*from) + " to " +
               std::to_string(sizes[i]) + " needs too many weights");
  return line;
}

} // namespace

namespace nn {

Tensor gatherAlong(const Layer &layer, const Tensor &x, int64_t axis, const Tensor &index) {
  Shape result = x.shape();
  result[axis] = index.shape()[0];
  std::vector<DimExpr> along(static_cast<size_t>(result.rank()), DimExpr(1));
  along[static_cast<size_t>(axis)] = result[axis];
  Tensor frame = broadcastTo(reshape(index, Shape(std::move(along))), result);
  std::vector<int64_t> dims = axesFrom(0, result.rank());
  dims[static_cast<size_t>(axis)] = -1;
  return layer.impl.tensor(layer.impl.create(
      layer.call, "sinter.gather", {GraphImpl::rawValue(x), GraphImpl::rawValue(frame)},
      layer.impl.named("dims", llvm::ArrayRef<int64_t>(dims))));
}

} // namespace nn

Tensor resize(const Tensor &x, const std::vector<int64_t> &sizes, const std::vector<int64_t> &axes,
              const ResizeOptions &options, std::source_location loc) {
  Layer layer(x, "resize", loc);
  if (options.mode != ResizeMode::Nearest)
    layer.requireFloat();
  size_t n = axes.size();
  bool isCrop = options.coordinates == Coordinates::Crop;
  if (sizes.size() != n || (!options.scales.empty() && options.scales.size() != n) ||
      (isCrop && (options.cropStarts.size() != n || options.cropEnds.size() != n)))
    layer.fail("needs one size (and scale, and crop) per axis");
  Tensor result = x;
  std::vector<Tensor> masks;
  std::vector<int64_t> seen;
  for (size_t i = 0; i < n; ++i) {
    Line line = makeLine(layer, sizes, axes, options, i);
    if (std::find(seen.begin(), seen.end(), line.axis) != seen.end())
      layer.fail("axis " + std::to_string(line.axis) + " is given twice");
    seen.push_back(line.axis);
    result = options.mode == ResizeMode::Nearest ? nearestAlong(layer, result, line, options)
                                                 : interpolate(layer, result, line, options);
    Tensor mask = insideOf(layer, line, options, layer.shape.rank());
    if (mask.defined())
      masks.push_back(mask);
  }
  for (const Tensor &mask : masks)
    result = where(mask, result, options.extrapolation);
  return result;
}

Tensor upsampleNearest(const Tensor &x, int64_t factor, const std::vector<int64_t> &axes,
                       std::source_location loc) {
  Layer layer(x, "upsampleNearest", loc);
  if (factor <= 0 || factor > INT32_MAX)
    layer.fail("factor " + std::to_string(factor) + " is out of range");
  Tensor result = x;
  for (int64_t entry : axes) {
    int64_t axis = layer.axis(entry);
    std::vector<DimExpr> sizes = result.shape().vector(), repeated = sizes;
    sizes[static_cast<size_t>(axis)] *= DimExpr(factor);
    repeated.insert(repeated.begin() + axis + 1, DimExpr(factor));
    result = reshape(broadcastTo(expandDims(result, axis + 1), Shape(std::move(repeated))),
                     Shape(std::move(sizes)));
  }
  return result;
}

} // namespace sinter
