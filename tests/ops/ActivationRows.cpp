// SPDX-License-Identifier: Apache-2.0
// Activations. Their oracles are the textbook formulas in extended precision.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

namespace {

const DimExpr n = dim("N");

Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }
Real softplusOf(Real x) { return std::max(x, Real(0)) + std::log1p(std::exp(-std::fabs(x))); }

/// Few shapes: what is elementwise in shapes is shown by the operators that these are made of.
Row on(RowBuilder &&builder,
       std::vector<Case> cases = {
           {{{}}}, {{{257}}}, {{{n, 3}}}, {.shapes = {{17, 6}}, .transposed = true}}) {
  builder.row.op = "";
  builder.row.special = false;
  builder.row.cases = std::move(cases);
  return std::move(builder);
}

/// The first half of each row times the logistic of the second.
Ref gluOf(const std::vector<Ref> &x) {
  std::vector<int64_t> sizes = x[0].sizes;
  int64_t half = sizes.back() / 2;
  sizes.back() = half;
  Ref out(sizes);
  for (size_t i = 0; i < out.values.size(); ++i) {
    size_t row = i / static_cast<size_t>(half), column = i % static_cast<size_t>(half);
    size_t first = row * 2 * static_cast<size_t>(half) + column;
    out.values[i] = x[0].values[first] * logistic(x[0].values[first + static_cast<size_t>(half)]);
  }
  return out;
}

/// f and f' at points where careless formulas give NaN: one input, the results side by side.
Row gradientAt(std::string name, std::vector<double> points,
               std::function<Tensor(const Tensor &)> f, std::function<Real(Real)> value,
               std::function<Real(Real)> slope) {
  auto count = static_cast<int64_t>(points.size());
  return composite(
             std::move(name), {In(0, 0)}, {{{{count}}}},
             [=](Graph &graph, const Tensors &t) {
               Tensor x = t[0] + graph.constant(Array::from(points).cast(t[0].dtype()));
               Tensor y = f(x);
               return stack({y, gradients(y.sum(), {x})[0]});
             },
             [=](const std::vector<Ref> &) {
               Ref out({2, count});
               for (int64_t i = 0; i < count; ++i) {
                 Real x = points[static_cast<size_t>(i)];
                 out.at({0, i}) = value(x);
                 out.at({1, i}) = slope(x);
               }
               return out;
             })
      .within(16, 4)
      .anyZero();
}

} // namespace

std::vector<Row> activationRows() {
  constexpr double seluAlpha = 1.6732632423543772848170429916717;
  constexpr double seluScale = 1.0507009873554804934193349852946;
  std::vector<Row> rows = {
      on(OP(swish, swish(x, 1.5), x * logistic(Real(1.5) * x), In(-8, 8)).smooth().within(8)),
      on(OP(mish, mish(x), x * std::tanh(softplusOf(x)), In(-12, 12)).smooth().within(8, 4)),
      on(OP(logSigmoid, logSigmoid(x), -softplusOf(-x), In(-20, 20)).smooth().within(6)),
      on(OP(softsign, softsign(x), x / (1 + std::fabs(x)), In(-8, 8, {0})).smooth()),
      on(OP(relu6, relu6(x), std::clamp(x, Real(0), Real(6)), In(-4, 10, {0, 6})).smooth()),
      on(OP(thresholdedRelu, thresholdedRelu(x, 1.25), x > 1.25 ? x : 0, In(-4, 4, {1.25}))
             .smooth()),
      on(OP(elu, elu(x, 0.75), x > 0 ? x : Real(0.75) * std::expm1(x), In(-6, 4, {0}))
             .smooth()
             .within(6)),
      on(OP(selu, selu(x), seluScale * (x > 0 ? x : seluAlpha * std::expm1(x)), In(-6, 4, {0}))
             .smooth()
             .within(6)),
      on(OP(celu, celu(x, 1.5), x > 0 ? x : Real(1.5) * std::expm1(x / Real(1.5)), In(-6, 4, {0}))
             .smooth()
             .within(6)),
      on(OP(hardSigmoid, hardSigmoid(x), std::clamp(x / 6 + Real(0.5), Real(0), Real(1)),
            In(-6, 6, {-3, 3}))
             .smooth()
             .within(4, 4)),
      on(OP(hardSwish, hardSwish(x), x * std::clamp(x / 6 + Real(0.5), Real(0), Real(1)),
            In(-6, 6, {-3, 3}))
             .smooth()
             .within(6, 16)),
      on(OP(hardTanh, hardTanh(x, -2, 1.5), std::clamp(x, Real(-2), Real(1.5)),
            In(-4, 4, {-2, 1.5}))
             .smooth()),
      on(OP(softShrink, softShrink(x, 0.75),
            std::fabs(x) <= 0.75 ? 0 : x - std::copysign(Real(0.75), x), In(-4, 4, {-0.75, 0.75}))
             .smooth()
             .anyZero()),
      on(OP(hardShrink, hardShrink(x, 0.75), std::fabs(x) <= 0.75 ? 0 : x, In(-4, 4, {-0.75, 0.75}))
             .smooth()),
      on(OP2(prelu, prelu(a, b), a > 0 ? a : a * b, In(-4, 4, {0}), In(0.1, 0.5))
             .smooth()
             .anyZero(),
         {{{{3, 5}, {5}}}, {{{2, 3, 4}, {3, 1}}}, {{{n, 4}, {}}}}),
      composite(
          "glu", {In(-4, 4)}, {{{{3, 6}}}, {{{n, 8}}}, {{{2, 3, 130}}}},
          [](Graph &, const Tensors &t) { return glu(t[0]); }, gluOf)
          .smooth()
          .within(8),
  };
  // Large arguments and the places where branches meet: values and gradients stay finite.
  std::vector<double> far = {-1e30, -1000, -100, 0, 100, 1000, 1e30};
  rows.push_back(gradientAt(
      "softplusFar", far, [](const Tensor &x) { return softplus(x); }, softplusOf, logistic));
  rows.push_back(gradientAt(
      "logSigmoidFar", far, [](const Tensor &x) { return logSigmoid(x); },
      [](Real x) { return -softplusOf(-x); }, [](Real x) { return logistic(-x); }));
  rows.push_back(gradientAt(
      "eluFar", far, [](const Tensor &x) { return elu(x); },
      [](Real x) { return x > 0 ? x : std::expm1(x); },
      [](Real x) { return x > 0 ? 1 : std::exp(x); }));
  rows.push_back(gradientAt(
      "mishFar", {-1000, -100, 0, 100, 1000}, [](const Tensor &x) { return mish(x); },
      [](Real x) { return x * std::tanh(softplusOf(x)); },
      [](Real x) {
        Real t = std::tanh(softplusOf(x));
        return t + x * (1 - t * t) * logistic(x);
      }));
  rows.push_back(gradientAt(
      "geluFar", {-1000, -100, 0, 100, 1000}, [](const Tensor &x) { return gelu(x); },
      [](Real x) { return x * std::erfc(-x * std::sqrt(Real(0.5))) / 2; },
      [](Real x) {
        return std::erfc(-x * std::sqrt(Real(0.5))) / 2 +
               x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Real(-1)));
      }));
  return rows;
}

} // namespace sinter::ops
