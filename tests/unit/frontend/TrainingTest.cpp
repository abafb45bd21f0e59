// SPDX-License-Identifier: Apache-2.0
// What surrounds an optimizer, against the same rules written here over double.
#include "sinter/frontend/Training.h"

#include "Expect.h"
#include "sinter/runtime/Session.h"

#include <cmath>
#include <functional>
#include <limits>

using namespace sinter;

namespace {

/// A schedule at steps 0, 1, …
std::vector<double> rates(const std::function<Tensor(const Tensor &step)> &schedule,
                          int64_t count) {
  Graph g;
  Tensor step = g.placeholder("step", i64, {});
  Executable run = compile(g, {.outputs = {schedule(step)}, .engine = Engine::Interpreter});
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(run({{"step", Array::scalar(i)}})[0].item<float>());
  return result;
}

void expectRates(const std::vector<double> &actual, const std::function<double(double)> &want) {
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], want(static_cast<double>(i)), 1e-6) << "step " << i;
}

} // namespace

TEST(TrainingTest, Schedules) {
  expectRates(rates(
                  [](const Tensor &step) {
                    return optim::cosineSchedule(
                        step, {.peak = 2, .floor = 0.5, .warmupSteps = 4, .steps = 12});
                  },
                  16),
              [](double t) {
                if (t < 4)
                  return 2 * (t + 1) / 4;
                double share = std::min((t - 4) / 8, 1.0);
                return 0.5 + 1.5 * (1 + std::cos(std::acos(-1) * share)) / 2;
              });
  expectRates(rates(
                  [](const Tensor &step) {
                    return optim::linearSchedule(step, {.first = 3, .last = 1, .steps = 5});
                  },
                  8),
              [](double t) { return t < 5 ? 3 - 0.4 * t : 1; });
  for (bool smooth : {false, true})
    expectRates(rates(
                    [=](const Tensor &step) {
                      return optim::exponentialSchedule(
                          step, {.first = 2, .factor = 0.5, .every = 3, .smooth = smooth});
                    },
                    8),
                [=](double t) { return 2 * std::pow(0.5, smooth ? t / 3 : std::floor(t / 3)); });
  expectRates(rates(
                  [](const Tensor &step) {
                    return optim::piecewiseSchedule(step, {2, 5}, {1, 0.5, 0.25});
                  },
                  7),
              [](double t) { return t < 2   ? 1
                                    : t < 5 ? 0.5
                                            : 0.25; });
}

TEST(TrainingTest, ClippingShrinksAllTogether) {
  Graph g;
  Tensor a = g.constant(Array::from<float>({3, 0, 0})), b = g.constant(Array::from<double>({-4}));
  std::vector<Tensor> clipped = optim::clipByGlobalNorm({a, b}, 1);
  std::vector<Tensor> kept = optim::clipByGlobalNorm({a, b}, 6);
  std::vector<Tensor> held = optim::clipByValue({a, b}, 2);
  Tensor zero = optim::globalNorm({a * 0});
  Executable run = compile(g, {.outputs = {optim::globalNorm({a, b}), clipped[0], clipped[1],
                                           kept[1], held[0], held[1], zero},
                               .engine = Engine::Interpreter});
  std::vector<Array> out = run({});
  EXPECT_NEAR(out[0].item<double>(), 5, 1e-12);
  EXPECT_NEAR(out[1].toVector<float>()[0], 0.6, 1e-6);
  EXPECT_NEAR(out[2].item<double>(), -0.8, 1e-12);
  EXPECT_EQ(out[3].item<double>(), -4);
  EXPECT_EQ(out[4].toVector<float>(), (std::vector<float>{2, 0, 0}));
  EXPECT_EQ(out[5].item<double>(), -2);
  EXPECT_EQ(out[6].item<float>(), 0);
}

TEST(TrainingTest, LossScalingSkipsStepsThatOverflow) {
  Graph g;
  Tensor w = g.parameter("w", f32, {2}, init::ones());
  Tensor x = g.placeholder("x", f32, {2});
  optim::LossScaling scaling =
      optim::lossScaling(g, optim::sgd({.learningRate = 0.5}), {.first = 8, .every = 2});
  Tensor loss = (w * x).sum();
  Updates updates = scaling.optimizer.updates({w}, gradients(loss * scaling.scale, {w}));
  Executable train =
      compile(g, {.outputs = {loss}, .updates = updates, .engine = Engine::Interpreter});
  State state(g);
  auto step = [&](float value) {
    train(state, {{"x", Array::from<float>({value, 1})}});
    return std::pair(state.get("w").toVector<float>()[1],
                     state.get("lossScale.scale").item<float>());
  };
  EXPECT_EQ(step(1), std::pair(0.5f, 8.0f)) << "the gradient is 1, whatever the scale";
  EXPECT_EQ(step(INFINITY), std::pair(0.5f, 4.0f)) << "skipped, and halved";
  EXPECT_EQ(step(NAN), std::pair(0.5f, 2.0f));
  EXPECT_EQ(step(1), std::pair(0.0f, 2.0f)) << "one calm step";
  EXPECT_EQ(step(1), std::pair(-0.5f, 4.0f)) << "two calm steps: doubled";
}

TEST(TrainingTest, MovingAverageStartsWithACopy) {
  Graph g;
  Tensor w = g.parameter("w", f64, {}, init::zeros());
  Tensor rate = g.scalar(f64, -1);
  Updates updates =
      optim::sgd({.learningRate = rate, .momentum = 0.5}).updates({w}, {g.ones(f64, {})});
  Updates averages = optim::movingAverage(updates, 0.75);
  EXPECT_EQ(averages.size(), 2u) << "of the parameter, not of the momentum";
  updates.insert(updates.end(), averages.begin(), averages.end());
  Executable train =
      compile(g, {.outputs = {w + 0}, .updates = updates, .engine = Engine::Interpreter});
  State state(g);
  double expected = 0, value = 0, momentum = 0;
  for (int i = 0; i < 4; ++i) {
    train(state, {});
    momentum = 0.5 * momentum + 1;
    value += momentum;
    expected = i == 0 ? value : 0.75 * expected + 0.25 * value;
    EXPECT_NEAR(state.get("average/w").item<double>(), expected, 1e-12) << i;
  }
}

TEST(TrainingTest, Mistakes) {
  Graph g;
  Tensor step = g.placeholder("step", i64, {}), x = g.placeholder("x", f32, {2});
  EXPECT_MISTAKE("cosineSchedule", "more steps than the warm-up",
                 optim::cosineSchedule(step, {.warmupSteps = 5, .steps = 5}));
  EXPECT_MISTAKE("linearSchedule", "the step must be a scalar number; shape [2]",
                 optim::linearSchedule(x));
  EXPECT_MISTAKE("piecewiseSchedule", "one value more than steps",
                 optim::piecewiseSchedule(step, {1}, {1}));
  EXPECT_MISTAKE("piecewiseSchedule", "must increase",
                 optim::piecewiseSchedule(step, {2, 2}, {1, 2, 3}));
  EXPECT_MISTAKE("clipByGlobalNorm", "the norm must be positive", optim::clipByGlobalNorm({x}, 0));
  EXPECT_MISTAKE("clipByGlobalNorm", "needs floats, not i64", optim::clipByGlobalNorm({step}, 1));
  EXPECT_MISTAKE("accumulate", "positive number of steps", optim::accumulating(optim::sgd(), 0));
  EXPECT_MISTAKE("lossScale", "needs a positive first scale",
                 optim::lossScaling(g, optim::sgd(), {.first = 0}));
  EXPECT_MISTAKE("average", "the decay is out of range", optim::movingAverage({}, 1));
  EXPECT_MISTAKE("rmsProp", "the decay is out of range", optim::rmsProp({.decay = 1}));
  EXPECT_MISTAKE("lion", "beta1 is out of range", optim::lion({.beta1 = 2}));
}
