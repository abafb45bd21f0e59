// SPDX-License-Identifier: Apache-2.0
// Compiles a network, its training step with AdamW and its evaluation, to the two libraries that
// Main.c uses.
// --compare FILE trains the same in this process and compares what Main.c saved, bit by bit.
#include "../04-fashion-mnist/Idx.h"
#include "../common/Options.h"
#include "Batches.h"

#include <cstdio>
#include <cstring>

using namespace sinter;

namespace {

struct Network {
  Graph graph;
  Tensor loss, correct;
  std::vector<Tensor> parameters;
  Updates updates;

  Network() {
    Tensor x = graph.placeholder("x", f32, {dim("N"), 784});
    Tensor label = graph.placeholder("label", i32, {dim("N")});
    Tensor logits = layer(relu(layer(relu(layer(x, 784, 256, "hidden1")), 256, 128, "hidden2")),
                          128, 10, "out");
    loss = softmaxCrossEntropy(logits, label).mean();
    correct = equal(argmax(logits, 1), label.cast(i64)).cast(f32).sum();
    updates = optim::adamW({.learningRate = 1e-3}).updates(parameters, gradients(loss, parameters));
  }

  Tensor layer(const Tensor &in, int64_t from, int64_t to, const std::string &name) {
    parameters.push_back(
        graph.parameter(name + ".weight", f32, {from, to}, init::kaimingUniform()));
    parameters.push_back(graph.parameter(name + ".bias", f32, {to}, init::zeros()));
    return in.matmul(parameters[parameters.size() - 2]) + parameters.back();
  }
};

/// What Main.c does, with the JIT.
void train(const Executable &step, State &state, const examples::Images &data, int64_t epochs) {
  constexpr int64_t batch = 128;
  uint64_t random = 1;
  std::vector<int32_t> order(static_cast<size_t>(data.count()));
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    shuffle(order.data(), data.count(), &random);
    for (int64_t first = 0; first < data.count(); first += batch) {
      int64_t size = std::min(batch, data.count() - first);
      Array x(f32, {size, 784}), label(i32, {size});
      for (int64_t i = 0; i < size; ++i) {
        const int64_t chosen = order[static_cast<size_t>(first + i)];
        std::memcpy(x.as<float>() + i * 784, data.pixels.as<float>() + chosen * 784,
                    784 * sizeof(float));
        label.as<int32_t>()[i] = data.labels.as<int32_t>()[chosen];
      }
      step(state, {{"x", x}, {"label", label}});
    }
  }
}

int run(int argc, char **argv) {
  std::string folder = ".", compare, data = "/usr/share/datasets/fashion-mnist";
  int64_t images = 60000, epochs = 3;
  examples::Options options("06-export",
                            "Makes the libraries of 06-c-program, or checks what it did.");
  options.add("folder", folder, "where the libraries go");
  options.add("compare", compare, "a state that 06-c-program saved: exit with 6 if it differs");
  options.add("train", images, "--compare: training images");
  options.add("epochs", epochs, "--compare: passes over them");
  options.add("data", data, "--compare: folder of the IDX files");
  if (!options.parse(argc, argv))
    return 0;

  Network net;
  if (compare.empty()) {
    const std::filesystem::path path = folder;
    compileToLibrary(net.graph, path / "fashion_step.a",
                     {.outputs = {net.loss}, .updates = net.updates},
                     {.kind = LibraryKind::Static});
    compileToLibrary(net.graph, path / "fashion_evaluate.a", {.outputs = {net.correct}},
                     {.kind = LibraryKind::Static});
    return 0;
  }
  State mine(net.graph, 1), theirs(net.graph, 2);
  theirs.load(compare);
  train(compile(net.graph, {.outputs = {net.loss}, .updates = net.updates}), mine,
        examples::readImages(data, "train", images), epochs);
  for (const std::string &name : mine.names()) {
    Array a = mine.get(name), b = theirs.get(name);
    if (std::memcmp(a.data(), b.data(), static_cast<size_t>(a.numBytes())) != 0) {
      std::printf("'%s' differs\n", name.c_str());
      return static_cast<int>(ErrorCode::Mismatch);
    }
  }
  std::printf("the same bits in %zu variables\n", mine.names().size());
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
