// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Cases.h"

#include "sinter/frontend/Optim.h"

namespace sinter::tools {
namespace {

/// Adds, multiplies, max, select and one exp: ten ops.
Model chain10(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows});
  Tensor a = x * 1.5;             // 1
  Tensor b = a + 0.25;            // 2
  Tensor c = maximum(b, -2.0);    // 3
  Tensor d = exp(-c);             // 4, 5
  Tensor e = d * x;               // 6
  Tensor f = e + a;               // 7
  Tensor h = select(f > x, f, b); // 8, 9
  g.output("y", h * 0.5);         // 10
  return model;
}

Model softmaxForward(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  g.output("y", softmax(g.placeholder("x", f32, {rows, 1024})));
  return model;
}

Model softmaxBoth(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 1024});
  Tensor dy = g.placeholder("dy", f32, {rows, 1024});
  Tensor y = softmax(x);
  g.output("y", y);
  g.output("dx", gradients({y}, {x}, {dy})[0]);
  return model;
}

Model layerNormForward(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 1024});
  Tensor gamma = g.placeholder("gamma", f32, {1024});
  Tensor beta = g.placeholder("beta", f32, {1024});
  g.output("y", layerNorm(x, gamma, beta));
  return model;
}

Model layerNormBoth(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 1024});
  Tensor gamma = g.placeholder("gamma", f32, {1024});
  Tensor beta = g.placeholder("beta", f32, {1024});
  Tensor dy = g.placeholder("dy", f32, {rows, 1024});
  Tensor y = layerNorm(x, gamma, beta);
  std::vector<Tensor> grads = gradients({y}, {x, gamma, beta}, {dy});
  g.output("y", y);
  g.output("dx", grads[0]);
  g.output("dgamma", grads[1]);
  g.output("dbeta", grads[2]);
  return model;
}

Model linearGelu(int64_t rows) {
  Model model{.flops = 2.0 * static_cast<double>(rows) * 768 * 3072};
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 768});
  Tensor w = g.placeholder("w", f32, {768, 3072});
  Tensor b = g.placeholder("b", f32, {3072});
  g.output("y", gelu(linear(x, w, b)));
  return model;
}

Model gemm(int64_t rows) {
  Model model{.flops = 2.0 * static_cast<double>(rows) * 1024 * 1024};
  Graph &g = model.graph;
  Tensor a = g.placeholder("a", f32, {rows, 1024});
  Tensor b = g.placeholder("b", f32, {1024, 1024});
  g.output("c", a.matmul(b));
  return model;
}

/// A training step with Adam of the network that fits Fashion-MNIST: 784-512-10.
Model mlpStep(int64_t rows) {
  // Forward and weight gradients of both layers, input gradient of the second.
  Model model{.flops = 2.0 * static_cast<double>(rows) * (2.0 * 784 * 512 + 3.0 * 512 * 10)};
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

/// `kernel` x `kernel` from 64 to 64 channels over 56 x 56, the size kept.
Model convolution(int64_t images, int64_t kernel, int64_t groups) {
  double weights = 64.0 * 64 / static_cast<double>(groups) * static_cast<double>(kernel * kernel);
  Model model{.flops = 2.0 * static_cast<double>(images) * 56 * 56 * weights};
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 56, 56});
  Tensor w = g.placeholder("w", f32, {64, 64 / groups, kernel, kernel});
  g.output("y", conv(x, w, {.padding = kernel / 2, .groups = groups}));
  return model;
}
Model conv3x3(int64_t images) { return convolution(images, 3, 1); }
Model conv1x1(int64_t images) { return convolution(images, 1, 1); }
Model convDepthwise(int64_t images) { return convolution(images, 3, 64); }

/// The gradients of conv3x3 in both operands.
Model convGradients(int64_t images) {
  Model model = conv3x3(images);
  model.flops *= 3;
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
  Model model{.flops = 2.0 * static_cast<double>(images) * 28 * 28 * 64 * 64 * 16};
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {images, 64, 28, 28});
  Tensor w = g.placeholder("w", f32, {64, 64, 4, 4});
  g.output("y", convTranspose(x, w, {.strides = {2}, .padding = 1}));
  return model;
}

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

constexpr int64_t tableRows = 10000;

/// Rows of a table, each met several times and in no order.
Tensor scatteredRows(Graph &g, int64_t count) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<int32_t>(i * 7919 % tableRows);
  return g.constant(Array::from(rows));
}

Model gatherRowsOfTable(int64_t count) {
  Model model;
  Graph &g = model.graph;
  g.output("y", gather(g.placeholder("x", f32, {tableRows, 128}), scatteredRows(g, count)));
  return model;
}

Model scatterAdd(int64_t count) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {tableRows, 128});
  Tensor updates = g.placeholder("updates", f32, {count, 128});
  g.output("y", scatter(x, scatteredRows(g, count), updates, 0, ScatterMode::Add));
  return model;
}

Model sortLongRow(int64_t count) {
  Model model;
  Graph &g = model.graph;
  g.output("y", sort(g.placeholder("x", f32, {count})));
  return model;
}

Model sortShortRows(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  g.output("y", sort(g.placeholder("x", f32, {rows, 100})));
  return model;
}

Model cumsumLongRow(int64_t count) {
  Model model;
  Graph &g = model.graph;
  g.output("y", cumsum(g.placeholder("x", f32, {count})));
  return model;
}

Model cumsumColumns(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  g.output("y", cumsum(g.placeholder("x", f32, {rows, 4096}), 0));
  return model;
}

Model scalarAdd(int64_t) {
  Model model;
  Graph &g = model.graph;
  g.output("y", g.placeholder("a", f32, {}) + g.placeholder("b", f32, {}));
  return model;
}

} // namespace

const std::vector<CaseRow> &caseTable() {
  constexpr CaseKind kernel = CaseKind::Kernel;
  static const std::vector<CaseRow> table = {
      {"chain10_16m", "ten elementwise ops over 16M f32", kernel, chain10, 16 << 20, 1 << 20},
      {"softmax_4096x1024", "softmax of rows", kernel, softmaxForward, 4096, 256},
      {"softmax_fwd_bwd_4096x1024", "softmax and its gradient", kernel, softmaxBoth, 4096, 256},
      {"layernorm_4096x1024", "layer normalisation", kernel, layerNormForward, 4096, 256},
      {"layernorm_fwd_bwd_4096x1024", "layer normalisation and its three gradients", kernel,
       layerNormBoth, 4096, 4096},
      {"linear_gelu_128x768x3072", "linear layer with bias and GELU", kernel, linearGelu, 128, 16},
      {"gemm_f32_1024", "matrix product 1024 x 1024 x 1024", kernel, gemm, 1024, 32},
      {"mlp_train_step", "forward, backward and Adam of 784-512-10, batch 128", kernel, mlpStep,
       128, 128},
      {"conv2d_3x3_64_56", "3 x 3 convolution, 64 to 64 channels, 56 x 56, 4 images", kernel,
       conv3x3, 4, 1},
      {"conv2d_1x1_64_56", "1 x 1 convolution, 64 to 64 channels, 56 x 56, 4 images", kernel,
       conv1x1, 4, 1},
      {"conv2d_depthwise_3x3_64_56", "3 x 3 convolution of each of 64 channels, 4 images", kernel,
       convDepthwise, 4, 1},
      {"conv2d_3x3_fwd_bwd_64_56", "conv2d_3x3_64_56 and the gradients of both operands", kernel,
       convGradients, 2, 2},
      {"conv_transpose_4x4_64_56", "transposed 4 x 4 convolution, 28 x 28 to 56 x 56, 4 images",
       kernel, convUp, 4, 1},
      {"maxpool_2x2_64_112", "2 x 2 maximum, 64 channels, 112 x 112, 8 images", kernel, maxPool2x2,
       8, 1},
      {"maxpool_2x2_fwd_bwd_64_112", "maxpool_2x2_64_112 and its gradient", kernel, maxPoolBoth, 8,
       1},
      {"avgpool_3x3_64_112", "3 x 3 mean at every second place, 64 channels, 8 images", kernel,
       avgPool3x3, 8, 1},
      {"gather_64k_rows", "64k rows of 128 from a table of 10000", kernel, gatherRowsOfTable,
       1 << 16, 1 << 16},
      {"scatter_add_64k_rows", "64k rows of 128 added into a table of 10000", kernel, scatterAdd,
       1 << 16, 1 << 16},
      {"sort_1m", "one row of 1M f32 sorted", kernel, sortLongRow, 1000000, 1000000},
      {"sort_10000x100", "rows of 100 f32 sorted", kernel, sortShortRows, 10000, 100},
      {"cumsum_16m", "running sum of one row of 16M f32", kernel, cumsumLongRow, 16 << 20,
       16 << 20},
      {"cumsum_columns_4096x4096", "running sums down 4096 columns", kernel, cumsumColumns, 4096,
       4096},
      {"cold_compile_mlp", "compile() of mlp_train_step in a fresh process", CaseKind::ColdCompile,
       mlpStep, 128, 128},
      {"empty_call", "a bound call that adds two scalars", CaseKind::EmptyCall, scalarAdd, 1, 1},
  };
  return table;
}

} // namespace sinter::tools
