// SPDX-License-Identifier: Apache-2.0
// Kernels that reduce what they compute for pairs of points, and kernels of rows that also add up
// columns: against plain loops, the same bits on any number of threads, on every level of x86-64.
#include "sinter/frontend/Composite.h"
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"
#include "tests/ops/Numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

namespace sinter::ops {
namespace {

using Values = std::vector<double>;

void expectNear(const Array &got, const Values &wanted, double tolerance, const std::string &what) {
  Values values = got.toVector<double>();
  ASSERT_EQ(values.size(), wanted.size()) << what;
  double scale = 0;
  for (double v : wanted)
    scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(values[i], wanted[i], tolerance * std::max(scale, 1e-6)) << what << " at " << i;
}

/// Kernels of this form that the graph becomes.
int64_t countForm(const Executable &executable, const std::string &form) {
  int64_t count = 0;
  for (const Kernel &kernel : executable.program().kernels)
    count += kernel.form == form;
  return count;
}

struct Check {
  const Graph &graph;
  NamedArrays inputs;
  std::map<std::string, Values> wanted;
  std::string form; ///< One kernel of it, and none of `never`.
  std::string never;
};

void check(const Check &check) {
  test::forEachLevel({"native", "x86-64-v3", "x86-64"}, [&](const char *level) {
    ArrayMap first;
    for (int64_t threads : {1, 2, 3, 7}) {
      Executable executable =
          compile(check.graph, {.target = Target::cpu(level), .threads = threads});
      if (!check.form.empty()) {
        EXPECT_GE(countForm(executable, check.form), 1) << level;
        EXPECT_EQ(countForm(executable, check.never), 0) << level;
      }
      ArrayMap got = executable.run(check.inputs);
      for (const auto &[name, values] : check.wanted) {
        expectNear(got.at(name), values, 2e-5, std::string(level) + " " + name);
        if (threads > 1)
          EXPECT_EQ(std::memcmp(got.at(name).data(), first.at(name).data(),
                                static_cast<size_t>(got.at(name).numBytes())),
                    0)
              << level << " " << name << " on " << threads << " threads";
      }
      if (threads == 1)
        first = got;
    }
  });
}

class PairsTest : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(Sizes, PairsTest,
                         testing::Values(std::tuple{64, 300, 3}, std::tuple{300, 1000, 8},
                                         std::tuple{17, 5, 16}, std::tuple{8, 70, 1}));

// out_i = sum_j w_j exp(-|x_i - y_j|^2 / 2) and all its gradients.
TEST_P(PairsTest, ARadialKernelAndItsGradients) {
  auto [n, m, d] = GetParam();
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, d}), y = g.placeholder("y", f32, {m, d});
  Tensor w = g.placeholder("w", f32, {m});
  Tensor difference = x.reshape({n, 1, d}) - y.reshape({1, m, d});
  Tensor k = exp((difference * difference).sum({2}) * -0.5);
  Tensor out = (k * w).sum({1});
  std::vector<Tensor> grads = gradients(out.sum(), {x, y, w});
  g.output("out", out);
  g.output("dx", grads[0]);
  g.output("dy", grads[1]);
  g.output("dw", grads[2]);

  Array xs = numbers({n, d}, 1), ys = numbers({m, d}, 2), ws = numbers({m}, 3);
  Values a = xs.toVector<double>(), b = ys.toVector<double>(), c = ws.toVector<double>();
  auto size = [](int64_t count) { return Values(static_cast<size_t>(count), 0.0); };
  Values o = size(n), dx = size(n * d), dy = size(m * d), dw = size(m);
  for (size_t i = 0; i < o.size(); ++i)
    for (size_t j = 0; j < dw.size(); ++j) {
      double square = 0;
      auto ds = static_cast<size_t>(d);
      for (size_t p = 0; p < ds; ++p)
        square += std::pow(a[i * ds + p] - b[j * ds + p], 2);
      double kernel = std::exp(-square / 2);
      o[i] += kernel * c[j];
      dw[j] += kernel;
      for (size_t p = 0; p < ds; ++p) {
        double slope = -c[j] * kernel * (a[i * ds + p] - b[j * ds + p]);
        dx[i * ds + p] += slope;
        dy[j * ds + p] -= slope;
      }
    }
  check({g,
         {{"x", xs}, {"y", ys}, {"w", ws}},
         {{"out", o}, {"dx", dx}, {"dy", dy}, {"dw", dw}},
         n == 300 ? "pairs" : "",
         "reduce"});
}

// The nearest of a few points, as clustering asks for it, with named sizes.
TEST(PairsTest, TheNearestPoint) {
  constexpr int64_t n = 100, m = 7, d = 4;
  Graph g;
  DimExpr rows = dim("N");
  Tensor x = g.placeholder("x", f32, {rows, d}), y = g.placeholder("y", f32, {m, d});
  Tensor difference = x.reshape({rows, 1, d}) - y.reshape({1, m, d});
  Tensor distance = (difference * difference).sum({2});
  g.output("least", distance.min({1}));
  g.output("where", argmax(-distance, 1));
  Array xs = numbers({n, d}, 5), ys = numbers({m, d}, 6);
  Values a = xs.toVector<double>(), b = ys.toVector<double>(), least, where;
  for (size_t i = 0; i < n; ++i) {
    double best = INFINITY, place = 0;
    for (size_t j = 0; j < m; ++j) {
      double square = 0;
      for (size_t p = 0; p < d; ++p)
        square += std::pow(a[i * d + p] - b[j * d + p], 2);
      if (square < best) {
        best = square;
        place = static_cast<double>(j);
      }
    }
    least.push_back(best);
    where.push_back(place);
  }
  check({g, {{"x", xs}, {"y", ys}}, {{"least", least}, {"where", where}}, "", ""});
}

// A tensor of pairs that is wanted itself is made once.
TEST(PairsTest, PairsThatAreAnOutput) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {40, 3}), y = g.placeholder("y", f32, {300, 3});
  Tensor difference = x.reshape({40, 1, 3}) - y.reshape({1, 300, 3});
  Tensor distance = (difference * difference).sum({2});
  g.output("distance", distance);
  g.output("mean", distance.mean({1}));
  Array xs = numbers({40, 3}, 1), ys = numbers({300, 3}, 2);
  Values a = xs.toVector<double>(), b = ys.toVector<double>(), all, mean;
  for (size_t i = 0; i < 40; ++i) {
    double sum = 0;
    for (size_t j = 0; j < 300; ++j) {
      double square = 0;
      for (size_t p = 0; p < 3; ++p)
        square += std::pow(a[i * 3 + p] - b[j * 3 + p], 2);
      all.push_back(square);
      sum += square;
    }
    mean.push_back(sum / 300);
  }
  check({g, {{"x", xs}, {"y", ys}}, {{"distance", all}, {"mean", mean}}, "", ""});
}

class ColumnsTest : public testing::TestWithParam<std::tuple<int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ColumnsTest,
                         testing::Values(std::tuple{70, 33}, std::tuple{1000, 64},
                                         std::tuple{8, 100}, std::tuple{129, 7}));

// dgamma and dbeta of a layer norm come from the kernel that computes dx.
TEST_P(ColumnsTest, LayerNormAndItsGradients) {
  auto [n, m] = GetParam();
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, m}), gamma = g.placeholder("gamma", f32, {m});
  Tensor beta = g.placeholder("beta", f32, {m}), dy = g.placeholder("dy", f32, {n, m});
  Tensor y = layerNorm(x, gamma, beta);
  std::vector<Tensor> grads = gradients({y}, {x, gamma, beta}, {dy});
  g.output("y", y);
  g.output("dx", grads[0]);
  g.output("dgamma", grads[1]);
  g.output("dbeta", grads[2]);
  Array xs = numbers({n, m}, 1), cs = numbers({m}, 2), bs = numbers({m}, 3),
        ds = numbers({n, m}, 4);
  Values a = xs.toVector<double>(), c = cs.toVector<double>(), b = bs.toVector<double>(),
         d = ds.toVector<double>();
  auto columns = static_cast<size_t>(m);
  Values ys(a.size()), dx(a.size()), dgamma(columns, 0.0), dbeta(columns, 0.0);
  for (size_t row = 0; row < a.size(); row += columns) {
    double mean = 0, variance = 0, first = 0, second = 0, width = static_cast<double>(m);
    for (size_t j = 0; j < columns; ++j)
      mean += a[row + j] / width;
    for (size_t j = 0; j < columns; ++j)
      variance += std::pow(a[row + j] - mean, 2) / width;
    double scale = 1 / std::sqrt(variance + 1e-5);
    for (size_t j = 0; j < columns; ++j) {
      double h = (a[row + j] - mean) * scale, slope = d[row + j] * c[j];
      ys[row + j] = h * c[j] + b[j];
      dgamma[j] += d[row + j] * h;
      dbeta[j] += d[row + j];
      first += slope / width;
      second += slope * h / width;
    }
    for (size_t j = 0; j < columns; ++j)
      dx[row + j] = scale * (d[row + j] * c[j] - first - (a[row + j] - mean) * scale * second);
  }
  check({g,
         {{"x", xs}, {"gamma", cs}, {"beta", bs}, {"dy", ds}},
         {{"y", ys}, {"dx", dx}, {"dgamma", dgamma}, {"dbeta", dbeta}},
         m > 8 && n > 100 ? "row" : "",
         "reduce"});
}

// What follows from the columns is computed in the second launch, in place.
TEST(ColumnsTest, ABiasBehindASoftmaxIsUpdatedInPlace) {
  constexpr int64_t n = 90, m = 50;
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, m});
  Tensor bias = g.state("bias", f32, {m});
  Tensor y = softmax(x + bias);
  Tensor gradient = gradients((y * y).sum(), {bias})[0];
  g.output("y", y);
  g.update({{bias, bias - gradient * 0.5}});
  Array xs = numbers({n, m}, 1);
  Values a = xs.toVector<double>(), ys(a.size()), wanted(m, 0.0);
  for (size_t row = 0; row < a.size(); row += m) {
    double sum = 0, dot = 0;
    for (size_t j = 0; j < m; ++j)
      sum += std::exp(a[row + j]);
    for (size_t j = 0; j < m; ++j) {
      ys[row + j] = std::exp(a[row + j]) / sum;
      dot += 2 * ys[row + j] * ys[row + j];
    }
    for (size_t j = 0; j < m; ++j)
      wanted[j] -= 0.5 * ys[row + j] * (2 * ys[row + j] - dot);
  }
  std::vector<float> bits;
  for (int64_t threads : {1, 2, 3, 7}) {
    Executable executable = compile(g, {.threads = threads});
    for (const Step &step : executable.program().steps)
      EXPECT_FALSE(std::holds_alternative<Copy>(step));
    State state(g);
    ArrayMap got = executable.run(state, {{"x", xs}});
    expectNear(got.at("y"), ys, 1e-5, "y");
    expectNear(state.get("bias"), wanted, 1e-5, "bias");
    std::vector<float> now = state.get("bias").toVector<float>();
    if (threads > 1)
      EXPECT_EQ(now, bits);
    bits = now;
  }
}

} // namespace
} // namespace sinter::ops
