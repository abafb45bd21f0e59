// SPDX-License-Identifier: Apache-2.0
// Losses. Their oracles are plain loops over the textbook formulas in extended precision.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

namespace {

using Index = std::vector<int64_t>;

const DimExpr n = dim("N");

Real softplusOf(Real x) { return std::max(x, Real(0)) + std::log1p(std::exp(-std::fabs(x))); }

Ref scalar(Real value) {
  Ref out{Index{}};
  out.values[0] = value;
  return out;
}

/// The mean of a term over the elements of operands of equal shapes.
Oracle meanOf(std::function<Real(Real prediction, Real target)> term) {
  return [=](const std::vector<Ref> &x) {
    Real sum = 0;
    for (size_t i = 0; i < x[0].values.size(); ++i)
      sum += term(x[0].values[i], x[1].values[i]);
    return scalar(sum / Real(x[0].values.size()));
  };
}

std::vector<Case> pairCases() {
  return {{{{3, 5}, {3, 5}}}, {{{67}, {67}}}, {{{2, 3, 4}, {2, 3, 4}}}};
}

Row pairRow(std::string name, std::vector<Input> inputs, GraphFunction graph,
            std::function<Real(Real, Real)> term) {
  return composite(std::move(name), std::move(inputs), pairCases(), std::move(graph),
                   meanOf(std::move(term)))
      .within(32, 8)
      .smooth();
}

// -- Class labels ---------------------------------------------------------------------------------

/// The rows of scores [N, C] or, with the classes at axis 1, [N, C, L].
struct Scores {
  explicit Scores(const Ref &scores) : scores(scores) {}

  int64_t rest() const { return scores.sizes.size() > 2 ? scores.sizes[2] : 1; }
  int64_t classes() const { return scores.sizes[1]; }
  Real at(int64_t row, int64_t label) const {
    int64_t first = row / rest(), last = row % rest();
    return scores.values[static_cast<size_t>((first * classes() + label) * rest() + last)];
  }
  Real logSumExp(int64_t row) const {
    Real sum = 0;
    for (int64_t label = 0; label < classes(); ++label)
      sum += std::exp(at(row, label));
    return std::log(sum);
  }

  const Ref &scores;
};

struct LabelLoss {
  bool softmax;
  bool weighted = false;
  int64_t ignore = -1;
  double smoothing = 0;
  Reduction reduction = Reduction::Mean;
};

/// Written as PyTorch's documentation of cross_entropy() does.
Oracle labelLoss(LabelLoss rule) {
  return [=](const std::vector<Ref> &x) {
    Scores scores(x[0]);
    Ref each(x[1].sizes);
    Real total = 0, counted = 0;
    for (size_t i = 0; i < each.values.size(); ++i) {
      auto row = static_cast<int64_t>(i), label = static_cast<int64_t>(x[1].values[i]);
      if (label == rule.ignore)
        continue;
      auto weight = [&](int64_t c) {
        return rule.weighted ? x[2].values[static_cast<size_t>(c)] : Real(1);
      };
      Real norm = rule.softmax ? scores.logSumExp(row) : 0, smooth = 0;
      for (int64_t c = 0; c < scores.classes(); ++c)
        smooth += weight(c) * (norm - scores.at(row, c));
      each.values[i] = (1 - Real(rule.smoothing)) * weight(label) * (norm - scores.at(row, label)) +
                       Real(rule.smoothing) * smooth / Real(scores.classes());
      total += each.values[i];
      counted += weight(label);
    }
    if (rule.reduction == Reduction::None)
      return each;
    return scalar(rule.reduction == Reduction::Sum ? total : total / counted);
  };
}

Row labelRow(std::string name, LabelLoss rule, std::vector<Case> cases) {
  std::vector<Input> inputs = {In(-5, 5), Labels(i64, 4)};
  if (rule.weighted)
    inputs.push_back(In(0.25, 2));
  return composite(
             std::move(name), std::move(inputs), std::move(cases),
             [=](Graph &, const Tensors &t) {
               LabelLossOptions options = {
                   .labelSmoothing = rule.smoothing, .axis = 1, .reduction = rule.reduction};
               if (rule.weighted)
                 options.weights = t[2];
               if (rule.ignore >= 0)
                 options.ignoreIndex = rule.ignore;
               return rule.softmax ? softmaxCrossEntropy(t[0], t[1], options)
                                   : nllLoss(t[0], t[1], options);
             },
             labelLoss(rule))
      .within(64, 64)
      .smooth();
}

std::vector<Row> labelRows() {
  std::vector<Case> plain = {{{{7, 4}, {7}}}, {{{5, 4, 3}, {5, 3}}}};
  std::vector<Case> weighted = {{{{7, 4}, {7}, {4}}}, {{{5, 4, 3}, {5, 3}, {4}}}};
  std::vector<Row> rows = {
      labelRow("crossEntropySmooth", {.softmax = true, .smoothing = 0.1}, plain),
      labelRow("crossEntropyIgnore", {.softmax = true, .ignore = 2}, plain),
      labelRow("crossEntropyAll",
               {.softmax = true, .weighted = true, .ignore = 1, .smoothing = 0.2}, weighted),
      labelRow("nllNone", {.softmax = false, .reduction = Reduction::None},
               {{{{7, 4}, {7}}}, {{{n, 4}, {n}}}}),
      labelRow("nllWeighted", {.softmax = false, .weighted = true, .ignore = 3}, weighted),
      labelRow("nllSum", {.softmax = false, .weighted = true, .reduction = Reduction::Sum},
               weighted),
  };
  // A label that is ignored may lie out of range, and nothing is reported.
  rows.push_back(composite(
                     "crossEntropyNegativeLabel", {In(-5, 5)}, {{{{3, 4}}}},
                     [](Graph &graph, const Tensors &t) {
                       Tensor labels = graph.constant(Array::from<int64_t>({1, -100, 3}));
                       return softmaxCrossEntropy(
                           t[0], labels, {.ignoreIndex = -100, .reduction = Reduction::None});
                     },
                     [](const std::vector<Ref> &x) {
                       Scores scores(x[0]);
                       Ref out({3});
                       out.values = {scores.logSumExp(0) - scores.at(0, 1), 0,
                                     scores.logSumExp(2) - scores.at(2, 3)};
                       return out;
                     })
                     .within(64, 64)
                     .smooth());
  rows.push_back(composite(
                     "softTargetCrossEntropy", {In(-5, 5), In(0, 1)},
                     {{{{3, 5}, {3, 5}}}, {{{n, 4}, {n, 4}}}},
                     [](Graph &, const Tensors &t) { return softTargetCrossEntropy(t[0], t[1]); },
                     [](const std::vector<Ref> &x) {
                       Scores scores(x[0]);
                       Ref out(Index{x[0].sizes[0]});
                       for (int64_t i = 0; i < x[0].sizes[0]; ++i)
                         for (int64_t j = 0; j < x[0].sizes[1]; ++j)
                           out.at({i}) += x[1].at({i, j}) * (scores.logSumExp(i) - x[0].at({i, j}));
                       return out;
                     })
                     .within(64, 64)
                     .smooth());
  return rows;
}

// -- Vectors --------------------------------------------------------------------------------------

Real distance(const Ref &a, const Ref &b, int64_t row) {
  Real sum = 0;
  for (int64_t j = 0; j < a.sizes[1]; ++j)
    sum += (a.at({row, j}) - b.at({row, j})) * (a.at({row, j}) - b.at({row, j}));
  return std::sqrt(sum);
}

std::vector<Row> vectorRows() {
  std::vector<Row> rows;
  rows.push_back(composite(
                     "cosineEmbedding", {In(-2, 2), In(-2, 2), In(0.5, 1)},
                     {{{{4, 5}, {4, 5}, {4}}}},
                     [](Graph &graph, const Tensors &t) {
                       // Targets 1, -1, 1, -1, whatever is drawn.
                       Tensor sign = graph.constant(Array::from<double>({1, -1, 1, -1}));
                       Tensor target = sign.cast(t[2].dtype()) * t[2].stopGradient();
                       return cosineEmbedding(t[0], t[1], target, -2, Reduction::None);
                     },
                     [](const std::vector<Ref> &x) {
                       Ref out({4});
                       for (int64_t i = 0; i < 4; ++i) {
                         Real dot = 0, a = 0, b = 0;
                         for (int64_t j = 0; j < 5; ++j) {
                           dot += x[0].at({i, j}) * x[1].at({i, j});
                           a += x[0].at({i, j}) * x[0].at({i, j});
                           b += x[1].at({i, j}) * x[1].at({i, j});
                         }
                         Real cosine = dot / std::sqrt(a * b);
                         out.at({i}) = i % 2 == 0 ? 1 - cosine : cosine + 2;
                       }
                       return out;
                     })
                     .within(32, 32)
                     .smooth());
  rows.push_back(composite(
                     "tripletMargin", {In(-2, 2), In(-2, 2), In(-2, 2)},
                     {{{{4, 5}, {4, 5}, {4, 5}}}},
                     [](Graph &, const Tensors &t) { return tripletMargin(t[0], t[1], t[2], 20); },
                     [](const std::vector<Ref> &x) {
                       Real sum = 0;
                       for (int64_t i = 0; i < 4; ++i)
                         sum += distance(x[0], x[1], i) - distance(x[0], x[2], i) + 20;
                       return scalar(sum / 4);
                     })
                     .within(16)
                     .smooth());
  return rows;
}

} // namespace

std::vector<Row> lossRows() {
  std::vector<Row> rows = labelRows();
  for (Row &row : vectorRows())
    rows.push_back(std::move(row));
  rows.push_back(pairRow(
      "l1Loss", {In(2, 4), In(-4, 1)}, [](Graph &, const Tensors &t) { return l1Loss(t[0], t[1]); },
      [](Real p, Real t) { return std::fabs(p - t); }));
  auto huberOf = [](Real d, Real delta) {
    return std::fabs(d) <= delta ? d * d / 2 : delta * (std::fabs(d) - delta / 2);
  };
  rows.push_back(pairRow(
      "huberInside", {In(-0.4, 0.4), In(-0.4, 0.4)},
      [](Graph &, const Tensors &t) { return huber(t[0], t[1], 1.5); },
      [=](Real p, Real t) { return huberOf(p - t, 1.5); }));
  rows.push_back(pairRow(
      "huberOutside", {In(2, 4), In(-4, -1)},
      [](Graph &, const Tensors &t) { return huber(t[0], t[1], 1.5); },
      [=](Real p, Real t) { return huberOf(p - t, 1.5); }));
  rows.push_back(pairRow(
      "smoothL1", {In(-0.2, 0.2), In(-0.2, 0.2)},
      [](Graph &, const Tensors &t) { return smoothL1(t[0], t[1], 0.5); },
      [=](Real p, Real t) { return huberOf(p - t, 0.5) / Real(0.5); }));
  rows.push_back(pairRow(
      "bce", {In(0.05, 0.95), In(0, 1)}, [](Graph &, const Tensors &t) { return bce(t[0], t[1]); },
      [](Real p, Real t) { return -t * std::log(p) - (1 - t) * std::log1p(-p); }));
  rows.push_back(pairRow(
      "bceWithLogits", {In(-20, 20), In(0, 1)},
      [](Graph &, const Tensors &t) { return bceWithLogits(t[0], t[1]); },
      [](Real x, Real t) { return t * softplusOf(-x) + (1 - t) * softplusOf(x); }));
  rows.push_back(pairRow(
      "klDivergence", {In(-4, 0), In(0.05, 1)},
      [](Graph &, const Tensors &t) { return klDivergence(t[0], t[1]); },
      [](Real q, Real t) { return t * (std::log(t) - q); }));
  rows.push_back(pairRow(
      "hinge", {In(-4, 4), In(-0.2, 0.2)},
      [](Graph &, const Tensors &t) { return hinge(t[0], t[1]); },
      [](Real p, Real t) { return std::max(Real(0), 1 - t * p); }));
  rows.push_back(composite(
                     "bceWeighted", {In(-5, 5), In(0, 1), In(0.5, 3), In(0.5, 2)},
                     {{{{3, 4}, {3, 4}, {4}, {3, 1}}}},
                     [](Graph &, const Tensors &t) {
                       return bceWithLogits(
                           t[0], t[1],
                           {.positiveWeight = t[2], .weight = t[3], .reduction = Reduction::Sum});
                     },
                     [](const std::vector<Ref> &v) {
                       Real sum = 0;
                       for (int64_t i = 0; i < 3; ++i)
                         for (int64_t j = 0; j < 4; ++j) {
                           Real x = v[0].at({i, j}), t = v[1].at({i, j});
                           sum += v[3].at({i, 0}) *
                                  (v[2].at({j}) * t * softplusOf(-x) + (1 - t) * softplusOf(x));
                         }
                       return scalar(sum);
                     })
                     .within(32)
                     .smooth());
  // Probabilities 0 and 1 and targets 0: values are finite and so are gradients.
  rows.push_back(
      composite(
          "lossesAtZero", {In(0, 0)}, {{{{4}}}},
          [](Graph &graph, const Tensors &t) {
            DType dtype = t[0].dtype();
            Tensor p = t[0] + graph.constant(Array::from<double>({0, 1, 0, 1}).cast(dtype));
            Tensor target = graph.constant(Array::from<double>({0, 1, 1, 0}).cast(dtype));
            Tensor a = bce(p, target, Reduction::None);
            Tensor b = klDivergence(p, target, Reduction::None);
            return stack({a, gradients(a.sum(), {p})[0], b, gradients(b.sum(), {p})[0]});
          },
          [](const std::vector<Ref> &) {
            Ref out({4, 4});
            // d/dp of -t log(p) - (1 - t) log(1 - p), each logarithm of 0 being a constant.
            out.values = {0, 0, 100, 100, 1, -1, 0, 0, 0, -1, 0, 0, 0, -1, -1, 0};
            return out;
          })
          .anyZero());
  return rows;
}

} // namespace sinter::ops
