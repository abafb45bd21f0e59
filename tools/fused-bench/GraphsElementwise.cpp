// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Graphs.h"

#include "sinter/frontend/Optim.h"

namespace sinter::tools {

/// Adds, multiplies, max, select and one exp: ten ops.
Model chain10(int64_t elements) {
  Model model;
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {elements});
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

/// Squared distances of all pairs of rows, by broadcasting: 256 x 256 x 256 differences.
Model diffSquareSum(int64_t rows) {
  Model model;
  model.addFlops(3.0 * static_cast<double>(rows) * 256 * 256);
  Graph &g = model.graph;
  Tensor a = g.placeholder("a", f32, {rows, 256});
  Tensor b = g.placeholder("b", f32, {256, 256});
  Tensor difference = a.expandDims(1) - b.expandDims(0);
  g.output("y", square(difference).sum({2}));
  return model;
}

/// A sum of radial basis functions at 8192 points, of 8192 centres in space, and its gradient in
/// the points.
Model rbfBoth(int64_t points) {
  constexpr int64_t centres = 8192;
  Model model;
  // Per pair: distance 8, exponential 16, weighted sum 3; gradient 9.
  model.addFlops(36.0 * static_cast<double>(points) * centres);
  Graph &g = model.graph;
  Tensor x = g.placeholder("x", f32, {points, 3});
  Tensor y = g.placeholder("y", f32, {centres, 3});
  Tensor weight = g.placeholder("weight", f32, {centres});
  Tensor df = g.placeholder("df", f32, {points});
  Tensor difference = x.expandDims(1) - y.expandDims(0);
  Tensor kernel = exp(square(difference).sum({2}) * -0.5);
  Tensor f = (kernel * weight).sum({1});
  g.output("f", f);
  g.output("dx", gradients({f}, {x}, {df})[0]);
  return model;
}

/// One step over 24 tensors of 1M: 25M parameters.
Model adamW(int64_t rows) {
  Model model;
  Graph &g = model.graph;
  std::vector<Tensor> parameters, grads;
  for (int i = 0; i < 24; ++i) {
    std::string number = std::to_string(i);
    parameters.push_back(g.parameter("p" + number, f32, {rows, 1024}, init::normal(0, 0.02)));
    grads.push_back(g.placeholder("g" + number, f32, {rows, 1024}));
  }
  g.update(optim::adamW().updates(parameters, grads));
  return model;
}

Model scalarAdd(int64_t) {
  Model model;
  Graph &g = model.graph;
  g.output("y", g.placeholder("a", f32, {}) + g.placeholder("b", f32, {}));
  return model;
}

} // namespace sinter::tools
