// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Graphs.h"

#include <cmath>

namespace sinter::tools {

Tensor weights(Model &model, const std::string &name, const std::vector<int64_t> &sizes,
               double deviation) {
  Array array(f32, sizes);
  auto *values = array.as<float>();
  // Splitmix64; uniform numbers of deviation 1 lie within the root of 3.
  uint64_t state = static_cast<uint64_t>(array.numElements());
  for (int64_t i = 0; i < array.numElements(); ++i) {
    uint64_t bits = state += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    double uniform = static_cast<double>(bits >> 40) * 0x1p-23 - 1;
    values[i] = static_cast<float>(uniform * deviation * std::sqrt(3.0));
  }
  model.constants[name] = array;
  return model.graph.constant(array);
}

namespace {

Model squareGemm(int64_t rows, DType dtype) {
  Model model{.multipliesBf16 = dtype == bf16};
  model.addFlops(2.0 * static_cast<double>(rows) * 1024 * 1024);
  Graph &g = model.graph;
  Tensor a = g.placeholder("a", dtype, {rows, 1024});
  Tensor b = g.placeholder("b", dtype, {1024, 1024});
  g.output("c", a.matmul(b));
  return model;
}

struct AttentionGraph {
  Model model;
  Tensor q, k, v, y;
};

constexpr int64_t positions = 1024, headWidth = 64;

/// Of one matrix product of scores, of which a causal mask leaves half.
double causalFlops(int64_t heads) {
  return static_cast<double>(heads * positions * positions * headWidth);
}

AttentionGraph causalAttention(int64_t heads) {
  AttentionGraph result;
  result.model.addFlops(2 * causalFlops(heads));
  Graph &g = result.model.graph;
  Shape shape = {heads, positions, headWidth};
  result.q = g.placeholder("q", f32, shape);
  result.k = g.placeholder("k", f32, shape);
  result.v = g.placeholder("v", f32, shape);
  result.y = attention(result.q, result.k, result.v, {.causal = true});
  g.output("y", result.y);
  return result;
}

} // namespace

Model gemm(int64_t rows) { return squareGemm(rows, f32); }
Model gemmBf16(int64_t rows) { return squareGemm(rows, bf16); }

/// A few rows through a layer of fixed weights.
Model gemmSkinny(int64_t rows) {
  Model model;
  model.addFlops(2.0 * static_cast<double>(rows) * 4096 * 4096);
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 4096});
  g.output("y", x.matmul(weights(model, "w", {4096, 4096}, 1.0 / 64)));
  return model;
}

Model gemmBatched(int64_t batches) {
  Model model;
  model.addFlops(2.0 * static_cast<double>(batches) * 64 * 64 * 64);
  Graph &g = model.graph;
  Tensor a = g.placeholder("a", f32, {batches, 64, 64});
  Tensor b = g.placeholder("b", f32, {batches, 64, 64});
  g.output("c", a.matmul(b));
  return model;
}

Model linearGelu(int64_t rows) {
  Model model;
  model.addFlops(2.0 * static_cast<double>(rows) * 768 * 3072);
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {rows, 768});
  Tensor w = g.placeholder("w", f32, {768, 3072});
  Tensor b = g.placeholder("b", f32, {3072});
  g.output("y", gelu(linear(x, w, b)));
  return model;
}

Model attentionForward(int64_t heads) { return causalAttention(heads).model; }

/// Forward, and the gradients of queries, keys and values: two products, and five more that
/// include the scores again.
Model attentionBoth(int64_t heads) {
  AttentionGraph graph = causalAttention(heads);
  graph.model.addFlops(5 * causalFlops(heads));
  Graph &g = graph.model.graph;
  Tensor dy = g.placeholder("dy", f32, graph.y.shape());
  std::vector<Tensor> grads = gradients({graph.y}, {graph.q, graph.k, graph.v}, {dy});
  g.output("dq", grads[0]);
  g.output("dk", grads[1]);
  g.output("dv", grads[2]);
  return graph.model;
}

} // namespace sinter::tools
