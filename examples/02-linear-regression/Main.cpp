// SPDX-License-Identifier: Apache-2.0
// Fits y = 3x - 2 (plus noise) by gradient descent: a graph, its gradients, an update, a loop.
#include "../common/Options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

using namespace sinter;

static int run(int argc, char **argv) {
  int64_t points = 1000, steps = 200;
  double rate = 0.1;
  std::string target = "cpu";
  examples::Options options("02-linear-regression",
                            "Fits a line to noisy points by gradient descent.");
  options.add("points", points, "number of points");
  options.add("steps", steps, "gradient steps");
  options.add("rate", rate, "learning rate");
  options.add("target", target, "what runs it: cpu, or cuda for a GPU");
  if (!options.parse(argc, argv))
    return 0;
  if (points < 1 || points > 100'000'000 || steps < 0)
    examples::Options::usage("points must be 1 to 100 million, and steps not negative");

  std::mt19937 random(1);
  std::normal_distribution<float> noise(0.0f, 0.1f);
  std::uniform_real_distribution<float> place(-1.0f, 1.0f);
  Array xs(f32, {points}), ys(f32, {points});
  for (int64_t i = 0; i < points; ++i) {
    xs.as<float>()[i] = place(random);
    ys.as<float>()[i] = 3.0f * xs.as<float>()[i] - 2.0f + noise(random);
  }

  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N")});
  Tensor y = g.placeholder("y", f32, {dim("N")});
  Tensor slope = g.parameter("slope", f32, {}, init::zeros());
  Tensor offset = g.parameter("offset", f32, {}, init::zeros());
  Tensor loss = mse(x * slope + offset, y);
  std::vector<Tensor> grads = gradients(loss, {slope, offset});
  Updates updates = optim::sgd({.learningRate = rate}).updates({slope, offset}, grads);

  Executable train =
      compile(g, {.outputs = {loss}, .updates = updates, .target = Target::parse(target)});
  State state(g);
  auto step = train.bind(state, {{"x", xs}, {"y", ys}});
  for (int64_t i = 0; i < steps; ++i) {
    step();
    if (i % std::max<int64_t>(steps / 10, 1) == 0)
      std::printf("step %4lld  loss %.5f\n", static_cast<long long>(i), step.outputs()[0].item());
  }
  double a = state.get("slope").item(), b = state.get("offset").item();
  std::printf("y = %.3f x %+.3f   (made from 3 x - 2)\n", a, b);
  return std::abs(a - 3) < 0.05 && std::abs(b + 2) < 0.05 ? 0 : 1;
}

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
