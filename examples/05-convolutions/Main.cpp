// SPDX-License-Identifier: Apache-2.0
// A small convolutional network on Fashion-MNIST: two convolutions, each with batch normalisation,
// relu and pooling, then a linear layer. The running statistics are states that the training step
// updates.
#include "../04-fashion-mnist/Idx.h"
#include "../common/Options.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>

using namespace sinter;

namespace {

struct Network {
  Graph graph;
  Tensor loss, correct;
  std::vector<Tensor> parameters;
  Updates statistics; ///< New running means and variances.

  Network() {
    DimExpr n = dim("N");
    Tensor x = graph.placeholder("x", f32, {n, 1, 28, 28});
    Tensor label = graph.placeholder("label", i32, {n});
    Tensor training = classify(x, true), evaluation = classify(x, false);
    loss = softmaxCrossEntropy(training, label).mean();
    correct = equal(argmax(evaluation, 1), label.cast(i64)).cast(f32).sum();
  }

private:
  Tensor classify(const Tensor &x, bool isTraining) {
    Tensor h = block(x, 1, 16, "block1", isTraining); // [N, 16, 14, 14]
    h = block(h, 16, 32, "block2", isTraining);       // [N, 32, 7, 7]
    Tensor weight = parameter("out.weight", {32 * 7 * 7, 10}, init::kaimingUniform());
    return h.flatten(1).matmul(weight) + parameter("out.bias", {10}, init::zeros());
  }

  /// Convolution, normalisation, relu, pooling.
  Tensor block(const Tensor &x, int64_t from, int64_t to, const std::string &name,
               bool isTraining) {
    Tensor weight = parameter(name + ".weight", {to, from, 3, 3},
                              init::normal(0, std::sqrt(2.0 / static_cast<double>(9 * from))));
    Tensor gamma = parameter(name + ".gamma", {to}, init::ones());
    Tensor beta = parameter(name + ".beta", {to}, init::zeros());
    Tensor mean = running(name + ".mean", {to}, init::zeros());
    Tensor variance = running(name + ".variance", {to}, init::ones());
    Tensor y = x.conv(weight, {.padding = 1});
    if (isTraining) {
      BatchNormResult normal = batchNormTraining(y, gamma, beta, mean, variance);
      statistics.push_back({mean, normal.runningMean});
      statistics.push_back({variance, normal.runningVariance});
      y = normal.y;
    } else {
      y = y.batchNorm(gamma, beta, mean, variance);
    }
    return y.relu().maxPool({2, 2});
  }

  /// The first call makes it; the evaluation uses the same.
  Tensor parameter(const std::string &name, const Shape &shape, const Initializer &init) {
    if (Tensor *known = find(name))
      return *known;
    parameters.push_back(graph.parameter(name, f32, shape, init));
    named.emplace_back(name, parameters.back());
    return parameters.back();
  }
  Tensor running(const std::string &name, const Shape &shape, const Initializer &init) {
    if (Tensor *known = find(name))
      return *known;
    named.emplace_back(name, graph.state(name, f32, shape, init));
    return named.back().second;
  }
  Tensor *find(const std::string &name) {
    for (auto &[known, tensor] : named)
      if (known == name)
        return &tensor;
    return nullptr;
  }
  std::vector<std::pair<std::string, Tensor>> named;
};

int run(int argc, char **argv) {
  int64_t epochs = 3, batch = 64, train = 12000, test = 2000, seed = 1, threads = 0;
  double rate = 2e-3, wanted = 0;
  std::string folder = "/usr/share/datasets/fashion-mnist", targetName = "cpu";
  examples::Options options("05-convolutions", "Trains a convolutional network on Fashion-MNIST.");
  options.add("epochs", epochs, "passes over the training images");
  options.add("batch", batch, "images per step");
  options.add("rate", rate, "Adam's learning rate");
  options.add("train", train, "training images, -1: all");
  options.add("test", test, "test images, -1: all");
  options.add("seed", seed, "seed of weights and shuffling");
  options.add("threads", threads, "threads, 0: all");
  options.add("target", targetName, "what runs it: cpu, or cuda for a GPU");
  options.add("data", folder, "folder of the IDX files");
  options.add("min-accuracy", wanted, "exit with 6 when the test accuracy is below, in percent");
  if (!options.parse(argc, argv))
    return 0;
  if (epochs < 1 || batch < 1 || batch > 100'000 || seed < 0 || threads < 0 || !(rate > 0))
    examples::Options::usage(
        "epochs, batch and rate must be positive, seed and threads not negative");
  if (train == 0 || test == 0)
    examples::Options::usage("train and test must be at least 1, or -1 for all images");

  examples::Images trainData = examples::readImages(folder, "train", train);
  examples::Images testData = examples::readImages(folder, "t10k", test);
  Network net;
  Updates updates = optim::adam({.learningRate = rate})
                        .updates(net.parameters, gradients(net.loss, net.parameters));
  updates.insert(updates.end(), net.statistics.begin(), net.statistics.end());
  auto start = std::chrono::steady_clock::now();
  auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const Target target = Target::parse(targetName);
  Executable step = compile(
      net.graph, {.outputs = {net.loss}, .updates = updates, .target = target, .threads = threads});
  Executable evaluate =
      compile(net.graph, {.outputs = {net.correct}, .target = target, .threads = threads});
  std::printf("training step: %d ops -> %zu kernels; compiled in %.0f ms\n", step.program().nodes,
              step.program().kernels.size(), 1e3 * seconds());

  State state(net.graph, static_cast<uint64_t>(seed));
  std::vector<int64_t> order(static_cast<size_t>(trainData.count()));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  batch = std::min(batch, trainData.count());
  Array pixels(f32, {batch, 1, 28, 28}), labels(i32, {batch});
  BoundCall call = step.bind(state, {{"x", pixels}, {"label", labels}});
  double accuracy = 0;
  for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), random);
    start = std::chrono::steady_clock::now();
    int64_t batches = trainData.count() / batch; // What is left over waits for the next epoch.
    double lossSum = 0;
    for (int64_t b = 0; b < batches; ++b) {
      for (int64_t i = 0; i < batch; ++i) {
        int64_t from = order[static_cast<size_t>(b * batch + i)];
        std::memcpy(pixels.as<float>() + i * 784, trainData.pixels.as<float>() + from * 784,
                    784 * sizeof(float));
        labels.as<int32_t>()[i] = trainData.labels.as<int32_t>()[from];
      }
      call();
      lossSum += call.outputs()[0].item();
    }
    double time = seconds();
    double correct = evaluate(state, {{"x", testData.pixels.reshape({testData.count(), 1, 28, 28})},
                                      {"label", testData.labels}})
                         .at(0)
                         .item();
    accuracy = 100 * correct / static_cast<double>(testData.count());
    std::printf("epoch %2lld  loss %.4f  test accuracy %5.2f%%  %.2f s (%.0f images/s)\n",
                static_cast<long long>(epoch), lossSum / static_cast<double>(batches), accuracy,
                time, static_cast<double>(batches * batch) / time);
  }
  return accuracy < wanted ? static_cast<int>(ErrorCode::Mismatch) : 0;
}

} // namespace

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
