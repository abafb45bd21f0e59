// SPDX-License-Identifier: Apache-2.0
// Trains a network with two hidden layers on Fashion-MNIST: shuffled batches, Adam, test accuracy.
#include "../common/Options.h"
#include "Idx.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numbers>
#include <numeric>
#include <random>

using namespace sinter;

namespace {

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A bar on a terminal; silent elsewhere.
void progress(int64_t done, int64_t total, double loss) {
  static const bool terminal = isatty(1) != 0;
  if (!terminal || (done % 20 != 0 && done != total))
    return;
  const auto filled = static_cast<int>(30 * done / std::max<int64_t>(total, 1));
  std::printf("\r  [%-30.*s] %4lld/%lld  loss %.4f ", filled,
              "==============================", static_cast<long long>(done),
              static_cast<long long>(total), loss);
  if (done == total)
    std::printf("\r%72s\r", "");
  std::fflush(stdout);
}

struct Network {
  Graph graph;
  Tensor logits, loss, correct, rate;
  std::vector<Tensor> parameters;

  Network() {
    Tensor x = graph.placeholder("x", f32, {dim("N"), 784}); // One compile serves every batch size.
    Tensor label = graph.placeholder("label", i32, {dim("N")});
    logits = layer(relu(layer(relu(layer(x, 784, 256, "hidden1")), 256, 128, "hidden2")), 128, 10,
                   "out");
    loss = softmaxCrossEntropy(logits, label).mean();
    rate = graph.placeholder("rate", f32,
                             {}); // A new learning rate at every step, without compiling again.
    correct = equal(argmax(logits, 1), label.cast(i64)).cast(f32).sum();
  }

  Tensor layer(const Tensor &in, int64_t from, int64_t to, const std::string &name) {
    Tensor weight = graph.parameter(name + ".weight", f32, {from, to}, init::kaimingUniform());
    Tensor bias = graph.parameter(name + ".bias", f32, {to}, init::zeros());
    parameters.insert(parameters.end(), {weight, bias});
    return in.matmul(weight) + bias;
  }
};

/// Copies the images that `order` names into the batch.
void gather(const examples::Images &data, const int64_t *order, int64_t count, Array &pixels,
            Array &labels) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(pixels.as<float>() + i * 784, data.pixels.as<float>() + order[i] * 784,
                784 * sizeof(float));
    labels.as<int32_t>()[i] = data.labels.as<int32_t>()[order[i]];
  }
}

int run(int argc, char **argv) {
  auto begin = Clock::now();
  int64_t epochs = 8, batch = 128, train = -1, test = -1, seed = 1, threads = 0;
  double rate = 1e-3, wanted = 0;
  std::string folder = "/usr/share/datasets/fashion-mnist", save, targetName = "cpu";
  examples::Options options("04-fashion-mnist",
                            "Trains a 784-256-128-10 network on Fashion-MNIST.");
  options.add("epochs", epochs, "passes over the training images");
  options.add("batch", batch, "images per step");
  options.add("rate", rate, "Adam's first learning rate; it falls to 0 along a cosine");
  options.add("train", train, "training images, -1: all");
  options.add("test", test, "test images, -1: all");
  options.add("seed", seed, "seed of weights and shuffling");
  options.add("threads", threads, "threads, 0: all");
  options.add("target", targetName, "what runs it: cpu, or cuda for a GPU");
  options.add("data", folder, "folder of the IDX files");
  options.add("save", save, "write the trained parameters here (.npz)");
  options.add("min-accuracy", wanted, "exit with 6 when the test accuracy is below, in percent");
  if (!options.parse(argc, argv))
    return 0;
  if (epochs < 1 || batch < 1 || batch > 1'000'000 || seed < 0 || threads < 0)
    examples::Options::usage("epochs and batch must be positive, seed and threads not negative");
  if (!(rate > 0 && rate <= 1))
    examples::Options::usage("rate must be above 0 and at most 1");
  if (train == 0 || test == 0)
    examples::Options::usage("train and test must be at least 1, or -1 for all images");

  examples::Images trainData = examples::readImages(folder, "train", train);
  examples::Images testData = examples::readImages(folder, "t10k", test);
  std::printf("Fashion-MNIST: %lld training images, %lld test images (%.1f s)\n",
              static_cast<long long>(trainData.count()), static_cast<long long>(testData.count()),
              secondsSince(begin));

  Network net;
  Updates updates = optim::adam({.learningRate = net.rate})
                        .updates(net.parameters, gradients(net.loss, net.parameters));
  auto compileStart = Clock::now();
  const Target target = Target::parse(targetName);
  Executable step = compile(
      net.graph, {.outputs = {net.loss}, .updates = updates, .target = target, .threads = threads});
  double compileTime = secondsSince(compileStart);
  Executable evaluate =
      compile(net.graph, {.outputs = {net.correct}, .target = target, .threads = threads});
  std::printf("training step: %d ops -> %zu kernels, compiled in %.0f ms\n", step.program().nodes,
              step.program().kernels.size(), 1e3 * compileTime);

  State state(net.graph, static_cast<uint64_t>(seed));
  std::vector<int64_t> order(static_cast<size_t>(trainData.count()));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(static_cast<uint64_t>(seed));

  batch = std::min(batch, std::max<int64_t>(trainData.count(), 1));
  Array pixels(f32, {batch, 784}), labels(i32, {batch}), rateNow(f32, {});
  BoundCall fullBatch = step.bind(
      state, {{"x", pixels}, {"label", labels}, {"rate", rateNow}}); // No look-ups in the loop.
  int64_t batches = (trainData.count() + batch - 1) / batch;
  double accuracy = 0, trainingTime = 0;
  for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), random);
    auto start = Clock::now();
    double lossSum = 0;
    for (int64_t b = 0; b < batches; ++b) {
      int64_t first = b * batch, count = std::min(batch, trainData.count() - first);
      gather(trainData, order.data() + first, count, pixels, labels);
      double progressed =
          static_cast<double>((epoch - 1) * batches + b) / static_cast<double>(epochs * batches);
      rateNow.as<float>()[0] =
          static_cast<float>(rate * 0.5 * (1 + std::cos(std::numbers::pi * progressed)));
      double loss = 0;
      if (count == batch) {
        fullBatch();
        loss = fullBatch.outputs()[0].item();
      } else { // The last, smaller batch runs in the same code.
        loss = step(state, {{"x", pixels.slice(0, 0, count)},
                            {"label", labels.slice(0, 0, count)},
                            {"rate", rateNow}})
                   .at(0)
                   .item();
      }
      if (epoch == 1 && b == 0)
        std::printf("first training step %.2f s after the start\n", secondsSince(begin));
      lossSum += loss;
      progress(b + 1, batches, loss);
    }
    double epochTime = secondsSince(start);
    trainingTime += epochTime;
    double correct =
        evaluate(state, {{"x", testData.pixels}, {"label", testData.labels}}).at(0).item();
    accuracy = 100 * correct / static_cast<double>(std::max<int64_t>(testData.count(), 1));
    std::printf("epoch %2lld  loss %.4f  test accuracy %5.2f%%  %.2f s (%.0f images/s)\n",
                static_cast<long long>(epoch),
                lossSum / static_cast<double>(std::max<int64_t>(batches, 1)), accuracy, epochTime,
                static_cast<double>(trainData.count()) / epochTime);
  }
  std::printf("trained in %.1f s; test accuracy %.2f%%\n", trainingTime, accuracy);
  if (!save.empty()) {
    state.save(save);
    std::printf("parameters: %s\n", save.c_str());
  }
  return accuracy < wanted ? static_cast<int>(ErrorCode::Mismatch) : 0;
}

} // namespace

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
