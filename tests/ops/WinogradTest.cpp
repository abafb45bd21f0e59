// SPDX-License-Identifier: Apache-2.0
// Convolutions with Winograd's algorithm allowed: close to sums in double, whatever the sizes; the
// same bits on any number of threads.
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace sinter::ops {
namespace {

struct Geometry {
  int64_t images, inputs, height, width, outputs, before, after;
};

std::ostream &operator<<(std::ostream &out, const Geometry &g) {
  return out << g.images << "x" << g.inputs << "x" << g.height << "x" << g.width << " to "
             << g.outputs << ", padded " << g.before << ", " << g.after;
}

Array noise(const std::vector<int64_t> &sizes, unsigned seed) {
  Array array(f32, sizes);
  for (int64_t i = 0; i < array.numElements(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    array.as<float>()[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return array;
}

/// y, and the gradient of sum(y * dy) in x, from their definition.
void convolve(const Geometry &g, const Array &x, const Array &w, const Array &dy,
              std::vector<double> &y, std::vector<double> &dx) {
  int64_t rows = g.height + g.before + g.after - 2, columns = g.width + g.before + g.after - 2;
  y.assign(static_cast<size_t>(g.images * g.outputs * rows * columns), 0);
  dx.assign(static_cast<size_t>(x.numElements()), 0);
  for (int64_t n = 0; n < g.images; ++n)
    for (int64_t m = 0; m < g.outputs; ++m)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t s = 0; s < columns; ++s)
          for (int64_t c = 0; c < g.inputs; ++c)
            for (int64_t k = 0; k < 9; ++k) {
              int64_t i = r + k / 3 - g.before, j = s + k % 3 - g.before;
              if (i < 0 || i >= g.height || j < 0 || j >= g.width)
                continue;
              int64_t atX = ((n * g.inputs + c) * g.height + i) * g.width + j;
              int64_t atY = ((n * g.outputs + m) * rows + r) * columns + s;
              double weight = w.as<float>()[(m * g.inputs + c) * 9 + k];
              y[static_cast<size_t>(atY)] += double{x.as<float>()[atX]} * weight;
              dx[static_cast<size_t>(atX)] += double{dy.as<float>()[atY]} * weight;
            }
}

/// Of the largest difference, in units of the root mean square.
double errorOf(const Array &got, const std::vector<double> &wanted) {
  double squares = 0, largest = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    squares += wanted[i] * wanted[i];
    largest = std::max(largest, std::fabs(got.as<float>()[i] - wanted[i]));
  }
  return largest / std::sqrt(squares / static_cast<double>(wanted.size()));
}

/// What CompileOptions::winograd says.
constexpr double promised = 5e-5;

class WinogradTest : public testing::TestWithParam<Geometry> {};
INSTANTIATE_TEST_SUITE_P(Geometries, WinogradTest,
                         testing::Values(Geometry{1, 64, 20, 33, 64, 1, 1},
                                         Geometry{2, 32, 31, 29, 40, 0, 2},
                                         Geometry{3, 48, 16, 67, 33, 2, 0},
                                         Geometry{1, 64, 40, 40, 64, 3, 3}));

TEST_P(WinogradTest, IsCloseToPlainSumsOnAnyNumberOfThreads) {
  Geometry g = GetParam();
  int64_t rows = g.height + g.before + g.after - 2, columns = g.width + g.before + g.after - 2;
  Array x = noise({g.images, g.inputs, g.height, g.width}, 1);
  Array w = noise({g.outputs, g.inputs, 3, 3}, 2);
  Array dy = noise({g.images, g.outputs, rows, columns}, 3);
  Array b = noise({g.outputs}, 4);
  Graph graph;
  Tensor tx = graph.placeholder("x", f32, {dim("N"), g.inputs, g.height, g.width});
  Tensor tw = graph.placeholder("w", f32, {g.outputs, g.inputs, 3, 3});
  Tensor tb = graph.placeholder("b", f32, {g.outputs});
  Tensor tdy = graph.placeholder("dy", f32, {dim("N"), g.outputs, rows, columns});
  Tensor y = conv(tx, tw, tb, {.padding = Padding({g.before, g.before}, {g.after, g.after})});
  graph.output("y", maximum(y, -100.0));
  graph.output("dx", gradients({y}, {tx}, {tdy})[0]);
  std::string text;
  CompileOptions options{.winograd = true, .onStage = [&](auto stage, auto now) {
                           if (stage == "scheduled")
                             text = now;
                         }};
  std::vector<double> wantedY, wantedDx;
  convolve(g, x, w, dy, wantedY, wantedDx);
  int64_t perChannel = rows * columns;
  for (size_t i = 0; i < wantedY.size(); ++i)
    wantedY[i] =
        std::max(wantedY[i] + double{b.as<float>()[int64_t(i) / perChannel % g.outputs]}, -100.0);
  ArrayMap first;
  for (int64_t threads : {1, 2, 3, 7}) {
    options.threads = threads;
    ArrayMap got = compile(graph, options).run({{"x", x}, {"w", w}, {"b", b}, {"dy", dy}});
    if (threads == 1) {
      EXPECT_NE(text.find("winograd = 1"), std::string::npos) << "it was not used";
      EXPECT_LT(errorOf(got.at("y"), wantedY), promised);
      EXPECT_LT(errorOf(got.at("dx"), wantedDx), promised);
      first = got;
    }
    for (const char *name : {"y", "dx"})
      EXPECT_EQ(std::memcmp(got.at(name).as<float>(), first.at(name).as<float>(),
                            static_cast<size_t>(first.at(name).numElements()) * 4),
                0)
          << name << " on " << threads << " threads";
  }
}

} // namespace
} // namespace sinter::ops
