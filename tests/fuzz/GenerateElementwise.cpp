// SPDX-License-Identifier: Apache-2.0
// The choice of the next op, and elementwise ops with what they do to the bounds.
#include "tests/fuzz/Generator.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sinter::fuzz {

static bool isNumber(const Info &info) { return info.dtype != boolean; }
static bool isFloatValue(const Info &info) { return isFloat(info.dtype); }

static std::set<int> unite(std::set<int> a, const std::set<int> &b) {
  a.insert(b.begin(), b.end());
  return a;
}

void Generator::addRandomOp() {
  using Method = void (Generator::*)();
  static constexpr std::array<std::pair<Method, int>, 30> methods = {{
      {&Generator::addUnary, 8},     {&Generator::addExactUnary, 6}, {&Generator::addBinary, 14},
      {&Generator::addCompare, 4},   {&Generator::addLogical, 3},    {&Generator::addSelect, 4},
      {&Generator::addCast, 4},      {&Generator::addCreation, 3},   {&Generator::addReshape, 3},
      {&Generator::addBroadcast, 3}, {&Generator::addTranspose, 3},  {&Generator::addSlice, 3},
      {&Generator::addConcat, 2},    {&Generator::addPad, 2},        {&Generator::addSum, 4},
      {&Generator::addExtremum, 3},  {&Generator::addProduct, 2},    {&Generator::addArgmax, 2},
      {&Generator::addDot, 2},       {&Generator::addMatmul, 3},     {&Generator::addIndexing, 3},
      {&Generator::addScatter, 2},   {&Generator::addSoftmax, 1},    {&Generator::addGather, 3},
      {&Generator::addPlacement, 3}, {&Generator::addSort, 2},       {&Generator::addCumulative, 3},
      {&Generator::addWindows, 4},   {&Generator::addOverlap, 2},    {&Generator::addConvolution, 2},
  }};
  size_t total = 0;
  for (const auto &[method, weight] : methods)
    total += static_cast<size_t>(weight);
  size_t choice = below(total);
  for (const auto &[method, weight] : methods) {
    if (choice < static_cast<size_t>(weight))
      return (this->*method)();
    choice -= static_cast<size_t>(weight);
  }
}

// -- Elementwise ----------------------------------------------------------------------------------

void Generator::addUnary() {
  int x = pick(isFloatValue);
  if (x < 0)
    return;
  double b = at(x).bound;
  size_t choice = below(13);
  bool hasKink = (choice >= 2 && choice <= 5) || choice == 12; // abs()
  if (plan.smooth && hasKink)
    return;
  switch (choice) {
  case 0:
    if (b <= 4)
      add({x}, unary(x, std::exp(b), std::exp(b)),
          [](Graph &, const Tensors &t) { return exp(t[0]); });
    return;
  case 1:
    if (b <= 4)
      add({x}, unary(x, std::exp(b), std::exp(b)),
          [](Graph &, const Tensors &t) { return expm1(t[0]); });
    return;
  case 2:
    add(
        {x}, unary(x, std::log(b + 4.25), 4),
        [](Graph &, const Tensors &t) { return log(abs(t[0]) + 0.25); }, 3);
    return;
  case 3:
    add(
        {x}, unary(x, std::log1p(b), 1), [](Graph &, const Tensors &t) { return log1p(abs(t[0])); },
        2);
    return;
  case 4:
    add(
        {x}, unary(x, std::sqrt(b + 1), 1),
        [](Graph &, const Tensors &t) { return sqrt(abs(t[0]) + 0.25); }, 3);
    return;
  case 5:
    add(
        {x}, unary(x, 2, 4), [](Graph &, const Tensors &t) { return rsqrt(abs(t[0]) + 0.25); }, 3);
    return;
  case 6:
    add({x}, unary(x, 1, 1), [](Graph &, const Tensors &t) { return sin(t[0]); });
    return;
  case 7:
    add({x}, unary(x, 1, 1), [](Graph &, const Tensors &t) { return cos(t[0]); });
    return;
  case 8:
  case 9:
    add({x}, unary(x, 1, 1), [](Graph &, const Tensors &t) { return tanh(t[0]); });
    return;
  case 10:
    add({x}, unary(x, 1, 0.25), [](Graph &, const Tensors &t) { return sigmoid(t[0]); });
    return;
  case 11:
    add({x}, unary(x, 1, 1.2), [](Graph &, const Tensors &t) { return erf(t[0]); });
    return;
  default:
    add(
        {x}, unary(x, std::pow(b + 0.5, 1.75) + 4, 4 * std::pow(b + 0.5, 1.75) + 8),
        [](Graph &, const Tensors &t) { return pow(abs(t[0]) + 0.5, sin(t[0]) * 1.75); }, 5);
  }
}

/// Ops that do not round: what is exact stays so.
void Generator::addExactUnary() {
  bool onlyFloat = below(3) == 0;
  if (plan.smooth)
    return;
  int x = pick([&](const Info &info) {
    return onlyFloat ? isFloat(info.dtype) && info.exact : isNumber(info);
  });
  if (x < 0)
    return;
  Info info = at(x);
  if (onlyFloat) {
    info.bound += 1;
    switch (below(4)) {
    case 0:
      info.fraction = 0;
      add({x}, info, [](Graph &, const Tensors &t) { return floor(t[0]); });
      return;
    case 1:
      info.fraction = 0;
      add({x}, info, [](Graph &, const Tensors &t) { return ceil(t[0]); });
      return;
    case 2:
      info.fraction = 0;
      add({x}, info, [](Graph &, const Tensors &t) { return round(t[0]); });
      return;
    default:
      info.fraction = 0;
      info.bound = 1;
      add({x}, info, [](Graph &, const Tensors &t) { return sign(t[0]); });
      return;
    }
  }
  switch (below(5)) {
  case 0:
    add({x}, info, [](Graph &, const Tensors &t) { return -t[0]; });
    return;
  case 1:
    add({x}, info, [](Graph &, const Tensors &t) { return abs(t[0]); });
    return;
  case 2:
    add({x}, info, [](Graph &, const Tensors &t) { return relu(t[0]); });
    return;
  case 3:
    if (!isFloat(info.dtype))
      add({x}, info, [](Graph &, const Tensors &t) { return sign(t[0]); });
    return;
  default:
    info.inputs.clear();
    add({x}, info, [](Graph &, const Tensors &t) { return stopGradient(t[0]); });
  }
}

int Generator::pickPartner(int a, Shape &shape) {
  auto broadcast = [](const Shape &x, const Shape &y) -> std::optional<Shape> {
    const Shape &longer = x.rank() >= y.rank() ? x : y, &shorter = x.rank() >= y.rank() ? y : x;
    Shape result = longer;
    for (int64_t i = 0; i < shorter.rank(); ++i) {
      DimExpr &size = result[longer.rank() - shorter.rank() + i];
      if (size == shorter[i] || shorter[i] == DimExpr(1))
        continue;
      if (size != DimExpr(1))
        return std::nullopt;
      size = shorter[i];
    }
    return result;
  };
  bool wantsBroadcast = below(3) == 0;
  int b = pick([&](const Info &info) {
    return info.dtype == at(a).dtype &&
           (wantsBroadcast ? broadcast(at(a).shape, info.shape).has_value()
                           : info.shape == at(a).shape);
  });
  if (b >= 0)
    shape = *broadcast(at(a).shape, at(b).shape);
  return b;
}

void Generator::addBinary() {
  int a = pick(isNumber);
  Info info;
  int b = a < 0 ? -1 : pickPartner(a, info.shape);
  if (b < 0)
    return;
  const Info &l = at(a), &r = at(b);
  info.dtype = l.dtype;
  info.exact = l.exact && r.exact;
  info.fraction = std::max(l.fraction, r.fraction);
  info.inputs = unite(l.inputs, r.inputs);
  // Both engines round the result, perhaps to different sides.
  const double rounding = 2 * epsilonOf(info.dtype);
  info.error = l.error + r.error + rounding * (l.bound + r.bound);
  switch (plan.smooth ? below(3) : below(6)) {
  case 0:
    info.bound = l.bound + r.bound;
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] + t[1]; });
    return;
  case 1:
    info.bound = l.bound + r.bound;
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] - t[1]; });
    return;
  case 2:
    info.bound = l.bound * r.bound;
    info.fraction = l.fraction + r.fraction;
    info.error = l.error * r.bound + r.error * l.bound;
    info.error += l.error * r.error + rounding * info.bound;
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] * t[1]; });
    return;
  case 3:
    info.bound = std::max(l.bound, r.bound);
    add({a, b}, info, [](Graph &, const Tensors &t) { return maximum(t[0], t[1]); });
    return;
  case 4:
    info.bound = std::max(l.bound, r.bound);
    add({a, b}, info, [](Graph &, const Tensors &t) { return minimum(t[0], t[1]); });
    return;
  default:
    if (!isFloat(info.dtype)) {
      info.bound = l.bound;
      add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] / t[1]; });
      return;
    }
    info.bound = 2 * l.bound;
    info.exact = false;
    info.error = 2 * l.error + 4 * l.bound * r.error + 4 * epsilonOf(info.dtype) * info.bound;
    add(
        {a, b}, info, [](Graph &, const Tensors &t) { return t[0] / (abs(t[1]) + 0.5); }, 3);
  }
}

void Generator::addCompare() {
  int a = pick([](const Info &info) { return info.exact; });
  Info info;
  int b = a < 0 ? -1 : pickPartner(a, info.shape);
  if (b < 0 || !at(b).exact)
    return;
  info.dtype = boolean;
  info.bound = 1;
  switch (below(6)) {
  case 0:
    add({a, b}, info, [](Graph &, const Tensors &t) { return equal(t[0], t[1]); });
    return;
  case 1:
    add({a, b}, info, [](Graph &, const Tensors &t) { return notEqual(t[0], t[1]); });
    return;
  case 2:
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] < t[1]; });
    return;
  case 3:
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] <= t[1]; });
    return;
  case 4:
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] > t[1]; });
    return;
  default:
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] >= t[1]; });
  }
}

void Generator::addLogical() {
  int a = pick([](const Info &info) { return info.dtype == boolean; });
  if (a < 0)
    return;
  Info info = at(a);
  if (below(3) == 0) {
    add({a}, info, [](Graph &, const Tensors &t) { return !t[0]; });
    return;
  }
  int b = pickPartner(a, info.shape);
  if (b < 0)
    return;
  if (below(2))
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] && t[1]; });
  else
    add({a, b}, info, [](Graph &, const Tensors &t) { return t[0] || t[1]; });
}

void Generator::addSelect() {
  int a = pick([](const Info &) { return true; });
  Info info;
  int b = a < 0 ? -1 : pickPartner(a, info.shape);
  if (b < 0)
    return;
  int condition = pick([&](const Info &c) {
    return c.dtype == boolean && (c.shape == info.shape || c.shape.rank() == 0);
  });
  if (condition < 0)
    condition = addInput(boolean, info.shape, 0, 1);
  const Info &l = at(a), &r = at(b);
  info.dtype = l.dtype;
  info.bound = std::max(l.bound, r.bound);
  info.error = std::max(l.error, r.error);
  info.exact = l.exact && r.exact;
  info.fraction = std::max(l.fraction, r.fraction);
  info.inputs = unite(l.inputs, r.inputs);
  add({condition, a, b}, info, [](Graph &, const Tensors &t) { return where(t[0], t[1], t[2]); });
}

void Generator::addCast() {
  DType to = allDTypes[below(std::size(allDTypes))];
  if (plan.continuous && isFloat(to))
    to = randomFloat();
  int x = pick([&](const Info &info) {
    return info.dtype != to &&
           (isFloat(to) && isFloat(info.dtype) ? true : info.exact && info.bound <= 1e4);
  });
  if (x < 0)
    return;
  Info info = at(x);
  info.dtype = to;
  if (to == boolean)
    info.bound = 1;
  if (!isFloat(to))
    info.fraction = 0;
  add({x}, info, [to](Graph &, const Tensors &t) { return cast(t[0], to); });
}

// -- Creation -------------------------------------------------------------------------------------

void Generator::addCreation() {
  DType dtype = std::array{randomFloat(), randomFloat(), i32, i64}[below(4)];
  Info info;
  info.dtype = dtype;
  info.shape = randomShape();
  info.fraction = 1;
  info.exact = !plan.continuous || !isFloat(dtype);
  switch (below(4)) {
  case 0: {
    double value = static_cast<double>(below(9)) - 4;
    info.bound = 4;
    Shape shape = info.shape;
    add({}, info, [=](Graph &g, const Tensors &) {
      return g.full(dtype, shape, static_cast<int64_t>(value));
    });
    return;
  }
  case 1: {
    if (info.shape.rank() == 0)
      return;
    auto axis = static_cast<int64_t>(below(static_cast<size_t>(info.shape.rank())));
    info.bound = static_cast<double>(std::max<int64_t>(evaluate(info.shape[axis]), 1));
    Shape shape = info.shape;
    add({}, info, [=](Graph &g, const Tensors &) { return g.iota(dtype, shape, axis); });
    return;
  }
  case 2: {
    DimExpr size = pool[0] * DimExpr(2) + DimExpr(1);
    info.shape = {};
    info.bound = static_cast<double>(evaluate(size));
    add({}, info, [=](Graph &g, const Tensors &) { return g.dimValue(dtype, size); });
    return;
  }
  default: {
    if (!info.shape.isStatic())
      return;
    info.bound = 4;
    uint64_t seed = counter;
    Shape shape = info.shape;
    add({}, info, [=](Graph &g, const Tensors &) {
      Array data(dtype, *shape.evaluate({}));
      RandomStream values(seed, "constant");
      for (int64_t i = 0; i < data.numElements(); ++i)
        dispatch(dtype, [&](auto zero) {
          using T = decltype(zero);
          data.as<T>()[i] =
              static_cast<T>(static_cast<double>(values.below(static_cast<uint64_t>(i), 9)) - 4);
        });
      return g.constant(data);
    });
  }
  }
}

} // namespace sinter::fuzz
