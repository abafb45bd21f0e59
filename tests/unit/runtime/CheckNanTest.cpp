// SPDX-License-Identifier: Apache-2.0
// CompileOptions::checkNan: the op that makes a NaN or an infinity is named, whatever kernel it is
// in; infinities that the graph says are no mistake; and nothing else changes.
#include "tests/unit/runtime/NanForms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>

using namespace sinter;
using namespace sinter::test;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr Engine engines[] = {Engine::Compiled, Engine::Interpreter};

std::optional<Error> errorOf(const std::function<void()> &call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  return std::nullopt;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

class CheckNanForm : public testing::TestWithParam<FormCase> {};

TEST_P(CheckNanForm, NamesTheOpThatMadeIt) {
  const FormCase &form = GetParam();
  for (Engine engine : engines)
    for (int64_t threads : {1, 2}) {
      Graph g;
      std::vector<DimExpr> shape(form.sizes.begin(), form.sizes.end());
      Tensor x = g.placeholder("x", f32, Shape(shape));
      Tensor y = form.build(g, x);
      CompileOptions options{.outputs = {y}, .engine = engine, .threads = threads};
      options.checkNan = true;
      Executable checked = compile(g, options);
      Array bad = with(form.sizes, form.at, form.value);
      auto error = errorOf([&] { checked({{"x", bad}}); });
      ASSERT_TRUE(error) << "nothing was reported";
      EXPECT_EQ(error->op(), form.op) << error->what();
      EXPECT_TRUE(contains(error->message(), "made ")) << error->what();
      EXPECT_TRUE(contains(error->location().file, "NanForms.h")) << error->what();
      EXPECT_EQ(error->kind(), ErrorKind::User);
      // What is good passes, with the bits of the program that does not look.
      if (form.at < 0)
        continue;
      Array good = with(form.sizes);
      options.checkNan = false;
      Array got = checked({{"x", good}})[0], want = compile(g, options)({{"x", good}})[0];
      EXPECT_EQ(std::memcmp(got.data(), want.data(), static_cast<size_t>(got.numBytes())), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Forms, CheckNanForm, testing::ValuesIn(nanForms),
                         [](const auto &info) { return std::string(info.param.name); });

Executable checkedOf(const Graph &g, std::vector<Tensor> outputs, Updates updates = {},
                     Engine engine = Engine::Compiled) {
  CompileOptions options{
      .outputs = std::move(outputs), .updates = std::move(updates), .engine = engine};
  options.checkNan = true;
  return compile(g, options);
}

TEST(CheckNanTest, TheElementAndItsOperandsAreTold) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {dim("N"), 10});
    auto error = errorOf([&] {
      checkedOf(g, {x / (x - 7) + 3}, {}, engine)({{"x", with({4, 10}, 23, 7)}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "made inf out of 7 and 0, element [2, 3] of f32[4, 10]"))
        << error->what();
  }
}

TEST(CheckNanTest, TheFirstOpIsNamedNotTheOneThatShowsIt) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {64});
    Tensor big = x.exp();           // inf
    Tensor ratio = big / big.sum(); // NaN
    Tensor hidden = ratio.maximum(0) * 3;
    auto error = errorOf([&] { checkedOf(g, {hidden}, {}, engine)({{"x", with({64}, 5, 100)}}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->op(), "exp") << error->what();
    EXPECT_TRUE(contains(error->message(), "made inf out of 100")) << error->what();
  }
}

// Kernels may keep constants in another order than the graph does.
TEST(CheckNanTest, ConstantsInPanels) {
  Array filter(f32, {32, 32, 3, 3}), matrix(f32, {256, 256});
  filter.as<float>()[(1 * 32 + 2) * 9 + 4] = 1e38F; // The middle of the window.
  matrix.as<float>()[2 * 256 + 7] = 1e38F;
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {4, 32, 7, 7}), a = g.placeholder("a", f32, {64, 256});
    Tensor y = conv(x, g.constant(filter), {.padding = 1}), z = a.matmul(g.constant(matrix));
    auto error = errorOf([&] {
      checkedOf(g, {y}, {}, engine)({{"x", with({4, 32, 7, 7}, 2 * 49 + 3 * 7 + 5, 1e6F)}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "made inf, element [0, 1, 3, 5]")) << error->what();
    error = errorOf(
        [&] { checkedOf(g, {z}, {}, engine)({{"a", with({64, 256}, 5 * 256 + 2, 1e6F)}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "made inf, element [5, 7]")) << error->what();
  }
}

TEST(CheckNanTest, AcrossKernels) {
  // The infinity is made in one kernel, and would show in another one.
  Graph g;
  Tensor x = g.placeholder("x", f32, {32, 48});
  Tensor w = g.placeholder("w", f32, {48, 48});
  Tensor h = (x * 2).matmul(w).exp().matmul(w), y = (h - h).matmul(w);
  auto error = errorOf([&] { checkedOf(g, {y})({{"x", with({32, 48})}, {"w", with({48, 48})}}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->op(), "exp") << error->what();
}

TEST(CheckNanTest, EqualKernelsKnowWhichOneTheyAre) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {32, 48}), w = g.placeholder("w", f32, {48, 48});
  Tensor first = x.matmul(w).log();
  Tensor second = first.matmul(w).log();
  const unsigned line = __LINE__ - 1;
  Executable checked = checkedOf(g, {second});
  EXPECT_EQ(checked.program().kernels.size(), 1u);
  EXPECT_EQ(checked.program().steps.size(), 2u);
  Array weights(f32, {48, 48}); // Sums below 1 in one column: its logarithm is negative.
  weights.fill(0.01);
  auto error = errorOf([&] { checked({{"x", with({32, 48})}, {"w", weights}}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->op(), "log");
  EXPECT_TRUE(contains(error->message(), "made NaN out of -")) << error->what();
  EXPECT_EQ(error->location().line, line) << error->what();
}

TEST(CheckNanTest, ANaNInTheGradientIsFound) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {32});
    Tensor loss = x.sqrt().sum(); // Its gradient at 0 is infinite.
    auto error = errorOf([&] {
      checkedOf(g, gradients(loss, {x}), {}, engine)({{"x", with({32}, 9, 0)}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "in the gradient of sqrt")) << error->what();
    EXPECT_TRUE(contains(error->location().file, "CheckNanTest.cpp"));
  }
}

TEST(CheckNanTest, HalfPrecisionOverflows) {
  for (DType dtype : {f16, bf16}) {
    Graph g;
    Tensor x = g.placeholder("x", dtype, {70});
    Executable checked = checkedOf(g, {x * x + 1});
    Array input = with({70}).cast(dtype);
    EXPECT_FALSE(errorOf([&] { checked({{"x", input}}); }));
    Array large = with({70}, 66, dtype == f16 ? 300.0f : 1e25f).cast(dtype);
    auto error = errorOf([&] { checked({{"x", large}}); });
    ASSERT_TRUE(error) << name(dtype);
    EXPECT_EQ(error->op(), "mul") << error->what();
  }
}

// -- What came in ---------------------------------------------------------------------------------

TEST(CheckNanTest, InputsAndConstantsAreNamed) {
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {20}), y = g.placeholder("y", f32, {20});
    Array bad = with({20}, 3, nan);
    Tensor c = g.constant(bad), w = g.parameter("w", f32, {20}, init::constant(1));
    Executable sum = checkedOf(g, {x + y * 2}, {}, engine);
    auto error = errorOf([&] { sum({{"x", with({20})}, {"y", with({20}, 7, nan)}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "input 'y' holds NaN, element [7] of f32[20]"))
        << error->what();
    error = errorOf([&] { sum({{"x", with({20}, 2, -infinity)}, {"y", with({20})}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "input 'x' holds -inf")) << error->what();
    error = errorOf([&] { checkedOf(g, {x * c}, {}, engine)({{"x", with({20})}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "a constant holds NaN")) << error->what();
    error = errorOf([&] {
      State state(g, 1);
      state.set("w", bad);
      checkedOf(g, {x * w}, {}, engine)(state, {{"x", with({20})}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "parameter 'w' holds NaN")) << error->what();
    // One that does not reach a result is none of our business.
    Executable masked = checkedOf(g, {where(x > 0, y, 0)}, {}, engine);
    EXPECT_FALSE(errorOf([&] {
      masked({{"x", with({20}, 2, -infinity)}, {"y", with({20}, 2, nan)}});
    }));
  }
}

TEST(CheckNanTest, WhatIsPassedOnIsLookedAtToo) {
  // No kernel makes these results.
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {4, 5}), mask = g.constant(with({3}, 1, -infinity));
    Tensor v = g.state("v", f32, {20}, init::constant(1));
    Executable checked = checkedOf(g, {x, mask}, {{v, x.reshape({20})}}, engine);
    State state(g, 1);
    EXPECT_FALSE(errorOf([&] { checked(state, {{"x", with({4, 5})}}); }));
    auto error = errorOf([&] { checked(state, {{"x", with({4, 5}, 13, nan)}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "input 'x' holds NaN, element [2, 3] of f32[4, 5]"))
        << error->what();
    Executable update = checkedOf(g, {}, {{v, x.reshape({20})}}, engine);
    error = errorOf([&] { update(state, {{"x", with({4, 5}, 13, infinity)}}); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "input 'x' holds inf, element [2, 3]")) << error->what();
  }
}

// -- Infinities of the graph ----------------------------------------------------------------------

TEST(CheckNanTest, MasksAreNoMistake) {
  for (Engine engine : engines) {
    Graph g;
    DimExpr n = dim("N");
    Tensor x = g.placeholder("x", f32, {n, n});
    Tensor keep = g.placeholder("keep", boolean, {n, n});
    Tensor masked = where(keep, x, -infinity), p = softmax(masked);
    Tensor loss = (p * x).sum() + logSoftmax(masked).max();
    std::vector<Tensor> outputs = gradients(loss, {x});
    outputs.insert(outputs.end(), {masked, p, loss, masked.max({1}), masked + 1, masked * 2,
                                   logsumexp(masked, {1}), logSoftmax(masked)});
    Executable checked = checkedOf(g, outputs, {}, engine);
    Array mask(boolean, {24, 24});
    for (int64_t i = 0; i < 24 * 24; ++i)
      mask.as<bool>()[i] = i % 24 <= i / 24;
    auto error = errorOf([&] { checked({{"x", with({24, 24})}, {"keep", mask}}); });
    EXPECT_FALSE(error) << error->what();
    // A row without anything to look at is a mistake, and it is the subtraction's.
    for (int64_t i = 0; i < 24; ++i)
      mask.as<bool>()[24 * 5 + i] = false;
    error = errorOf([&] {
      checkedOf(g, {p}, {}, engine)({{"x", with({24, 24})}, {"keep", mask}});
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->op(), "sub") << error->what();
    EXPECT_TRUE(contains(error->message(), "NaN out of -inf and -inf")) << error->what();
  }
}

TEST(CheckNanTest, AMaskDoesNotHideWhatIsMade) {
  // -inf is expected here; NaN and +inf are not.
  Graph g;
  Tensor x = g.placeholder("x", f32, {40}), keep = x > 1;
  Executable checked = checkedOf(g, {where(keep, x.exp(), -infinity)});
  EXPECT_FALSE(errorOf([&] { checked({{"x", with({40})}}); }));
  auto error = errorOf([&] { checked({{"x", with({40}, 8, 100)}}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->op(), "exp") << error->what();
}

TEST(CheckNanTest, AttentionWithAMask) {
  Graph g;
  Tensor q = g.placeholder("q", f32, {2, 32, 16}), keep = g.placeholder("keep", boolean, {32, 32});
  Tensor scores = q.matmul(swapAxes(q, 1, 2)) * 0.25;
  Tensor y = softmax(where(broadcastTo(keep, scores.shape()), scores, -infinity)).matmul(q);
  std::vector<Tensor> outputs = gradients(y.sum(), {q});
  outputs.push_back(y);
  Executable checked = checkedOf(g, outputs);
  Array mask(boolean, {32, 32});
  for (int64_t i = 0; i < 32 * 32; ++i)
    mask.as<bool>()[i] = i % 32 <= i / 32;
  auto error = errorOf([&] { checked({{"q", with({2, 32, 16})}, {"keep", mask}}); });
  EXPECT_FALSE(error) << error->what();
  error = errorOf([&] { checked({{"q", with({2, 32, 16}, 77, nan)}, {"keep", mask}}); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(contains(error->message(), "input 'q' holds NaN")) << error->what();
}

// -- Training -------------------------------------------------------------------------------------

struct Model {
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 24});
  Tensor y = g.placeholder("y", i32, {dim("N")});
  Tensor w1 = g.parameter("w1", f32, {24, 40}, init::uniform(-0.5, 0.5));
  Tensor b1 = g.parameter("b1", f32, {40});
  Tensor w2 = g.parameter("w2", f32, {40, 5}, init::uniform(-0.5, 0.5));
  Tensor loss = softmaxCrossEntropy((x.matmul(w1) + b1).relu().matmul(w2), y).mean();
  std::vector<Tensor> parameters = {w1, b1, w2};
};

Array classes(int64_t n) {
  Array y(i32, {n});
  for (int64_t i = 0; i < n; ++i)
    y.as<int32_t>()[i] = static_cast<int32_t>(i % 5);
  return y;
}

TEST(CheckNanTest, TrainingHasTheSameBits) {
  for (int kind = 0; kind < 2; ++kind) {
    Model m;
    Updates step = kind == 0 ? optim::adam({.learningRate = 0.05})
                                   .updates(m.parameters, gradients(m.loss, m.parameters))
                             : optim::sgd({.learningRate = 0.1, .momentum = 0.9})
                                   .updates(m.parameters, gradients(m.loss, m.parameters));
    Executable checked = checkedOf(m.g, {m.loss}, step),
               plain = compile(m.g, {.outputs = {m.loss}, .updates = step});
    State a(m.g, 1), b(m.g, 1);
    for (int i = 0; i < 5; ++i) {
      Array p = checked(a, {{"x", with({30, 24})}, {"y", classes(30)}})[0];
      Array q = plain(b, {{"x", with({30, 24})}, {"y", classes(30)}})[0];
      EXPECT_EQ(std::memcmp(p.data(), q.data(), 4), 0);
    }
    for (const std::string &name : a.names()) {
      Array p = a.get(name), q = b.get(name);
      EXPECT_EQ(std::memcmp(p.data(), q.data(), static_cast<size_t>(p.numBytes())), 0) << name;
    }
  }
}

TEST(CheckNanTest, AnUpdateThatOverflowsIsFoundWhereItOverwrites) {
  // The new value is written over the old one that it is made of.
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {500});
    Tensor w = g.parameter("w", f32, {500}, init::constant(1));
    Tensor v = g.parameter("v", f32, {500}, init::constant(2));
    Updates updates;
    updates.push_back({w, w * x});
    updates.push_back({v, v + w});
    Executable checked = checkedOf(g, {}, updates, engine);
    State state(g, 1);
    Array factors(f32, {500});
    factors.fill(1e20);
    // Everything grows; element 321 overflows in the second call, all others in the third.
    Array first = factors.clone();
    first.as<float>()[321] = 1e30f;
    checked(state, {{"x", first}});
    auto error = errorOf([&] {
      Array second(f32, {500});
      second.fill(1e15);
      second.as<float>()[321] = 1e20f;
      checked(state, {{"x", second}});
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->op(), "mul");
    EXPECT_TRUE(contains(error->message(), "made inf out of 1e+30 and 1e+20, element [321]"))
        << error->what();
    EXPECT_TRUE(contains(error->hint(), "State")) << error->what();
    // The old value of the bad element is kept.
    EXPECT_EQ(state.get("w").at({321}), 1e30f);
  }
}

TEST(CheckNanTest, AnUpdateInTheKernelOfAProduct) {
  // w and its momentum are overwritten by the kernel that multiplies.
  for (Engine engine : engines) {
    Graph g;
    Tensor x = g.placeholder("x", f32, {16, 24}), y = g.placeholder("y", f32, {16, 40});
    Tensor w = g.parameter("w", f32, {24, 40}, init::constant(1));
    Tensor m = g.parameter("m", f32, {24, 40}, init::constant(1));
    Tensor next = m * 1.125 + x.transpose().matmul(y);
    Executable checked = checkedOf(g, {}, {{m, next}, {w, w - next * 1e-3}}, engine);
    State state(g, 1);
    auto error = errorOf([&] { checked(state, {{"x", with({16, 24})}, {"y", with({16, 40})}}); });
    EXPECT_FALSE(error) << error->what();
    // All but one element become small, and that one overflows.
    Array start(f32, {24, 40});
    start.fill(1e38);
    start.as<float>()[411] = 3.2e38f;
    state.set("m", start);
    error = errorOf([&] { checked(state, {{"x", with({16, 24})}, {"y", with({16, 40})}}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->op(), "mul");
    EXPECT_TRUE(contains(error->message(), "element [10, 11] of f32[24, 40]")) << error->what();
    EXPECT_EQ(state.get("m").at({10, 11}), 3.2e38f);
  }
}

TEST(CheckNanTest, AScatterIntoAVariable) {
  for (Engine engine : engines) {
    Graph g;
    Tensor rows = g.placeholder("rows", i32, {6}), more = g.placeholder("more", f32, {6, 8});
    Tensor table = g.parameter("table", f32, {20, 8}, init::constant(3e38));
    Executable checked =
        checkedOf(g, {}, {{table, scatter(table, rows, more * 2, 0, ScatterMode::Add)}}, engine);
    State state(g, 1);
    Array places = Array::from<int32_t>({3, 5, 3, 19, 0, 7});
    EXPECT_FALSE(errorOf([&] { checked(state, {{"rows", places}, {"more", with({6, 8})}}); }));
    auto error = errorOf([&] {
      checked(state, {{"rows", places}, {"more", with({6, 8}, 25, 1e38f)}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->op(), "scatter")) << error->what();
    EXPECT_TRUE(contains(error->message(), "element [19, 1] of f32[20, 8]")) << error->what();
  }
}

TEST(CheckNanTest, ATrainingStepNamesItsOpAndWhatHasChanged) {
  for (Engine engine : engines) {
    Model m;
    Updates step =
        optim::adam({.learningRate = 0.05}).updates(m.parameters, gradients(m.loss, m.parameters));
    Executable checked = checkedOf(m.g, {m.loss}, step, engine);
    State state(m.g, 1);
    checked(state, {{"x", with({30, 24})}, {"y", classes(30)}});
    Array w1 = state.get("w1").clone();
    auto error = errorOf([&] {
      checked(state, {{"x", with({30, 24}, 100, nan)}, {"y", classes(30)}});
    });
    ASSERT_TRUE(error);
    EXPECT_TRUE(contains(error->message(), "input 'x' holds NaN, element [4, 4]")) << error->what();
    EXPECT_TRUE(contains(error->hint(), "as it was before the call")) << error->what();
    EXPECT_EQ(std::memcmp(state.get("w1").data(), w1.data(), static_cast<size_t>(w1.numBytes())),
              0);
    // It goes on.
    EXPECT_FALSE(errorOf([&] { checked(state, {{"x", with({30, 24})}, {"y", classes(30)}}); }));
  }
}

TEST(CheckNanTest, IntegersAreNotLookedAt) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {50});
  Executable checked = checkedOf(g, {cast(x > 1, i32), cast(x.exp(), i32)});
  EXPECT_FALSE(errorOf([&] { checked({{"x", with({50}, 4, nan)}}); }));
}

} // namespace
