// SPDX-License-Identifier: Apache-2.0
// Values at which the field disagrees, and derivatives at kinks: what ir/Dialect.td states, by both
// engines.
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace sinter::ops {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t minI64 = std::numeric_limits<int64_t>::min(),
                  maxI64 = std::numeric_limits<int64_t>::max();
constexpr int32_t minI32 = std::numeric_limits<int32_t>::min(),
                  maxI32 = std::numeric_limits<int32_t>::max();

class BoundaryTest : public testing::TestWithParam<Engine> {
protected:
  using Build = std::function<Tensor(const std::vector<Tensor> &)>;

  Graph graph;

  /// Makes one placeholder per array.
  std::vector<Tensor> inputsFor(const std::vector<Array> &arrays, ArrayMap &inputs) {
    std::vector<Tensor> tensors;
    for (const Array &array : arrays) {
      std::string name = "x" + std::to_string(tensors.size());
      tensors.push_back(graph.placeholder(name, array.dtype(), Shape(array.sizes())));
      inputs[name] = array;
    }
    return tensors;
  }

  Array run(const std::vector<Array> &arrays, const Build &build) {
    graph = Graph();
    ArrayMap inputs;
    graph.output("y", build(inputsFor(arrays, inputs)));
    return compile(graph, {.engine = GetParam()}).run(inputs).at("y");
  }

  /// The gradient of the sum of build(x...) in x[which].
  std::vector<double> gradientOf(const std::vector<std::vector<double>> &values, const Build &build,
                                 size_t which = 0, int order = 1) {
    std::vector<Array> arrays;
    for (const auto &value : values)
      arrays.push_back(Array::from(value));
    return run(arrays,
               [&](const std::vector<Tensor> &x) {
                 Tensor y = build(x);
                 for (int i = 0; i < order; ++i)
                   y = gradient(sum(y), x[which]);
                 return y;
               })
        .toVector<double>();
  }

  template <typename T> static void expectValues(const Array &got, const std::vector<T> &want) {
    std::vector<T> values = got.toVector<T>();
    ASSERT_EQ(values.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      if (want[i] == want[i])
        EXPECT_EQ(values[i], want[i]) << "element " << i;
      else
        EXPECT_NE(values[i], values[i]) << "element " << i;
  }

  static void expectNear(const std::vector<double> &got, const std::vector<double> &want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      if (std::isfinite(want[i]))
        EXPECT_NEAR(got[i], want[i], 1e-12) << "element " << i;
      else
        EXPECT_EQ(got[i], want[i]) << "element " << i;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, BoundaryTest,
                         testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const auto &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

// -- Integers -------------------------------------------------------------------------------------

TEST_P(BoundaryTest, IntegersWrap) {
  Array a = Array::from<int64_t>({maxI64, minI64, maxI64}), b = Array::from<int64_t>({1, -1, 3});
  expectValues<int64_t>(run({a, b}, [](auto &x) { return x[0] + x[1]; }),
                        {minI64, maxI64, minI64 + 2});
  expectValues<int64_t>(run({a, b}, [](auto &x) { return x[0] - x[1]; }),
                        {maxI64 - 1, minI64 + 1, maxI64 - 3});
  expectValues<int64_t>(run({a, b}, [](auto &x) { return x[0] * x[1]; }),
                        {maxI64, minI64, maxI64 - 2});
  Array c = Array::from<int32_t>({maxI32, minI32}), d = Array::from<int32_t>({2, 2});
  expectValues<int32_t>(run({c, d}, [](auto &x) { return x[0] * x[1]; }), {-2, 0});
  expectValues<int32_t>(run({c}, [](auto &x) { return -x[0]; }), {-maxI32, minI32});
  expectValues<int32_t>(run({c}, [](auto &x) { return abs(x[0]); }), {maxI32, minI32});
}

TEST_P(BoundaryTest, IntegerDivisionIsDefinedEverywhere) {
  expectValues<int64_t>(run({Array::from<int64_t>({7, -7, 7, minI64, minI64, 0}),
                             Array::from<int64_t>({2, 2, 0, -1, 0, 0})},
                            [](auto &x) { return x[0] / x[1]; }),
                        {3, -3, 0, minI64, 0, 0});
  expectValues<int32_t>(
      run({Array::from<int32_t>({minI32, minI32, 5}), Array::from<int32_t>({-1, 0, -2})},
          [](auto &x) { return x[0] / x[1]; }),
      {minI32, 0, -2});
}

// -- Casts ----------------------------------------------------------------------------------------

TEST_P(BoundaryTest, FloatToIntegerSaturatesAndTruncates) {
  std::vector<double> values = {1.9, -1.9, 3e9, -3e9, 1e19,        -1e19,
                                inf, -inf, nan, -0.5, 2147483647.5};
  std::vector<int32_t> want32 = {1,      -1,     maxI32, minI32, maxI32, minI32,
                                 maxI32, minI32, 0,      0,      maxI32};
  std::vector<int64_t> want64 = {
      1, -1, 3'000'000'000, -3'000'000'000, maxI64, minI64, maxI64, minI64, 0, 0, 2147483647};
  std::vector<float> floats(values.begin(), values.end() - 1);
  expectValues(run({Array::from(values)}, [](auto &x) { return cast(x[0], i32); }), want32);
  expectValues(run({Array::from(values)}, [](auto &x) { return cast(x[0], i64); }), want64);
  want32.pop_back();
  want64.pop_back();
  expectValues(run({Array::from(floats)}, [](auto &x) { return cast(x[0], i32); }), want32);
  expectValues(run({Array::from(floats)}, [](auto &x) { return cast(x[0], i64); }), want64);
}

TEST_P(BoundaryTest, CastToBoolIsNotZero) {
  expectValues<bool>(run({Array::from<double>({0.0, -0.0, 0.25, nan, inf, 5e-324})},
                         [](auto &x) { return cast(x[0], boolean); }),
                     {false, false, true, true, true, true});
  expectValues<bool>(
      run({Array::from<int32_t>({0, 2, -1, 256})}, [](auto &x) { return cast(x[0], boolean); }),
      {false, true, true, true});
}

TEST_P(BoundaryTest, LargeIntegersAreRoundedOnce) {
  std::vector<int64_t> values = {maxI64, minI64, (int64_t{1} << 53) + 1,
                                 (int64_t{1} << 62) + (int64_t{1} << 38) + 1};
  std::vector<float> wantF32;
  std::vector<double> wantF64;
  for (int64_t value : values) {
    wantF32.push_back(static_cast<float>(value));
    wantF64.push_back(static_cast<double>(value));
  }
  expectValues(run({Array::from(values)}, [](auto &x) { return cast(x[0], f32); }), wantF32);
  expectValues(run({Array::from(values)}, [](auto &x) { return cast(x[0], f64); }), wantF64);
  expectValues<int32_t>(run({Array::from(values)}, [](auto &x) { return cast(x[0], i32); }),
                        {-1, 0, 1, 1});
}

// -- NaN, ties and nothing ------------------------------------------------------------------------

TEST_P(BoundaryTest, NanIsPropagated) {
  Array x = Array::from<float>({1, NAN, 3, 4, 5, 6}, {2, 3});
  auto rows = [](auto fn) { return [fn](const std::vector<Tensor> &t) { return fn(t[0]); }; };
  expectValues<double>(run({x}, rows([](auto &t) { return max(t, 1); })), {nan, 6});
  expectValues<double>(run({x}, rows([](auto &t) { return min(t, 1); })), {nan, 4});
  expectValues<double>(run({x}, rows([](auto &t) { return max(t, 0); })), {4, nan, 6});
  expectValues<double>(run({x}, rows([](auto &t) { return sum(t, 1); })), {nan, 15});
  expectValues<int64_t>(run({x}, rows([](auto &t) { return argmax(t, 1); })), {1, 2});
  expectValues<double>(run({Array::from<double>({nan, 1, nan}), Array::from<double>({1, nan, nan})},
                           [](auto &t) { return maximum(t[0], t[1]) + minimum(t[0], t[1]); }),
                       {nan, nan, nan});
  expectValues<double>(run({x}, rows([](auto &t) { return relu(t); })), {1, nan, 3, 4, 5, 6});
}

TEST_P(BoundaryTest, ArgmaxTakesTheFirst) {
  std::vector<float> values(100, 1);
  values[40] = values[41] = values[99] = 7;
  expectValues<int64_t>(run({Array::from(values)}, [](auto &x) { return argmax(x[0], 0); }), {40});
  values[70] = values[50] = NAN;
  expectValues<int64_t>(run({Array::from(values)}, [](auto &x) { return argmax(x[0], 0); }), {50});
  expectValues<int64_t>(run({Array::from(std::vector<float>(33, -INFINITY))},
                            [](auto &x) { return argmax(x[0], 0); }),
                        {0});
  expectValues<int64_t>(
      run({Array::from(std::vector<int32_t>(33, minI32))}, [](auto &x) { return argmax(x[0], 0); }),
      {0});
}

TEST_P(BoundaryTest, EmptyReductionsGiveTheNeutralElement) {
  Array x(f32, {2, 0}), i(i32, {0, 3});
  expectValues<double>(run({x}, [](auto &t) { return sum(t[0], 1); }), {0, 0});
  expectValues<double>(run({x}, [](auto &t) { return prod(t[0], 1); }), {1, 1});
  expectValues<double>(run({x}, [](auto &t) { return max(t[0], 1); }), {-inf, -inf});
  expectValues<double>(run({x}, [](auto &t) { return min(t[0], 1); }), {inf, inf});
  expectValues<int32_t>(run({i}, [](auto &t) { return max(t[0], 0); }), {minI32, minI32, minI32});
  expectValues<int32_t>(run({i}, [](auto &t) { return min(t[0], 0); }), {maxI32, maxI32, maxI32});
  expectValues<double>(run({x}, [](auto &t) { return mean(t[0], 1); }), {nan, nan});
  expectValues<double>(run({x, Array(f32, {0, 2})}, [](auto &t) { return t[0].matmul(t[1]); }),
                       {0, 0, 0, 0});
}

TEST_P(BoundaryTest, PowFollowsIeee) {
  expectValues<double>(run({Array::from<double>({0, nan, -8, -2, -2, 0, 1, inf, -0.0}),
                            Array::from<double>({0, 0, 1.0 / 3, 3, 2, -1, nan, -1, -3})},
                           [](auto &x) { return pow(x[0], x[1]); }),
                       {1, 1, nan, -8, 4, inf, 1, 0, -inf});
}

TEST_P(BoundaryTest, RoundGoesToEven) {
  expectValues<double>(run({Array::from<double>({0.5, 1.5, 2.5, -0.5, -1.5, 4503599627370497.5,
                                                 0.49999999999999994})},
                           [](auto &x) { return round(x[0]); }),
                       {0, 2, 2, -0.0, -2, 4503599627370498.0, 0});
}

// -- Derivatives at kinks -------------------------------------------------------------------------

TEST_P(BoundaryTest, GradientsAtZero) {
  expectNear(gradientOf({{0, -0.0, 1, -1}}, [](auto &x) { return relu(x[0]); }), {0, 0, 1, 0});
  expectNear(gradientOf({{0, -0.0, 2, -2}}, [](auto &x) { return abs(x[0]); }), {0, 0, 1, -1});
  expectNear(gradientOf({{0, 1.5}}, [](auto &x) { return floor(x[0]) + sign(x[0]) + round(x[0]); }),
             {0, 0});
  expectNear(gradientOf({{0, 4}}, [](auto &x) { return sqrt(x[0]); }), {inf, 0.25});
}

TEST_P(BoundaryTest, TiesShareTheGradient) {
  auto larger = [](auto &x) { return maximum(x[0], x[1]); };
  expectNear(gradientOf({{1, 2, 3}, {1, 3, 2}}, larger, 0), {0.5, 0, 1});
  expectNear(gradientOf({{1, 2, 3}, {1, 3, 2}}, larger, 1), {0.5, 1, 0});
  auto smaller = [](auto &x) { return minimum(x[0], x[1]); };
  expectNear(gradientOf({{1, 2, 3}, {1, 3, 2}}, smaller, 0), {0.5, 1, 0});
  expectNear(gradientOf({{3, 1, 3, 3, 0}}, [](auto &x) { return max(x[0]); }),
             {1.0 / 3, 0, 1.0 / 3, 1.0 / 3, 0});
  expectNear(gradientOf({{3, 1, 3, 1}}, [](auto &x) { return min(x[0]); }), {0, 0.5, 0, 0.5});
}

TEST_P(BoundaryTest, ProductsWithZeros) {
  auto product = [](auto &x) { return prod(x[0]); };
  expectNear(gradientOf({{2, 3, 4}}, product), {12, 8, 6});
  expectNear(gradientOf({{2, 0, 4}}, product), {0, 8, 0});
  expectNear(gradientOf({{0, 0, 4}}, product), {0, 0, 0});
  // Second derivatives: d²(xyz) = 2 (x dy dz + …), summed over the rows.
  expectNear(gradientOf({{2, 3, 4}}, product, 0, 2), {7, 6, 5});
  expectNear(gradientOf({{2, 0, 4}}, product, 0, 2), {4, 6, 2});
  expectNear(gradientOf({{0, 0, 4}}, product, 0, 2), {4, 4, 0});
}

TEST_P(BoundaryTest, NothingLeaksFromTheBranchNotTaken) {
  auto chosen = [](auto &x) { return where(x[0] > 0.0, x[0] * 2.0, x[1]); };
  expectNear(gradientOf({{1, 2}, {nan, inf}}, chosen, 0), {2, 2});
  expectNear(gradientOf({{1, 2}, {nan, inf}}, chosen, 1), {0, 0});
  expectNear(gradientOf({{1, -1}}, [](auto &x) { return where(x[0] > 0.0, log(x[0]), 0.0); }),
             {1, 0});
}

TEST_P(BoundaryTest, GradientsOfPow) {
  auto power = [](auto &x) { return pow(x[0], x[1]); };
  expectNear(gradientOf({{0, 0, 2, 0}, {2, 1, 3, 0}}, power, 0), {0, 1, 12, 0});
  expectNear(gradientOf({{0, 1}, {2, 5}}, power, 1), {0, 0});
}

TEST_P(BoundaryTest, StopGradientStops) {
  expectNear(gradientOf({{3, 4}}, [](auto &x) { return x[0] * stopGradient(x[0]); }), {3, 4});
}

TEST_P(BoundaryTest, RepeatedIndicesAddUp) {
  Array table = Array::from<double>({1, 2, 3}), labels = Array::from<int32_t>({2, 0, 2, 2});
  Array got =
      run({table, labels}, [](auto &x) { return gradient(sum(gatherRows(x[0], x[1])), x[0]); });
  expectValues<double>(got, {1, 0, 3});
}

// -- Indices out of range -------------------------------------------------------------------------

TEST_P(BoundaryTest, IndicesOutOfRangeAreReported) {
  struct Bad {
    const char *op;
    int64_t index, bound;
    Build build;
  };
  const Bad cases[] = {
      {"gather_rows", 4, 4, [](auto &x) { return gatherRows(x[0], x[1]); }},
      {"gather_rows", -1, 4, [](auto &x) { return gatherRows(x[0], x[1]); }},
      {"pick", 3, 3, [](auto &x) { return pick(x[0], x[1]); }},
      {"scatter_add_rows", 9, 5, [](auto &x) { return scatterAddRows(x[1], x[0], 5); }},
  };
  for (const Bad &bad : cases) {
    Array labels = Array::from<int64_t>({0, 1, bad.index, 2});
    try {
      run({Array(f32, {4, 3}), labels}, bad.build);
      ADD_FAILURE() << bad.op << " takes " << bad.index;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::User);
      std::string text = error.what(), want = "index " + std::to_string(bad.index) +
                                              " is not in [0, " + std::to_string(bad.bound) + ")";
      EXPECT_NE(text.find(want), std::string::npos) << text;
      EXPECT_NE(text.find("BoundaryTest.cpp"), std::string::npos) << text;
    }
  }
}

} // namespace
} // namespace sinter::ops
