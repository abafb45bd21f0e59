// SPDX-License-Identifier: Apache-2.0
// Functions made of ops. Their oracles are the textbook formulas in extended precision.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

using Index = std::vector<int64_t>;

namespace {

const DimExpr n = dim("N");

/// An oracle that maps each row along the last axis to a row of equal length.
Oracle rowwise(std::function<void(const Real *in, Real *out, int64_t count)> fn) {
  return [=](const std::vector<Ref> &x) {
    Ref out(x[0].sizes);
    int64_t count = x[0].sizes.back();
    for (size_t begin = 0; begin < out.values.size(); begin += static_cast<size_t>(count))
      fn(&x[0].values[begin], &out.values[begin], count);
    return out;
  };
}

Real logSumExp(const Real *in, int64_t count) {
  Real top = *std::max_element(in, in + count), sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += std::exp(in[i] - top);
  return top + std::log(sum);
}

std::vector<Case> rowCases() {
  return {{{{3, 5}}}, {{{1, 1}}}, {{{4, 64}}}, {{{2, 3, 17}}}, {{{n, 10}}}, {{{5, 300}}}, {{{7}}}};
}

/// out[i] from row i along the last axis.
Oracle
perRow(std::function<Real(const std::vector<Ref> &, const Real *row, int64_t count, size_t i)> fn) {
  return [=](const std::vector<Ref> &x) {
    Ref out(Index(x[0].sizes.begin(), x[0].sizes.end() - 1));
    int64_t count = x[0].sizes.back();
    for (size_t i = 0; i < out.values.size(); ++i)
      out.values[i] = fn(x, &x[0].values[i * static_cast<size_t>(count)], count, i);
    return out;
  };
}

const Real rootHalf = std::sqrt(Real(0.5));
const Real pi = std::acos(Real(-1));

} // namespace

std::vector<Row> compositeRows() {
  std::vector<Row> rows = {
      OP(square, square(x), x * x, In(-4, 4)).of("").smooth(),
      OP(reciprocal, reciprocal(x), 1 / x, In(0.5, 4)).of("").smooth(),
      OP(clamp, clamp(x, -1, 2.5),
         x < -1    ? -1
         : x > 2.5 ? 2.5
                   : x,
         In(-4, 4, {-1, 2.5}))
          .of("")
          .smooth()
          .plain(),
      OP(geluErf, gelu(x), x * Real(0.5) * std::erfc(-x * rootHalf), In(-4, 4))
          .of("")
          .smooth()
          .plain()
          .within(6, 4),
      OP(geluTanh, gelu(x, Gelu::Tanh),
         Real(0.5) * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + Real(0.044715) * x * x * x))),
         In(-4, 4))
          .of("")
          .smooth()
          .plain()
          .within(8, 8),
      OP(silu, silu(x), x / (1 + std::exp(-x)), In(-10, 10)).of("").smooth().plain().within(6),
      OP(softplus, softplus(x), std::max(x, Real(0)) + std::log1p(std::exp(-std::fabs(x))),
         In(-20, 20))
          .of("")
          .smooth()
          .plain()
          .within(6),
      OP(leakyRelu, leakyRelu(x, 0.1), x > 0 ? x : x * Real(0.1), In(-4, 4, {0}))
          .of("")
          .smooth()
          .plain(),
  };
  rows.push_back(structural(
                     "softmax", {In(-10, 10)}, rowCases(),
                     [](Graph &, const Tensors &t) { return softmax(t[0]); },
                     rowwise([](const Real *in, Real *out, int64_t count) {
                       Real norm = logSumExp(in, count);
                       for (int64_t i = 0; i < count; ++i)
                         out[i] = std::exp(in[i] - norm);
                     }))
                     .of("")
                     .within(32)
                     .smooth());
  rows.push_back(structural(
                     "softmaxLarge", {In(-1000, 1000)}, rowCases(),
                     [](Graph &, const Tensors &t) { return softmax(t[0]); },
                     rowwise([](const Real *in, Real *out, int64_t count) {
                       Real norm = logSumExp(in, count);
                       for (int64_t i = 0; i < count; ++i)
                         out[i] = std::exp(in[i] - norm);
                     }))
                     .of("")
                     .within(1500));
  rows.push_back(structural(
                     "logSoftmax", {In(-10, 10)}, rowCases(),
                     [](Graph &, const Tensors &t) { return logSoftmax(t[0]); },
                     rowwise([](const Real *in, Real *out, int64_t count) {
                       Real norm = logSumExp(in, count);
                       for (int64_t i = 0; i < count; ++i)
                         out[i] = in[i] - norm;
                     }))
                     .of("")
                     .within(16, 64)
                     .smooth());
  rows.push_back(structural(
                     "softmaxColumns", {In(-4, 4)}, {{{{5, 3}}}, {{{n, 7}}}, {{{3, n}}}},
                     [](Graph &, const Tensors &t) { return softmax(t[0], 0); },
                     [](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       for (int64_t j = 0; j < x[0].sizes[1]; ++j) {
                         Real sum = 0;
                         for (int64_t i = 0; i < x[0].sizes[0]; ++i)
                           sum += std::exp(x[0].at({i, j}));
                         for (int64_t i = 0; i < x[0].sizes[0]; ++i)
                           out.at({i, j}) = std::exp(x[0].at({i, j})) / sum;
                       }
                       return out;
                     })
                     .of("")
                     .within(24)
                     .smooth());
  rows.push_back(structural(
                     "logsumexp", {In(-10, 10)}, rowCases(),
                     [](Graph &, const Tensors &t) { return logsumexp(t[0], -1); },
                     perRow([](auto &, const Real *row, int64_t count, size_t) {
                       return logSumExp(row, count);
                     }))
                     .of("")
                     .within(8, 64)
                     .smooth());
  rows.push_back(structural(
                     "mean", {In(-4, 4)}, rowCases(),
                     [](Graph &, const Tensors &t) { return mean(t[0], -1); },
                     perRow([](auto &, const Real *row, int64_t count, size_t) {
                       Real sum = 0;
                       for (int64_t i = 0; i < count; ++i)
                         sum += row[i];
                       return sum / Real(count);
                     }))
                     .of("")
                     .within(4, 64)
                     .smooth());
  rows.push_back(structural(
                     "var", {In(-4, 4)}, rowCases(),
                     [](Graph &, const Tensors &t) { return var(t[0], -1); },
                     perRow([](auto &, const Real *row, int64_t count, size_t) {
                       Real sum = 0, squares = 0;
                       for (int64_t i = 0; i < count; ++i)
                         sum += row[i];
                       for (int64_t i = 0; i < count; ++i)
                         squares += (row[i] - sum / Real(count)) * (row[i] - sum / Real(count));
                       return squares / Real(count);
                     }))
                     .of("")
                     .within(64, 64)
                     .smooth());
  rows.push_back(structural(
                     "softmaxCrossEntropy", {In(-10, 10), Labels(i32, 5)},
                     {{{{3, 5}, {3}}}, {{{n, 7}, {n}}}, {{{2, 3, 64}, {2, 3}}}},
                     [](Graph &, const Tensors &t) { return softmaxCrossEntropy(t[0], t[1]); },
                     perRow([](auto &x, const Real *row, int64_t count, size_t i) {
                       return logSumExp(row, count) - row[static_cast<size_t>(x[1].values[i])];
                     }))
                     .of("")
                     .within(16, 64)
                     .smooth());
  rows.push_back(structural(
                     "mse", {In(-4, 4), In(-4, 4)}, {{{{3, 5}, {3, 5}}}, {{{64}, {64}}}},
                     [](Graph &, const Tensors &t) { return mse(t[0], t[1]); },
                     [](const std::vector<Ref> &x) {
                       Ref out{Index{}};
                       for (size_t i = 0; i < x[0].values.size(); ++i) {
                         Real d = x[0].values[i] - x[1].values[i];
                         out.values[0] += d * d / Real(x[0].values.size());
                       }
                       return out;
                     })
                     .of("")
                     .within(32)
                     .smooth());
  rows.push_back(structural(
                     "layerNorm", {In(-4, 4), In(-2, 2), In(-2, 2)},
                     {{{{3, 5}, {5}, {5}}}, {{{n, 16}, {16}, {16}}}, {{{2, 3, 65}, {65}, {65}}}},
                     [](Graph &, const Tensors &t) { return layerNorm(t[0], t[1], t[2]); },
                     [](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       auto count = static_cast<size_t>(x[0].sizes.back());
                       for (size_t begin = 0; begin < out.values.size(); begin += count) {
                         const Real *row = &x[0].values[begin];
                         Real sum = 0, squares = 0;
                         for (size_t i = 0; i < count; ++i)
                           sum += row[i];
                         for (size_t i = 0; i < count; ++i)
                           squares += (row[i] - sum / Real(count)) * (row[i] - sum / Real(count));
                         for (size_t i = 0; i < count; ++i)
                           out.values[begin + i] =
                               (row[i] - sum / Real(count)) /
                                   std::sqrt(squares / Real(count) + Real(1e-5)) * x[1].values[i] +
                               x[2].values[i];
                       }
                       return out;
                     })
                     .of("")
                     .within(64, 256)
                     .smooth());
  rows.push_back(structural(
                     "linear", {In(-2, 2), In(-2, 2), In(-2, 2)},
                     {{{{3, 5}, {5, 4}, {4}}}, {{{n, 64}, {64, 33}, {33}}}},
                     [](Graph &, const Tensors &t) { return linear(t[0], t[1], t[2]); },
                     [](const std::vector<Ref> &x) {
                       int64_t m = x[0].sizes[0], k = x[0].sizes[1], width = x[1].sizes[1];
                       Ref out({m, width});
                       out.reductionLength = k;
                       for (int64_t i = 0; i < m; ++i)
                         for (int64_t j = 0; j < width; ++j) {
                           out.at({i, j}) = x[2].at({j});
                           out.magnitude.push_back(std::fabs(x[2].at({j})));
                           for (int64_t l = 0; l < k; ++l) {
                             out.at({i, j}) += x[0].at({i, l}) * x[1].at({l, j});
                             out.magnitude.back() += std::fabs(x[0].at({i, l}) * x[1].at({l, j}));
                           }
                         }
                       return out;
                     })
                     .of("")
                     .smooth());
  rows.push_back(structural(
                     "oneHot", {Labels(i64, 6)}, {{{{5}}}, {{{n}}}, {{{2, 3}}}},
                     [](Graph &, const Tensors &t) { return oneHot(t[0], 6); },
                     [](const std::vector<Ref> &x) {
                       Index sizes = x[0].sizes;
                       sizes.push_back(6);
                       Ref out(sizes);
                       for (size_t i = 0; i < x[0].values.size(); ++i)
                         out.values[6 * i + static_cast<size_t>(x[0].values[i])] = 1;
                       return out;
                     })
                     .of("")
                     .on({f32}));
  return rows;
}

} // namespace sinter::ops
