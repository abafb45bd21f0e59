// SPDX-License-Identifier: Apache-2.0
// Padding by elements, normalisation and resizing. The oracles are written from the layers'
// formulas, element by element.
#include "tests/ops/Row.h"

#include <algorithm>
#include <map>

namespace sinter::ops {

using Index = std::vector<int64_t>;

namespace {

const DimExpr n = dim("N");

RowBuilder layer(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                 GraphFunction graph, Oracle oracle) {
  return structural(std::move(name), std::move(inputs), std::move(cases), std::move(graph),
                    std::move(oracle))
      .of("")
      .on(wideFloats);
}

// -- Padding --------------------------------------------------------------------------------------

/// Index i of an axis of `size` elements, brought into it.
int64_t inside(PadMode mode, int64_t i, int64_t size) {
  if (mode == PadMode::Edge)
    return std::clamp<int64_t>(i, 0, size - 1);
  while (i < 0 || i >= size) {
    if (mode == PadMode::Wrap)
      i += i < 0 ? size : -size;
    else
      i = i < 0 ? -i : 2 * (size - 1) - i;
  }
  return i;
}

void addPadding(std::vector<Row> &rows) {
  struct Kind {
    std::string name;
    PadMode mode;
  };
  for (const Kind &kind : {Kind{"Reflect", PadMode::Reflect}, Kind{"Edge", PadMode::Edge},
                           Kind{"Wrap", PadMode::Wrap}})
    for (bool isLong : {false, true}) {
      Index low = {0, isLong ? 6 : 2}, high = {isLong ? -1 : 1, isLong ? 5 : 0};
      // A symbolic size is padded by a computed index.
      std::vector<Case> cases = {{{{4, 7}}}, {{{9, 8}}}};
      if (isLong)
        cases.push_back({{{n + 2, n + 7}}});
      else
        cases.push_back({{{n + 2, 3}}});
      rows.push_back(layer(
                         "pad" + kind.name + (isLong ? "Long" : ""), {In(-4, 4)}, cases,
                         [=](Graph &, const Tensors &t) { return pad(t[0], low, high, kind.mode); },
                         [=](const std::vector<Ref> &x) {
                           Index sizes = x[0].sizes;
                           for (size_t i = 0; i < 2; ++i)
                             sizes[i] += low[i] + high[i];
                           Ref out(sizes);
                           forEachIndex(sizes, [&](const Index &at) {
                             Index source = at;
                             for (size_t i = 0; i < 2; ++i)
                               source[i] = inside(kind.mode, at[i] - low[i], x[0].sizes[i]);
                             out.at(at) = x[0].at(source);
                           });
                           return out;
                         })
                         .on({f32, f64, f16, i32, u8, boolean})
                         .smooth());
    }
}

// -- Normalisation --------------------------------------------------------------------------------

/// Calls fn with the elements of x that are normalised together, once for every set; `key` tells
/// them apart.
Ref normalise(const Ref &x, const std::function<Index(const Index &)> &key, Real epsilon) {
  std::map<Index, std::vector<Index>> sets;
  forEachIndex(x.sizes, [&](const Index &i) { sets[key(i)].push_back(i); });
  Ref out(x.sizes);
  for (const auto &[name, members] : sets) {
    Real mean = 0, variance = 0, count = static_cast<Real>(members.size());
    for (const Index &i : members)
      mean += x.at(i) / count;
    for (const Index &i : members)
      variance += (x.at(i) - mean) * (x.at(i) - mean) / count;
    for (const Index &i : members)
      out.at(i) = (x.at(i) - mean) / std::sqrt(variance + epsilon);
  }
  return out;
}

void scaleAndShift(Ref &y, const Ref &gamma, const Ref &beta) {
  y.magnitude.assign(y.values.size(), 0);
  forEachIndex(y.sizes, [&](const Index &i) {
    auto c = static_cast<size_t>(i[1]);
    y.magnitude[y.offset(i)] = std::fabs(y.at(i) * gamma.values[c]) + std::fabs(beta.values[c]) + 1;
    y.at(i) = y.at(i) * gamma.values[c] + beta.values[c];
  });
}

std::vector<Case> channelCases(size_t vectors) {
  std::vector<Case> cases = {{{{2, 4, 3, 5}}}, {{{3, 6, 7}}}, {{{n + 1, 4, 5}}}};
  for (Case &one : cases)
    for (size_t i = 0; i < vectors; ++i)
      one.shapes.push_back({one.shapes[0][1]});
  return cases;
}

void addNorms(std::vector<Row> &rows) {
  constexpr Real epsilon = 1e-5L;
  rows.push_back(
      layer(
          "batchNorm", {In(-4, 4), In(-2, 2), In(-2, 2), In(-1, 1), In(0.5, 3)}, channelCases(4),
          [](Graph &, const Tensors &t) { return batchNorm(t[0], t[1], t[2], t[3], t[4]); },
          [=](const std::vector<Ref> &x) {
            Ref out(x[0].sizes);
            forEachIndex(x[0].sizes, [&](const Index &i) {
              auto c = static_cast<size_t>(i[1]);
              out.at(i) = (x[0].at(i) - x[3].values[c]) / std::sqrt(x[4].values[c] + epsilon);
            });
            scaleAndShift(out, x[1], x[2]);
            return out;
          })
          .on(floats)
          .within(12)
          .smooth());
  // What a row does not look at is its other operands once more.
  auto training = [](size_t which) {
    return [=](Graph &, const Tensors &t) {
      const Tensor &last = t.back();
      BatchNormResult r =
          batchNormTraining(t[0], t[1], last, last, last, {.momentum = 0.75, .unbiased = true});
      return std::vector<Tensor>{r.y, r.runningMean, r.runningVariance}[which];
    };
  };
  rows.push_back(layer("batchNormTraining", {In(-4, 4), In(-2, 2), In(-2, 2)}, channelCases(2),
                       training(0),
                       [=](const std::vector<Ref> &x) {
                         Ref out = normalise(
                             x[0], [](const Index &i) { return Index{i[1]}; }, epsilon);
                         scaleAndShift(out, x[1], x[2]);
                         return out;
                       })
                     .within(64)
                     .smooth());
  for (size_t which : {size_t{1}, size_t{2}})
    rows.push_back(layer(which == 1 ? "batchNormRunningMean" : "batchNormRunningVariance",
                         {In(-4, 4), In(0.5, 3)}, channelCases(1), training(which),
                         [=](const std::vector<Ref> &x) {
                           Ref out(x[1].sizes);
                           for (int64_t c = 0; c < x[1].sizes[0]; ++c) {
                             Real sum = 0, squares = 0, count = 0;
                             forEachIndex(x[0].sizes, [&](const Index &i) {
                               if (i[1] != c)
                                 return;
                               sum += x[0].at(i);
                               squares += x[0].at(i) * x[0].at(i);
                               ++count;
                             });
                             Real mean = sum / count;
                             Real variance = (squares / count - mean * mean) * count / (count - 1);
                             out.at({c}) = Real(0.75) * x[1].at({c}) +
                                           Real(0.25) * (which == 1 ? mean : variance);
                           }
                           out.magnitude.assign(out.values.size(), 4);
                           return out;
                         })
                       .within(32));
  rows.push_back(layer(
                     "groupNorm", {In(-4, 4), In(-2, 2), In(-2, 2)}, channelCases(2),
                     [](Graph &, const Tensors &t) { return groupNorm(t[0], 2, t[1], t[2]); },
                     [=](const std::vector<Ref> &x) {
                       int64_t share = x[0].sizes[1] / 2;
                       Ref out = normalise(
                           x[0],
                           [=](const Index &i) {
                             return Index{i[0], i[1] / share};
                           },
                           epsilon);
                       scaleAndShift(out, x[1], x[2]);
                       return out;
                     })
                     .within(64)
                     .smooth());
  rows.push_back(layer(
                     "instanceNorm", {In(-4, 4), In(-2, 2), In(-2, 2)}, channelCases(2),
                     [](Graph &, const Tensors &t) { return instanceNorm(t[0], t[1], t[2]); },
                     [=](const std::vector<Ref> &x) {
                       Ref out = normalise(
                           x[0],
                           [](const Index &i) {
                             return Index{i[0], i[1]};
                           },
                           epsilon);
                       scaleAndShift(out, x[1], x[2]);
                       return out;
                     })
                     .within(64)
                     .smooth());
  rows.push_back(layer(
                     "rmsNorm", {In(-4, 4), In(-2, 2)},
                     {{{{3, 5}, {5}}}, {{{2, 3, 4}, {3, 4}}}, {{{n, 17}, {17}}}},
                     [](Graph &, const Tensors &t) { return rmsNorm(t[0], t[1]); },
                     [=](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       size_t width = x[1].values.size();
                       for (size_t row = 0; row < out.values.size(); row += width) {
                         Real squares = 0;
                         for (size_t i = row; i < row + width; ++i)
                           squares += x[0].values[i] * x[0].values[i];
                         for (size_t i = row; i < row + width; ++i)
                           out.values[i] = x[0].values[i] /
                                           std::sqrt(squares / Real(width) + epsilon) *
                                           x[1].values[i - row];
                       }
                       return out;
                     })
                     .within(24)
                     .smooth());
  for (double p : {1.0, 2.0, 3.0})
    rows.push_back(layer(
                       "lpNormalize" + std::to_string(static_cast<int>(p)), {In(-4, 4, {0})},
                       {{{{3, 5}}}, {{{2, 7, 3}}}, {{{n, 9}}}},
                       [=](Graph &, const Tensors &t) { return lpNormalize(t[0], p, 1); },
                       [=](const std::vector<Ref> &x) {
                         Ref out(x[0].sizes), sums(x[0].sizes);
                         forEachIndex(x[0].sizes, [&](const Index &i) {
                           Real sum = 0;
                           Index k = i;
                           for (k[1] = 0; k[1] < x[0].sizes[1]; ++k[1])
                             sum += std::pow(std::fabs(x[0].at(k)), Real(p));
                           out.at(i) = x[0].at(i) / std::pow(sum, 1 / Real(p));
                         });
                         return out;
                       })
                       .within(32)
                       .smooth());
  rows.push_back(
      layer(
          "localResponseNorm", {In(-4, 4)}, {{{{2, 7, 3, 4}}}, {{{n, 5, 6}}}, {{{2, 3}}}},
          [](Graph &, const Tensors &t) {
            return localResponseNorm(t[0], {.size = 4, .alpha = 0.3, .beta = 0.75, .bias = 2});
          },
          [](const std::vector<Ref> &x) {
            Ref out(x[0].sizes);
            forEachIndex(x[0].sizes, [&](const Index &i) {
              Real squares = 0;
              Index k = i;
              int64_t first = std::max<int64_t>(i[1] - 1, 0);
              int64_t last = std::min(i[1] + 2, x[0].sizes[1] - 1);
              for (k[1] = first; k[1] <= last; ++k[1])
                squares += x[0].at(k) * x[0].at(k);
              out.at(i) = x[0].at(i) / std::pow(2 + Real(0.3) / 4 * squares, Real(0.75));
            });
            return out;
          })
          .within(32)
          .smooth());
}

// -- Resize ---------------------------------------------------------------------------------------

/// The weight of every element of an axis of `from` in element i of `to`, by the definition of
/// linear and cubic interpolation: a hat or a piecewise cubic around the place that i has in x.
Real weight(const ResizeOptions &options, Real at, int64_t k) {
  Real x = std::fabs(at - Real(k)), a = options.cubicCoefficient;
  if (options.mode == ResizeMode::Linear)
    return x < 1 ? 1 - x : 0;
  if (x < 1)
    return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

Real placeOf(Coordinates coordinates, int64_t i, int64_t from, int64_t to) {
  Real scale = Real(to) / Real(from);
  if (coordinates == Coordinates::AlignCorners)
    return to == 1 ? 0 : Real(i) * Real(from - 1) / Real(to - 1);
  if (coordinates == Coordinates::Asymmetric)
    return Real(i) / scale;
  return (Real(i) + Real(0.5)) / scale - Real(0.5);
}

/// One axis of x resized.
Ref resized(const Ref &x, size_t axis, int64_t to, const ResizeOptions &options) {
  Index sizes = x.sizes;
  int64_t from = sizes[axis];
  sizes[axis] = to;
  Ref out(sizes);
  out.magnitude.assign(out.values.size(), 16);
  forEachIndex(sizes, [&](const Index &at) {
    Real place = placeOf(options.coordinates, at[axis], from, to);
    Index source = at;
    if (options.mode == ResizeMode::Nearest) {
      source[axis] =
          std::clamp<int64_t>(static_cast<int64_t>(std::ceil(place - Real(0.5))), 0, from - 1);
      out.at(at) = x.at(source);
      return;
    }
    for (int64_t k = static_cast<int64_t>(std::floor(place)) - 2; k < place + 3; ++k) {
      source[axis] = std::clamp<int64_t>(k, 0, from - 1);
      out.at(at) += weight(options, place, k) * x.at(source);
    }
  });
  return out;
}

void addResize(std::vector<Row> &rows) {
  struct Kind {
    std::string name;
    ResizeOptions options;
    Index sizes; ///< Of axes 2 and 3.
  };
  const std::vector<Kind> kinds = {
      {"NearestUp", {}, {8, 10}},
      {"NearestDown", {}, {3, 2}},
      {"NearestAligned", {.coordinates = Coordinates::AlignCorners}, {7, 3}},
      {"Linear", {.mode = ResizeMode::Linear}, {8, 3}},
      {"LinearAligned",
       {.mode = ResizeMode::Linear, .coordinates = Coordinates::AlignCorners},
       {7, 9}},
      {"LinearAsymmetric",
       {.mode = ResizeMode::Linear, .coordinates = Coordinates::Asymmetric},
       {7, 2}},
      {"Cubic", {.mode = ResizeMode::Cubic}, {8, 3}},
      {"CubicAligned",
       {.mode = ResizeMode::Cubic,
        .coordinates = Coordinates::AlignCorners,
        .cubicCoefficient = -0.5},
       {3, 11}},
  };
  for (const Kind &kind : kinds) {
    RowBuilder row = layer(
        "resize" + kind.name, {In(-4, 4)}, {{{{2, 1, 4, 5}}}, {{{n, 2, 4, 5}}}},
        [=](Graph &, const Tensors &t) {
          return resize(t[0], kind.sizes, {2, 3}, kind.options);
        },
        [=](const std::vector<Ref> &x) {
          Ref out = resized(resized(x[0], 2, kind.sizes[0], kind.options), 3, kind.sizes[1],
                            kind.options);
          if (kind.options.mode == ResizeMode::Nearest)
            out.magnitude.clear();
          return out;
        });
    rows.push_back(std::move(row).smooth());
    if (kind.options.mode == ResizeMode::Nearest)
      rows.back().dtypes = {f32, f64, f16, i32, u8};
  }
  rows.push_back(layer(
                     "upsampleNearest", {In(-4, 4)}, {{{{2, 3, 4}}}, {{{n, n + 1, 2}}}},
                     [](Graph &, const Tensors &t) {
                       return upsampleNearest(t[0], 3, {1, 2});
                     },
                     [](const std::vector<Ref> &x) {
                       Ref out({x[0].sizes[0], x[0].sizes[1] * 3, x[0].sizes[2] * 3});
                       forEachIndex(out.sizes, [&](const Index &i) {
                         out.at(i) = x[0].at({i[0], i[1] / 3, i[2] / 3});
                       });
                       return out;
                     })
                     .on({f32, f64, bf16, i64})
                     .smooth());
}

} // namespace

std::vector<Row> nnLayerRows() {
  std::vector<Row> rows;
  addPadding(rows);
  addNorms(rows);
  addResize(rows);
  return rows;
}

} // namespace sinter::ops
