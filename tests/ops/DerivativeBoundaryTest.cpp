// SPDX-License-Identifier: Apache-2.0
// Points at which a derivative is a convention or easily NaN: gradients, forward derivatives and
// both nestings of the second agree on them, in both engines.
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace sinter::ops {
namespace {

using Values = std::vector<double>;
using Function = std::function<Tensor(const Tensor &)>;
constexpr double inf = std::numeric_limits<double>::infinity();

class DerivativeBoundaryTest : public testing::TestWithParam<Engine> {
protected:
  Graph graph;

  /// What column i of the Jacobian sums up to: in reverse and in forward mode.
  void expect(const Values &at, const Function &fn, const Values &first,
              const Values &second = {}) {
    graph = Graph();
    auto n = static_cast<int64_t>(at.size());
    Tensor x = graph.placeholder("x", f64, {n});
    Tensor y = fn(x);
    Tensor ones = graph.ones(f64, y.shape());
    Tensor g = gradients({y}, {x}, {ones})[0];
    graph.output("reverse", g);
    std::vector<Tensor> columns, mixed;
    for (int64_t i = 0; i < n; ++i) {
      Tensor direction = graph.constant(Array::from(unit(n, i)));
      columns.push_back(tangent(y, x, direction).sum());
      if (!second.empty())
        mixed.push_back(tangent(g, x, direction).sum());
    }
    graph.output("forward", stack(columns));
    if (!second.empty()) {
      graph.output("twice", gradient(g.sum(), x));
      graph.output("mixed", stack(mixed));
    }
    ArrayMap results = compile(graph, {.engine = GetParam()}).run({{"x", Array::from(at)}});
    compare(results, "reverse", first);
    compare(results, "forward", first);
    if (!second.empty()) {
      compare(results, "twice", second);
      compare(results, "mixed", second);
    }
  }

private:
  static Values unit(int64_t n, int64_t i) {
    Values values(static_cast<size_t>(n), 0);
    values[static_cast<size_t>(i)] = 1;
    return values;
  }

  static void compare(const ArrayMap &results, const std::string &name, const Values &want) {
    Values got = results.at(name).toVector<double>();
    ASSERT_EQ(got.size(), want.size()) << name;
    for (size_t i = 0; i < want.size(); ++i) {
      bool same = got[i] == want[i] || std::fabs(got[i] - want[i]) <= 1e-12;
      EXPECT_TRUE(same) << name << "[" << i << "] is " << got[i] << ", not " << want[i];
    }
  }
};

TEST_P(DerivativeBoundaryTest, Kinks) {
  expect({0, -0.0, 2}, [](auto &x) { return abs(x); }, {0, 0, 1});
  expect({0, -0.0, 2}, [](auto &x) { return relu(x); }, {0, 0, 1});
  expect({0, 1.5}, [](auto &x) { return floor(x) + sign(x) + round(x); }, {0, 0});
  expect({1, 2, 3}, [](auto &x) { return clamp(x, 1, 2); }, {0.5, 0.5, 0});
}

TEST_P(DerivativeBoundaryTest, Poles) {
  expect({0}, [](auto &x) { return sqrt(x); }, {inf});
  expect({0}, [](auto &x) { return log(x); }, {inf});
}

TEST_P(DerivativeBoundaryTest, Ties) {
  expect({1, 2, 0}, [](auto &x) { return maximum(x, 1); }, {0.5, 1, 0});
  expect({1, 2, 0}, [](auto &x) { return minimum(x, 1); }, {0.5, 0, 1});
  expect({3, 1, 3, 3}, [](auto &x) { return max(x); }, {1.0 / 3, 0, 1.0 / 3, 1.0 / 3});
  expect({3, 1, 3, 1}, [](auto &x) { return min(x); }, {0, 0.5, 0, 0.5});
}

TEST_P(DerivativeBoundaryTest, ProductsWithZeros) {
  auto product = [](auto &x) { return prod(x); };
  expect({2, 3, 4}, product, {12, 8, 6}, {7, 6, 5});
  expect({2, 0, 4}, product, {0, 8, 0}, {4, 6, 2});
  expect({0, 0, 4}, product, {0, 0, 0}, {4, 4, 0});
  expect({0, 0, 0}, product, {0, 0, 0}, {0, 0, 0});
  // x0 + x0 x1 + x0 x1 x2 + x0 x1 x2 x3.
  auto running = [](auto &x) { return cumprod(x); };
  expect({2, 0, 3, 0}, running, {1, 8, 0, 0});
  expect({0, 5, 0, 1}, running, {6, 0, 0, 0});
}

TEST_P(DerivativeBoundaryTest, Powers) {
  expect({0, 1, -2}, [](auto &x) { return pow(x, 2); }, {0, 2, -4}, {2, 2, 2});
  expect({0, 3}, [](auto &x) { return pow(x, 1); }, {1, 1});
  expect({0, 3}, [](auto &x) { return pow(x, 0); }, {0, 0});
  expect({0, 2}, [](auto &x) { return pow(x * 0, x); }, {0, 0});
}

TEST_P(DerivativeBoundaryTest, Norms) {
  expect({0, 0, 0}, [](auto &x) { return norm(x); }, {0, 0, 0});
  expect({3, 4}, [](auto &x) { return norm(x); }, {0.6, 0.8});
  expect({0, -2}, [](auto &x) { return norm(x, 1); }, {0, -1});
}

TEST_P(DerivativeBoundaryTest, TheBranchNotTaken) {
  // Each branch is infinite or NaN, or its derivative is, where the other is taken.
  expect({4, 0, -1}, [](auto &x) { return where(x > 0, sqrt(x), 0); }, {0.25, 0, 0},
         {-0.03125, 0, 0});
  expect({2, 0}, [](auto &x) { return where(notEqual(x, 0), 1 / x, 0); }, {-0.25, 0}, {0.25, 0});
  expect({1, 0, -1}, [](auto &x) { return where(x > 0, log(x), 0); }, {1, 0, 0}, {-1, 0, 0});
  expect({1, 0, -1}, [](auto &x) { return where(x > 0, pow(x, -1.5), 0); }, {-1.5, 0, 0},
         {3.75, 0, 0});
  expect({2, 1000}, [](auto &x) { return where(x < 10, exp(x) * x, 0); }, {3 * std::exp(2), 0},
         {4 * std::exp(2), 0});
  expect({0, 0},
         [](auto &x) {
           Tensor size = sqrt((x * x).sum());
           return where(size > 0, x / size, 0);
         },
         {0, 0});
}

TEST_P(DerivativeBoundaryTest, ScattersWithDuplicates) {
  auto into = [&](double fill, ScatterMode mode) {
    return [this, fill, mode](const Tensor &x) {
      Tensor indices = graph.constant(Array::from(std::vector<int64_t>{1, 1, 0}));
      return scatter(graph.full(f64, {3}, fill), indices, x, 0, mode);
    };
  };
  expect({3, 5, 7}, into(0, ScatterMode::Set), {0, 1, 1});
  expect({3, 5, 7}, into(0, ScatterMode::Add), {1, 1, 1});
  expect({3, 0, 5}, into(2, ScatterMode::Mul), {0, 6, 2});
  expect({4, 4, -1}, into(0, ScatterMode::Max), {0.5, 0.5, 0});
  expect({4, 4, -1}, into(4, ScatterMode::Min), {1.0 / 3, 1.0 / 3, 1});
}

TEST_P(DerivativeBoundaryTest, PaddingCounts) {
  auto pooled = [](bool countIncludePad) {
    return [=](const Tensor &x) {
      return avgPool(x.reshape({1, 1, 3}), {2},
                     {.strides = {1}, .padding = 1, .countIncludePad = countIncludePad});
    };
  };
  expect({1, 2, 3}, pooled(false), {1.5, 1, 1.5});
  expect({1, 2, 3}, pooled(true), {1, 1, 1});
}

INSTANTIATE_TEST_SUITE_P(Engines, DerivativeBoundaryTest,
                         testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const auto &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

} // namespace
} // namespace sinter::ops
