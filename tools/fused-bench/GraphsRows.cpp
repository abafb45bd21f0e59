// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Graphs.h"

namespace sinter::tools {

// -- Along rows -----------------------------------------------------------------------------------

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

// -- Whole rows by index --------------------------------------------------------------------------

namespace {

constexpr int64_t tableRows = 10000;

/// Rows of a table, each met several times and in no order.
Tensor scatteredRows(Graph &g, int64_t count) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<int32_t>(i * 7919 % tableRows);
  return g.constant(Array::from(rows));
}

} // namespace

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

/// Tokens of a vocabulary of 32000 looked up, and the gradient of the table.
Model embeddingBoth(int64_t count) {
  constexpr int64_t vocabulary = 32000;
  Model model{.ranges = {{"tokens", vocabulary}}};
  Graph &g = model.graph;
  Tensor table = g.placeholder("table", f32, {vocabulary, 256});
  Tensor tokens = g.placeholder("tokens", i32, {count});
  Tensor dy = g.placeholder("dy", f32, {count, 256});
  Tensor y = embedding(table, tokens);
  g.output("y", y);
  g.output("dtable", gradients({y}, {table}, {dy})[0]);
  return model;
}

} // namespace sinter::tools
