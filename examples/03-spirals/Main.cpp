// SPDX-License-Identifier: Apache-2.0
// Two interleaved spirals, told apart by a two-layer network; draws the decision boundary as a
// picture (PPM).
#include "../common/Options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

using namespace sinter;

namespace {

struct Points {
  Array xy, label;
};

Points spirals(int64_t perArm) {
  Points points{Array(f32, {2 * perArm, 2}), Array(i32, {2 * perArm})};
  std::mt19937 random(7);
  std::normal_distribution<float> noise(0.0f, 0.02f);
  for (int64_t i = 0; i < 2 * perArm; ++i) {
    int arm = static_cast<int>(i % 2);
    float t = 0.1f + 0.9f * static_cast<float>(i / 2) / static_cast<float>(perArm);
    float angle = 9.0f * t + 3.14159265f * static_cast<float>(arm);
    points.xy.as<float>()[2 * i] = t * std::cos(angle) + noise(random);
    points.xy.as<float>()[2 * i + 1] = t * std::sin(angle) + noise(random);
    points.label.as<int32_t>()[i] = arm;
  }
  return points;
}

/// The network's opinion on a grid, as colours, with the points on top.
void drawBoundary(const std::string &path, const Executable &predict, State &state,
                  const Points &points, int64_t size) {
  Array grid(f32, {size * size, 2});
  auto coordinate = [&](int64_t i) {
    return 2.4f * (static_cast<float>(i) + 0.5f) / static_cast<float>(size) - 1.2f;
  };
  for (int64_t i = 0; i < size * size; ++i) {
    grid.as<float>()[2 * i] = coordinate(i % size);
    grid.as<float>()[2 * i + 1] = -coordinate(i / size);
  }
  Array probability = predict(state, {{"x", grid}}).at(0);
  std::string pixels = "P6\n" + std::to_string(size) + " " + std::to_string(size) + "\n255\n";
  size_t start = pixels.size();
  for (int64_t i = 0; i < size * size; ++i) {
    float p = probability.as<float>()[2 * i + 1];
    for (float channel : {255 - 155 * p, 170.0f, 100 + 155 * p})
      pixels.push_back(static_cast<char>(static_cast<unsigned char>(channel)));
  }
  for (int64_t i = 0; i < points.label.numElements(); ++i) {
    auto at = [&](float v) {
      return std::clamp<int64_t>(static_cast<int64_t>((v + 1.2f) / 2.4f * static_cast<float>(size)),
                                 0, size - 1);
    };
    int64_t column = at(points.xy.as<float>()[2 * i]), row = at(-points.xy.as<float>()[2 * i + 1]);
    char shade = points.label.as<int32_t>()[i] ? '\xff' : '\0';
    for (size_t c = 0; c < 3; ++c)
      pixels[start + static_cast<size_t>(row * size + column) * 3 + c] = shade;
  }
  writeFileAtomically(path, pixels);
}

int run(int argc, char **argv) {
  int64_t points = 400, steps = 1500, hidden = 64, size = 256;
  std::string picture = "spirals.ppm", targetName = "cpu";
  examples::Options options("03-spirals", "Separates two spirals with a two-layer network.");
  options.add("points", points, "points per spiral");
  options.add("steps", steps, "training steps");
  options.add("hidden", hidden, "width of the hidden layers");
  options.add("size", size, "edge of the picture in pixels");
  options.add("picture", picture, "where the decision boundary goes (PPM)");
  options.add("target", targetName, "what runs it: cpu, or cuda for a GPU");
  if (!options.parse(argc, argv))
    return 0;
  if (points < 1 || points > 1'000'000 || steps < 0 || hidden < 1 || hidden > 65536 || size < 1 ||
      size > 4096)
    examples::Options::usage(
        "sizes must be positive, and at most: points 1000000, hidden 65536, size 4096");

  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 2});
  Tensor label = g.placeholder("label", i32, {dim("N")});
  std::vector<Tensor> parameters;
  auto layer = [&](const Tensor &in, int64_t from, int64_t to, const std::string &name) {
    Tensor weight = g.parameter(name + ".weight", f32, {from, to}, init::kaimingUniform());
    Tensor bias = g.parameter(name + ".bias", f32, {to}, init::zeros());
    parameters.insert(parameters.end(), {weight, bias});
    return in.matmul(weight) + bias;
  };
  Tensor logits =
      layer(tanh(layer(tanh(layer(x * 3.0, 2, hidden, "first")), hidden, hidden, "second")), hidden,
            2, "last");
  Tensor loss = softmaxCrossEntropy(logits, label).mean();
  Tensor correct = equal(argmax(logits, 1), label.cast(i64)).cast(f32).mean();

  Updates updates =
      optim::adam({.learningRate = 1e-2}).updates(parameters, gradients(loss, parameters));
  const Target target = Target::parse(targetName);
  Executable train = compile(g, {.outputs = {loss, correct}, .updates = updates, .target = target});
  Executable predict = compile(g, {.outputs = {softmax(logits)}, .target = target});
  State state(g, /*seed=*/1);

  Points data = spirals(points);
  auto step = train.bind(state, {{"x", data.xy}, {"label", data.label}});
  double accuracy = 0;
  for (int64_t i = 0; i <= steps; ++i) {
    step();
    accuracy = step.outputs()[1].item();
    if (i % std::max<int64_t>(steps / 10, 1) == 0)
      std::printf("step %5lld  loss %.4f  accuracy %5.1f%%\n", static_cast<long long>(i),
                  step.outputs()[0].item(), 100 * accuracy);
  }
  drawBoundary(picture, predict, state, data, size);
  std::printf("decision boundary: %s\n", picture.c_str());
  return accuracy > 0.95 ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
