// SPDX-License-Identifier: Apache-2.0
// Convolutions of odd geometry against the interpreter, at every level and on several threads:
// distant taps, and fewer channels than a tile where they are named.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

namespace sinter::ops {
namespace {

Array numbers(const std::vector<int64_t> &sizes) {
  Array array(f32, sizes); // Small whole numbers: sums are exact.
  for (int64_t i = 0; i < array.numElements(); ++i)
    array.as<float>()[i] = static_cast<float>(i * 7 % 5 - 2);
  return array;
}

void expectSame(const Graph &graph, const ArrayMap &inputs) {
  ArrayMap wanted = compile(graph, {.engine = Engine::Interpreter}).run(inputs);
  test::forEachLevel({"native", "x86-64-v3", "x86-64-v2"}, [&](const char *target) {
    for (int64_t threads : {1, 3}) {
      ArrayMap got =
          compile(graph, {.target = Target::cpu(target), .threads = threads}).run(inputs);
      for (const auto &[name, array] : wanted)
        EXPECT_EQ(got.at(name).toVector<float>(), array.toVector<float>())
            << name << ", " << target << ", " << threads << " threads";
    }
  });
}

/// y and both gradients of sum(y * y / 2).
void expectSameWith(const Shape &x, const Shape &w, const ConvOptions &options, const Array &xs,
                    const Array &ws) {
  Graph graph;
  Tensor tx = graph.placeholder("x", f32, x), tw = graph.placeholder("w", f32, w);
  Tensor y = conv(tx, tw, options);
  graph.output("y", y);
  std::vector<Tensor> d = gradients({y}, {tx, tw}, {y});
  graph.output("dx", d[0]);
  graph.output("dw", d[1]);
  expectSame(graph, {{"x", xs}, {"w", ws}});
}

TEST(ConvolutionBoundaryTest, TapsFarApart) {
  for (int64_t dilation : {40, 300, 512})
    expectSameWith({3, 1, 1200}, {1, 1, 2}, {.dilations = {dilation}}, numbers({3, 1, 1200}),
                   numbers({1, 1, 2}));
  expectSameWith({2, 2, 90, 30}, {3, 2, 3, 2}, {.strides = {3, 1}, .dilations = {40, 20}},
                 numbers({2, 2, 90, 30}), numbers({3, 2, 3, 2}));
}

TEST(ConvolutionBoundaryTest, DilationBeyondTheImage) {
  constexpr int64_t far = 1000000;
  expectSameWith({1, 1, 1, 1}, {1, 1, 2, 2},
                 {.padding = Padding({0, 0}, {far, far}), .dilations = {far}},
                 numbers({1, 1, 1, 1}), numbers({1, 1, 2, 2}));
}

TEST(ConvolutionBoundaryTest, NamedChannelsFewerThanATile) {
  for (int64_t channels : {1, 2, 23, 25})
    expectSameWith({dim("B"), dim("C"), 4, 4}, {dim("M"), dim("C"), 3, 3},
                   {.padding = Padding({1, 1}, {1, 1})}, numbers({2, channels, 4, 4}),
                   numbers({channels, channels, 3, 3}));
}

} // namespace
} // namespace sinter::ops
