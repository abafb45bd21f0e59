// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Graphs.h"

#include "sinter/frontend/Optim.h"

#include <cmath>

namespace sinter::tools {
namespace {

double number(const Shape &shape, int64_t axis) {
  return static_cast<double>(*shape[axis].constant());
}

/// Of a convolution with that result and weight; 3 x 3 windows at every place may use Winograd.
void countConvolution(Model &model, const Shape &y, const Shape &w, int64_t stride,
                      double times = 1) {
  double count = times * 2 * number(y, 0) * number(y, 1) * number(y, 2) * number(y, 3) *
                 number(w, 1) * number(w, 2) * number(w, 3);
  model.addFlops(count, number(w, 2) == 3 && stride == 1 ? 4 : 1);
}

// -- MobileNet ------------------------------------------------------------------------------------

/// A layer of a trained network: the batch norm is folded into weights and bias.
Tensor fixedConv(Model &model, const Tensor &x, int64_t channels, int64_t kernel, int64_t stride,
                 bool depthwise) {
  int64_t from = *x.size(1).constant();
  Shape shape = {channels, depthwise ? 1 : from, kernel, kernel};
  double fanIn = number(shape, 1) * number(shape, 2) * number(shape, 3);
  std::string number = std::to_string(model.constants.size() / 2);
  Tensor w = weights(model, "w" + number, {channels, depthwise ? 1 : from, kernel, kernel},
                     std::sqrt(2 / fanIn));
  Tensor b = weights(model, "b" + number, {channels}, 0.1);
  Tensor y =
      conv(x, w, b, {.strides = {stride}, .padding = kernel / 2, .groups = depthwise ? from : 1});
  countConvolution(model, y.shape(), shape, stride);
  return y.relu();
}

// -- ResNet-8 -------------------------------------------------------------------------------------

/// Convolutions in `products`, everything else in f32.
struct ResNet {
  DType products = f32;
  Model model = {.winograd = true, .ranges = {{"labels", 10}}};
  std::vector<Tensor> parameters = {};
  Updates statistics = {}; ///< New running means and variances.

  Tensor parameter(const std::string &name, const Shape &shape, const Initializer &init) {
    parameters.push_back(model.graph.parameter(name, f32, shape, init));
    return parameters.back();
  }

  Tensor convolve(const std::string &name, const Tensor &x, int64_t channels, int64_t kernel,
                  int64_t stride) {
    Shape shape = {channels, x.size(1), kernel, kernel};
    double fanIn = number(shape, 1) * static_cast<double>(kernel * kernel);
    Tensor w = parameter(name + ".weight", shape, init::normal(0, std::sqrt(2 / fanIn)));
    Tensor y =
        conv(x.cast(products), w.cast(products), {.strides = {stride}, .padding = kernel / 2});
    // Forward and both gradients; images have none.
    countConvolution(model, y.shape(), shape, stride, parameters.size() == 1 ? 2 : 3);
    return y.cast(f32);
  }

  Tensor normalize(const std::string &name, const Tensor &x) {
    Shape channels = {x.size(1)};
    Tensor gamma = parameter(name + ".gamma", channels, init::ones());
    Tensor beta = parameter(name + ".beta", channels, init::zeros());
    Tensor mean = model.graph.state(name + ".mean", f32, channels, init::zeros());
    Tensor variance = model.graph.state(name + ".variance", f32, channels, init::ones());
    BatchNormResult result = batchNormTraining(x, gamma, beta, mean, variance, {.unbiased = true});
    statistics.push_back({mean, result.runningMean});
    statistics.push_back({variance, result.runningVariance});
    return result.y;
  }

  Tensor block(const std::string &name, const Tensor &x, int64_t channels, int64_t stride) {
    Tensor h = normalize(name + ".norm1", convolve(name + ".conv1", x, channels, 3, stride)).relu();
    h = normalize(name + ".norm2", convolve(name + ".conv2", h, channels, 3, 1));
    Tensor shortcut = stride == 1 ? x : convolve(name + ".shortcut", x, channels, 1, stride);
    return (h + shortcut).relu();
  }

  /// 1 x 1 to a quarter of the channels, 3 x 3, and back.
  Tensor bottleneck(const std::string &name, const Tensor &x, int64_t channels, int64_t stride) {
    Tensor h = normalize(name + ".norm1", convolve(name + ".conv1", x, channels / 4, 1, 1)).relu();
    h = normalize(name + ".norm2", convolve(name + ".conv2", h, channels / 4, 3, stride)).relu();
    h = normalize(name + ".norm3", convolve(name + ".conv3", h, channels, 1, 1));
    bool keeps = x.size(1) == DimExpr(channels) && stride == 1;
    Tensor shortcut =
        keeps ? x : normalize(name + ".norm", convolve(name + ".shortcut", x, channels, 1, stride));
    return (h + shortcut).relu();
  }

  /// Loss and updates, from the features of the images.
  Model finish(const Tensor &features, int64_t classes) {
    Graph &g = model.graph;
    Tensor labels = g.placeholder("labels", i32, {features.size(0)});
    Tensor w = parameter("out.weight", {features.size(1), classes}, init::kaimingUniform());
    Tensor b = parameter("out.bias", {classes}, init::zeros());
    Tensor loss = softmaxCrossEntropy(linear(features, w, b), labels).mean();
    model.addFlops(6.0 * number(features.shape(), 0) * number(features.shape(), 1) *
                   static_cast<double>(classes));
    g.output("loss", loss);
    Updates updates = optim::sgd({.learningRate = 0.01, .momentum = 0.9, .weightDecay = 1e-4})
                          .updates(parameters, gradients(loss, parameters));
    updates.insert(updates.end(), statistics.begin(), statistics.end());
    g.update(updates);
    return model;
  }
};

// -- GPT ------------------------------------------------------------------------------------------

struct GptSizes {
  int64_t sequences = 8, positions = 256, layers = 6;
  int64_t width = 384, heads = 6, vocabulary = 65;
  DType products = f32; ///< bf16: as automatic mixed precision does, over parameters in f32.
};

class Gpt {
public:
  explicit Gpt(const GptSizes &sizes) : sizes(sizes) {
    model.multipliesBf16 = sizes.products == bf16;
    model.ranges = {{"tokens", sizes.vocabulary}, {"targets", sizes.vocabulary}};
  }

  Model trainingStep() {
    Shape batch = {sizes.sequences, sizes.positions};
    Tensor tokens = model.graph.placeholder("tokens", i32, batch);
    Tensor targets = model.graph.placeholder("targets", i32, batch);
    Tensor embeddings = parameter("wte", {sizes.vocabulary, sizes.width}, 0.02);
    Tensor positions = parameter("wpe", {sizes.positions, sizes.width}, 0.02);
    Tensor h = embedding(embeddings, tokens) + positions;
    for (int64_t i = 0; i < sizes.layers; ++i) {
      std::string name = "h" + std::to_string(i) + ".";
      h = h + attend(name, normalize(name + "ln1", h)).cast(f32);
      Tensor hidden =
          project(normalize(name + "ln2", h), weight(name + "fc", sizes.width, 4 * sizes.width));
      h = h + project(gelu(hidden, Gelu::Tanh), weight(name + "out", 4 * sizes.width, sizes.width))
                  .cast(f32);
    }
    Tensor logits = project(normalize("ln", h), embeddings.transpose()).cast(f32);
    Tensor loss = softmaxCrossEntropy(logits, targets).mean();
    Graph &g = model.graph;
    g.output("loss", loss);
    g.update(optim::adamW({.learningRate = 3e-4, .weightDecay = 0.1})
                 .updates(parameters, gradients(loss, parameters)));
    return model;
  }

private:
  Tensor parameter(const std::string &name, const Shape &shape, double deviation) {
    parameters.push_back(model.graph.parameter(name, f32, shape, init::normal(0, deviation)));
    return parameters.back();
  }
  Tensor weight(const std::string &name, int64_t in, int64_t out) {
    return parameter(name, {in, out}, 0.02);
  }

  /// x @ w, in the dtype of products; with both gradients three products.
  Tensor project(const Tensor &x, const Tensor &w) {
    model.addFlops(6.0 * static_cast<double>(sizes.sequences * sizes.positions) *
                   number(w.shape(), 0) * number(w.shape(), 1));
    return x.cast(sizes.products).matmul(w.cast(sizes.products));
  }

  Tensor normalize(const std::string &name, const Tensor &x) {
    parameters.push_back(model.graph.parameter(name + ".gamma", f32, {sizes.width}, init::ones()));
    Tensor gamma = parameters.back();
    // Not zeros: a first step of Adam is the learning rate up or down, and rounding decides which
    // where a gradient is next to nothing.
    return layerNorm(x, gamma, parameter(name + ".beta", {sizes.width}, 0.02));
  }

  Tensor attend(const std::string &name, const Tensor &x) {
    Tensor qkv = project(x, weight(name + "qkv", sizes.width, 3 * sizes.width));
    std::vector<Tensor> heads;
    for (const Tensor &part : split(qkv, 3, -1))
      heads.push_back(part.reshape({sizes.sequences, sizes.positions, sizes.heads, -1})
                          .transpose({0, 2, 1, 3}));
    Tensor y = attention(heads[0], heads[1], heads[2], {.causal = true});
    // Two products forward, five backward, half of each.
    model.addFlops(7.0 * static_cast<double>(sizes.sequences * sizes.positions * sizes.positions *
                                             sizes.width));
    y = y.transpose({0, 2, 1, 3}).reshape({sizes.sequences, sizes.positions, sizes.width});
    return project(y, weight(name + "proj", sizes.width, sizes.width));
  }

  GptSizes sizes;
  Model model;
  std::vector<Tensor> parameters;
};

} // namespace

/// A training step with Adam of the network that fits Fashion-MNIST: 784-512-10.
Model mlpStep(int64_t rows) {
  Model model{.ranges = {{"labels", 10}}};
  // Forward and weight gradients of both layers, input gradient of the second.
  model.addFlops(2.0 * static_cast<double>(rows) * (2.0 * 784 * 512 + 3.0 * 512 * 10));
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 784});
  Tensor labels = g.placeholder("labels", i32, {rows});
  Tensor w1 = g.parameter("w1", f32, {784, 512}, init::kaimingUniform());
  Tensor b1 = g.parameter("b1", f32, {512});
  Tensor w2 = g.parameter("w2", f32, {512, 10}, init::kaimingUniform());
  Tensor b2 = g.parameter("b2", f32, {10});
  Tensor hidden = linear(x, w1, b1).relu();
  Tensor loss = softmaxCrossEntropy(linear(hidden, w2, b2), labels).mean();
  std::vector<Tensor> parameters = {w1, b1, w2, b2};
  g.output("loss", loss);
  g.update(optim::adam().updates(parameters, gradients(loss, parameters)));
  return model;
}

/// A training step with AdamW of the network of examples/04-fashion-mnist: 784-256-128-10.
Model fashionMnistStep(int64_t rows) {
  Model model{.ranges = {{"labels", 10}}};
  Graph &g = model.graph;
  Tensor h = g.placeholder("x", f32, {rows, 784});
  Tensor labels = g.placeholder("labels", i32, {rows});
  std::vector<Tensor> parameters;
  auto layer = [&](const std::string &name, int64_t from, int64_t to) {
    parameters.push_back(g.parameter(name + ".weight", f32, {from, to}, init::kaimingUniform()));
    parameters.push_back(g.parameter(name + ".bias", f32, {to}));
    model.addFlops((from == 784 ? 4.0 : 6.0) * static_cast<double>(rows * from * to));
    return linear(h, parameters.end()[-2], parameters.back());
  };
  h = layer("hidden1", 784, 256).relu();
  h = layer("hidden2", 256, 128).relu();
  Tensor loss = softmaxCrossEntropy(layer("out", 128, 10), labels).mean();
  g.output("loss", loss);
  g.update(optim::adamW().updates(parameters, gradients(loss, parameters)));
  return model;
}

/// MLPerf Tiny's visual wake words: MobileNetV1 of width 1/4 for images of 96 x 96.
Model vwwInference(int64_t images) {
  Model model;
  Graph &g = model.graph;
  Tensor h = fixedConv(model, g.placeholder("x", f32, {images, 3, 96, 96}), 8, 3, 2, false);
  struct Block {
    int64_t channels, stride;
  };
  for (Block block : {Block{16, 1},
                      {32, 2},
                      {32, 1},
                      {64, 2},
                      {64, 1},
                      {128, 2},
                      {128, 1},
                      {128, 1},
                      {128, 1},
                      {128, 1},
                      {128, 1},
                      {256, 2},
                      {256, 1}}) {
    h = fixedConv(model, h, *h.size(1).constant(), 3, block.stride, true);
    h = fixedConv(model, h, block.channels, 1, 1, false);
  }
  Tensor features = globalAvgPool(h).flatten(1);
  Tensor scores =
      linear(features, weights(model, "out.w", {256, 2}, 0.1), weights(model, "out.b", {2}, 0.1));
  g.output("probabilities", softmax(scores));
  return model;
}

/// MLPerf Tiny's image classification, trained: ResNet-8 on CIFAR-10, SGD with momentum.
Model resNet8Step(int64_t images) {
  ResNet net;
  Tensor x = net.model.graph.placeholder("x", f32, {images, 3, 32, 32});
  Tensor h = net.normalize("norm", net.convolve("conv", x, 16, 3, 1)).relu();
  h = net.block("stage1", h, 16, 1);
  h = net.block("stage2", h, 32, 2);
  h = net.block("stage3", h, 64, 2);
  return net.finish(globalAvgPool(h).flatten(1), 10);
}

/// Blocks and channels of each stage.
static Model bottlenecksStep(int64_t images, int64_t size,
                             const std::vector<std::pair<int64_t, int64_t>> &stages) {
  ResNet net{.products = bf16};
  net.model.winograd = false;
  net.model.multipliesBf16 = true;
  net.model.ranges = {{"labels", 1000}};
  Tensor x = net.model.graph.placeholder("x", f32, {images, 3, size, size});
  Tensor h = net.normalize("norm", net.convolve("conv", x, 64, 7, 2)).relu();
  h = maxPool(h, {3, 3}, {.strides = {2}, .padding = 1});
  for (size_t stage = 0; stage < stages.size(); ++stage)
    for (int64_t i = 0; i < stages[stage].first; ++i)
      h = net.bottleneck("stage" + std::to_string(stage) + "." + std::to_string(i), h,
                         stages[stage].second, i == 0 && stage > 0 ? 2 : 1);
  Model model = net.finish(globalAvgPool(h).flatten(1), 1000);
  model.leastFlops = model.flops;
  return model;
}

Model resNet50Step(int64_t images) {
  return bottlenecksStep(images, 224, {{3, 256}, {4, 512}, {6, 1024}, {3, 2048}});
}
Model resNet50Small(int64_t images) { return bottlenecksStep(images, 32, {{1, 64}, {1, 128}}); }

Model gptMiniStep(int64_t sequences) { return Gpt({.sequences = sequences}).trainingStep(); }
Model gptMiniBf16Step(int64_t sequences) {
  return Gpt({.sequences = sequences, .products = bf16}).trainingStep();
}
Model gpt2Step(int64_t sequences) {
  return Gpt({.sequences = sequences,
              .positions = 1024,
              .layers = 12,
              .width = 768,
              .heads = 12,
              .vocabulary = 50304,
              .products = bf16})
      .trainingStep();
}
Model gptMiniSmall(int64_t sequences) {
  return Gpt({.sequences = sequences, .positions = 64, .layers = 2}).trainingStep();
}
Model gptMiniBf16Small(int64_t sequences) {
  return Gpt({.sequences = sequences, .positions = 64, .layers = 2, .products = bf16})
      .trainingStep();
}

} // namespace sinter::tools
