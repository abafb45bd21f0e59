// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx/ExportCases.h"

#include "tests/ops/Values.h"

#include "sinter/sinter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace sinter::onnxtest {

static double toleranceOf(DType dtype) {
  if (!isFloat(dtype))
    return 0;
  return dtype == f64 ? 1e-11 : dtype == f32 ? 2e-5 : dtype == f16 ? 4e-3 : 3e-2;
}

ExportCase exportCase(const ops::Row &row, DType dtype) {
  constexpr int64_t n = 17;
  ExportCase result;
  RandomStream random(17 + n, row.name);
  uint64_t next = 0;
  for (size_t c = 0; c < row.cases.size(); ++c) {
    const ops::Case &one = row.cases[c];
    ops::Tensors tensors;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      const DType type = ops::dtypeOf(row.inputs[k], dtype);
      const std::string name = "c" + std::to_string(c) + "_x" + std::to_string(k);
      tensors.push_back(result.graph.placeholder(name, type, one.shapes[k]));
      Array array(type, *one.shapes[k].evaluate({{"N", n}}));
      for (int64_t i = 0; i < array.numElements(); ++i)
        ops::storeReal(array, static_cast<size_t>(i),
                       ops::draw(row.inputs[k], type, random, next++));
      result.inputs.emplace(name, std::move(array));
    }
    result.graph.output("c" + std::to_string(c), row.graph(result.graph, tensors));
  }
  // What a graph does not need is no input of it.
  Executable executable = compile(result.graph, {.engine = Engine::Interpreter});
  const std::vector<std::string> names = executable.inputNames();
  const std::set<std::string> needed(names.begin(), names.end());
  std::erase_if(result.inputs, [&](const auto &entry) { return !needed.contains(entry.first); });
  result.tolerance = std::max(1.0, row.ulps / 4) * toleranceOf(dtype);
  return result;
}

std::vector<DType> exportDTypes(const ops::Row &row) {
  std::vector<DType> dtypes = {row.dtypes.front()};
  auto addFirst = [&](auto wanted) {
    auto found = std::find_if(row.dtypes.begin(), row.dtypes.end(), wanted);
    if (found != row.dtypes.end() &&
        std::find(dtypes.begin(), dtypes.end(), *found) == dtypes.end())
      dtypes.push_back(*found);
  };
  addFirst([](DType dtype) { return dtype == f16; });
  addFirst([](DType dtype) { return dtype == bf16; });
  addFirst([](DType dtype) { return dtype == i32; });
  addFirst([](DType dtype) { return dtype == u8; });
  return dtypes;
}

namespace {

/// A network under construction, with parameters that are drawn.
struct Network {
  ExportCase result;
  Network() { result.tolerance = 1e-4; }
  Tensor parameter(const std::string &name, const Shape &shape, double mean, double deviation) {
    Tensor value = result.graph.parameter(name, f32, shape);
    Array array(f32, *shape.evaluate({}));
    RandomStream(1, name).fillNormal(array, mean, deviation);
    result.values.emplace(name, std::move(array));
    return value;
  }
  Tensor weight(const std::string &name, const Shape &shape) {
    return parameter(name, shape, 0, 0.1);
  }
  Tensor input(const std::string &name, const Shape &shape, const Array &value) {
    result.inputs.emplace(name, value);
    return result.graph.placeholder(name, value.dtype(), shape);
  }
  Tensor dense(const std::string &name, const Tensor &x, int64_t from, int64_t to) {
    return linear(x, weight(name + ".w", {from, to}), weight(name + ".b", {to}));
  }
};

Array drawn(std::vector<int64_t> sizes) {
  Array array(f32, std::move(sizes));
  RandomStream(2, "input").fillNormal(array, 0, 1);
  return array;
}

ExportCase perceptron() {
  Network net;
  Tensor x = net.input("x", {dim("N"), 784}, drawn({5, 784}));
  Tensor h = net.dense("out", net.dense("hidden", x, 784, 64).relu(), 64, 10);
  net.result.graph.output("probabilities", softmax(h));
  net.result.graph.output("label", h.argmax(1));
  return net.result;
}

/// Strided, grouped and padded convolutions, normalisation, both kinds of pooling.
ExportCase convolutional() {
  Network net;
  auto convolve = [&](const std::string &name, const Tensor &x, int64_t from, int64_t to,
                      int64_t size, const ConvOptions &options) {
    Tensor w = net.weight(name + ".w", {to, from / options.groups, size, size});
    Tensor gamma = net.parameter(name + ".gamma", {to}, 1, 0.1);
    Tensor beta = net.weight(name + ".beta", {to}), mean = net.weight(name + ".mean", {to});
    Tensor variance = net.parameter(name + ".variance", {to}, 2, 0.1);
    return relu6(batchNorm(conv2d(x, w, options), gamma, beta, mean, variance));
  };
  Tensor h = net.input("image", {dim("N"), 3, 19, 19}, drawn({2, 3, 19, 19}));
  h = convolve("stem", h, 3, 8, 3, {.strides = {2}, .padding = Padding::same()});
  h = maxPool(h, {3, 3}, {.strides = {2}, .padding = 1});
  h = convolve("depthwise", h, 8, 8, 3, {.padding = 1, .groups = 8});
  h = convolve("pointwise", h, 8, 16, 1, {});
  h = avgPool(h, {2, 2});
  h = convolve("dilated", h, 16, 16, 2, {.dilations = {1}}) + 0.5;
  net.result.graph.output("logits", net.dense("out", globalAvgPool(h).flatten(1), 16, 10));
  return net.result;
}

/// One block of a language model over sequences of any length.
ExportCase transformer() {
  Network net;
  constexpr int64_t width = 16, words = 11;
  DimExpr n = dim("N"), length = dim("L");
  Array tokens =
      Array::from(std::vector<int64_t>{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7}, {2, 7});
  Tensor ids = net.input("ids", {n, length}, tokens);
  Tensor h = embedding(net.weight("table", {words, width}), ids);
  auto normalized = [&](const std::string &name, const Tensor &x) {
    return x.layerNorm(net.parameter(name + ".gamma", {width}, 1, 0.1),
                       net.weight(name + ".beta", {width}));
  };
  AttentionWeights weights{net.weight("q", {width, width}), net.weight("k", {width, width}),
                           net.weight("v", {width, width}), net.weight("o", {width, width})};
  Tensor a = normalized("norm1", h);
  h = h + multiHeadAttention(a, a, a, weights, 4, {.causal = true});
  Tensor m = normalized("norm2", h);
  h = h + net.dense("down", gelu(net.dense("up", m, width, 4 * width)), 4 * width, width);
  net.result.graph.output("logits", net.dense("head", h, width, words));
  return net.result;
}

} // namespace

std::vector<std::pair<std::string, ExportCase>> exportNetworks() {
  return {{"perceptron", perceptron()},
          {"convolutional", convolutional()},
          {"transformer", transformer()}};
}

ExportCase exportSpecialValues() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const std::vector<float> special = {0,    -0.0f,  1,      -1,  0.25f, -0.3f,
                                      7.5f, -1e30f, 1e-30f, inf, -inf,  nan};
  std::vector<float> left, right;
  for (float a : special)
    for (float b : special) {
      left.push_back(a);
      right.push_back(b);
    }
  ExportCase result;
  result.tolerance = 1e-5;
  result.inputs = {{"a", Array::from(left)}, {"b", Array::from(right)}};
  Graph &graph = result.graph;
  auto count = static_cast<int64_t>(left.size());
  Tensor a = graph.placeholder("a", f32, {count}), b = graph.placeholder("b", f32, {count});
  graph.output("atan2", atan2(a, b));
  graph.output("hypot", hypot(a, b));
  graph.output("logaddexp", logaddexp(a, b));
  graph.output("rem", rem(a, b));
  graph.output("mod", mod(a, b));
  graph.output("floorDiv", floorDiv(a, b));
  graph.output("expm1", expm1(a));
  graph.output("log1p", log1p(a));
  graph.output("cbrt", cbrt(a));
  graph.output("trunc", trunc(a));
  graph.output("rsqrt", rsqrt(a));
  graph.output("exp2", exp2(a));
  return result;
}

bool hasNoOnnxForm(const std::string &op, DType dtype) {
  static const std::set<std::string> never = {"gradients", "jvp",      "random_bits",
                                              "bitcast",   "erfinv",   "lgamma",
                                              "digamma",   "trigamma", "window_write"};
  // Padding by a named size, and running combinations along one.
  static const std::set<std::string> sometimes = {"convolution", "cumprod", "cummax", "cummin"};
  static const std::set<std::string> ofIntegers = {"pow", "shift_right", "convolution"};
  return never.contains(op) || sometimes.contains(op) ||
         (!isFloat(dtype) && ofIntegers.contains(op));
}

} // namespace sinter::onnxtest
