// SPDX-License-Identifier: Apache-2.0
// Ops with an index map for random graphs, each with what it does to the bounds.
#include "tests/fuzz/Generator.h"

#include <algorithm>
#include <cmath>

namespace sinter::fuzz {

static bool isNumber(const Info &info) { return info.dtype != boolean; }

/// The error of a sum of `count` numbers, in epsilons of the sum of their sizes: c times the square
/// root.
static double ofSum(double count) { return 4 + 2 * std::sqrt(count); }

static std::set<int> unite(std::set<int> a, const std::set<int> &b) {
  a.insert(b.begin(), b.end());
  return a;
}

// -- Shape ----------------------------------------------------------------------------------------

void Generator::addReshape() {
  int x = pick([](const Info &) { return true; });
  if (x < 0)
    return;
  Info info = at(x);
  const Shape from = info.shape;
  Shape to;
  switch (below(3)) {
  case 0: // everything in one dim
    to.push_back(from.numElements());
    break;
  case 1: { // a dim of size 1 somewhere
    size_t axis = below(static_cast<size_t>(from.rank()) + 1);
    for (size_t i = 0; i <= static_cast<size_t>(from.rank()); ++i) {
      if (i == axis)
        to.push_back(1);
      if (i < static_cast<size_t>(from.rank()))
        to.push_back(from[static_cast<int64_t>(i)]);
    }
    break;
  }
  default: { // two dims merged
    if (from.rank() < 2)
      return;
    auto axis = static_cast<int64_t>(below(static_cast<size_t>(from.rank()) - 1));
    for (int64_t i = 0; i < from.rank(); ++i)
      if (i == axis + 1)
        to[to.rank() - 1] *= from[i];
      else
        to.push_back(from[i]);
  }
  }
  info.shape = to;
  add({x}, info, [to](Graph &, const Tensors &t) { return reshape(t[0], to); });
}

void Generator::addBroadcast() {
  int x = pick([](const Info &info) { return info.shape.rank() < 4; });
  if (x < 0)
    return;
  Info info = at(x);
  Shape to;
  if (below(2))
    to.push_back(pool[below(pool.size())]);
  for (const DimExpr &size : at(x).shape)
    to.push_back(size == DimExpr(1) ? pool[below(pool.size())] : size);
  if (to == info.shape)
    return;
  info.shape = to;
  add({x}, info, [to](Graph &, const Tensors &t) { return broadcastTo(t[0], to); });
}

void Generator::addTranspose() {
  int x = pick([](const Info &info) { return info.shape.rank() >= 2; });
  if (x < 0)
    return;
  Info info = at(x);
  auto rank = static_cast<size_t>(info.shape.rank());
  std::vector<int64_t> permutation(rank);
  for (size_t i = 0; i < rank; ++i)
    permutation[i] = static_cast<int64_t>(i);
  for (size_t i = rank; i-- > 1;)
    std::swap(permutation[i], permutation[below(i + 1)]);
  for (size_t i = 0; i < rank; ++i)
    info.shape[static_cast<int64_t>(i)] = at(x).shape[permutation[i]];
  add({x}, info, [permutation](Graph &, const Tensors &t) { return transpose(t[0], permutation); });
}

void Generator::addSlice() {
  int x = pick([](const Info &info) { return info.shape.rank() >= 1; });
  if (x < 0)
    return;
  Info info = at(x);
  Shape starts, limits;
  std::vector<int64_t> steps;
  for (int64_t i = 0; i < info.shape.rank(); ++i) {
    DimExpr size = info.shape[i];
    auto step = static_cast<int64_t>(1 + (below(3) == 0 ? below(3) : 0));
    int64_t start = 0;
    DimExpr limit = size;
    if (std::optional<int64_t> constant = size.constant(); constant && below(2)) {
      start = static_cast<int64_t>(below(static_cast<size_t>(*constant) + 1));
      limit =
          DimExpr(start + static_cast<int64_t>(below(static_cast<size_t>(*constant - start) + 1)));
    }
    starts.push_back(start);
    limits.push_back(limit);
    steps.push_back(step);
    info.shape[i] = ceilDiv(limit - DimExpr(start), DimExpr(step));
  }
  add({x}, info, [=](Graph &, const Tensors &t) { return slices(t[0], starts, limits, steps); });
}

void Generator::addConcat() {
  int a = pick([](const Info &info) { return info.shape.rank() >= 1; });
  if (a < 0)
    return;
  auto axis = static_cast<int64_t>(below(static_cast<size_t>(at(a).shape.rank())));
  auto joins = [&](const Info &info) {
    bool fits = info.dtype == at(a).dtype && info.shape.rank() == at(a).shape.rank();
    for (int64_t i = 0; fits && i < info.shape.rank(); ++i)
      fits = i == axis || info.shape[i] == at(a).shape[i];
    return fits;
  };
  std::vector<int> operands = {a};
  Info info = at(a);
  for (size_t i = 0, n = 1 + below(3); i < n; ++i) {
    int b = pick(joins);
    const Info &other = at(b);
    operands.push_back(b);
    info.shape[axis] += other.shape[axis];
    info.bound = std::max(info.bound, other.bound);
    info.error = std::max(info.error, other.error);
    info.exact &= other.exact;
    info.fraction = std::max(info.fraction, other.fraction);
    info.inputs = unite(info.inputs, other.inputs);
  }
  add(operands, info, [axis](Graph &, const Tensors &t) { return concat(t, axis); });
}

void Generator::addPad() {
  int x = pick([](const Info &info) { return info.shape.rank() >= 1; });
  if (x < 0)
    return;
  Info info = at(x);
  Shape low, high;
  for (int64_t i = 0; i < info.shape.rank(); ++i) {
    low.push_back(static_cast<int64_t>(below(3)));
    high.push_back(static_cast<int64_t>(below(3)));
    info.shape[i] += low[i] + high[i];
  }
  bool isNegative = below(3) == 0 && info.dtype != boolean && !isUnsigned(info.dtype);
  double value = isNegative ? -1 : static_cast<double>(below(2));
  info.bound = std::max(info.bound, 1.0);
  add({x}, info, [=](Graph &, const Tensors &t) { return pad(t[0], low, high, value); });
}

// -- Reductions -----------------------------------------------------------------------------------

std::vector<int64_t> Generator::randomAxes(const Shape &shape, double &count) {
  std::vector<int64_t> axes;
  count = 1;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (below(2)) {
      axes.push_back(i);
      count *= static_cast<double>(std::max<int64_t>(evaluate(shape[i]), 1));
    }
  return axes;
}

Shape Generator::withoutAxes(const Shape &shape, const std::vector<int64_t> &axes) const {
  Shape rest;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end())
      rest.push_back(shape[i]);
  return rest;
}

void Generator::addSum() {
  int x = pick(isNumber);
  if (x < 0)
    return;
  Info info = at(x);
  double count = 1;
  std::vector<int64_t> axes = randomAxes(info.shape, count);
  info.shape = withoutAxes(info.shape, axes);
  info.bound *= count;
  info.error = count * info.error + ofSum(count) * epsilonOf(info.dtype) * info.bound;
  add({x}, info, [axes](Graph &, const Tensors &t) { return sum(t[0], Axes(axes)); });
}

void Generator::addExtremum() {
  int x = pick(isNumber);
  if (x < 0 || plan.smooth)
    return;
  Info info = at(x);
  double count = 1;
  std::vector<int64_t> axes = randomAxes(info.shape, count);
  for (int64_t axis : axes) // of nothing it is infinite
    info.terminal |= !info.shape[axis].constant() || info.shape[axis] == DimExpr(0);
  info.shape = withoutAxes(info.shape, axes);
  if (below(2))
    add({x}, info, [axes](Graph &, const Tensors &t) { return max(t[0], Axes(axes)); });
  else
    add({x}, info, [axes](Graph &, const Tensors &t) { return min(t[0], Axes(axes)); });
}

void Generator::addProduct() {
  int x = pick(isNumber);
  if (x < 0)
    return;
  Info info = at(x);
  double count = 1;
  std::vector<int64_t> axes = randomAxes(info.shape, count);
  double factor = std::max(info.bound, 1.0);
  info.shape = withoutAxes(info.shape, axes);
  info.bound = std::pow(factor, count);
  if (isFloat(info.dtype) && info.bound > 1e4)
    return;
  info.exact &= !isFloat(info.dtype);
  info.error = count * info.bound * info.error + count * epsilonOf(info.dtype) * info.bound;
  add({x}, info, [axes](Graph &, const Tensors &t) { return prod(t[0], Axes(axes)); });
}

void Generator::addArgmax() {
  int x =
      pick([](const Info &info) { return isNumber(info) && info.exact && info.shape.rank() >= 1; });
  if (x < 0)
    return;
  Info info = at(x);
  auto axis = static_cast<int64_t>(below(static_cast<size_t>(info.shape.rank())));
  if (info.shape[axis].constant().value_or(0) == 0)
    return; // of nothing it has no meaning
  info.dtype = i64;
  info.bound = static_cast<double>(*info.shape[axis].constant());
  info.fraction = 0;
  info.shape = withoutAxes(info.shape, {axis});
  add({x}, info, [axis](Graph &, const Tensors &t) { return argmax(t[0], axis); });
}

void Generator::addSoftmax() {
  int x = pick([](const Info &info) {
    return isFloat(info.dtype) && info.shape.rank() >= 1 && info.bound <= 100;
  });
  if (x < 0 || at(x).shape[at(x).shape.rank() - 1].constant().value_or(0) == 0)
    return;
  Info info = unary(x, 1, 2);
  info.error += 400 * epsilonOf(info.dtype);
  add(
      {x}, info, [](Graph &, const Tensors &t) { return softmax(t[0]); }, 5);
}

// -- Contraction and indexing ---------------------------------------------------------------------

static Info contracted(const Info &l, const Info &r, double count, double epsilon) {
  Info info;
  info.dtype = l.dtype;
  info.bound = count * l.bound * r.bound;
  info.error = count * (l.error * r.bound + r.error * l.bound + l.error * r.error) +
               ofSum(count) * epsilon * info.bound;
  info.exact = l.exact && r.exact;
  info.fraction = l.fraction + r.fraction;
  info.inputs = unite(l.inputs, r.inputs);
  return info;
}

/// Pairs random dims of equal size as batch or contracting ones.
void Generator::addDot() {
  int a = pick([](const Info &info) { return isNumber(info) && info.shape.rank() >= 1; });
  if (a < 0)
    return;
  int b =
      pick([&](const Info &info) { return info.dtype == at(a).dtype && info.shape.rank() >= 1; });
  if (b < 0)
    return;
  const Info l = at(a), r = at(b);
  DotDims dims;
  std::set<int64_t> usedLeft, usedRight;
  double count = 1;
  for (int64_t i = 0; i < l.shape.rank(); ++i)
    for (int64_t j = 0; j < r.shape.rank(); ++j) {
      if (l.shape[i] != r.shape[j] || usedLeft.contains(i) || usedRight.contains(j) ||
          below(4) == 0)
        continue;
      bool isBatch = below(3) == 0;
      (isBatch ? dims.lhsBatch : dims.lhsContract).push_back(i);
      (isBatch ? dims.rhsBatch : dims.rhsContract).push_back(j);
      usedLeft.insert(i);
      usedRight.insert(j);
      if (!isBatch)
        count *= static_cast<double>(std::max<int64_t>(evaluate(l.shape[i]), 1));
    }
  Info info = contracted(l, r, count, epsilonOf(l.dtype));
  for (int64_t i : dims.lhsBatch)
    info.shape.push_back(l.shape[i]);
  for (int64_t i = 0; i < l.shape.rank(); ++i)
    if (!usedLeft.contains(i))
      info.shape.push_back(l.shape[i]);
  for (int64_t j = 0; j < r.shape.rank(); ++j)
    if (!usedRight.contains(j))
      info.shape.push_back(r.shape[j]);
  add({a, b}, info, [dims](Graph &, const Tensors &t) { return dotGeneral(t[0], t[1], dims); });
}

/// x · w with a fresh w, a bias and an activation, as layers have them.
void Generator::addMatmul() {
  int x = pick([](const Info &info) { return isFloat(info.dtype) && info.shape.rank() == 2; });
  if (x < 0)
    return;
  DimExpr inner = at(x).shape[1], width = pool[below(pool.size())];
  DType dtype = at(x).dtype;
  int w = addInput(dtype, {inner, width}, -1, 1), bias = addInput(dtype, {width}, -1, 1);
  double count = static_cast<double>(std::max<int64_t>(evaluate(inner), 1));
  Info info = contracted(at(x), at(w), count, epsilonOf(dtype));
  info.shape = {at(x).shape[0], width};
  info.bound += 1;
  info.inputs.insert(bias);
  if (below(2))
    add(
        {x, w, bias}, info,
        [](Graph &, const Tensors &t) { return relu(t[0].matmul(t[1]) + t[2]); }, 3);
  else
    add(
        {x, w, bias}, info, [](Graph &, const Tensors &t) { return t[0].matmul(t[1]) + t[2]; }, 2);
}

void Generator::addIndexing() {
  bool gathers = below(2);
  int x = pick([&](const Info &info) {
    return info.shape.rank() >= 1 &&
           info.shape[gathers ? 0 : info.shape.rank() - 1].constant().value_or(0) > 0;
  });
  if (x < 0)
    return;
  Info info = at(x);
  int64_t bound = *info.shape[gathers ? 0 : info.shape.rank() - 1].constant();
  Shape labels;
  if (gathers)
    labels = below(4) ? Shape{pool[below(pool.size())]} : Shape{};
  else
    labels = withoutAxes(info.shape, {info.shape.rank() - 1});
  // Labels from data that was computed where there is some: held within the bound.
  int computed = pick([&](const Info &other) {
    return (other.dtype == i32 || other.dtype == i64) && other.shape == labels;
  });
  bool clamps = computed >= 0 && below(2);
  int indices =
      clamps ? computed : addInput(below(2) ? i32 : i64, labels, 0, static_cast<double>(bound - 1));
  auto limited = [=](const Tensors &t) {
    return clamps ? minimum(maximum(t[1], 0), bound - 1) : t[1];
  };
  if (!gathers) {
    info.shape = labels;
    add(
        {x, indices}, info, [=](Graph &, const Tensors &t) { return t[0].pick(limited(t)); },
        clamps ? 3 : 1);
    return;
  }
  Shape shape = labels;
  for (int64_t i = 1; i < info.shape.rank(); ++i)
    shape.push_back(info.shape[i]);
  info.shape = shape;
  add(
      {x, indices}, info, [=](Graph &, const Tensors &t) { return gatherRows(t[0], limited(t)); },
      clamps ? 3 : 1);
}

void Generator::addScatter() {
  int x = pick([](const Info &info) { return isNumber(info) && info.shape.rank() >= 1; });
  if (x < 0)
    return;
  Info info = at(x);
  DimExpr updates = info.shape[0];
  int64_t rows = 1 + static_cast<int64_t>(below(9));
  int indices = addInput(below(2) ? i32 : i64, {updates}, 0, static_cast<double>(rows - 1));
  double count = static_cast<double>(std::max<int64_t>(evaluate(updates), 1));
  info.bound *= count;
  info.error = count * info.error + ofSum(count) * epsilonOf(info.dtype) * info.bound;
  info.shape[0] = rows;
  add({indices, x}, info,
      [rows](Graph &, const Tensors &t) { return scatterAddRows(t[0], t[1], rows); });
}

} // namespace sinter::fuzz
