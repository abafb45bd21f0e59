// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Optim.h"

#include "Expect.h"

#include <cmath>

using namespace sinter;

namespace {
class OptimTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 3});
  Tensor w = g.parameter("w", f32, {3, 2});
  Tensor b = g.parameter("b", f32, {2});
  Tensor loss = (x.matmul(w) + b).square().mean();
  std::vector<Tensor> grads = gradients(loss, {w, b});

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const Argument &argument : g.arguments())
      result.push_back(argument.name);
    return result;
  }
};
} // namespace

TEST_F(OptimTest, PlainSgdNeedsNoState) {
  Updates updates = optim::sgd({.learningRate = 0.1}).updates({w, b}, grads);
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_TRUE(updates[0].target.isSame(w));
  EXPECT_EQ(updates[0].value.str(), "f32[3, 2]");
  EXPECT_EQ(names(), (std::vector<std::string>{"x", "w", "b"}));
}

TEST_F(OptimTest, MomentumIsState) {
  Updates updates =
      optim::sgd({.learningRate = 0.1, .momentum = 0.9, .nesterov = true}).updates({w, b}, grads);
  EXPECT_EQ(updates.size(), 4u);
  EXPECT_EQ(names(), (std::vector<std::string>{"x", "w", "b", "sgd.momentum/w", "sgd.momentum/b"}));
  EXPECT_EQ(g.arguments()[3].kind, ArgumentKind::State);
}

TEST_F(OptimTest, AdamKeepsMomentsAndAStep) {
  Updates updates = optim::adam().updates({w, b}, grads);
  EXPECT_EQ(updates.size(), 7u);
  EXPECT_EQ(names(), (std::vector<std::string>{"x", "w", "b", "adam.step", "adam.m/w", "adam.v/w",
                                               "adam.m/b", "adam.v/b"}));
  EXPECT_EQ(g.argument("adam.step").str(), "i64[]");
  EXPECT_EQ(countOf(g.str(), "sinter.pow"), 2) << "the corrections are scalars, made once";
}

TEST_F(OptimTest, UpdatesCarryTheCallersLine) {
  unsigned line = __LINE__ + 1;
  Updates updates = optim::adamW().updates({w, b}, grads);
  for (const Update &update : updates) {
    EXPECT_EQ(update.value.location().line, line);
    EXPECT_EQ(update.value.location().file, __FILE__);
  }
  EXPECT_EQ(g.str(Graph::Locations::Print).find("Optim.cpp"), std::string::npos);
}

TEST_F(OptimTest, LearningRatesMayBeTensors) {
  Tensor rate = g.placeholder("rate", f64, {});
  Updates updates = optim::sgd({.learningRate = rate}).updates({w, b}, grads);
  EXPECT_EQ(updates[0].value.str(), "f32[3, 2]");
  EXPECT_EQ(optim::adamW({.learningRate = rate}).updates({w, b}, grads).size(), 7u);
}

TEST_F(OptimTest, ParametersOfTwoDtypes) {
  Tensor c = g.parameter("c", f64, {});
  std::vector<Tensor> all = gradients(loss, {w, b, c});
  Updates updates = optim::adamW().updates({w, b, c}, all);
  EXPECT_EQ(updates.size(), 10u);
  EXPECT_EQ(g.argument("adamW.m/c").dtype(), f64);
}

TEST_F(OptimTest, TwoOptimizersNeedTwoNames) {
  Updates first = optim::adam().updates({w}, {grads[0]});
  EXPECT_MISTAKE("adam", "already has a state 'adam.step'", optim::adam().updates({b}, {grads[1]}));
  Updates second = optim::adam({.name = "fast"}).updates({b}, {grads[1]});
  EXPECT_EQ(g.argument("fast.m/b").str(), "f32[2]");
  g.update(first);
  g.update(second);
  EXPECT_EQ(g.updates().size(), 8u);
}

TEST_F(OptimTest, NobodyUpdatesTwice) {
  Updates updates = optim::sgd().updates({w, b}, grads);
  g.update(updates);
  EXPECT_MISTAKE("update", "'w' is already updated", g.update(w, w + 1));
}

TEST_F(OptimTest, Mistakes) {
  Optimizer sgd = optim::sgd();
  EXPECT_TRUE(sgd.updates({}, {}).empty());
  EXPECT_MISTAKE("sgd", "1 gradients for 2 parameters", sgd.updates({w, b}, {grads[0]}));
  EXPECT_MISTAKE("sgd", "the new value of 'w' is f32, the target f32; shapes [2] and [3, 2]",
                 sgd.updates({w}, {b}));
  EXPECT_MISTAKE("sgd", "the placeholder 'x' cannot be updated", sgd.updates({x}, {x}));
  EXPECT_MISTAKE("sgd", "must be a parameter or state", sgd.updates({w * 2}, {w}));
  EXPECT_MISTAKE("sgd", "'w' is given twice", sgd.updates({w, w}, {w, w}));
  EXPECT_MISTAKE("sgd", "empty Tensor", sgd.updates({w, b}, {grads[0], Tensor()}));
  EXPECT_MISTAKE("sgd", "the learning rate is out of range", optim::sgd({.learningRate = -1}));
  EXPECT_MISTAKE("sgd", "the learning rate is out of range", optim::sgd({.learningRate = NAN}));
  EXPECT_MISTAKE("sgd", "the learning rate must be a float scalar",
                 optim::sgd({.learningRate = b}));
  EXPECT_MISTAKE("sgd", "nesterov needs a momentum", optim::sgd({.nesterov = true}));
  EXPECT_MISTAKE("adam", "beta1 is out of range", optim::adam({.beta1 = 1}));
  EXPECT_MISTAKE("adam", "beta2 is out of range", optim::adam({.beta2 = -0.1}));
  EXPECT_MISTAKE("adamW", "the weight decay is out of range", optim::adamW({.weightDecay = -1}));
}
