// SPDX-License-Identifier: Apache-2.0
// Values at which the field disagrees and derivatives at kinks of the ops in MathRows.cpp: what
// ir/ElementwiseOps.td states, by both engines.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace sinter::ops {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class MathBoundaryTest : public testing::TestWithParam<Engine> {
protected:
  using Build = std::function<Tensor(const std::vector<Tensor> &)>;

  static Array run(const std::vector<Array> &arrays, const Build &build) {
    Graph graph;
    ArrayMap inputs;
    std::vector<Tensor> tensors;
    for (const Array &array : arrays) {
      std::string name = "x" + std::to_string(tensors.size());
      tensors.push_back(graph.placeholder(name, array.dtype(), Shape(array.sizes())));
      inputs[name] = array;
    }
    graph.output("y", build(tensors));
    return compile(graph, {.engine = GetParam()}).run(inputs).at("y");
  }

  /// build(a) or build(a, b), elementwise.
  template <typename T>
  static void expect(const Build &build, const std::vector<std::vector<T>> &inputs,
                     const std::vector<T> &want) {
    std::vector<Array> arrays;
    for (const std::vector<T> &input : inputs)
      arrays.push_back(Array::from(input));
    std::vector<T> got = run(arrays, build).toVector<T>();
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
      if (want[i] != want[i])
        EXPECT_NE(got[i], got[i]) << "element " << i;
      else
        EXPECT_TRUE(got[i] == want[i] &&
                    std::signbit(double(got[i])) == std::signbit(double(want[i])))
            << "element " << i << ": got " << +got[i] << ", want " << +want[i];
  }

  /// The gradient of the sum of build(x...) in x[which], near `want`.
  static void expectGradient(const Build &build, const std::vector<std::vector<double>> &inputs,
                             size_t which, const std::vector<double> &want) {
    std::vector<Array> arrays;
    for (const std::vector<double> &input : inputs)
      arrays.push_back(Array::from(input));
    std::vector<double> got = run(arrays, [&](const std::vector<Tensor> &x) {
                                return gradient(sum(build(x)), x[which]);
                              }).toVector<double>();
    for (size_t i = 0; i < want.size(); ++i)
      if (std::isfinite(want[i]))
        EXPECT_NEAR(got.at(i), want[i], 1e-12) << "element " << i;
      else
        EXPECT_EQ(got.at(i), want[i]) << "element " << i;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, MathBoundaryTest,
                         testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const auto &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

using Tensors = std::vector<Tensor>;
Tensor remOf(const Tensors &x) { return rem(x[0], x[1]); }
Tensor modOf(const Tensors &x) { return mod(x[0], x[1]); }
Tensor floorDivOf(const Tensors &x) { return floorDiv(x[0], x[1]); }

// -- Division -------------------------------------------------------------------------------------

template <typename T> constexpr T lowest = std::numeric_limits<T>::min();
template <typename T> constexpr T highest = std::numeric_limits<T>::max();

TEST_P(MathBoundaryTest, IntegerRemaindersAreDefinedEverywhere) {
  auto signedCases = [](auto zero) {
    using T = decltype(zero);
    std::vector<T> a = {7, -7, 7, -7, 5, -5, 0, lowest<T>, lowest<T>, highest<T>, -6},
                   b = {3, 3, -3, -3, 0, 0, 0, -1, 0, lowest<T>, 3};
    expect<T>(remOf, {a, b}, {1, -1, 1, -1, 5, -5, 0, 0, lowest<T>, highest<T>, 0});
    expect<T>(modOf, {a, b}, {1, 2, -2, -1, 5, -5, 0, 0, lowest<T>, T(-1), 0});
    expect<T>(floorDivOf, {a, b}, {2, -3, -3, 2, 0, 0, 0, lowest<T>, 0, T(-1), -2});
  };
  signedCases(int8_t{});
  signedCases(int16_t{});
  signedCases(int32_t{});
  signedCases(int64_t{});
  auto unsignedCases = [](auto zero) {
    using T = decltype(zero);
    std::vector<T> a = {7, highest<T>, 5, highest<T>}, b = {3, 10, 0, highest<T>};
    std::vector<T> rest = {1, highest<T> % 10, 5, 0};
    expect<T>(remOf, {a, b}, rest);
    expect<T>(modOf, {a, b}, rest);
    expect<T>(floorDivOf, {a, b}, {2, highest<T> / 10, 0, 1});
  };
  unsignedCases(uint8_t{});
  unsignedCases(uint32_t{});
  unsignedCases(uint64_t{});
}

TEST_P(MathBoundaryTest, FloatRemaindersFollowIeeeAndPython) {
  std::vector<double> a = {7, -7, 7, -7, 5, 0, -0.0, 6, -6, inf, 3, -3, nan, 1e300, -1e-30},
                      b = {3, 3, -3, -3, 0, 0, 3, -3, 3, 2, inf, inf, 1, 1e-300, 3};
  expect<double>(
      remOf, {a, b},
      {1, -1, 1, -1, nan, nan, -0.0, 0, -0.0, nan, 3, -3, nan, std::fmod(1e300, 1e-300), -1e-30});
  expect<double>(
      modOf, {a, b},
      {1, 2, -2, -1, nan, nan, 0, -0.0, 0, nan, 3, inf, nan, std::fmod(1e300, 1e-300), 3});
  expect<double>(floorDivOf, {a, b},
                 {2, -3, -3, 2, inf, nan, -0.0, -2, -2, nan, 0, -1, nan, inf, -1});
  std::vector<float> huge = {0x1.8p127f, 0x1.234568p100f}, tiny = {0x1.4p-149f, 0x1.fffffep-120f};
  expect<float>(remOf, {huge, tiny}, {std::fmod(huge[0], tiny[0]), std::fmod(huge[1], tiny[1])});
}

TEST_P(MathBoundaryTest, GradientsOfRemainders) {
  std::vector<double> a = {7.5, -7.5, 7.5}, b = {2, 2, -2};
  expectGradient(remOf, {a, b}, 0, {1, 1, 1});
  expectGradient(remOf, {a, b}, 1, {-3, 3, 3}); // -trunc(a / b)
  expectGradient(modOf, {a, b}, 1, {-3, 4, 4}); // -floor(a / b)
  expectGradient(floorDivOf, {a, b}, 0, {0, 0, 0});
  expectGradient(floorDivOf, {a, b}, 1, {0, 0, 0});
}

// -- Powers and bits ------------------------------------------------------------------------------

TEST_P(MathBoundaryTest, IntegerPowersWrapAndInvertUnits) {
  auto power = [](const Tensors &x) { return pow(x[0], x[1]); };
  expect<int32_t>(power,
                  {{0, 0, 2, 2, -2, 1, -1, -1, 3, lowest<int32_t>, -1},
                   {0, -1, 31, 32, 31, -5, -5, -4, -1, 1, lowest<int32_t>}},
                  {1, 0, lowest<int32_t>, 0, lowest<int32_t>, 1, -1, 1, 0, lowest<int32_t>, 1});
  expect<int8_t>(power, {{2, 3, -2}, {7, 5, 127}}, {-128, -13, 0});
  expect<uint64_t>(power, {{3, 2, 1}, {40, 63, ~uint64_t{0}}},
                   {12157665459056928801u, uint64_t{1} << 63, 1});
}

TEST_P(MathBoundaryTest, ShiftsOutOfTheWidthShiftEverythingOut) {
  auto left = [](const Tensors &x) { return shiftLeft(x[0], x[1]); };
  auto right = [](const Tensors &x) { return shiftRight(x[0], x[1]); };
  std::vector<int8_t> a = {1, -1, -128, 64, -2, 100}, b = {7, 8, -1, 1, 100, -128};
  expect<int8_t>(left, {a, b}, {-128, 0, 0, -128, 0, 0});
  expect<int8_t>(right, {a, b}, {0, -1, -1, 32, -1, 0});
  expect<uint8_t>(right, {{255, 255, 128, 255}, {1, 7, 8, 255}}, {127, 1, 0, 0});
  expect<int32_t>(right, {{-5, -5, 5}, {1, 32, 33}}, {-3, -1, 0});
  expect<uint32_t>(left, {{1, 1, 3}, {31, 32, ~0u}}, {1u << 31, 0, 0});
  expect<int64_t>(left, {{1, 1, -1}, {63, 64, -1}}, {lowest<int64_t>, 0, 0});
  expect<uint64_t>(right, {{~uint64_t{0}, ~uint64_t{0}}, {63, 64}}, {1, 0});
}

// -- Floats ---------------------------------------------------------------------------------------

TEST_P(MathBoundaryTest, EndsOfDomains) {
  auto check = [](auto function, const std::vector<double> &x, const std::vector<double> &want) {
    expect<double>([=](const Tensors &t) { return function(t[0]); }, {x}, want);
  };
  auto loc = std::source_location::current();
  check([=](auto &x) { return erfinv(x, loc); }, {-1, 1, 0, -0.0, 1.5, -2, nan},
        {-inf, inf, 0, -0.0, nan, nan, nan});
  check([=](auto &x) { return lgamma(x, loc); }, {0, -0.0, 1, 2, -1, -7, inf, -inf, -1e300, nan},
        {inf, inf, 0, 0, inf, inf, inf, inf, inf, nan});
  check([=](auto &x) { return digamma(x, loc); }, {0, -0.0, -1, -7, inf, -inf},
        {-inf, inf, nan, nan, inf, nan});
  check([=](auto &x) { return trigamma(x, loc); }, {0, -1, inf}, {inf, inf, 0});
  check([=](auto &x) { return acosh(x, loc); }, {1, 0.5, -3, inf}, {0, nan, nan, inf});
  check([=](auto &x) { return atanh(x, loc); }, {1, -1, 1.5, -0.0}, {inf, -inf, nan, -0.0});
  check([=](auto &x) { return asin(x, loc); }, {1.5, -inf, -0.0}, {nan, nan, -0.0});
  check([=](auto &x) { return log2(x, loc); }, {0, 8, 0x1p-1074, -1, inf},
        {-inf, 3, -1074, nan, inf});
  check([=](auto &x) { return exp2(x, loc); }, {-1074, 10, 1024, -inf, 0.0},
        {0x1p-1074, 1024, inf, 0, 1});
  check([=](auto &x) { return cbrt(x, loc); }, {0, -0.0, inf, -inf, 8}, {0, -0.0, inf, -inf, 2});
  check([=](auto &x) { return trunc(x, loc); }, {-0.5, 1.9, -1.9, inf}, {-0.0, 1, -1, inf});
}

TEST_P(MathBoundaryTest, PairsAtInfinityAndZero) {
  auto angle = [](const Tensors &x) { return atan2(x[0], x[1]); };
  double pi = M_PI;
  expect<double>(
      angle, {{0, -0.0, 0, -0.0, inf, -inf, inf, nan, 1}, {1, 1, -1, -0.0, inf, inf, -inf, 1, nan}},
      {0, -0.0, pi, -pi, pi / 4, -pi / 4, 3 * pi / 4, nan, nan});
  auto length = [](const Tensors &x) { return hypot(x[0], x[1]); };
  expect<double>(length,
                 {{0x3p699, 0x3p-699, inf, nan, nan, 0}, {0x4p699, 0x4p-699, nan, -inf, 1, -0.0}},
                 {0x5p699, 0x5p-699, inf, inf, nan, 0});
  expect<float>(length, {{0x3p100f, 0x3p-100f}, {0x4p100f, 0x4p-100f}}, {0x5p100f, 0x5p-100f});
  auto sum = [](const Tensors &x) { return logaddexp(x[0], x[1]); };
  expect<double>(sum, {{-inf, inf, -inf, 1000, inf, nan}, {-inf, inf, 2, -1000, -inf, 1}},
                 {-inf, inf, 2, 1000, inf, nan});
}

TEST_P(MathBoundaryTest, GradientsAtKinks) {
  auto angle = [](const Tensors &x) { return atan2(x[0], x[1]); };
  expectGradient(angle, {{0, 3}, {0, 4}}, 0, {0, 4.0 / 25});
  expectGradient(angle, {{0, 3}, {0, 4}}, 1, {0, -3.0 / 25});
  auto length = [](const Tensors &x) { return hypot(x[0], x[1]); };
  expectGradient(length, {{0, 3, 3e200}, {0, 4, 4e200}}, 0, {0, 0.6, 0.6});
  auto sum = [](const Tensors &x) { return logaddexp(x[0], x[1]); };
  expectGradient(sum, {{-inf, inf, -inf, 2}, {-inf, inf, 0, 2}}, 0, {0.5, 0.5, 0, 0.5});
  auto one = [](auto function) { return [=](const Tensors &x) { return function(x[0]); }; };
  auto loc = std::source_location::current();
  expectGradient(one([=](auto &x) { return cbrt(x, loc); }), {{0, 8}}, 0, {inf, 1.0 / 12});
  expectGradient(one([=](auto &x) { return erfinv(x, loc); }), {{-1, 1}}, 0, {inf, inf});
  expectGradient(one([=](auto &x) { return asinh(x, loc); }), {{1e200, 0}}, 0, {1e-200, 1});
  expectGradient(one([=](auto &x) { return acosh(x, loc); }), {{1}}, 0, {inf});
  expectGradient(one([=](auto &x) { return trunc(x, loc); }), {{1, 1.5}}, 0, {0, 0});
}

TEST_P(MathBoundaryTest, NotANumberIsKept) {
  auto all = [](const Tensors &x) {
    Tensor y = x[0];
    return tan(y) + asin(y) + acos(y) + atan(y) + sinh(y) + cosh(y) + asinh(y) + acosh(y) +
           atanh(y);
  };
  expect<float>(all, {{std::nanf("")}}, {std::nanf("")});
}

// Compiled, the sign of exp(-x) goes into its multiply-adds: no other bits than those of the
// negated argument's exp, by vectors and in their rest, and the limits at both ends.
TEST(MathOfNegatedTest, ExpOfNegatedHasTheBitsOfExp) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  std::vector<float> x = {0.0f,      -0.0f,  1.0f,     -1.0f,   88.7f,   -88.7f, 88.73f,
                          -88.73f,   103.9f, -103.9f,  104.5f,  -104.5f, 1e5f,   -1e5f,
                          1e14f,     -1e14f, 3e38f,    -3e38f,  tiny,    -tiny,  INFINITY,
                          -INFINITY, NAN,    -0.3466f, 0.3466f, 17.25f,  -42.5f};
  std::vector<float> negated;
  for (float value : x)
    negated.push_back(-value);
  test::forEachLevel({"native", "x86-64-v3", "x86-64"}, [&](const char *level) {
    auto expOf = [&](const std::vector<float> &values, bool negate) {
      Graph graph;
      Tensor a = graph.placeholder("a", f32, {static_cast<int64_t>(values.size())});
      graph.output("y", exp(negate ? -a : a));
      return compile(graph, {.target = Target::cpu(level)})
          .run({{"a", Array::from(values)}})
          .at("y")
          .toVector<float>();
    };
    std::vector<float> got = expOf(x, true), want = expOf(negated, false);
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i]))
        EXPECT_TRUE(std::isnan(got[i]) && std::isnan(want[i])) << level;
      else
        EXPECT_EQ(got[i], want[i]) << level << " exp(-" << x[i] << ")";
      double exact = std::exp(-static_cast<double>(x[i]));
      if (x[i] > 104)
        EXPECT_EQ(got[i], 0.0f) << level << " exp(-" << x[i] << ")";
      else if (x[i] < -88.73f)
        EXPECT_EQ(got[i], INFINITY) << level << " exp(-" << x[i] << ")";
      else if (std::fabs(x[i]) < 80)
        EXPECT_NEAR(got[i], exact, exact * 2e-7) << level << " exp(-" << x[i] << ")";
    }
  });
}

} // namespace
} // namespace sinter::ops
