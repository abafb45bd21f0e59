// SPDX-License-Identifier: Apache-2.0
// Optimizer steps as nodes: inputs are the learning rate R, the step T, then `groups` groups of
// tensors (the parameters, the gradients, the moments), each group in the same order.
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

namespace {

/// How many parameters a node updates when it takes `groups` tensors for each.
size_t parameters(Node &node, size_t groups) {
  size_t tensors = node.numInputs() < 2 ? 0 : node.numInputs() - 2;
  if (tensors == 0 || tensors % groups != 0)
    node.invalid("takes R, T and " + std::to_string(groups) + " tensors per parameter");
  return tensors / groups;
}

/// Input `group` of parameter i out of n.
Tensor tensorOf(Node &node, size_t n, size_t group, size_t i) {
  return node.input(2 + group * n + i);
}

void importAdagrad(Node &node) {
  size_t n = parameters(node, 3);
  double decay = node.floatAttribute("decay_factor", 0.0);
  double epsilon = node.floatAttribute("epsilon", 0.0);
  double norm = node.floatAttribute("norm_coefficient", 0.0);
  for (size_t i = 0; i < n; ++i) {
    Tensor x = tensorOf(node, n, 0, i);
    Tensor rate = (node.input(0).cast(f64) / (1 + decay * node.input(1).cast(f64))).cast(x.dtype());
    Tensor gradient = norm * x + tensorOf(node, n, 1, i);
    Tensor accumulated = tensorOf(node, n, 2, i) + square(gradient);
    node.output(i, x - rate * gradient / (sqrt(accumulated) + epsilon));
    node.output(n + i, accumulated);
  }
}

void importAdam(Node &node) {
  size_t n = parameters(node, 4);
  double alpha = node.floatAttribute("alpha", 0.9);
  double beta = node.floatAttribute("beta", 0.999);
  double epsilon = node.floatAttribute("epsilon", 0.0);
  double norm = node.floatAttribute("norm_coefficient", 0.0);
  double normPost = node.floatAttribute("norm_coefficient_post", 0.0);
  // The bias correction is skipped at step 0. 1 - beta^T loses digits, so it is f64.
  Tensor step = node.input(1).cast(f64), rate = node.input(0).cast(f64);
  Tensor corrected = rate * sqrt(1 - pow(beta, step)) / (1 - pow(alpha, step));
  rate = where(step > 0, corrected, rate);
  for (size_t i = 0; i < n; ++i) {
    Tensor x = tensorOf(node, n, 0, i);
    Tensor gradient = norm * x + tensorOf(node, n, 1, i);
    Tensor first = alpha * tensorOf(node, n, 2, i) + (1 - alpha) * gradient;
    Tensor second = beta * tensorOf(node, n, 3, i) + (1 - beta) * square(gradient);
    Tensor next = x - rate.cast(x.dtype()) * (first / (sqrt(second) + epsilon));
    node.output(i, normPost == 0 ? next : (1 - normPost) * next);
    node.output(n + i, first);
    node.output(2 * n + i, second);
  }
}

void importMomentum(Node &node) {
  static constexpr std::string_view modes[] = {"standard", "nesterov"};
  size_t n = parameters(node, 3);
  if (!node.hasAttribute("mode"))
    node.invalid("attribute mode is required");
  bool nesterov = node.choiceAttribute("mode", modes, "standard") == 1;
  double alpha = node.floatAttribute("alpha");
  double beta = node.floatAttribute("beta");
  double norm = node.floatAttribute("norm_coefficient");
  for (size_t i = 0; i < n; ++i) {
    Tensor x = tensorOf(node, n, 0, i);
    Tensor rate = node.input(0).cast(x.dtype());
    // The first step takes the whole gradient.
    Tensor share = where(node.input(1) > 0, fullLike(x, beta, {}), fullLike(x, 1, {}));
    Tensor gradient = norm * x + tensorOf(node, n, 1, i);
    Tensor velocity = alpha * tensorOf(node, n, 2, i) + share * gradient;
    node.output(i, x - rate * (nesterov ? gradient + alpha * velocity : velocity));
    node.output(n + i, velocity);
  }
}

constexpr std::string_view domain = "ai.onnx.preview.training";
constexpr OpHandler handlers[] = {
    {"Adagrad", 1, importAdagrad, domain},
    {"Adam", 1, importAdam, domain},
    {"Momentum", 1, importMomentum, domain},
};

} // namespace

std::span<const OpHandler> trainingHandlers() { return handlers; }

} // namespace sinter::onnx
