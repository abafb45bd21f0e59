// SPDX-License-Identifier: Apache-2.0
// Attention, rotations, recurrences and quantization against plain loops.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

namespace {

using Index = std::vector<int64_t>;

const DimExpr n = dim("N");

Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }

// -- Attention ------------------------------------------------------------------------------------

/// What one attention sees: whether a query sees a key, and what is added to its score.
struct Sight {
  std::function<bool(int64_t head, int64_t query, int64_t key, const std::vector<Ref> &x)> sees =
      [](int64_t, int64_t, int64_t, const std::vector<Ref> &) { return true; };
  std::function<Real(int64_t head, int64_t query, int64_t key, const std::vector<Ref> &x)> bias =
      [](int64_t, int64_t, int64_t, const std::vector<Ref> &) { return Real(0); };
  Real softcap = 0;
};

/// One loop per axis over q [B, H, L, E], k [B, G, S, E], v [B, G, S, V].
Oracle attentionOf(Sight sight) {
  return [=](const std::vector<Ref> &x) {
    const Ref &q = x[0], &k = x[1], &v = x[2];
    int64_t heads = q.sizes[1], group = heads / k.sizes[1], keys = k.sizes[2];
    Ref out({q.sizes[0], heads, q.sizes[2], v.sizes[3]});
    forEachIndex({q.sizes[0], heads, q.sizes[2]}, [&](const Index &at) {
      int64_t b = at[0], h = at[1], i = at[2], g = h / group;
      std::vector<Real> weight(static_cast<size_t>(keys));
      Real total = 0;
      for (int64_t j = 0; j < keys; ++j) {
        if (!sight.sees(h, i, j, x))
          continue;
        Real score = 0;
        for (int64_t e = 0; e < q.sizes[3]; ++e)
          score += q.at({b, h, i, e}) * k.at({b, g, j, e});
        score /= std::sqrt(Real(q.sizes[3]));
        if (sight.softcap > 0)
          score = sight.softcap * std::tanh(score / sight.softcap);
        weight[static_cast<size_t>(j)] = std::exp(score + sight.bias(h, i, j, x));
        total += weight[static_cast<size_t>(j)];
      }
      for (int64_t e = 0; e < v.sizes[3]; ++e)
        for (int64_t j = 0; j < keys && total > 0; ++j)
          out.at({b, h, i, e}) += weight[static_cast<size_t>(j)] / total * v.at({b, g, j, e});
    });
    return out;
  };
}

RowBuilder attentionRow(std::string name, std::vector<Case> cases, std::vector<Input> more,
                        std::function<AttentionOptions(Graph &, const Tensors &)> options,
                        Sight sight) {
  std::vector<Input> inputs = {In(-2, 2), In(-2, 2), In(-2, 2)};
  inputs.insert(inputs.end(), more.begin(), more.end());
  return composite(
             std::move(name), std::move(inputs), std::move(cases),
             [=](Graph &graph, const Tensors &t) {
               return attention(t[0], t[1], t[2], options(graph, t));
             },
             attentionOf(std::move(sight)))
      .within(32, 64)
      .smooth();
}

std::vector<Row> attentionKinds() {
  Shape q{2, 2, 3, 4}, k{2, 2, 5, 4}, v{2, 2, 5, 6};
  auto none = [](Graph &, const Tensors &) { return AttentionOptions{}; };
  std::vector<Row> rows;
  rows.push_back(attentionRow("attention",
                              {{{q, k, v}}, {{{1, 2, n, 4}, {1, 2, n, 4}, {1, 2, n, 3}}}}, {}, none,
                              {})
                     .of("attention")
                     .on(floats));
  rows.push_back(attentionRow("attentionGroups", {{{{2, 6, 3, 4}, k, v}}}, {}, none, {}));
  rows.push_back(
      attentionRow("attentionCausal", {{{q, k, v}}, {{{1, 4, n, 4}, {1, 2, n, 4}, {1, 2, n, 3}}}},
                   {}, [](Graph &, const Tensors &) { return AttentionOptions{.causal = true}; },
                   {.sees = [](int64_t, int64_t i, int64_t j, auto &) { return j <= i; }}));
  // With the offset the first query sees nothing and gives 0.
  rows.push_back(attentionRow(
      "attentionBlind", {{{q, k, v}}}, {},
      [](Graph &, const Tensors &) { return AttentionOptions{.causal = true, .causalOffset = -1}; },
      {.sees = [](int64_t, int64_t i, int64_t j, auto &) { return j <= i - 1; }}));
  rows.push_back(
      attentionRow("attentionMask", {{{q, k, v, {2, 1, 5}}}}, {Mask()},
                   [](Graph &, const Tensors &t) { return AttentionOptions{.mask = t[3]}; },
                   {.sees = [](int64_t h, int64_t, int64_t j, const std::vector<Ref> &x) {
                     return x[3].at({h, 0, j}) != 0;
                   }}));
  rows.push_back(attentionRow(
      "attentionBias", {{{q, k, v, {3, 5}}}}, {In(-1, 1)},
      [](Graph &, const Tensors &t) { return AttentionOptions{.mask = t[3], .softcap = 1.5}; },
      {.bias =
           [](int64_t, int64_t i, int64_t j, const std::vector<Ref> &x) {
             return x[3].at({i, j});
           },
       .softcap = 1.5}));
  // A mask that hides everything: results and gradients are 0, not NaN.
  rows.push_back(composite(
                     "attentionHidden", {In(-2, 2), In(-2, 2)}, {{{{3, 4}, {5, 4}}}},
                     [](Graph &graph, const Tensors &t) {
                       Tensor hidden = graph.full(boolean, {3, 5}, false);
                       Tensor y = attention(t[0], t[1], t[1], {.mask = hidden});
                       Tensors slopes = gradients(y.sum(), {t[0], t[1]});
                       return concat({y, slopes[0], slopes[1]}, 0);
                     },
                     [](const std::vector<Ref> &) {
                       return Ref({11, 4});
                     })
                     .anyZero());
  return rows;
}

/// With the unit matrix as values the result is the weights, of which dropout takes some.
Row dropoutRow() {
  return composite(
             "attentionDropout", {In(-2, 2), In(-2, 2)}, {{{{40, 4}, {40, 4}}}},
             [](Graph &graph, const Tensors &t) {
               Tensor unit = graph.eye(t[0].dtype(), 40, 40);
               Tensor plain = attention(t[0], t[1], unit);
               Tensor thinned = attention(t[0], t[1], unit,
                                          {.dropout = 0.25, .dropoutKey = randomKey(graph, 7)});
               Tensor kept = notEqual(thinned, 0);
               // About a quarter of 1600 is taken: 5 deviations are 87.
               Tensor near = abs(countNonzero(thinned) - 1200) < 87;
               return where(kept, thinned * 0.75, plain) + where(near, 0, onesLike(plain));
             },
             [](const std::vector<Ref> &x) {
               Ref unit({1, 1, 40, 40}), q({1, 1, 40, 4}), k = q;
               for (int64_t i = 0; i < 40; ++i)
                 unit.at({0, 0, i, i}) = 1;
               q.values = x[0].values;
               k.values = x[1].values;
               Ref out({40, 40});
               out.values = attentionOf({})({q, k, unit}).values;
               return out;
             })
      .within(32, 16);
}

/// Projects, attends per head with plain attention, projects.
Row multiHeadRow() {
  return composite(
             "multiHeadAttention",
             {In(-1, 1), In(-1, 1), In(-1, 1), In(-1, 1), In(-1, 1), In(-1, 1), In(-1, 1)},
             {{{{2, 3, 4}, {2, 5, 4}, {4, 8}, {4, 4}, {4, 4}, {8, 3}, {8}}}},
             [](Graph &, const Tensors &t) {
               return multiHeadAttention(
                   t[0], t[1], t[1],
                   {.query = t[2], .key = t[3], .value = t[4], .output = t[5], .queryBias = t[6]},
                   4);
             },
             [](const std::vector<Ref> &x) {
               // 4 heads of width 2 for the query, 2 for keys and values.
               auto split = [&](const Ref &in, const Ref &w, int64_t heads, const Ref *bias) {
                 Ref out({in.sizes[0], heads, in.sizes[1], 2});
                 forEachIndex(out.sizes, [&](const Index &at) {
                   int64_t column = at[1] * 2 + at[3];
                   out.at(at) = bias ? bias->at({column}) : 0;
                   for (int64_t d = 0; d < 4; ++d)
                     out.at(at) += in.at({at[0], at[2], d}) * w.at({d, column});
                 });
                 return out;
               };
               Ref y = attentionOf({})({split(x[0], x[2], 4, &x[6]), split(x[1], x[3], 2, nullptr),
                                        split(x[1], x[4], 2, nullptr)});
               Ref out({2, 3, 3});
               forEachIndex(out.sizes, [&](const Index &at) {
                 for (int64_t column = 0; column < 8; ++column)
                   out.at(at) +=
                       y.at({at[0], column / 2, at[1], column % 2}) * x[5].at({column, at[2]});
               });
               return out;
             })
      .within(64, 64)
      .smooth();
}

// -- Rotation -------------------------------------------------------------------------------------

Row rotaryRow(std::string name, RotaryOptions options, std::vector<Case> cases, bool positions) {
  std::vector<Input> inputs = {In(-2, 2)};
  if (positions)
    inputs.push_back(Labels(i64, 50));
  return composite(
             std::move(name), std::move(inputs), std::move(cases),
             [=](Graph &, const Tensors &t) {
               RotaryOptions own = options;
               if (positions)
                 own.positions = t[1];
               return rotaryEmbedding(t[0], own);
             },
             [=](const std::vector<Ref> &x) {
               Ref out = x[0];
               int64_t dims = options.dims == 0 ? x[0].sizes.back() : options.dims;
               forEachIndex(out.sizes, [&](const Index &at) {
                 int64_t e = at.back();
                 if (e >= dims)
                   return;
                 int64_t pair = options.interleaved ? e / 2 : e % (dims / 2);
                 bool isFirst = options.interleaved ? e % 2 == 0 : e < dims / 2;
                 Real position = positions ? x[1].at({at[at.size() - 2]}) : Real(at[at.size() - 2]);
                 Real angle = position * std::pow(Real(options.base), Real(-2 * pair) / Real(dims));
                 Index other = at;
                 other.back() = options.interleaved ? (isFirst ? e + 1 : e - 1)
                                                    : (isFirst ? e + dims / 2 : e - dims / 2);
                 Real sine = isFirst ? -std::sin(angle) : std::sin(angle);
                 out.at(at) = x[0].at(at) * std::cos(angle) + x[0].at(other) * sine;
               });
               return out;
             })
      .within(4, 500) // The angle is rounded, so sines are as far off as it is large.
      .smooth();
}

// -- Recurrence -----------------------------------------------------------------------------------

/// One step of a cell with plain loops. `gate(g, j)` is the sum for unit j of gate g.
using Step = std::function<void(const std::function<Real(int64_t, int64_t)> &fromX,
                                const std::function<Real(int64_t, int64_t)> &fromH, int64_t unit,
                                Real h, Real &next, Real &cell)>;

void rnnStep(const std::function<Real(int64_t, int64_t)> &x,
             const std::function<Real(int64_t, int64_t)> &h, int64_t j, Real, Real &next, Real &) {
  next = std::tanh(x(0, j) + h(0, j));
}
void gruStep(const std::function<Real(int64_t, int64_t)> &x,
             const std::function<Real(int64_t, int64_t)> &h, int64_t j, Real before, Real &next,
             Real &) {
  Real r = logistic(x(0, j) + h(0, j)), z = logistic(x(1, j) + h(1, j));
  next = (1 - z) * std::tanh(x(2, j) + r * h(2, j)) + z * before;
}
void lstmStep(const std::function<Real(int64_t, int64_t)> &x,
              const std::function<Real(int64_t, int64_t)> &h, int64_t j, Real, Real &next,
              Real &cell) {
  auto gate = [&](int64_t g) { return x(g, j) + h(g, j); };
  cell = logistic(gate(1)) * cell + logistic(gate(0)) * std::tanh(gate(2));
  next = logistic(gate(3)) * std::tanh(cell);
}

constexpr int64_t hidden = 3;

/// Inputs: x [N, T, I], then per direction W [I, g * hidden], U [hidden, g * hidden], b, d. The
/// result: outputs [N, T, directions * hidden].
Oracle recurrent(Step step, size_t directions) {
  return [=](const std::vector<Ref> &in) {
    const Ref &x = in[0];
    int64_t batch = x.sizes[0], steps = x.sizes[1];
    Ref out({batch, steps, static_cast<int64_t>(directions) * hidden});
    for (size_t d = 0; d < directions; ++d) {
      const Ref &w = in[1 + 4 * d], &u = in[2 + 4 * d], &b = in[3 + 4 * d], &e = in[4 + 4 * d];
      for (int64_t row = 0; row < batch; ++row) {
        Real h[hidden] = {}, c[hidden] = {};
        for (int64_t i = 0; i < steps; ++i) {
          int64_t t = d == 0 ? i : steps - 1 - i;
          Real next[hidden];
          auto fromX = [&](int64_t g, int64_t j) {
            Real sum = b.at({g * hidden + j});
            for (int64_t k = 0; k < x.sizes[2]; ++k)
              sum += x.at({row, t, k}) * w.at({k, g * hidden + j});
            return sum;
          };
          auto fromH = [&](int64_t g, int64_t j) {
            Real sum = e.at({g * hidden + j});
            for (int64_t k = 0; k < hidden; ++k)
              sum += h[k] * u.at({k, g * hidden + j});
            return sum;
          };
          for (int64_t j = 0; j < hidden; ++j)
            step(fromX, fromH, j, h[j], next[j], c[j]);
          for (int64_t j = 0; j < hidden; ++j) {
            h[j] = next[j];
            out.at({row, t, static_cast<int64_t>(d) * hidden + j}) = h[j];
          }
        }
      }
    }
    return out;
  };
}

Row recurrentRow(
    std::string name, int64_t gates, size_t directions, Step step,
    std::function<Tensor(const Tensor &, const std::vector<RecurrentWeights> &)> layer) {
  DimExpr width = gates * hidden;
  std::vector<Shape> shapes = {{n, 3, 2}};
  for (size_t d = 0; d < directions; ++d)
    for (const Shape &shape : {Shape{2, width}, Shape{hidden, width}, Shape{width}, Shape{width}})
      shapes.push_back(shape);
  return composite(
             std::move(name), std::vector<Input>(shapes.size(), In(-1, 1)), {{shapes}},
             [=](Graph &, const Tensors &t) {
               std::vector<RecurrentWeights> weights;
               for (size_t d = 0; d < directions; ++d)
                 weights.push_back({t[1 + 4 * d], t[2 + 4 * d], t[3 + 4 * d], t[4 + 4 * d]});
               return layer(t[0], weights);
             },
             recurrent(std::move(step), directions))
      .within(64, 64)
      .once();
}

std::vector<Row> recurrentRows() {
  std::vector<Row> rows;
  for (size_t directions : {1u, 2u}) {
    std::string suffix = directions == 1 ? "" : "Both";
    rows.push_back(recurrentRow("lstm" + suffix, 4, directions, lstmStep,
                                [](auto &x, auto &w) { return lstm(x, w).outputs; }));
    rows.push_back(recurrentRow("gru" + suffix, 3, directions, gruStep,
                                [](auto &x, auto &w) { return gru(x, w).outputs; }));
  }
  rows.push_back(
      recurrentRow("rnn", 1, 1, rnnStep, [](auto &x, auto &w) { return rnn(x, w).outputs; }));
  // The cells and the last states give what the layer gives.
  rows.push_back(recurrentRow("lstmCells", 4, 1, lstmStep, [](const Tensor &x, auto &w) {
    Tensor zero = fullLike(x, 0, {n, hidden});
    LstmState state = lstmCell(x.at(1, 0), {zero, zero}, w[0]);
    Tensor first = state.h;
    RecurrentResult rest = lstm(x.slice(1, 1, 3), w, {state});
    return concat({first.expandDims(1), rest.outputs.slice(1, 0, 1), rest.h[0].expandDims(1)}, 1);
  }));
  rows.push_back(recurrentRow("gruCells", 3, 1, gruStep, [](const Tensor &x, auto &w) {
    Tensor state = gruCell(x.at(1, 0), fullLike(x, 0, {n, hidden}), w[0]);
    return concat({state.expandDims(1), gru(x.slice(1, 1, 3), w, {state}).outputs}, 1);
  }));
  return rows;
}

// -- Quantization ---------------------------------------------------------------------------------

Real roundEven(Real x) { return std::nearbyint(x); }

/// A scale per column and zero points of the dtype; the result as floats.
Row quantizeRow(std::string name, DType dtype, Real low, Real high) {
  return composite(
             std::move(name),
             {In(-60, 60), In(0.25, 0.5), Input{.intLow = 0, .intHigh = 9, .dtype = dtype}},
             {{{{4, 7}, {7}, {7}}}, {{{n, 3}, {3}, {3}}}},
             [](Graph &, const Tensors &t) {
               // Scales are powers of 2, so that halves are met exactly.
               Tensor scale = where(t[1] < 0.375, 0.25, fullLike(t[1], 0.5, t[1].shape()));
               Tensor x = round(t[0] * 16) / 16;
               QuantizeOptions options = {.zeroPoint = t[2], .axis = 1};
               Tensor q = quantizeLinear(x, scale, options);
               return dequantizeLinear(q, scale, options);
             },
             [=](const std::vector<Ref> &x) {
               Ref out = x[0];
               forEachIndex(out.sizes, [&](const Index &at) {
                 Real scale = x[1].at({at[1]}) < Real(0.375) ? 0.25 : 0.5;
                 Real zero = x[2].at({at[1]}), value = roundEven(x[0].at(at) * 16) / 16;
                 Real q = std::clamp(roundEven(value / scale) + zero, low, high);
                 out.at(at) = (q - zero) * scale;
               });
               return out;
             })
      .within(1)
      .anyZero();
}

std::vector<Row> quantizeRows() {
  std::vector<Row> rows = {
      quantizeRow("quantizeU8", u8, 0, 255),
      quantizeRow("quantizeI8", i8, -128, 127),
      quantizeRow("quantizeI16", i16, -32768, 32767),
  };
  rows.push_back(composite(
                     "dynamicQuantize", {In(-3, 5)}, {{{{4, 7}}}, {{{33}}}},
                     [](Graph &, const Tensors &t) {
                       Quantized q = dynamicQuantize(t[0]);
                       return dequantizeLinear(q.values, q.scale, {.zeroPoint = q.zeroPoint}) -
                              t[0];
                     },
                     // Off by at most one step: half of one from each of two roundings.
                     [](const std::vector<Ref> &x) { return Ref(x[0].sizes); })
                     .on({f32})
                     .within(0, (5.0 + 3.0) / 255 / 1.1920929e-7));
  // The gradient is 1 within the range of i8 (-128 to 127 quarters) and 0 beyond.
  rows.push_back(
      composite(
          "fakeQuantize", {In(-60, 60)}, {{{{64}}}},
          [](Graph &graph, const Tensors &t) {
            Tensor scale = graph.scalar(t[0].dtype(), 0.25);
            Tensor y = fakeQuantize(t[0], scale, {.dtype = i8});
            return stack({y, gradients(y.sum(), {t[0]})[0]});
          },
          [](const std::vector<Ref> &x) {
            Ref out({2, 64});
            for (int64_t i = 0; i < 64; ++i) {
              Real value = x[0].at({i});
              out.at({0, i}) = std::clamp(roundEven(value * 4), Real(-128), Real(127)) / 4;
              out.at({1, i}) = value >= -32 && value <= 31.75 ? 1 : 0;
            }
            return out;
          })
          .within(0)
          .anyZero());
  return rows;
}

} // namespace

std::vector<Row> attentionRows() {
  std::vector<Row> rows = attentionKinds();
  rows.push_back(dropoutRow());
  rows.push_back(multiHeadRow());
  rows.push_back(rotaryRow("rotary", {}, {{{{2, 5, 6}}}, {{{2, n, 4}}}}, false));
  rows.push_back(rotaryRow("rotaryInterleaved", {.interleaved = true}, {{{{2, 5, 6}}}}, false));
  rows.push_back(rotaryRow("rotaryPartial", {.dims = 4, .base = 500}, {{{{2, 5, 7}, {5}}}}, true));
  rows.push_back(rotaryRow("rotaryPartialInterleaved", {.interleaved = true, .dims = 2},
                           {{{{2, 5, 7}, {5}}}}, true));
  for (auto &more : {recurrentRows(), quantizeRows()})
    rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

} // namespace sinter::ops
