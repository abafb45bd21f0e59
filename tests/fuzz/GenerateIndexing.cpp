// SPDX-License-Identifier: Apache-2.0
// Look-ups, scatters, sorts and running reductions for random graphs, each with what it does to the
// bounds.
#include "tests/fuzz/Generator.h"

#include <algorithm>
#include <cmath>

namespace sinter::fuzz {

int Generator::pickAxis(int x) {
  std::vector<int> axes;
  for (int64_t i = 0; i < at(x).shape.rank(); ++i)
    if (at(x).shape[i].constant().value_or(0) > 0)
      axes.push_back(static_cast<int>(i));
  return axes.empty() ? -1 : axes[below(axes.size())];
}

/// Indices for one axis: of any shape, or one per element along it.
int Generator::addLabels(int x, int axis, bool perElement, Shape &frame) {
  Shape shape = at(x).shape, labels;
  frame = {};
  if (perElement) {
    labels = shape;
    labels[axis] = pool[below(pool.size())];
    frame = labels;
    for (int64_t i = 0; i < labels.rank(); ++i)
      if (i != axis && below(4) == 0)
        labels[i] = 1;
  } else {
    for (size_t i = 0, n = below(3); i < n; ++i)
      labels.push_back(pool[below(pool.size())]);
    for (int64_t i = 0; i < shape.rank(); ++i)
      if (i != axis)
        frame.push_back(shape[i]);
      else
        for (const DimExpr &size : labels)
          frame.push_back(size);
  }
  if (!fits(frame) || !fits(labels))
    return -1;
  auto last = static_cast<double>(*shape[axis].constant() - 1);
  return addInput(below(2) ? i32 : i64, labels, 0, last);
}

void Generator::addGather() {
  int x = pick([](const Info &info) { return info.shape.rank() >= 1; });
  int axis = x < 0 ? -1 : pickAxis(x);
  if (axis < 0)
    return;
  bool perElement = below(2);
  Info info = at(x);
  int labels = addLabels(x, axis, perElement, info.shape);
  if (labels < 0)
    return;
  add({x, labels}, info, [=](Graph &, const Tensors &t) {
    return perElement ? takeAlong(t[0], t[1], axis) : gather(t[0], t[1], axis);
  });
}

void Generator::addPlacement() {
  int x = pick([](const Info &info) { return info.shape.rank() >= 1; });
  int axis = x < 0 ? -1 : pickAxis(x);
  if (axis < 0)
    return;
  auto mode = static_cast<ScatterMode>(below(5));
  bool isExtremum = mode == ScatterMode::Max || mode == ScatterMode::Min;
  DType dtype = at(x).dtype;
  if ((dtype == boolean && mode != ScatterMode::Set) || (isExtremum && plan.smooth))
    return;
  bool perElement = below(2);
  Shape frame;
  int labels = addLabels(x, axis, perElement, frame);
  if (labels < 0)
    return;
  int updates = pick([&](const Info &info) { return info.dtype == dtype && info.shape == frame; });
  if (updates < 0 || updates == labels)
    updates = addInput(dtype, frame, isFloat(dtype) ? -2 : 0, isFloat(dtype) ? 2 : 9);
  const Info u = at(updates);
  double count = 1; // Updates that may meet in one place.
  for (const DimExpr &size : at(labels).shape)
    count *= static_cast<double>(std::max<int64_t>(evaluate(size), 1));
  Info info = at(x);
  info.inputs.insert(u.inputs.begin(), u.inputs.end());
  info.exact &= u.exact;
  info.fraction = std::max(info.fraction, u.fraction);
  double epsilon = epsilonOf(dtype);
  switch (mode) {
  case ScatterMode::Add:
    info.bound += count * u.bound;
    info.error += count * u.error + (4 + 2 * std::sqrt(count)) * epsilon * info.bound;
    break;
  case ScatterMode::Mul: {
    double factor = std::pow(std::max(u.bound, 1.0), count);
    info.error = factor * (info.error + count * info.bound * u.error) +
                 count * epsilon * info.bound * factor;
    info.bound *= factor;
    info.exact &= !isFloat(dtype);
    break;
  }
  default:
    info.bound = std::max(info.bound, u.bound);
    info.error = std::max(info.error, u.error);
  }
  add({x, labels, updates}, info, [=](Graph &, const Tensors &t) {
    return perElement ? scatterAlong(t[0], t[1], t[2], axis, mode)
                      : scatter(t[0], t[1], t[2], axis, mode);
  });
}

void Generator::addSort() {
  bool wantsOrder = below(2) && !plan.continuous;
  int x = pick([&](const Info &info) {
    return info.shape.rank() >= 1 && (info.exact || (!wantsOrder && !plan.smooth));
  });
  if (x < 0)
    return;
  Info info = at(x);
  auto axis = static_cast<int64_t>(below(static_cast<size_t>(info.shape.rank())));
  bool descending = below(2);
  if (!wantsOrder) {
    add(
        {x}, info, [=](Graph &, const Tensors &t) { return sort(t[0], axis, descending); }, 2);
    return;
  }
  info.dtype = i64;
  info.bound = static_cast<double>(std::max<int64_t>(evaluate(info.shape[axis]), 1));
  info.fraction = 0;
  add({x}, info, [=](Graph &, const Tensors &t) { return argsort(t[0], axis, descending); });
}

void Generator::addCumulative() {
  int x = pick([](const Info &info) { return info.dtype != boolean && info.shape.rank() >= 1; });
  if (x < 0)
    return;
  Info info = at(x);
  auto axis = static_cast<int64_t>(below(static_cast<size_t>(info.shape.rank())));
  CumulativeOptions options{.exclusive = below(3) == 0, .reverse = below(3) == 0};
  auto count = static_cast<double>(std::max<int64_t>(evaluate(info.shape[axis]), 1));
  double epsilon = epsilonOf(info.dtype);
  switch (below(4)) {
  case 0:
  case 1:
    info.bound *= count;
    info.error = count * info.error + (4 + 2 * std::sqrt(count)) * epsilon * info.bound;
    add({x}, info, [=](Graph &, const Tensors &t) { return cumsum(t[0], axis, options); });
    return;
  case 2: {
    double bound = std::pow(std::max(info.bound, 1.0), count);
    if (isFloat(info.dtype) && bound > 1e4)
      return;
    info.exact &= !isFloat(info.dtype);
    info.error = count * bound * info.error + count * epsilon * bound;
    info.bound = bound;
    add({x}, info, [=](Graph &, const Tensors &t) { return cumprod(t[0], axis, options); });
    return;
  }
  default:
    if (plan.smooth)
      return;
    info.terminal |= options.exclusive; // Of nothing it is infinite.
    bool largest = below(2);
    add({x}, info, [=](Graph &, const Tensors &t) {
      return largest ? cummax(t[0], axis, options) : cummin(t[0], axis, options);
    });
  }
}

} // namespace sinter::fuzz
