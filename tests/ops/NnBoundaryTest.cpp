// SPDX-License-Identifier: Apache-2.0
// Layers over windows where the field disagrees or a size makes no sense, by both engines.
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace sinter::ops {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class NnBoundaryTest : public testing::TestWithParam<Engine> {
protected:
  using Build = std::function<Tensor(const Tensor &)>;
  using Doubles = std::vector<double>;

  Array run(const Array &x, const Shape &shape, const Build &build) {
    Graph graph;
    graph.output("y", build(graph.placeholder("x", x.dtype(), shape)));
    return compile(graph, {.engine = GetParam()}).run({{"x", x}}).at("y");
  }
  Array run(const Array &x, const Build &build) { return run(x, Shape(x.sizes()), build); }
  Doubles values(const Doubles &x, std::vector<int64_t> sizes, const Build &build) {
    return run(Array::from(x).reshape(std::move(sizes)), build).toVector<double>();
  }
  /// The gradient of the sum of build(x).
  Doubles gradientOf(const Doubles &x, std::vector<int64_t> sizes, const Build &build) {
    return values(x, std::move(sizes), [&](const Tensor &t) { return gradient(sum(build(t)), t); });
  }
  static Array counting(std::vector<int64_t> sizes) {
    Array x(f64, std::move(sizes));
    std::iota(x.as<double>(), x.as<double>() + x.numElements(), 1.0);
    return x;
  }
};

TEST_P(NnBoundaryTest, TiesInAWindowShareTheGradient) {
  Build pool = [](const Tensor &x) { return maxPool(x, {2, 2}); };
  EXPECT_EQ(gradientOf({1, 1, 0, -1}, {1, 1, 2, 2}, pool), (Doubles{0.5, 0.5, 0, 0}));
  EXPECT_EQ(gradientOf({3, 3, 3, 3}, {1, 1, 2, 2}, pool), (Doubles{0.25, 0.25, 0.25, 0.25}));
  // Overlapping windows: each has one largest element.
  Build overlapping = [](const Tensor &x) { return maxPool(x, {2}, {.strides = {1}}); };
  EXPECT_EQ(gradientOf({1, 5, 2, 4}, {1, 1, 4}, overlapping), (Doubles{0, 2, 0, 1}));
}

/// Squares and sums of numbers that f16 holds would be infinite in f16.
TEST_P(NnBoundaryTest, SumsOfSmallFloatsDoNotOverflow) {
  auto ones = [](const Tensor &x, int64_t n) { return fullLike(x, 1, {n}); };
  auto zeros = [](const Tensor &x, int64_t n) { return fullLike(x, 0, {n}); };
  auto trained = [&](const Tensor &x) {
    return batchNormTraining(x, ones(x, 1), zeros(x, 1), zeros(x, 1), ones(x, 1)).y;
  };
  struct Case {
    const char *name;
    Doubles x;
    Build build;
    Doubles expected;
  };
  const Case cases[] = {
      {"rmsNorm",
       {1000, 500},
       [&](auto &x) { return rmsNorm(x, ones(x, 2)); },
       {1.26491, 0.632456}},
      {"groupNorm",
       {1000, 500},
       [&](auto &x) { return groupNorm(x, 1, ones(x, 1), zeros(x, 1)); },
       {1, -1}},
      {"instanceNorm",
       {1000, 500},
       [&](auto &x) { return instanceNorm(x, ones(x, 1), zeros(x, 1)); },
       {1, -1}},
      {"batchNormTraining", {1000, 500}, trained, {1, -1}},
      {"lpNormalize", {1000, 500}, [](auto &x) { return lpNormalize(x); }, {0.894427, 0.447214}},
      {"localResponseNorm",
       {1000, 500},
       [](auto &x) { return localResponseNorm(x, {.size = 1}); },
       {31.3877, 43.4250}},
      {"avgPool", {60000, 60000}, [](auto &x) { return avgPool(x, {2}); }, {60000}},
      {"avgPool of whole and cut windows",
       {60000, 60000},
       [](auto &x) { return avgPool(x, {2}, {.strides = {1}, .padding = 1}); },
       {60000, 60000, 60000}},
      {"lpPool", {1000, 500}, [](auto &x) { return lpPool(x, {2}, 2); }, {1118.034}},
  };
  for (const Case &test : cases) {
    Array x = Array::from(test.x).cast(f16).reshape({1, 1, 2});
    Array y = run(x, test.build);
    EXPECT_EQ(y.dtype(), f16) << test.name;
    Doubles got = y.cast(f64).toVector<double>();
    ASSERT_EQ(got.size(), test.expected.size()) << test.name;
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], test.expected[i], std::abs(test.expected[i]) * 0.002) << test.name;
  }
}

TEST_P(NnBoundaryTest, SoftmaxOfMoreClassesThanSmallFloatsCount) {
  constexpr int64_t classes = 70000; // The largest f16 is 65504.
  Array x = Array::from(Doubles(classes, 0)).cast(f16);
  auto first = [&](const Build &build) {
    return run(x, [&](const Tensor &t) { return build(t).reshape({-1}).slice(0, 0, 1); })
        .cast(f64)
        .toVector<double>()
        .at(0);
  };
  double entropy = std::log(static_cast<double>(classes));
  EXPECT_NEAR(first([](auto &t) { return softmax(t); }), 1.0 / classes, 1e-7);
  EXPECT_NEAR(first([](auto &t) { return logSoftmax(t); }), -entropy, 0.01);
  EXPECT_NEAR(first([](auto &t) { return logsumexp(t); }), entropy, 0.01);
  EXPECT_NEAR(first([](auto &t) { return softmaxCrossEntropy(t, fullLike(t, 0, {}).cast(i32)); }),
              entropy, 0.01);
}

TEST_P(NnBoundaryTest, NanAndInfinityInWindows) {
  Build pool = [](const Tensor &x) { return maxPool(x, {2}, {.padding = 1}); };
  Doubles got = values({nan, 1, -inf, -inf, 2, inf}, {1, 1, 6}, pool);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_EQ(got[1], 1);
  EXPECT_EQ(got[2], 2);
  EXPECT_EQ(got[3], inf);
  // Nothing but -inf: padding does not raise it.
  EXPECT_EQ(values({-inf, -inf}, {1, 1, 2}, pool), (Doubles{-inf, -inf}));
  // A mean takes in only the windows that hold the NaN.
  Doubles means =
      values({nan, 1, 2, 4}, {1, 1, 4}, [](const Tensor &x) { return avgPool(x, {2}); });
  EXPECT_TRUE(std::isnan(means[0]));
  EXPECT_EQ(means[1], 3);
}

TEST_P(NnBoundaryTest, PaddingNeverWinsAmongIntegers) {
  Array x(i8, {1, 1, 3});
  std::fill_n(x.as<int8_t>(), 3, int8_t{-128});
  Array y = run(x, [](const Tensor &t) { return maxPool(t, {2}, {.strides = {1}, .padding = 1}); });
  EXPECT_EQ(y.toVector<int8_t>(), std::vector<int8_t>(4, -128));
  Array u(u8, {1, 1, 2});
  EXPECT_EQ(
      run(u, [](const Tensor &t) { return maxPool(t, {2}, {.padding = 1}); }).toVector<uint8_t>(),
      std::vector<uint8_t>(2, 0));
}

TEST_P(NnBoundaryTest, IndicesNameTheFirstOfEquals) {
  Array x = Array::from(Doubles{1, 2, 2, 0, 7, 7, 7, 7}).reshape({2, 1, 4});
  Graph graph;
  std::vector<Tensor> pooled = maxPoolWithIndices(graph.placeholder("x", f64, {2, 1, 4}), {3},
                                                  {.strides = {1}, .padding = 1});
  graph.output("y", pooled[0]);
  graph.output("i", pooled[1]);
  ArrayMap out = compile(graph, {.engine = GetParam()}).run({{"x", x}});
  EXPECT_EQ(out.at("y").toVector<double>(), (Doubles{2, 2, 2, 2, 7, 7, 7, 7}));
  EXPECT_EQ(out.at("i").toVector<int64_t>(), (std::vector<int64_t>{1, 1, 1, 2, 4, 4, 5, 6}));
}

void expectNear(const std::vector<double> &got, const std::vector<double> &want, double p) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], want[i], 1e-14) << "p = " << p << ", element " << i;
}

TEST_P(NnBoundaryTest, NormsOfNothingHaveNoSlope) {
  for (double p : {2.0, 3.0}) {
    Build pool = [=](const Tensor &x) { return lpPool(x, {2}, p); };
    expectNear(values({0, 0, 3, 0}, {1, 1, 4}, pool), {0, 3}, p);
    expectNear(gradientOf({0, 0, 3, 0}, {1, 1, 4}, pool), {0, 0, 1, 0}, p);
    Build normal = [=](const Tensor &x) { return lpNormalize(x, p, 1); };
    expectNear(values({0, 0, 4, 0}, {2, 2}, normal), {0, 0, 1, 0}, p);
    expectNear(gradientOf({0, 0, 4, 0}, {2, 2}, normal), {0, 0, 0, 0.25}, p);
  }
}

TEST_P(NnBoundaryTest, OverlapsCountTheWindows) {
  Doubles got = values({1, 1, 1, 1, 1}, {5},
                       [](const Tensor &x) { return overlapAdd(windows(x, {3}), {5}); });
  EXPECT_EQ(got, (Doubles{1, 2, 3, 2, 1}));
  // What no window reaches stays 0.
  got = values({1, 1, 1, 1, 1, 1}, {6}, [](const Tensor &x) {
    return overlapAdd(windows(x, {2}, {.strides = {3}}), {6}, {.strides = {3}});
  });
  EXPECT_EQ(got, (Doubles{1, 1, 0, 1, 1, 0}));
}

TEST_P(NnBoundaryTest, ASymbolicSizeGivesWhatAKnownOneGives) {
  struct Kind {
    const char *name;
    Build build;
  };
  const std::vector<Kind> kinds = {
      {"ceil",
       [](const Tensor &x) {
         return avgPool(x, {3}, {.strides = {2}, .padding = 1, .ceilMode = true});
       }},
      {"ceilCountPad",
       [](const Tensor &x) {
         return avgPool(x, {3},
                        {.strides = {2}, .padding = 1, .ceilMode = true, .countIncludePad = true});
       }},
      {"same",
       [](const Tensor &x) {
         return maxPool(x, {3}, {.strides = {2}, .padding = Padding::same()});
       }},
      {"reflect",
       [](const Tensor &x) {
         return pad(x, {0, 0, 3}, {0, 0, 2}, PadMode::Reflect);
       }},
      {"wrap",
       [](const Tensor &x) {
         return pad(x, {0, 0, 3}, {0, 0, 2}, PadMode::Wrap);
       }},
      {"edge",
       [](const Tensor &x) {
         return pad(x, {0, 0, 3}, {0, 0, 2}, PadMode::Edge);
       }},
      {"gradient",
       [](const Tensor &x) { return gradient(sum(square(maxPool(x, {3}, {.strides = {2}}))), x); }},
  };
  for (const Kind &kind : kinds)
    for (int64_t size : {4, 5, 6, 7, 8, 17}) {
      Array x = counting({1, 1, size});
      Array known = run(x, kind.build), symbolic = run(x, {1, 1, dim("W")}, kind.build);
      EXPECT_EQ(symbolic.sizes(), known.sizes()) << kind.name << " " << size;
      EXPECT_EQ(symbolic.toVector<double>(), known.toVector<double>()) << kind.name << " " << size;
    }
}

/// The user error of a call on x with a spatial size that is known only then.
std::string messageOf(Engine engine, int64_t size,
                      const std::function<Tensor(const Tensor &)> &build) {
  Graph graph;
  graph.output("y", build(graph.placeholder("x", f64, {1, 1, dim("W")})));
  Executable executable = compile(graph, {.engine = engine});
  try {
    executable.run({{"x", Array(f64, {1, 1, size})}});
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User) << error.what();
    return error.what();
  }
  return "";
}

TEST_P(NnBoundaryTest, SizesThatMakeNoSenseWhenTheyAreKnown) {
  Build pool = [](const Tensor &x) { return maxPool(x, {3}); };
  std::string message = messageOf(GetParam(), 2, pool);
  EXPECT_NE(message.find("NnBoundaryTest.cpp"), std::string::npos) << message;
  EXPECT_NE(message.find("3 elements"), std::string::npos) << message;
  EXPECT_EQ(messageOf(GetParam(), 3, pool), "");
  Build reflect = [](const Tensor &x) { return pad(x, {0, 0, 4}, {0, 0, 0}, PadMode::Reflect); };
  message = messageOf(GetParam(), 2, reflect);
  EXPECT_NE(message.find("NnBoundaryTest.cpp"), std::string::npos) << message;
  EXPECT_NE(message.find("index"), std::string::npos) << message;
  EXPECT_EQ(messageOf(GetParam(), 5, reflect), "");
}

TEST_P(NnBoundaryTest, AnEmptyBatchGoesThrough) {
  Array x(f64, {0, 2, 6, 6});
  Graph graph;
  Tensor t = graph.placeholder("x", f64, {dim("N"), 2, 6, 6});
  Tensor w = graph.placeholder("w", f64, {3, 2, 3, 3});
  Tensor y = maxPool(conv(t, w), {2, 2});
  graph.output("y", y);
  graph.output("dw", gradient(sum(y), w));
  ArrayMap out =
      compile(graph, {.engine = GetParam()}).run({{"x", x}, {"w", Array(f64, {3, 2, 3, 3})}});
  EXPECT_EQ(out.at("y").sizes(), (std::vector<int64_t>{0, 3, 2, 2}));
  EXPECT_EQ(out.at("dw").toVector<double>(), Doubles(54, 0));
}

INSTANTIATE_TEST_SUITE_P(Engines, NnBoundaryTest,
                         testing::Values(Engine::Interpreter, Engine::Compiled),
                         [](const testing::TestParamInfo<Engine> &info) {
                           return info.param == Engine::Compiled ? "compiled" : "interpreter";
                         });

} // namespace
} // namespace sinter::ops
