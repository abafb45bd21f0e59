// SPDX-License-Identifier: Apache-2.0
// The graphs of the cases for a GPU, of any size: they are measured large and compared small.
#include "tools/fused-bench/Graphs.h"

#include "sinter/frontend/Optim.h"

namespace sinter::tools {

Model chain5(int64_t elements) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {elements});
  g.output("y", maximum(x * 1.5 + 0.25, -2.0) * x - 0.5);
  return model;
}

Model sumOfAll(int64_t elements) {
  Model model;
  Graph &g = model.graph;
  g.output("sum", g.placeholder("x", f32, {elements}).sum());
  return model;
}

Model softmaxOf(int64_t rows, int64_t width) {
  Model model;
  Graph &g = model.graph;
  g.output("y", softmax(g.placeholder("x", bf16, {rows, width})));
  return model;
}

Model normBoth(int64_t rows, int64_t width, bool centers) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", bf16, {rows, width});
  Tensor dy = g.placeholder("dy", bf16, {rows, width});
  Tensor gamma = g.placeholder("gamma", bf16, {width});
  std::vector<Tensor> scales = {x, gamma};
  if (centers)
    scales.push_back(g.placeholder("beta", bf16, {width}));
  Tensor y = centers ? layerNorm(x, gamma, scales.back()) : rmsNorm(x, gamma);
  std::vector<Tensor> grads = gradients({y}, scales, {dy});
  g.output("y", y);
  g.output("dx", grads[0]);
  g.output("dgamma", grads[1]);
  if (centers)
    g.output("dbeta", grads[2]);
  return model;
}

Model gemmOf(int64_t m, int64_t n, int64_t k) {
  Model model{.multipliesBf16 = true};
  model.addFlops(2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
  Graph &g = model.graph;
  Tensor a = g.placeholder("a", bf16, {m, k});
  Tensor b = g.placeholder("b", bf16, {k, n});
  g.output("c", a.matmul(b));
  return model;
}

namespace {
/// What no library has a name for.
Tensor gate(const Tensor &scores, const Tensor &bias) {
  Tensor h = scores * 0.01 + bias;
  return silu(h) * (h * 0.5 + 1.0);
}
Tensor join(const Tensor &x, const Tensor &scores) { return x + tanh(scores * 0.01); }
} // namespace

/// Two layers, each followed by its own.
Model mlpOf(int64_t rows, int64_t width, int64_t hidden) {
  Model model{.multipliesBf16 = true};
  model.addFlops(4.0 * static_cast<double>(rows) * static_cast<double>(width) *
                 static_cast<double>(hidden));
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", bf16, {rows, width});
  Tensor w1 = g.placeholder("w1", bf16, {width, hidden});
  Tensor b1 = g.placeholder("b1", bf16, {hidden});
  Tensor w2 = g.placeholder("w2", bf16, {hidden, width});
  Tensor h = gate(x.matmul(w1), b1);
  g.output("y", join(x, h.matmul(w2)));
  return model;
}

/// What follows the first product of mlpOf(), and the second, as graphs of their own.
Model mlpGateOf(int64_t rows, int64_t hidden) {
  Model model;
  Graph &g = model.graph;
  Tensor scores = g.placeholder("scores", bf16, {rows, hidden});
  g.output("y", gate(scores, g.placeholder("bias", bf16, {hidden})));
  return model;
}
Model mlpJoinOf(int64_t rows, int64_t width) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", bf16, {rows, width});
  g.output("y", join(x, g.placeholder("scores", bf16, {rows, width})));
  return model;
}

Model attentionOf(int64_t heads, int64_t positions, int64_t width, bool withGradients) {
  Model model{.multipliesBf16 = true};
  // Of one product of scores, of which a causal mask leaves half.
  double product = static_cast<double>(heads * positions) * static_cast<double>(positions * width);
  model.addFlops((withGradients ? 7 : 2) * product);
  Graph &g = model.graph;
  Shape shape = {heads, positions, width};
  Tensor q = g.placeholder("q", bf16, shape), k = g.placeholder("k", bf16, shape),
         v = g.placeholder("v", bf16, shape);
  Tensor y = attention(q, k, v, {.causal = true});
  g.output("y", y);
  if (!withGradients)
    return model;
  std::vector<Tensor> grads = gradients({y}, {q, k, v}, {g.placeholder("dy", bf16, shape)});
  g.output("dq", grads[0]);
  g.output("dk", grads[1]);
  g.output("dv", grads[2]);
  return model;
}

/// The last layer of a language model: scores of all words, their loss, and both gradients.
Model linearCrossEntropyOf(int64_t rows, int64_t width, int64_t words) {
  Model model{.multipliesBf16 = true, .ranges = {{"labels", words}}};
  model.addFlops(6.0 * static_cast<double>(rows) * static_cast<double>(width) *
                 static_cast<double>(words));
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", bf16, {rows, width});
  Tensor w = g.placeholder("w", bf16, {width, words});
  Tensor labels = g.placeholder("labels", i32, {rows});
  Tensor scores = (x * 0.01).matmul(w).cast(f32);
  Tensor loss = softmaxCrossEntropy(scores, labels).mean();
  std::vector<Tensor> grads = gradients(loss, {x, w});
  g.output("loss", loss);
  g.output("dx", grads[0]);
  g.output("dw", grads[1]);
  return model;
}

/// A network so small that launches are what it takes: layers of width 64.
Model tinyStep(int64_t rows, int64_t layers) {
  Model model{.ranges = {{"labels", 10}}};
  Graph &g = model.graph;
  Tensor h = g.placeholder("x", f32, {rows, 64});
  std::vector<Tensor> parameters;
  auto layer = [&](int64_t number, int64_t width) {
    std::string name = std::to_string(number);
    parameters.push_back(g.parameter("w" + name, f32, {h.size(1), width}, init::kaimingUniform()));
    Tensor w = parameters.back();
    parameters.push_back(g.parameter("b" + name, f32, {width}));
    h = linear(h, w, parameters.back());
  };
  for (int64_t i = 0; i < layers; ++i) {
    layer(i, 64);
    h = h.relu();
  }
  layer(layers, 10);
  model.addFlops(6.0 * static_cast<double>(rows * layers * 64 * 64));
  Tensor loss = softmaxCrossEntropy(h, g.placeholder("labels", i32, {rows})).mean();
  g.output("loss", loss);
  g.update(optim::adam().updates(parameters, gradients(loss, parameters)));
  return model;
}

} // namespace sinter::tools
