// SPDX-License-Identifier: Apache-2.0
// Parts of tensors, and tensors made of parts.
#include "sinter/frontend/onnx/Helpers.h"
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <algorithm>
#include <limits>

namespace sinter::onnx {

// -- Slice ----------------------------------------------------------------------------------------

static DimExpr smaller(const DimExpr &a, const DimExpr &b) {
  std::optional<int64_t> x = a.constant(), y = b.constant();
  if (x && y)
    return std::min(*x, *y);
  return 0 - max(0 - a, 0 - b);
}

static DimExpr larger(const DimExpr &a, const DimExpr &b) {
  std::optional<int64_t> x = a.constant(), y = b.constant();
  return x && y ? DimExpr(std::max(*x, *y)) : max(a, b);
}

/// Numbers beyond any size mean "to the end".
constexpr int64_t farAway = int64_t{1} << 31;

/// A bound of a slice with a positive step, as a position in [0, size].
static DimExpr bound(const DimExpr &at, const DimExpr &size) {
  std::optional<int64_t> number = at.constant();
  if (!number)
    return smaller(at, size);
  if (std::optional<int64_t> all = size.constant())
    return std::clamp<int64_t>(*number < 0 ? std::max(*number, -*all) + *all : *number, 0, *all);
  if (*number >= farAway - 1)
    return size;
  if (*number <= -farAway)
    return 0;
  return *number < 0 ? larger(size + *number, 0) : smaller(at, size);
}

/// One axis from `start` on in steps below 0, down to but without `end`.
static Tensor sliceBackwards(Node &node, const Tensor &x, int64_t axis, const DimExpr &start,
                             const DimExpr &end, int64_t step) {
  int64_t size = node.staticSize(x.size(axis), "an axis that is sliced backwards");
  int64_t first = node.staticSize(start, "the start of a slice");
  int64_t last = node.staticSize(end, "the end of a slice");
  first = std::clamp<int64_t>(first < 0 ? std::max(first, -size - 1) + size : first, -1, size - 1);
  last = std::clamp<int64_t>(last < 0 ? std::max(last, -size - 1) + size : last, -1, size - 1);
  step = std::max(step, -farAway);
  if (first <= last)
    return x.slice(axis, 0, 0);
  // The same elements forwards, then turned around.
  int64_t steps = (first - last - 1) / -step;
  return x.slice(axis, first + steps * step, first + 1, -step).flip(axis);
}

static void importSlice(Node &node) {
  Tensor x = node.input(0);
  std::vector<DimExpr> starts, ends;
  std::vector<int64_t> axes, steps;
  if (node.opset() < 10) {
    for (int64_t start : node.intsAttribute("starts"))
      starts.emplace_back(start);
    for (int64_t end : node.intsAttribute("ends"))
      ends.emplace_back(end);
    axes = node.intsAttribute("axes", axisRange(0, static_cast<int64_t>(starts.size())));
  } else {
    starts = node.knownDims(1);
    ends = node.knownDims(2);
    axes = node.has(3) ? node.knownInts(3) : axisRange(0, static_cast<int64_t>(starts.size()));
    if (node.has(4))
      steps = node.knownInts(4);
  }
  steps.resize(steps.empty() ? starts.size() : steps.size(), 1);
  if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
    node.invalid("starts, ends, axes and steps differ in length");
  axes = node.axes(axes, x.rank());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (steps[i] == 0)
      node.invalid("a step is 0");
    if (steps[i] < 0) {
      x = sliceBackwards(node, x, axes[i], starts[i], ends[i], steps[i]);
      continue;
    }
    DimExpr size = x.size(axes[i]);
    DimExpr start = bound(starts[i], size), end = bound(ends[i], size);
    end = larger(start, end);
    x = x.slice(axes[i], start, end, std::min(steps[i], farAway));
  }
  node.output(0, x);
}

// -- Split and join -------------------------------------------------------------------------------

static void importConcat(Node &node) {
  std::vector<Tensor> parts = node.inputs();
  if (parts.empty())
    node.invalid("it needs at least one input");
  int64_t axis = node.opset() < 4 ? node.intAttribute("axis", 1) : node.intAttribute("axis");
  node.output(0, parts.size() == 1 ? parts[0] : concat(parts, node.axis(axis, parts[0].rank())));
}

static void importSplit(Node &node) {
  Tensor x = node.input(0);
  int64_t axis = node.axis(node.intAttribute("axis", 0), x.rank());
  auto count = static_cast<int64_t>(node.numOutputs());
  std::vector<DimExpr> sizes;
  if (node.opset() < 13) {
    for (int64_t size : node.intsAttribute("split", std::vector<int64_t>{}))
      sizes.emplace_back(size);
  } else if (node.has(1)) {
    sizes = node.knownDims(1);
  }
  if (node.hasAttribute("num_outputs") && node.intAttribute("num_outputs") != count)
    node.invalid("num_outputs is not the number of its outputs");
  if (sizes.empty()) {
    // Equal parts, of which the last may be smaller.
    DimExpr size = x.size(axis), part = ceilDiv(size, count);
    if (size.isConstant() && node.opset() < 18 && *size.constant() % count != 0)
      node.invalid("size " + size.str() + " does not divide into " + std::to_string(count));
    sizes.assign(static_cast<size_t>(count), part);
    sizes.back() = size - part * (count - 1);
  }
  if (static_cast<int64_t>(sizes.size()) != count)
    node.invalid(std::to_string(sizes.size()) + " parts for " + std::to_string(count) + " outputs");
  std::vector<Tensor> parts = split(x, Shape(sizes), axis);
  for (size_t i = 0; i < parts.size(); ++i)
    node.output(i, parts[i]);
}

// -- Repeat ---------------------------------------------------------------------------------------

static void importExpand(Node &node) {
  Tensor x = node.input(0);
  std::vector<DimExpr> wanted = node.knownDims(1);
  auto rank = std::max(x.rank(), static_cast<int64_t>(wanted.size()));
  std::vector<DimExpr> sizes;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t own = i - (rank - x.rank()), other = i - (rank - static_cast<int64_t>(wanted.size()));
    DimExpr a = own >= 0 ? x.size(own) : DimExpr(1);
    DimExpr b = other >= 0 ? wanted[static_cast<size_t>(other)] : DimExpr(1);
    sizes.push_back(b.constant() == 1 ? a : b);
  }
  node.output(0, x.broadcastTo(Shape(std::move(sizes))));
}

static void importTile(Node &node) {
  Tensor x = node.input(0);
  std::vector<DimExpr> repeats = node.knownDims(1);
  if (static_cast<int64_t>(repeats.size()) != x.rank())
    node.invalid(std::to_string(repeats.size()) + " repeats for " + x.str());
  Shape apart, repeated, merged;
  for (int64_t i = 0; i < x.rank(); ++i) {
    const DimExpr &times = repeats[static_cast<size_t>(i)];
    for (const DimExpr &size : {DimExpr(1), x.size(i)})
      apart.push_back(size);
    for (const DimExpr &size : {times, x.size(i)})
      repeated.push_back(size);
    merged.push_back(times * x.size(i));
  }
  node.output(0, x.reshape(apart).broadcastTo(repeated).reshape(merged));
}

// -- Pad ------------------------------------------------------------------------------------------

/// Where element `at` of a padded axis comes from.
static int64_t sourceOf(int64_t at, int64_t size, std::string_view mode) {
  if (mode == "edge")
    return std::clamp<int64_t>(at, 0, size - 1);
  if (mode == "wrap")
    return (at % size + size) % size;
  if (size == 1)
    return 0;
  int64_t period = 2 * (size - 1);
  at = (at % period + period) % period;
  return at < size ? at : period - at;
}

/// Positions are listed one by one, so there must not be too many.
constexpr int64_t maxPositions = int64_t{1} << 22;

static double padValue(Node &node) {
  if (node.opset() < 11)
    return node.floatAttribute("value", 0);
  if (!node.has(2))
    return 0;
  // Paddings are doubles.
  if (node.inputDType(2) == i64 || node.inputDType(2) == u64)
    if (int64_t value = node.knownInt(2); value < -(int64_t{1} << 53) || value > int64_t{1} << 53)
      node.unsupported("a padding of " + std::to_string(value));
  return node.knownFloat(2);
}

static void importPad(Node &node) {
  Tensor x = node.input(0);
  static constexpr std::string_view modes[] = {"constant", "reflect", "edge", "wrap"};
  std::string_view mode = modes[node.choiceAttribute("mode", modes, "constant")];
  std::vector<int64_t> pads = node.opset() >= 11          ? node.knownInts(1)
                              : node.hasAttribute("pads") ? node.intsAttribute("pads")
                                                          : node.intsAttribute("paddings");
  std::vector<int64_t> axes = axisRange(0, x.rank());
  if (node.has(3))
    axes = node.axes(node.knownInts(3), x.rank());
  if (pads.size() != 2 * axes.size())
    node.invalid(std::to_string(pads.size()) + " pads for " + std::to_string(axes.size()) +
                 " axes");
  if (mode == "constant") {
    std::vector<DimExpr> low(static_cast<size_t>(x.rank()), DimExpr(0)), high = low;
    for (size_t i = 0; i < axes.size(); ++i) {
      int64_t before = pads[i], after = pads[i + axes.size()];
      auto axis = static_cast<size_t>(axes[i]);
      if (before < 0 || after < 0) // Negative pads cut off.
        x = x.slice(axes[i], std::max<int64_t>(0, -before),
                    x.size(axes[i]) - std::max<int64_t>(0, -after));
      low[axis] = std::max<int64_t>(0, before);
      high[axis] = std::max<int64_t>(0, after);
    }
    return node.output(0, x.pad(Shape(std::move(low)), Shape(std::move(high)), padValue(node)));
  }
  node.ignoreInput(2);
  node.ignoreAttribute("value");
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t size = node.staticSize(x.size(axes[i]), "a padded axis");
    int64_t before = pads[i], after = pads[i + axes.size()];
    if (before == 0 && after == 0)
      continue;
    if (before < -maxPositions || after < -maxPositions || size == 0 ||
        std::max({before, -before, after, -after, size}) > maxPositions)
      node.unsupported("pads of " + std::to_string(before) + " and " + std::to_string(after) +
                       " for " + x.str());
    std::vector<int64_t> positions;
    for (int64_t at = -before; at < size + after; ++at)
      positions.push_back(sourceOf(at, size, mode));
    x = takePositions(node, x, axes[i], positions);
  }
  node.output(0, x);
}

static void importCenterCropPad(Node &node) {
  Tensor x = node.input(0);
  std::vector<int64_t> wanted = node.knownInts(1);
  std::vector<int64_t> axes =
      node.axes(node.intsAttribute("axes", axisRange(0, x.rank())), x.rank());
  if (axes.size() != wanted.size())
    node.invalid("axes and shape differ in length");
  std::vector<DimExpr> low(static_cast<size_t>(x.rank()), DimExpr(0)), high = low;
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t size = node.staticSize(x.size(axes[i]), "a cropped or padded axis");
    int64_t difference = wanted[i] - size;
    auto axis = static_cast<size_t>(axes[i]);
    if (wanted[i] < 0)
      node.invalid("a size is negative");
    if (difference < 0) {
      int64_t start = -difference / 2;
      x = x.slice(axes[i], start, start + wanted[i]);
    } else {
      low[axis] = difference / 2;
      high[axis] = difference - difference / 2;
    }
  }
  node.output(0, x.pad(Shape(std::move(low)), Shape(std::move(high))));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> sliceHandlers() {
  static constexpr OpHandler table[] = {
      {"CenterCropPad", 18, importCenterCropPad},
      {"Concat", 1, importConcat},
      {"Expand", 8, importExpand},
      {"Pad", 1, importPad},
      {"Slice", 1, importSlice},
      {"Split", 2, importSplit},
      {"Tile", 6, importTile},
  };
  return table;
}

} // namespace sinter::onnx
