// SPDX-License-Identifier: Apache-2.0
// Optimizers take the steps of their recurrences, written here a second time over double.
#include "sinter/frontend/Training.h"
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

using namespace sinter;

namespace {

struct Weights {
  double w[3] = {0.5, -1.25, 2};
};
constexpr double target[3] = {1, 2, 3};
constexpr int steps = 7;

/// The reference: `step` gets the parameter, its gradient, the index and the step's number from 1.
std::vector<double> reference(const std::function<void(double &, double, int, int)> &step) {
  Weights weights;
  for (int t = 1; t <= steps; ++t)
    for (int i = 0; i < 3; ++i)
      step(weights.w[i], 2 * (weights.w[i] - target[i]), i, t);
  return {weights.w, weights.w + 3};
}

/// The same loss, sum((w - target)^2), trained by the graph.
std::vector<double> trained(const Optimizer &optimizer, Graph g, const NamedArrays &inputs = {}) {
  Tensor w = g.parameter("w", f64, {3});
  Tensor goal = g.constant(Array::from<double>({target, target + 3}));
  Tensor loss = (w - goal).square().sum();
  Updates updates = optimizer.updates({w}, gradients(loss, {w}));
  Executable train =
      compile(g, {.outputs = {loss}, .updates = updates, .engine = Engine::Interpreter});
  State state(g);
  Weights start;
  state.set("w", Array::from<double>({start.w, start.w + 3}));
  for (int t = 0; t < steps; ++t)
    train(state, inputs);
  return state.get("w").toVector<double>();
}

void expectNear(const std::vector<double> &actual, const std::vector<double> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-12) << i;
}

} // namespace

TEST(OptimStepsTest, Sgd) {
  expectNear(trained(optim::sgd({.learningRate = 0.1}), Graph()),
             reference([](double &w, double g, int, int) { w -= 0.1 * g; }));
}

TEST(OptimStepsTest, LearningRateFromAPlaceholder) {
  Graph g;
  Tensor rate = g.placeholder("rate", f64, {});
  expectNear(trained(optim::sgd({.learningRate = rate}), g, {{"rate", Array::scalar(0.1)}}),
             reference([](double &w, double g, int, int) { w -= 0.1 * g; }));
}

TEST(OptimStepsTest, MomentumNesterovAndDecay) {
  for (bool nesterov : {false, true}) {
    double velocity[3] = {};
    expectNear(
        trained(
            optim::sgd(
                {.learningRate = 0.05, .momentum = 0.9, .nesterov = nesterov, .weightDecay = 0.01}),
            Graph()),
        reference([&](double &w, double g, int i, int) {
          g += 0.01 * w;
          velocity[i] = 0.9 * velocity[i] + g;
          w -= 0.05 * (nesterov ? g + 0.9 * velocity[i] : velocity[i]);
        }));
  }
}

/// The textbook form, with corrected moments.
static std::vector<double> adamReference(double rate, double decay, bool decoupled) {
  double m[3] = {}, v[3] = {};
  return reference([&](double &w, double g, int i, int t) {
    if (decoupled)
      w -= rate * decay * w;
    else
      g += decay * w;
    m[i] = 0.9 * m[i] + 0.1 * g;
    v[i] = 0.999 * v[i] + 0.001 * g * g;
    double mHat = m[i] / (1 - std::pow(0.9, t)), vHat = v[i] / (1 - std::pow(0.999, t));
    w -= rate * mHat / (std::sqrt(vHat) + 1e-3);
  });
}

TEST(OptimStepsTest, Adam) {
  expectNear(trained(optim::adam({.learningRate = 0.1, .epsilon = 1e-3}), Graph()),
             adamReference(0.1, 0, false));
  expectNear(
      trained(optim::adam({.learningRate = 0.1, .epsilon = 1e-3, .weightDecay = 0.05}), Graph()),
      adamReference(0.1, 0.05, false));
}

TEST(OptimStepsTest, AdamW) {
  expectNear(
      trained(optim::adamW({.learningRate = 0.1, .epsilon = 1e-3, .weightDecay = 0.05}), Graph()),
      adamReference(0.1, 0.05, true));
}

TEST(OptimStepsTest, RmsProp) {
  for (bool centered : {false, true})
    for (double momentum : {0.0, 0.8}) {
      double squares[3] = {}, mean[3] = {}, buffer[3] = {};
      expectNear(trained(optim::rmsProp({.learningRate = 0.05,
                                         .decay = 0.9,
                                         .epsilon = 1e-3,
                                         .momentum = momentum,
                                         .centered = centered,
                                         .weightDecay = 0.01}),
                         Graph()),
                 reference([&](double &w, double g, int i, int) {
                   g += 0.01 * w;
                   squares[i] = 0.9 * squares[i] + 0.1 * g * g;
                   mean[i] = 0.9 * mean[i] + 0.1 * g;
                   double spread = squares[i] - (centered ? mean[i] * mean[i] : 0);
                   buffer[i] = momentum * buffer[i] + g / (std::sqrt(spread) + 1e-3);
                   w -= 0.05 * buffer[i];
                 }));
    }
}

TEST(OptimStepsTest, Adagrad) {
  double sum[3] = {};
  expectNear(trained(optim::adagrad({.learningRate = 0.3, .epsilon = 1e-4}), Graph()),
             reference([&](double &w, double g, int i, int) {
               sum[i] += g * g;
               w -= 0.3 * g / (std::sqrt(sum[i]) + 1e-4);
             }));
}

TEST(OptimStepsTest, Lion) {
  double m[3] = {};
  expectNear(
      trained(optim::lion({.learningRate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weightDecay = 0.1}),
              Graph()),
      reference([&](double &w, double g, int i, int) {
        double direction = 0.8 * m[i] + 0.2 * g;
        w -= 0.02 * ((direction > 0) - (direction < 0) + 0.1 * w);
        m[i] = 0.95 * m[i] + 0.05 * g;
      }));
}

TEST(OptimStepsTest, AccumulatedStepsTakeTheMeanGradient) {
  // 7 calls make two steps of 3; what is left waits.
  double sum[3] = {};
  expectNear(trained(optim::accumulating(optim::sgd({.learningRate = 0.1}), 3), Graph()),
             reference([&](double &w, double g, int i, int t) {
               sum[i] += g;
               if (t % 3 == 0) {
                 w -= 0.1 * sum[i] / 3;
                 sum[i] = 0;
               }
             }));
}
