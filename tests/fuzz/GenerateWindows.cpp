// SPDX-License-Identifier: Apache-2.0
// Windows, what overlaps and convolutions for random graphs, each with what it does to the bounds.
#include "tests/fuzz/Generator.h"

#include <algorithm>
#include <cmath>

namespace sinter::fuzz {

namespace {

/// The size of one axis of windows, and how they lie.
struct Line {
  int64_t window, stride, dilation;
  int64_t reach() const { return (window - 1) * dilation + 1; }
  DimExpr count(const DimExpr &size) const {
    return floorDiv(size - DimExpr(reach()), DimExpr(stride)) + DimExpr(1);
  }
  WindowOptions options() const { return {.strides = {stride}, .dilations = {dilation}}; }
};

/// x with zeros before its last axis, as many as a window of any size needs.
Tensor padded(const Tensor &x, int64_t low) {
  std::vector<int64_t> before(static_cast<size_t>(x.rank()), 0), after = before;
  before.back() = low;
  return low == 0 ? x : pad(x, before, after, PadMode::Constant);
}

/// As for other sums.
double ofSum(double count) { return 4 + 2 * std::sqrt(count); }

} // namespace

void Generator::addWindows() {
  int x = pick([](const Info &info) {
    return info.dtype != boolean && info.shape.rank() >= 1 && info.shape.rank() <= 4;
  });
  if (x < 0)
    return;
  Info info = at(x);
  Line line{1 + static_cast<int64_t>(below(3)), 1 + static_cast<int64_t>(below(3)),
            1 + static_cast<int64_t>(below(2))};
  int64_t last = info.shape.rank() - 1;
  bool fitsAlready = info.shape[last].constant().value_or(0) >= line.reach();
  int64_t low = fitsAlready ? static_cast<int64_t>(below(2)) : line.reach();
  info.shape[last] = line.count(info.shape[last] + DimExpr(low));
  auto all = [=](const Tensors &t) {
    return windows(padded(t[0], low), {line.window}, line.options());
  };
  size_t choice = below(3);
  if (choice == 0) {
    info.shape.push_back(line.window);
    add(
        {x}, info, [=](Graph &, const Tensors &t) { return all(t); }, 3);
  } else if (choice == 1 && !plan.smooth) {
    add(
        {x}, info, [=](Graph &, const Tensors &t) { return max(all(t), -1); }, 4);
  } else {
    auto count = static_cast<double>(line.window);
    info.bound *= count;
    info.error = count * info.error + ofSum(count) * epsilonOf(info.dtype) * info.bound;
    add(
        {x}, info, [=](Graph &, const Tensors &t) { return sum(all(t), -1); }, 4);
  }
}

void Generator::addOverlap() {
  int x = pick([](const Info &info) {
    int64_t rank = info.shape.rank();
    return info.dtype != boolean && rank >= 2 && info.shape[rank - 1].constant().value_or(0) > 0 &&
           info.shape[rank - 2].constant().value_or(0) > 0;
  });
  if (x < 0)
    return;
  Info info = at(x);
  int64_t last = info.shape.rank() - 1;
  int64_t windows = *info.shape[last - 1].constant();
  Line line{*info.shape[last].constant(), 1 + static_cast<int64_t>(below(3)),
            1 + static_cast<int64_t>(below(2))};
  int64_t rest = static_cast<int64_t>(below(static_cast<size_t>(line.stride)));
  int64_t size = (windows - 1) * line.stride + line.reach() + rest;
  Shape shape;
  for (int64_t i = 0; i + 1 < last; ++i)
    shape.push_back(info.shape[i]);
  shape.push_back(size);
  info.shape = shape;
  auto count = static_cast<double>(line.window);
  info.bound *= count;
  info.error = count * info.error + ofSum(count) * epsilonOf(info.dtype) * info.bound;
  add(
      {x}, info,
      [=](Graph &, const Tensors &t) { return overlapAdd(t[0], {size}, line.options()); }, 2);
}

/// A convolution along one axis, with a fresh weight.
void Generator::addConvolution() {
  int x = pick([](const Info &info) {
    return isFloat(info.dtype) && info.shape.rank() == 3 &&
           info.shape[1].constant().value_or(0) > 0;
  });
  if (x < 0)
    return;
  const Info from = at(x);
  int64_t channels = *from.shape[1].constant();
  Line line{1 + static_cast<int64_t>(below(3)), 1 + static_cast<int64_t>(below(2)), 1};
  bool isDepthwise = below(3) == 0;
  int64_t outputs = isDepthwise ? channels : 1 + static_cast<int64_t>(below(5));
  int64_t share = isDepthwise ? 1 : channels;
  int w = addInput(from.dtype, {outputs, share, line.window}, -1, 1);
  Info info = at(w);
  double count = static_cast<double>(share * line.window);
  info.bound = count * from.bound;
  info.error = count * from.error + ofSum(count) * epsilonOf(info.dtype) * info.bound;
  info.exact &= from.exact;
  info.fraction += from.fraction;
  info.inputs.insert(from.inputs.begin(), from.inputs.end());
  int64_t low = line.reach();
  info.shape = {from.shape[0], outputs, line.count(from.shape[2] + DimExpr(2 * low))};
  ConvOptions options{
      .strides = {line.stride}, .padding = low, .groups = isDepthwise ? channels : 1};
  add(
      {x, w}, info, [=](Graph &, const Tensors &t) { return conv(t[0], t[1], options); }, 5);
}

} // namespace sinter::fuzz
