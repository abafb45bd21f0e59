// SPDX-License-Identifier: Apache-2.0
// Trains a network with two hidden layers on Fashion-MNIST: shuffled batches, Adam, test accuracy.
#include "../common/Options.h"
#include "Network.h"
#include "Training.h"

#include <cstdio>

using namespace sinter;
using examples::Clock;
using examples::secondsSince;

namespace {

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

  examples::Network net;
  auto compileStart = Clock::now();
  const Target target = Target::parse(targetName);
  Executable step = compile(
      net.graph,
      {.outputs = {net.loss}, .updates = net.updates, .target = target, .threads = threads});
  double compileTime = secondsSince(compileStart);
  Executable evaluate =
      compile(net.graph, {.outputs = {net.correct}, .target = target, .threads = threads});
  std::printf("training step: %d ops -> %zu kernels, compiled in %.0f ms\n", step.program().nodes,
              step.program().kernels.size(), 1e3 * compileTime);

  State state(net.graph, static_cast<uint64_t>(seed));
  const double accuracy = examples::train(
      step, evaluate, state, trainData, testData,
      {.epochs = epochs, .batch = batch, .seed = seed, .rate = rate, .begin = begin});
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
