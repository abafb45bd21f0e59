// SPDX-License-Identifier: Apache-2.0
// Gradients that the user gives: what they compute, in each engine, and what is refused.
#include "Expect.h"

#include "sinter/frontend/Optim.h"
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/runtime/Session.h"
#include "tests/unit/base/TempFolder.h"

using namespace sinter;

namespace {

constexpr Engine engines[] = {Engine::Interpreter, Engine::Compiled};
using Values = std::vector<double>;

/// Rounds, and lets the gradient through as if it had not: the straight-through estimator.
Tensor roundThrough(const Tensor &x, std::source_location loc = std::source_location::current()) {
  Scope scope(x, "roundThrough", loc);
  return customGradient(round(x), {x}, [](const Tensor &dy) { return std::vector{dy}; });
}

/// x, whose gradient stays in [-limit, limit].
Tensor clipGradient(const Tensor &x, double limit) {
  return customGradient(
      x, {x}, [&](const Tensor &dy) { return std::vector{minimum(maximum(dy, -limit), limit)}; });
}

class CustomGradientTest : public testing::Test {
protected:
  Values evaluate(const Tensor &y, Engine engine, const Values &at) {
    Executable run = compile(g, {.outputs = {y}, .engine = engine});
    return run({{"x", Array::from(at)}})[0].toVector<double>();
  }
  void expect(const Tensor &y, const Values &at, const Values &wanted) {
    for (Engine engine : engines)
      EXPECT_EQ(evaluate(y, engine, at), wanted);
  }

  Graph g;
  Tensor x = g.placeholder("x", f64, {4});
};

} // namespace

// -- What they compute ----------------------------------------------------------------------------

TEST_F(CustomGradientTest, StraightThrough) {
  Tensor q = roundThrough(x);
  expect(q, {0.4, 0.6, -1.2, 2.5}, {0, 1, -1, 2});
  // d/dx of q² is 2q; without the custom gradient it is 0.
  expect(gradient(q.square().sum(), x), {0.4, 0.6, -1.2, 2.5}, {0, 2, -2, 4});
  expect(gradient(round(x).square().sum(), x), {0.4, 0.6, -1.2, 2.5}, {0, 0, 0, 0});
}

TEST_F(CustomGradientTest, ClippedGradient) {
  Tensor loss = (clipGradient(x, 1) * g.constant(Array::from(Values{0.5, 3, -4, 1}))).sum();
  expect(gradient(loss, x), {1, 2, 3, 4}, {0.5, 1, -1, 1});
}

TEST_F(CustomGradientTest, SeveralInputsAndCaptures) {
  Tensor scale = g.constant(Array::from(Values{1, 10, 100, 1000}));
  Tensor a = x * 2, b = x.sum();
  Tensor y = customGradient(a + b, {a, b}, [&](const Tensor &dy) {
    return std::vector{dy * scale, (dy * x).sum()};
  });
  std::vector<Tensor> grads = gradients({y}, {a, b}, {x});
  expect(grads[0], {1, 2, 3, 4}, {1, 20, 300, 4000});
  expect(grads[1], {1, 2, 3, 4}, {30});
  // Through both on to x: 2 da + db.
  expect(gradients({y}, {x}, {x})[0], {1, 2, 3, 4}, {32, 70, 630, 8030});
}

TEST_F(CustomGradientTest, NothingFlowsToY) {
  Tensor p = x * 3;
  Tensor y = customGradient(p, {x}, [](const Tensor &dy) { return std::vector{dy}; });
  expect(gradient(y.sum(), x), {1, 2, 3, 4}, {1, 1, 1, 1});
  expect(gradient(y.sum(), p), {1, 2, 3, 4}, {0, 0, 0, 0});
}

TEST_F(CustomGradientTest, HigherDerivativesAreThoseOfTheBackwardFunction) {
  // The gradient of y is said to be x³, so the next ones are 3x² and 6x.
  Tensor y = customGradient(x, {x}, [&](const Tensor &dy) { return std::vector{dy * x * x * x}; });
  Tensor first = gradient(y.sum(), x);
  expect(first, {1, 2, 3, 4}, {1, 8, 27, 64});
  Tensor second = gradient(first.sum(), x);
  expect(second, {1, 2, 3, 4}, {3, 12, 27, 48});
  expect(gradient(second.sum(), x), {1, 2, 3, 4}, {6, 12, 18, 24});
  // Forward over reverse: the custom op itself is behind it.
  expect(tangent(first, x, g.ones(f64, {4})), {1, 2, 3, 4}, {3, 12, 27, 48});
}

TEST_F(CustomGradientTest, DerivativesInsideOfTheBackwardFunction) {
  Tensor y = customGradient(x, {x}, [&](const Tensor &dy) {
    return gradients({x * x}, {x}, {dy}); // 2x dy
  });
  expect(gradient(y.sum(), x), {1, 2, 3, 4}, {2, 4, 6, 8});
}

TEST_F(CustomGradientTest, OneInsideOfAnother) {
  Tensor y = customGradient(x, {x}, [&](const Tensor &dy) {
    return std::vector{
        customGradient(dy * x, {x}, [](const Tensor &ddy) { return std::vector{ddy * 5}; })};
  });
  Tensor first = gradient(y.sum(), x);
  expect(first, {1, 2, 3, 4}, {1, 2, 3, 4});
  expect(gradient(first.sum(), x), {1, 2, 3, 4}, {5, 5, 5, 5});
}

// -- In a training step ---------------------------------------------------------------------------

namespace {

/// A linear layer whose weights are rounded to quarters, with gradients clipped.
struct QuantizedModel {
  QuantizedModel() {
    Tensor x = g.placeholder("x", f32, {dim("N"), 3}), y = g.placeholder("y", f32, {dim("N")});
    Tensor w = g.parameter("w", f32, {3, 1}, init::constant(0.1));
    Tensor quantized = roundThrough(w * 4) / 4;
    loss = (clipGradient(x.matmul(quantized).reshape({dim("N")}), 0.5) - y).square().mean();
    step = optim::sgd({.learningRate = 0.05}).updates({w}, gradients(loss, {w}));
    g.output("loss", loss);
    g.update(step);
  }
  Graph g;
  Tensor loss;
  Updates step;
};

struct Batch {
  Array x{f32, {16, 3}}, y{f32, {16}};
  Batch() {
    for (int64_t i = 0; i < 48; ++i)
      x.as<float>()[i] = static_cast<float>((i * 7 % 13) - 6) / 4;
    for (int64_t i = 0; i < 16; ++i)
      y.as<float>()[i] =
          x.as<float>()[3 * i] - 0.5f * x.as<float>()[3 * i + 1] + 0.25f * x.as<float>()[3 * i + 2];
  }
};

/// The losses and the weights of 40 steps.
Values train(const Executable &executable, const Graph &g) {
  State state(g);
  Batch batch;
  Values losses;
  for (int i = 0; i < 40; ++i)
    losses.push_back(executable(state, {{"x", batch.x}, {"y", batch.y}})[0].item());
  for (double w : state.get("w").toVector<double>())
    losses.push_back(w);
  return losses;
}

} // namespace

TEST(CustomGradientTraining, CompiledInterpretedAndAheadOfTime) {
  QuantizedModel model;
  Values compiled = train(compile(model.g), model.g);
  EXPECT_LT(compiled[39], 0.1 * compiled[0]) << "the weights 1, -0.5, 0.25 are learned";
  Values interpreted = train(compile(model.g, {.engine = Engine::Interpreter}), model.g);
  ASSERT_EQ(compiled.size(), interpreted.size());
  for (size_t i = 0; i < compiled.size(); ++i)
    EXPECT_NEAR(compiled[i], interpreted[i], 1e-5) << i;
  TempFolder folder;
  compileToLibrary(model.g, folder / "libquantized.so");
  EXPECT_EQ(train(loadLibrary(folder / "libquantized.so"), model.g), compiled);
}

// -- As part of a graph ---------------------------------------------------------------------------

TEST_F(CustomGradientTest, TextKeepsTheRegion) {
  Tensor scale = g.placeholder("scale", f64, {});
  Tensor y = customGradient(x, {x}, [&](const Tensor &dy) { return std::vector{dy * scale}; });
  g.output("grad", gradient(y.sum(), x));
  EXPECT_EQ(countOf(g.str(), "sinter.with_gradient"), 1);
  Graph read = Graph::parse(g.str());
  EXPECT_EQ(read.str(), g.str());
  EXPECT_EQ(read.numOps(), g.numOps());
  Executable run = compile(read);
  EXPECT_EQ(run({{"x", Array::from(Values{1, 2, 3, 4})}, {"scale", Array::scalar(2.5)}})[0]
                .toVector<double>(),
            (Values{2.5, 2.5, 2.5, 2.5}));
}

TEST_F(CustomGradientTest, TextWithAnotherOpInsideIsRefused) {
  g.output("y", roundThrough(x));
  std::string text = g.str();
  size_t at = text.find("sinter.yield");
  text.insert(at, "func.call @main() : () -> ()\n");
  std::optional<Error> error = errorOf([&] { Graph::parse(text); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::User) << error->what();
}

TEST_F(CustomGradientTest, OpsInsideCount) {
  int64_t before = g.numOps();
  customGradient(x, {x}, [](const Tensor &dy) { return std::vector{-(-dy)}; });
  EXPECT_EQ(g.numOps(), before + 3) << "with_gradient and two neg";
}

TEST_F(CustomGradientTest, WhatOnlyTheBackwardFunctionNeedsIsNoInputOfTheRest) {
  Tensor scale = g.placeholder("scale", f64, {});
  Tensor y = customGradient(x * 2, {x}, [&](const Tensor &dy) { return std::vector{dy * scale}; });
  expect(y, {1, 2, 3, 4}, {2, 4, 6, 8}); // Called without "scale".
  Executable run = compile(g, {.outputs = {gradient(y.sum(), x)}});
  EXPECT_EQ(run({{"scale", Array::scalar(3.0)}, {"x", Array::from(Values{1, 2, 3, 4})}})[0]
                .toVector<double>(),
            (Values{3, 3, 3, 3}));
}

// -- Mistakes -------------------------------------------------------------------------------------

TEST_F(CustomGradientTest, WrongGradients) {
  Tensor n = g.placeholder("n", f64, {3});
  auto gives = [&](std::vector<Tensor> grads) { return [grads](const Tensor &) { return grads; }; };
  EXPECT_MISTAKE("customGradient", "1 gradients for 2 xs", customGradient(x, {x, n}, gives({x})));
  EXPECT_MISTAKE("customGradient", "0 gradients for 1 xs", customGradient(x, {x}, gives({})));
  EXPECT_MISTAKE("customGradient", "a gradient does not have the shape of its x; shapes [3] and [4]",
                 customGradient(x, {x}, gives({n})));
  EXPECT_MISTAKE("customGradient", "a gradient is f32, its x f64",
                 customGradient(x, {x}, gives({x.cast(f32)})));
  EXPECT_MISTAKE("customGradient", "empty Tensor", customGradient(x, {x}, gives({Tensor()})));
  Graph other;
  EXPECT_MISTAKE("customGradient", "different graphs",
                 customGradient(x, {x}, gives({other.placeholder("x", f64, {4})})));
}

TEST_F(CustomGradientTest, WrongArguments) {
  auto same = [](const Tensor &dy) { return std::vector{dy}; };
  EXPECT_MISTAKE("customGradient", "y must be f16, bf16, f32 or f64, not i64",
                 customGradient(x.cast(i64), {x}, same));
  EXPECT_MISTAKE("customGradient", "x must be f16, bf16, f32 or f64, not bool",
                 customGradient(x, {x > 0}, same));
  EXPECT_MISTAKE("customGradient", "needs at least one x", customGradient(x, {}, same));
  EXPECT_MISTAKE("customGradient", "the backward function is empty",
                 customGradient(x, {x}, nullptr));
  EXPECT_MISTAKE("customGradient", "empty Tensor", customGradient(Tensor(), {x}, same));
}

TEST_F(CustomGradientTest, WhatIsMadeInsideStaysInside) {
  Tensor leaked, input;
  customGradient(x, {x}, [&](const Tensor &dy) {
    input = dy;
    leaked = dy * 2;
    EXPECT_EQ(leaked.str(), "f64[4]");
    [&] { // EXPECT_MISTAKE returns void.
      EXPECT_MISTAKE("output", "inside of a custom gradient", g.output("leaked", leaked));
      EXPECT_MISTAKE("compile", "inside of a custom gradient", compile(g, {.outputs = {leaked}}));
    }();
    return std::vector{leaked};
  });
  EXPECT_EQ(leaked.str(), "f64[4]");
  EXPECT_MISTAKE("neg", "used outside", -leaked);
  EXPECT_MISTAKE("add", "used outside", x + input);
  EXPECT_MISTAKE("output", "used outside", g.output("leaked", leaked));
  EXPECT_MISTAKE("gradients", "used outside", gradients({x}, {leaked}));
  EXPECT_MISTAKE("customGradient", "used outside",
                 customGradient(x, {x}, [&](const Tensor &) { return std::vector{leaked}; }));
}

TEST_F(CustomGradientTest, AMistakeInsideLeavesTheGraphAsItWas) {
  std::string before = g.str();
  Tensor leaked;
  auto wrong = [&](const Tensor &dy) {
    leaked = dy * 2;
    return std::vector{leaked + g.constant(Array::from(Values{1, 2, 3}))};
  };
  std::optional<Error> error = errorOf([&] { customGradient(x, {x}, wrong); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->op(), "add") << "at the line inside";
  EXPECT_EQ(g.str(), before);
  EXPECT_MISTAKE("neg", "used outside", -leaked);
  expect(gradient(roundThrough(x).sum(), x), {1, 2, 3, 4}, {1, 1, 1, 1});
}

TEST_F(CustomGradientTest, HasNoForwardMode) {
  unsigned line = __LINE__ + 1;
  Tensor q = roundThrough(x);
  EXPECT_MISTAKE("jvp", "a custom gradient has no forward mode", tangent(q, x, x));
  EXPECT_MISTAKE("jvp",
                 "'with_gradient' at " + std::string(__FILE__) + ":" + std::to_string(line) + ":",
                 tangent(q * 2, x, x));
  Tensor p = x * 2;
  EXPECT_EQ(tangent(q * p, p, x).str(), "f64[4]") << "a tangent that does not reach it goes by";
}
