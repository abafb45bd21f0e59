// SPDX-License-Identifier: Apache-2.0
// Random numbers. ONNX does not say which; they come from Philox, and need OnnxOptions::seed.
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

// -- Numbers --------------------------------------------------------------------------------------

static Tensor draw(Node &node, bool normal, const Shape &shape, DType dtype) {
  if (!isFloat(dtype))
    node.invalid("random numbers of dtype " + std::string(name(dtype)));
  Tensor key = node.randomKey();
  if (normal)
    return randomNormal(key, shape, node.floatAttribute("mean", 0), node.floatAttribute("scale", 1),
                        dtype);
  return randomUniform(key, shape, node.floatAttribute("low", 0), node.floatAttribute("high", 1),
                       dtype);
}

template <bool normal> static void importRandom(Node &node) {
  std::vector<int64_t> sizes = node.intsAttribute("shape");
  for (int64_t size : sizes)
    if (size < 0)
      node.invalid("a size is negative");
  node.output(0, draw(node, normal, Shape(sizes), node.dtypeAttribute("dtype", f32)));
}

template <bool normal> static void importRandomLike(Node &node) {
  Tensor x = node.input(0);
  node.output(0, draw(node, normal, x.shape(), node.dtypeAttribute("dtype", x.dtype())));
}

static void importBernoulli(Node &node) {
  Tensor probability = floatInput(node, 0);
  DType dtype = node.dtypeAttribute("dtype", probability.dtype());
  node.output(0, bernoulli(node.randomKey(), probability, probability.shape()).cast(dtype));
}

/// Indices of classes, drawn by the largest of log-probability plus Gumbel noise.
static void importMultinomial(Node &node) {
  Tensor x = floatInput(node, 0);
  int64_t samples = node.intAttribute("sample_size", 1);
  if (x.rank() != 2 || samples < 1)
    node.invalid("samples of " + x.str());
  DType dtype = node.dtypeAttribute("dtype", i32);
  DimExpr batch = x.size(0), classes = x.size(1);
  Tensor u = randomUniform(node.randomKey(), {batch, samples, classes});
  Tensor gumbel = -(-(u + 1e-12).log() + 1e-12).log();
  Tensor scores = x.cast(f32).reshape({batch, 1, classes}) + gumbel;
  node.output(0, scores.argmax(2).cast(dtype));
}

// -- Dropout --------------------------------------------------------------------------------------

/// Outside of training it does nothing.
static void importDropout(Node &node) {
  Tensor x = node.input(0);
  node.ignoreAttribute("seed");
  node.ignoreAttribute("consumed_inputs");
  bool trains = false;
  double ratio = 0.5;
  if (node.opset() < 12) {
    trains = node.opset() < 7 && !node.flagAttribute("is_test", false);
    ratio = node.floatAttribute("ratio", 0.5);
  } else if (node.has(2) && node.knownBool(2)) {
    trains = true;
    ratio = node.has(1) ? node.knownFloat(1) : 0.5;
  }
  node.ignoreInput(1);
  if (!(ratio >= 0 && ratio < 1))
    node.invalid("ratio " + std::to_string(ratio));
  DType maskType = node.opset() >= 10 ? boolean : x.dtype();
  if (!trains || ratio == 0) {
    node.output(0, x);
    return node.output(1, node.graph().full(boolean, x.shape(), true).cast(maskType));
  }
  Tensor mask = bernoulli(node.randomKey(), 1 - ratio, x.shape());
  node.output(0, where(mask, x * (1 / (1 - ratio)), 0.0));
  node.output(1, mask.cast(maskType));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> randomHandlers() {
  static constexpr OpHandler table[] = {
      {"Bernoulli", 15, importBernoulli},
      {"Dropout", 1, importDropout},
      {"Multinomial", 7, importMultinomial},
      {"RandomNormal", 1, importRandom<true>},
      {"RandomNormalLike", 1, importRandomLike<true>},
      {"RandomUniform", 1, importRandom<false>},
      {"RandomUniformLike", 1, importRandomLike<false>},
  };
  return table;
}

} // namespace sinter::onnx
