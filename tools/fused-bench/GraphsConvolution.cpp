// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Graphs.h"

#include <cmath>

namespace sinter::tools {
namespace {

/// By how much Winograd's F(4x4, 3x3) divides the multiplications.
constexpr double winogradSaves = 4;

/// `kernel` x `kernel` from 64 to 64 channels over 56 x 56, the size kept.
Model convolution(int64_t images, int64_t kernel, int64_t groups) {
  double weights = 64.0 * 64 / static_cast<double>(groups) * static_cast<double>(kernel * kernel);
  Model model{.winograd = kernel == 3 && groups == 1};
  model.addFlops(2.0 * static_cast<double>(images) * 56 * 56 * weights,
                 kernel == 3 ? winogradSaves : 1);
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 56, 56});
  Tensor w = g.placeholder("w", f32, {64, 64 / groups, kernel, kernel});
  g.output("y", conv(x, w, {.padding = kernel / 2, .groups = groups}));
  return model;
}

} // namespace

Model conv3x3(int64_t images) { return convolution(images, 3, 1); }
Model conv1x1(int64_t images) { return convolution(images, 1, 1); }
Model convDepthwise(int64_t images) { return convolution(images, 3, 64); }

/// The gradients of conv3x3 in both operands.
Model convGradients(int64_t images) {
  Model model = conv3x3(images);
  model.addFlops(2 * model.flops, winogradSaves);
  Graph &g = model.graph;
  Tensor y = g.outputNamed("y");
  Tensor dy = g.placeholder("dy", f32, y.shape());
  std::vector<Tensor> grads = gradients({y}, {g.argument("x"), g.argument("w")}, {dy});
  g.output("dx", grads[0]);
  g.output("dw", grads[1]);
  return model;
}

/// The transpose of a convolution of 4 x 4 at every second place: 28 x 28 to 56 x 56.
Model convUp(int64_t images) {
  Model model;
  // A quarter of the window for each result: 2 x 2 products, which F(4x4, 2x2) divides by 2.56.
  model.addFlops(2.0 * static_cast<double>(images) * 28 * 28 * 64 * 64 * 16, 2.56);
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 28, 28});
  Tensor w = g.placeholder("w", f32, {64, 64, 4, 4});
  g.output("y", convTranspose(x, w, {.strides = {2}, .padding = 1}));
  return model;
}

/// The 3 x 3 convolutions inside the four stages of a ResNet, for inference: fixed weights, a bias
/// (a batch norm folded away), relu.
Model convSet(int64_t images) {
  Model model{.winograd = true};
  Graph &g = model.graph;
  for (int64_t size : {56, 28, 14, 7}) {
    int64_t channels = 64 * 56 / size;
    auto fanIn = static_cast<double>(9 * channels);
    model.addFlops(2.0 * static_cast<double>(images * size * size * channels) * fanIn,
                   winogradSaves);
    std::string number = std::to_string(size);
    Tensor x = g.placeholder("x" + number, f32, {images, channels, size, size});
    Tensor w = weights(model, "w" + number, {channels, channels, 3, 3}, std::sqrt(2 / fanIn));
    Tensor b = weights(model, "b" + number, {channels}, 0.1);
    g.output("y" + number, conv(x, w, b, {.padding = 1}).relu());
  }
  return model;
}

// -- Pooling --------------------------------------------------------------------------------------

Model maxPool2x2(int64_t images) {
  Model model;
  Graph &g = model.graph;
  g.output("y", maxPool(g.placeholder("x", f32, {images, 64, 112, 112}), {2, 2}));
  return model;
}

Model avgPool3x3(int64_t images) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 112, 112});
  g.output("y", avgPool(x, {3, 3}, {.strides = {2}, .padding = 1}));
  return model;
}

Model maxPoolBoth(int64_t images) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 112, 112});
  Tensor dy = g.placeholder("dy", f32, {images, 64, 56, 56});
  Tensor y = maxPool(x, {2, 2});
  g.output("y", y);
  g.output("dx", gradients({y}, {x}, {dy})[0]);
  return model;
}

} // namespace sinter::tools
