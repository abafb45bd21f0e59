// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sinter/sinter.h>

#include <string>
#include <vector>

namespace examples {

/// Two hidden layers, and what training and testing them computes.
struct Network {
  sinter::Graph graph;
  sinter::Tensor logits, loss, correct, rate;
  std::vector<sinter::Tensor> parameters;

  sinter::Updates updates;

  Network() {
    using namespace sinter;
    Tensor x = graph.placeholder("x", f32, {dim("N"), 784}); // One compile serves every batch size.
    Tensor label = graph.placeholder("label", i32, {dim("N")});
    logits = layer(relu(layer(relu(layer(x, 784, 256, "hidden1")), 256, 128, "hidden2")), 128, 10,
                   "out");
    loss = softmaxCrossEntropy(logits, label).mean();
    rate = graph.placeholder("rate", f32,
                             {}); // A new learning rate at every step, without compiling again.
    correct = equal(argmax(logits, 1), label.cast(i64)).cast(f32).sum();
    updates = optim::adam({.learningRate = rate}).updates(parameters, gradients(loss, parameters));
  }

  sinter::Tensor layer(const sinter::Tensor &in, int64_t from, int64_t to,
                       const std::string &name) {
    using namespace sinter;
    Tensor weight = graph.parameter(name + ".weight", f32, {from, to}, init::kaimingUniform());
    Tensor bias = graph.parameter(name + ".bias", f32, {to}, init::zeros());
    parameters.insert(parameters.end(), {weight, bias});
    return in.matmul(weight) + bias;
  }
};

} // namespace examples
