// SPDX-License-Identifier: Apache-2.0
// Windows, convolutions and pooling. The oracles are the textbook loops over elements and windows;
// none of them knows of padding that is stored, or of matrices.
#include "tests/ops/Row.h"

#include <algorithm>
#include <limits>

namespace sinter::ops {

using Index = std::vector<int64_t>;

namespace {

const DimExpr n = dim("N");

/// A row of a composite over f32 and f64.
RowBuilder layer(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                 GraphFunction graph, Oracle oracle) {
  return structural(std::move(name), std::move(inputs), std::move(cases), std::move(graph),
                    std::move(oracle))
      .of("")
      .on(wideFloats);
}

/// The windows of one layer.
struct Layout {
  Index strides = {}, dilations = {}, low = {}, high = {};
  int64_t groups = 1;
  Index extra = {}; ///< Of a transposed convolution.
};

int64_t part(const Index &values, size_t i, int64_t otherwise) {
  return values.empty() ? otherwise : values[i];
}

Index from(const Index &values, size_t first) {
  return Index(values.begin() + static_cast<int64_t>(first), values.end());
}

Index joined(Index a, const Index &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Where element k of window o lies along axis i of x; may be outside.
int64_t place(const Layout &layout, size_t i, int64_t o, int64_t k) {
  return o * part(layout.strides, i, 1) + k * part(layout.dilations, i, 1) - part(layout.low, i, 0);
}

Index windowCounts(const Layout &layout, const Index &sizes, const Index &window) {
  Index counts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t reach = (window[i] - 1) * part(layout.dilations, i, 1) + 1;
    int64_t space = sizes[i] + part(layout.low, i, 0) + part(layout.high, i, 0) - reach;
    counts.push_back(space < 0 ? 0 : space / part(layout.strides, i, 1) + 1);
  }
  return counts;
}

/// The element of x [b..., p...] in window `o` at `k`, or null in the padding.
const Real *elementAt(const Layout &layout, const Ref &x, Index index, const Index &o,
                      const Index &k) {
  for (size_t i = 0; i < k.size(); ++i) {
    int64_t at = place(layout, i, o[i], k[i]);
    if (at < 0 || at >= x.sizes[index.size()])
      return nullptr;
    index.push_back(at);
  }
  return &x.values[x.offset(index)];
}

Ref convolution(const Layout &layout, const std::vector<Ref> &inputs) {
  const Ref &x = inputs[0], &w = inputs[1];
  Index window = from(w.sizes, 2);
  Index counts = windowCounts(layout, from(x.sizes, 2), window);
  Ref out(joined({x.sizes[0], w.sizes[0]}, counts));
  out.magnitude.assign(out.values.size(), 0);
  int64_t share = w.sizes[1], perGroup = w.sizes[0] / layout.groups;
  forEachIndex(out.sizes, [&](const Index &o) {
    size_t to = out.offset(o);
    forEachIndex(from(w.sizes, 1), [&](const Index &ck) {
      Index channel = {o[0], o[1] / perGroup * share + ck[0]};
      if (const Real *value = elementAt(layout, x, channel, from(o, 2), from(ck, 1))) {
        Real term = *value * w.at(joined({o[1]}, ck));
        out.values[to] += term;
        out.magnitude[to] += std::fabs(term);
      }
    });
    if (inputs.size() > 2) {
      out.values[to] += inputs[2].values[static_cast<size_t>(o[1])];
      out.magnitude[to] += std::fabs(inputs[2].values[static_cast<size_t>(o[1])]);
    }
  });
  for (int64_t size : from(w.sizes, 1))
    out.reductionLength *= size;
  return out;
}

Ref transposedConvolution(const Layout &layout, const std::vector<Ref> &inputs) {
  const Ref &x = inputs[0], &w = inputs[1];
  Index sizes = {x.sizes[0], w.sizes[1] * layout.groups};
  for (size_t i = 0; i + 2 < x.sizes.size(); ++i)
    sizes.push_back((x.sizes[i + 2] - 1) * part(layout.strides, i, 1) +
                    (w.sizes[i + 2] - 1) * part(layout.dilations, i, 1) + 1 +
                    part(layout.extra, i, 0) - part(layout.low, i, 0) - part(layout.high, i, 0));
  Ref out(sizes);
  out.magnitude.assign(out.values.size(), 0);
  int64_t share = x.sizes[1] / layout.groups;
  forEachIndex(x.sizes, [&](const Index &p) {
    forEachIndex(from(w.sizes, 1), [&](const Index &mk) {
      Index to = {p[0], p[1] / share * w.sizes[1] + mk[0]};
      for (size_t i = 0; i + 2 < p.size(); ++i) {
        int64_t at = place(layout, i, p[i + 2], mk[i + 1]);
        if (at < 0 || at >= sizes[i + 2])
          return;
        to.push_back(at);
      }
      Real term = x.at(p) * w.at(joined({p[1]}, mk));
      out.at(to) += term;
      out.magnitude[out.offset(to)] += std::fabs(term);
    });
  });
  if (inputs.size() > 2)
    forEachIndex(sizes, [&](const Index &o) {
      out.at(o) += inputs[2].values[static_cast<size_t>(o[1])];
      out.magnitude[out.offset(o)] += std::fabs(inputs[2].values[static_cast<size_t>(o[1])]);
    });
  out.reductionLength = share;
  for (int64_t size : from(w.sizes, 2))
    out.reductionLength *= size;
  return out;
}

/// Folds the elements of x in each window; `finish` gets the folded value, how many elements were
/// in x, and how many in x or its padding.
Oracle pooling(Layout layout, Index window, Real start, std::function<Real(Real, Real)> fold,
               std::function<Real(Real, int64_t, int64_t)> finish, Index counts = {}) {
  return [=](const std::vector<Ref> &x) {
    Index spatial = from(x[0].sizes, 2);
    Index o = counts.empty() ? windowCounts(layout, spatial, window) : counts;
    Ref out(joined({x[0].sizes[0], x[0].sizes[1]}, o));
    out.magnitude.assign(out.values.size(), 0);
    forEachIndex(out.sizes, [&](const Index &at) {
      Real value = start, sum = 0;
      int64_t inside = 0, padded = 0;
      forEachIndex(window, [&](const Index &k) {
        bool within = true;
        for (size_t i = 0; i < k.size(); ++i)
          within &= place(layout, i, at[i + 2], k[i]) < spatial[i] + part(layout.high, i, 0);
        padded += within ? 1 : 0;
        if (const Real *e = elementAt(layout, x[0], {at[0], at[1]}, from(at, 2), k)) {
          value = fold(value, *e);
          sum += std::fabs(*e);
          ++inside;
        }
      });
      out.at(at) = finish(value, inside, padded);
      out.magnitude[out.offset(at)] = std::max(sum, std::fabs(out.at(at)));
    });
    return out;
  };
}

Real larger(Real a, Real b) { return a != a ? a : b != b ? b : std::max(a, b); }
Real plus(Real a, Real b) { return a + b; }
Real same(Real value, int64_t, int64_t) { return value; }
constexpr Real lowest = -std::numeric_limits<Real>::infinity();

// -- Rows -----------------------------------------------------------------------------------------

ConvOptions optionsOf(const Layout &layout) {
  return {.strides = layout.strides,
          .padding = Padding(layout.low, layout.high),
          .dilations = layout.dilations,
          .groups = layout.groups};
}

RowBuilder convRow(const std::string &name, const Layout &layout, std::vector<Case> cases) {
  size_t count = cases.front().shapes.size();
  return layer(
             name, std::vector<Input>(count, In(-2, 2)), std::move(cases),
             [=](Graph &, const Tensors &t) {
               return t.size() == 2 ? conv(t[0], t[1], optionsOf(layout))
                                    : conv(t[0], t[1], t[2], optionsOf(layout));
             },
             [=](const std::vector<Ref> &x) { return convolution(layout, x); })
      .smooth();
}

RowBuilder transposedRow(const std::string &name, const Layout &layout, std::vector<Case> cases) {
  size_t count = cases.front().shapes.size();
  ConvTransposeOptions options{.strides = layout.strides,
                               .padding = Padding(layout.low, layout.high),
                               .outputPadding = layout.extra,
                               .dilations = layout.dilations,
                               .groups = layout.groups};
  return layer(
             name, std::vector<Input>(count, In(-2, 2)), std::move(cases),
             [=](Graph &, const Tensors &t) {
               return t.size() == 2 ? convTranspose(t[0], t[1], options)
                                    : convTranspose(t[0], t[1], t[2], options);
             },
             [=](const std::vector<Ref> &x) { return transposedConvolution(layout, x); })
      .smooth();
}

void addWindows(std::vector<Row> &rows) {
  Layout layout{.strides = {2, 1}, .dilations = {1, 2}};
  rows.push_back(structural(
                     "window_read", {In(-4, 4)},
                     {{{{5, 7}}},
                      {{{3, 2, 5}}},
                      {{{2, 6, 5}}},
                      {{{n, 5, 9}}},
                      {{{2, n + 2, n + 5}}},
                      {.shapes = {{2, 9, 8}}, .transposed = true}},
                     [](Graph &, const Tensors &t) {
                       return windows(t[0], {2, 3}, {.strides = {2, 1}, .dilations = {1, 2}});
                     },
                     [=](const std::vector<Ref> &x) {
                       size_t first = x[0].sizes.size() - 2;
                       Index lead(x[0].sizes.begin(), x[0].sizes.begin() + int64_t(first));
                       Index counts = windowCounts(layout, from(x[0].sizes, first), {2, 3});
                       Ref out(joined(joined(lead, counts), {2, 3}));
                       forEachIndex(out.sizes, [&](const Index &i) {
                         Index b(i.begin(), i.begin() + int64_t(first));
                         out.at(i) =
                             *elementAt(layout, x[0], b, from(i, first), from(i, first + 2));
                       });
                       return out;
                     })
                     .on({f32, f64, f16, i32, i64, u8, boolean})
                     .smooth());
  // The operand has the windows' own dims; what is left over behind the last window stays zero.
  rows.push_back(structural(
                     "window_write", {In(-4, 4)},
                     {{{{4, 3}}}, {{{2, 5, 2}}}, {{{1, 1}}}, {{{n, 3, 3}}}, {{{n + 1, 4}}}},
                     [](Graph &, const Tensors &t) {
                       int64_t rank = t[0].rank();
                       DimExpr o = t[0].size(rank - 2), k = t[0].size(rank - 1);
                       return overlapAdd(t[0], {(o - 1) * 2 + (k - 1) * 3 + 2},
                                         {.strides = {2}, .dilations = {3}});
                     },
                     [](const std::vector<Ref> &x) {
                       size_t last = x[0].sizes.size() - 1;
                       Index sizes(x[0].sizes.begin(), x[0].sizes.end() - 1);
                       sizes[last - 1] =
                           (x[0].sizes[last - 1] - 1) * 2 + (x[0].sizes[last] - 1) * 3 + 2;
                       Ref out(sizes);
                       out.magnitude.assign(out.values.size(), 0);
                       forEachIndex(x[0].sizes, [&](const Index &i) {
                         Index to(i.begin(), i.end() - 1);
                         to[last - 1] = i[last - 1] * 2 + i[last] * 3;
                         out.at(to) += x[0].at(i);
                         out.magnitude[out.offset(to)] += std::fabs(x[0].at(i));
                       });
                       return out;
                     })
                     .on({f32, f64, f16, i32, i64})
                     .smooth());
}

void addConvolutions(std::vector<Row> &rows) {
  rows.push_back(convRow("conv1d", {},
                         {{{{2, 3, 9}, {4, 3, 3}}},
                          {{{1, 1, 5}, {2, 1, 2}}},
                          {{{n, 2, 8}, {3, 2, 3}}},
                          {{{0, 2, 6}, {2, 2, 2}}},
                          {{{2, 2, n + 3}, {3, 2, 3}}}})
                     .on(floats));
  rows.push_back(convRow("conv1dStrided",
                         {.strides = {3}, .dilations = {2}, .low = {2}, .high = {1}},
                         {{{{2, 3, 9}, {4, 3, 3}}}, {{{n, 2, n + 4}, {3, 2, 2}}}}));
  rows.push_back(convRow("conv2d", {},
                         {{{{2, 3, 7, 6}, {4, 3, 3, 3}}},
                          {{{1, 1, 5, 5}, {1, 1, 3, 3}}},
                          {{{n, 2, 6, 5}, {3, 2, 3, 2}}},
                          {{{1, 8, 10, 10}, {16, 8, 3, 3}}},
                          {.shapes = {{2, 3, 6, 5}, {4, 3, 2, 3}}, .transposed = true}})
                     .of("convolution")
                     .on(floats));
  // Several vectors and tiles each way; images of one element; windows larger than the image.
  rows.push_back(convRow("conv2dLarge", {.low = {1, 1}, .high = {1, 1}},
                         {{{{1, 5, 13, 37}, {29, 5, 3, 3}}},
                          {{{3, 2, 1, 1}, {7, 2, 3, 3}}},
                          {{{2, 3, 2, 19}, {3, 3, 4, 1}}}}));
  // Places that strides and dilations share, or never meet.
  rows.push_back(convRow("conv2dStridesAndDilations",
                         {.strides = {2, 4}, .dilations = {2, 6}, .low = {3, 5}, .high = {2, 1}},
                         {{{{2, 3, 9, 21}, {4, 3, 3, 2}}}, {{{n, 1, 6, 18}, {2, 1, 2, 3}}}}));
  rows.push_back(convRow("conv2dFarApart", {.strides = {5, 3}, .low = {0, 2}, .high = {4, 0}},
                         {{{{2, 3, 17, 11}, {5, 3, 2, 3}}}}));
  rows.push_back(convRow("conv2dInt", {.strides = {2, 2}, .low = {1, 1}, .high = {1, 1}},
                         {{{{2, 3, 7, 6}, {4, 3, 3, 3}}}, {{{n, 1, 4, 4}, {2, 1, 2, 2}}}})
                     .on({i32, i64}));
  rows.back().derivative = Derivative::None;
  rows.push_back(convRow("conv2dAsymmetric",
                         {.strides = {2, 1}, .dilations = {1, 2}, .low = {1, 0}, .high = {0, 2}},
                         {{{{2, 3, 7, 8}, {4, 3, 3, 2}}}, {{{n, 2, 5, 6}, {2, 2, 2, 3}}}}));
  rows.push_back(convRow("conv2dGroups", {.low = {1, 1}, .high = {1, 1}, .groups = 2},
                         {{{{2, 4, 6, 5}, {6, 2, 3, 2}}}, {{{n, 6, 4, 4}, {4, 3, 3, 3}}}}));
  rows.push_back(convRow("conv2dDepthwise",
                         {.strides = {1, 2}, .low = {1, 1}, .high = {1, 1}, .groups = 3},
                         {{{{2, 3, 6, 7}, {6, 1, 3, 3}}}, {{{n, 3, 5, 5}, {3, 1, 2, 2}}}})
                     .on(floats));
  rows.push_back(convRow("conv2dPointwise", {},
                         {{{{2, 5, 4, 3}, {7, 5, 1, 1}}}, {{{n, 3, 2, 2}, {2, 3, 1, 1}}}}));
  rows.push_back(convRow("conv2dPointwiseStrided",
                         {.strides = {2, 2}, .low = {1, 0}, .high = {0, 1}},
                         {{{{2, 5, 4, 3}, {7, 5, 1, 1}}}}));
  rows.push_back(
      convRow("conv2dBias", {.low = {1, 1}, .high = {1, 1}},
              {{{{2, 3, 5, 6}, {4, 3, 3, 3}, {4}}}, {{{n, 1, 4, 4}, {2, 1, 3, 3}, {2}}}}));
  rows.push_back(
      convRow("conv3d", {.strides = {1, 2, 1}, .low = {0, 1, 0}, .high = {1, 0, 0}},
              {{{{1, 2, 4, 5, 4}, {3, 2, 2, 3, 2}}}, {{{n, 1, 3, 4, 3}, {2, 1, 2, 2, 3}}}}));
  rows.push_back(convRow("conv3dGroups",
                         {.strides = {2, 1, 1},
                          .dilations = {3, 1, 2},
                          .low = {2, 0, 1},
                          .high = {1, 1, 0},
                          .groups = 2},
                         {{{{2, 4, 6, 3, 5}, {6, 2, 3, 2, 2}}}}));
  // same: ceil(size / stride) windows; even remainders differ in the side that gets more.
  for (bool isLower : {false, true})
    rows.push_back(
        layer(
            isLower ? "convSameLower" : "convSame", {In(-2, 2), In(-2, 2)},
            {{{{2, 2, 7, 8}, {3, 2, 4, 3}}}, {{{1, 2, n + 1, 5}, {1, 2, 4, 2}}}},
            [=](Graph &, const Tensors &t) {
              return conv2d(
                  t[0], t[1],
                  {.strides = {2, 3}, .padding = isLower ? Padding::sameLower() : Padding::same()});
            },
            [=](const std::vector<Ref> &x) {
              Layout layout{.strides = {2, 3}};
              for (size_t i = 0; i < 2; ++i) {
                int64_t size = x[0].sizes[i + 2], stride = layout.strides[i];
                int64_t count = (size + stride - 1) / stride;
                int64_t total =
                    std::max<int64_t>(0, (count - 1) * stride + x[1].sizes[i + 2] - size);
                layout.low.push_back(isLower ? total - total / 2 : total / 2);
                layout.high.push_back(total - layout.low.back());
              }
              return convolution(layout, x);
            })
            .smooth());
}

void addTransposed(std::vector<Row> &rows) {
  rows.push_back(transposedRow("convTranspose1d", {},
                               {{{{2, 3, 5}, {3, 4, 3}}},
                                {{{1, 1, 1}, {1, 2, 2}}},
                                {{{n, 2, 4}, {2, 3, 3}}},
                                {{{1, 2, n + 1}, {2, 2, 2}}}})
                     .on(floats));
  rows.push_back(transposedRow(
      "convTranspose2d",
      {.strides = {2, 3}, .dilations = {1, 2}, .low = {1, 0}, .high = {0, 2}, .extra = {1, 2}},
      {{{{2, 3, 4, 3}, {3, 2, 3, 2}}}, {{{n, 2, 3, 3}, {2, 3, 2, 3}}}}));
  rows.push_back(transposedRow("convTransposeGroups",
                               {.strides = {2, 2}, .low = {1, 1}, .high = {1, 1}, .groups = 2},
                               {{{{2, 4, 3, 4}, {4, 3, 3, 3}}}, {{{n, 6, 3, 2}, {6, 2, 3, 4}}}}));
  rows.push_back(transposedRow("convTransposeDepthwise", {.strides = {2, 1}, .groups = 3},
                               {{{{2, 3, 4, 3}, {3, 2, 3, 3}}}, {{{n, 3, 2, 2}, {3, 1, 2, 2}}}}));
  rows.push_back(transposedRow("convTransposeBias", {.strides = {3}},
                               {{{{2, 3, 5}, {3, 4, 2}, {4}}}})); // a stride beyond the window
  rows.push_back(transposedRow(
      "convTransposeStridesAndDilations",
      {.strides = {4, 2}, .dilations = {2, 4}, .low = {3, 1}, .high = {0, 4}, .extra = {2, 0}},
      {{{{2, 3, 5, 19}, {3, 2, 3, 2}}}}));
  rows.push_back(transposedRow("convTranspose3d", {.strides = {2, 1, 2}, .extra = {1, 0, 1}},
                               {{{{1, 2, 3, 2, 3}, {2, 2, 2, 2, 3}}}}));
}

void addPooling(std::vector<Row> &rows) {
  auto poolCases = [] {
    return std::vector<Case>{
        {{{2, 3, 8, 6}}}, {{{1, 1, 5, 7}}}, {{{n, 2, 6, 7}}}, {{{0, 2, 6, 6}}}};
  };
  Layout even{.strides = {2, 2}};
  rows.push_back(layer(
                     "maxPool", {In(-4, 4)}, poolCases(),
                     [](Graph &, const Tensors &t) {
                       return maxPool(t[0], {2, 2});
                     },
                     pooling(even, {2, 2}, lowest, larger, same))
                     .on({f32, f64, f16, bf16, i32, i64, u8, i8})
                     .once());
  Layout overlapping{.strides = {2, 1}, .dilations = {1, 2}, .low = {1, 0}, .high = {1, 2}};
  PoolOptions overlap{.strides = {2, 1}, .padding = Padding({1, 0}, {1, 2}), .dilations = {1, 2}};
  rows.push_back(layer(
                     "maxPoolOverlapping", {In(-4, 4)}, poolCases(),
                     [=](Graph &, const Tensors &t) {
                       return maxPool(t[0], {3, 2}, overlap);
                     },
                     pooling(overlapping, {3, 2}, lowest, larger, same))
                     .once());
  // Sizes 8 and 6: the windows of 3 at every 2 end at 7 and 5, so one more reaches over each end.
  Layout reaching{.strides = {2, 2}};
  rows.push_back(layer(
                     "maxPoolCeil", {In(-4, 4)}, {{{{2, 3, 8, 6}}}, {{{n, 1, 8, 6}}}},
                     [](Graph &, const Tensors &t) {
                       return maxPool(t[0], {3, 3}, {.strides = {2, 2}, .ceilMode = true});
                     },
                     pooling(reaching, {3, 3}, lowest, larger, same, {4, 3}))
                     .once());
  rows.push_back(
      layer(
          "maxPoolIndices", {In(-4, 4)}, {{{{2, 3, 8, 6}}}, {{{n, 2, 5, 7}}}},
          [=](Graph &, const Tensors &t) {
            return maxPoolWithIndices(t[0], {3, 2}, overlap)[1];
          },
          [=](const std::vector<Ref> &x) {
            Index counts = windowCounts(overlapping, from(x[0].sizes, 2), {3, 2});
            Ref out(joined({x[0].sizes[0], x[0].sizes[1]}, counts));
            forEachIndex(out.sizes, [&](const Index &at) {
              const Real *best = nullptr;
              forEachIndex({3, 2}, [&](const Index &k) {
                const Real *e = elementAt(overlapping, x[0], {at[0], at[1]}, from(at, 2), k);
                if (e && (!best || *e > *best))
                  best = e;
              });
              out.at(at) = static_cast<Real>(best - x[0].values.data());
            });
            return out;
          })
          .on({f32, i32}));
  auto mean = [](Real sum, int64_t inside, int64_t) { return sum / Real(inside); };
  auto meanPadded = [](Real sum, int64_t, int64_t padded) { return sum / Real(padded); };
  rows.push_back(layer(
                     "avgPool", {In(-4, 4)}, poolCases(),
                     [](Graph &, const Tensors &t) {
                       return avgPool(t[0], {2, 2});
                     },
                     pooling(even, {2, 2}, 0, plus, mean))
                     .on(floats)
                     .smooth());
  rows.push_back(layer(
                     "avgPoolPadded", {In(-4, 4)}, poolCases(),
                     [=](Graph &, const Tensors &t) {
                       return avgPool(t[0], {3, 2}, overlap);
                     },
                     pooling(overlapping, {3, 2}, 0, plus, mean))
                     .smooth());
  rows.push_back(layer(
                     "avgPoolCountPad", {In(-4, 4)}, poolCases(),
                     [=](Graph &, const Tensors &t) {
                       PoolOptions options = overlap;
                       options.countIncludePad = true;
                       return avgPool(t[0], {3, 2}, options);
                     },
                     pooling(overlapping, {3, 2}, 0, plus, meanPadded))
                     .smooth());
  Layout reachingPadded{.strides = {2, 2}, .low = {1, 0}, .high = {0, 1}};
  for (bool countPad : {false, true})
    rows.push_back(layer(
                       countPad ? "avgPoolCeilCountPad" : "avgPoolCeil", {In(-4, 4)},
                       {{{{2, 3, 7, 5}}}, {{{n, 1, 7, 5}}}}, // padded 8 and 6
                       [=](Graph &, const Tensors &t) {
                         return avgPool(t[0], {3, 3},
                                        {.strides = {2, 2},
                                         .padding = Padding({1, 0}, {0, 1}),
                                         .ceilMode = true,
                                         .countIncludePad = countPad});
                       },
                       pooling(reachingPadded, {3, 3}, 0, plus,
                               countPad ? std::function<Real(Real, int64_t, int64_t)>(meanPadded)
                                        : std::function<Real(Real, int64_t, int64_t)>(mean),
                               {4, 3}))
                       .smooth());
  for (double p : {1.0, 2.0, 3.0})
    rows.push_back(layer(
                       "lpPool" + std::to_string(static_cast<int>(p)), {In(-4, 4, {0})},
                       {{{{2, 3, 8, 6}}}, {{{n, 1, 4, 5}}}},
                       [=](Graph &, const Tensors &t) {
                         return lpPool(t[0], {2, 3}, p);
                       },
                       pooling(
                           {.strides = {2, 3}}, {2, 3}, 0,
                           [=](Real a, Real b) { return a + std::pow(std::fabs(b), Real(p)); },
                           [=](Real sum, int64_t, int64_t) { return std::pow(sum, 1 / Real(p)); }))
                       .within(16)
                       .smooth());
}

/// Window i of m over `size` elements, as adaptive pooling lays them.
Ref adaptive(const Ref &x, const Index &sizes, bool isMean) {
  Ref out(joined({x.sizes[0], x.sizes[1]}, sizes));
  out.magnitude.assign(out.values.size(), 0);
  forEachIndex(out.sizes, [&](const Index &at) {
    Index begin, extent;
    int64_t count = 1;
    for (size_t i = 0; i < sizes.size(); ++i) {
      int64_t size = x.sizes[i + 2], first = at[i + 2] * size / sizes[i];
      int64_t last = ((at[i + 2] + 1) * size + sizes[i] - 1) / sizes[i];
      begin.push_back(first);
      extent.push_back(last - first);
      count *= last - first;
    }
    Real value = isMean ? 0 : lowest, sum = 0;
    forEachIndex(extent, [&](const Index &k) {
      Index from = {at[0], at[1]};
      for (size_t i = 0; i < k.size(); ++i)
        from.push_back(begin[i] + k[i]);
      value = isMean ? value + x.at(from) : std::max(value, x.at(from));
      sum += std::fabs(x.at(from));
    });
    out.at(at) = isMean ? value / Real(count) : value;
    out.magnitude[out.offset(at)] = sum;
  });
  return out;
}

void addAdaptive(std::vector<Row> &rows) {
  for (bool isMean : {true, false})
    for (const Index &sizes : {Index{4, 3}, Index{3, 4}, Index{1, 1}}) {
      RowBuilder row = layer(
          std::string(isMean ? "adaptiveAvgPool" : "adaptiveMaxPool") + std::to_string(sizes[0]),
          {In(-4, 4)}, {{{{2, 3, 8, 6}}}, {{{n, 2, 4, 7}}}},
          [=](Graph &, const Tensors &t) {
            return isMean ? adaptiveAvgPool(t[0], sizes) : adaptiveMaxPool(t[0], sizes);
          },
          [=](const std::vector<Ref> &x) { return adaptive(x[0], sizes, isMean); });
      rows.push_back(isMean ? std::move(row).smooth() : std::move(row).once());
    }
  rows.push_back(layer(
                     "globalAvgPool", {In(-4, 4)},
                     {{{{2, 3, 8, 6}}}, {{{n, 2, 5}}}, {{{1, 2, n + 1}}}},
                     [](Graph &, const Tensors &t) { return globalAvgPool(t[0]); },
                     [](const std::vector<Ref> &x) {
                       return adaptive(x[0], Index(x[0].sizes.size() - 2, 1), true);
                     })
                     .smooth());
  rows.push_back(layer(
                     "globalMaxPool", {In(-4, 4)}, {{{{2, 3, 8, 6}}}, {{{n, 2, 5}}}},
                     [](Graph &, const Tensors &t) { return globalMaxPool(t[0]); },
                     [](const std::vector<Ref> &x) {
                       return adaptive(x[0], Index(x[0].sizes.size() - 2, 1), false);
                     })
                     .once());
}

} // namespace

std::vector<Row> nnRows() {
  std::vector<Row> rows;
  addWindows(rows);
  addConvolutions(rows);
  addTransposed(rows);
  addPooling(rows);
  addAdaptive(rows);
  return rows;
}

} // namespace sinter::ops
