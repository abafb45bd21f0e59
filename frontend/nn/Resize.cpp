// SPDX-License-Identifier: Apache-2.0
// Interpolation works along one axis at a time: a gather of the nearest element, or of the few
// elements that are weighed, so gradients are scatters.
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

/// The elements of x that make one element of the result.
struct Taps {
  std::vector<int64_t> index;
  std::vector<double> weight;
};

Taps tapsOf(const Line &line, const ResizeOptions &options, int64_t i) {
  Position position(sourceOf(line, options.coordinates, i));
  double scale = options.antialias ? std::min(line.scale, 1.0) : 1.0;
  double radius = options.mode == ResizeMode::Linear ? 1 : 2;
  auto first = static_cast<int64_t>(std::floor(-radius / scale)) + 1;
  int64_t last = 1 - first; // As many on either side.
  Taps taps;
  double sum = 0;
  for (int64_t k = first; k <= last; ++k) {
    double at = position.base + static_cast<double>(k);
    double inside = std::clamp(at, 0.0, static_cast<double>(line.from - 1));
    bool isLeftOut = at != inside && options.excludeOutside;
    taps.index.push_back(static_cast<int64_t>(inside));
    taps.weight.push_back(
        isLeftOut ? 0 : kernel(options, scale * (static_cast<double>(k) - position.rest)));
    sum += taps.weight.back();
  }
  if (options.antialias || options.excludeOutside)
    for (double &weight : taps.weight)
      weight /= sum;
  return taps;
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

/// One gather per tap when there are few of them, else one with the taps as a last axis.
Tensor interpolate(const Layer &layer, const Tensor &x, const Line &line,
                   const ResizeOptions &options) {
  std::vector<Taps> all;
  for (int64_t i = 0; i < line.to; ++i)
    all.push_back(tapsOf(line, options, i));
  auto numTaps = static_cast<int64_t>(all.front().index.size());
  constexpr int64_t fewTaps = 4;
  bool isSingle = numTaps <= fewTaps;
  int64_t atOnce = isSingle ? 1 : numTaps;
  std::vector<int64_t> sizes = {line.to};
  std::vector<DimExpr> along(static_cast<size_t>(x.rank()), DimExpr(1));
  along[static_cast<size_t>(line.axis)] = line.to;
  if (!isSingle) {
    sizes.push_back(atOnce);
    along.push_back(atOnce);
  }
  Tensor total;
  for (int64_t first = 0; first < numTaps; first += atOnce) {
    Array index(i64, sizes), weight(f64, sizes);
    for (int64_t i = 0; i < line.to; ++i)
      for (int64_t k = 0; k < atOnce; ++k) {
        const Taps &taps = all[static_cast<size_t>(i)];
        index.as<int64_t>()[i * atOnce + k] = taps.index[static_cast<size_t>(first + k)];
        weight.as<double>()[i * atOnce + k] = taps.weight[static_cast<size_t>(first + k)];
      }
    Tensor factor = cast(layer.graph().constant(weight), layer.dtype);
    Tensor part = nn::gatherAlong(layer, x, line.axis, layer.graph().constant(index)) *
                  reshape(factor, Shape(along));
    if (!isSingle)
      part = sum(part, -1);
    total = total.defined() ? total + part : part;
  }
  return total;
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
  constexpr double smallest = 1e-3; // Of an axis that is scaled.
  if (!(line.scale * static_cast<double>(line.from) > smallest) || !std::isfinite(line.scale))
    layer.fail("scale " + std::to_string(line.scale) + " of axis " + std::to_string(axis) +
               " leaves nothing");
  if (options.coordinates == Coordinates::Crop) {
    line.cropStart = options.cropStarts[i];
    line.cropEnd = options.cropEnds[i];
  }
  return line;
}

} // namespace

namespace nn {

Tensor gatherAlong(const Layer &layer, const Tensor &x, int64_t axis, const Tensor &index) {
  Shape result = x.shape(), positions = index.shape();
  result[axis] = positions[0];
  std::vector<DimExpr> along(static_cast<size_t>(result.rank()), DimExpr(1));
  along[static_cast<size_t>(axis)] = positions[0];
  for (int64_t i = 1; i < positions.rank(); ++i) {
    result.push_back(positions[i]);
    along.push_back(positions[i]);
  }
  Tensor frame = broadcastTo(reshape(index, Shape(std::move(along))), result);
  std::vector<int64_t> dims = axesFrom(0, x.rank());
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
