// SPDX-License-Identifier: Apache-2.0
// Convolutions with lanes along channels of the result: exact sums of whole numbers, whatever the
// sizes, at every level and on any number of threads.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

namespace sinter::ops {
namespace {

struct Geometry {
  int64_t images, groups, inputs, height, width, outputs, kernel, stride, padding;
};

std::ostream &operator<<(std::ostream &out, const Geometry &g) {
  return out << g.images << "x" << g.inputs << "x" << g.height << "x" << g.width << " to "
             << g.outputs << " in " << g.groups << ", window " << g.kernel << ", stride "
             << g.stride << ", padded " << g.padding;
}

Array numbers(const std::vector<int64_t> &sizes, int64_t step) {
  Array array(f32, sizes); // Small whole numbers: sums are exact.
  for (int64_t i = 0; i < array.numElements(); ++i)
    array.as<float>()[i] = static_cast<float>(i * step % 11 % 5 - 2);
  return array;
}

std::string schedules(const Graph &graph, const char *target) {
  return scheduleText(graph, {.target = Target::cpu(target)});
}

size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

class ConvolutionPanelsTest : public testing::TestWithParam<Geometry> {};
// Short rows, several images in a tile, channels that are no multiple of a tile, groups, more
// channels than a panel takes at once, and tiles that overlap at the ends of rows and blocks.
INSTANTIATE_TEST_SUITE_P(
    Geometries, ConvolutionPanelsTest,
    testing::Values(Geometry{5, 1, 32, 7, 7, 32, 3, 1, 1}, Geometry{3, 1, 64, 7, 7, 60, 3, 1, 1},
                    Geometry{3, 2, 128, 7, 7, 128, 3, 1, 1}, Geometry{3, 1, 64, 7, 7, 64, 3, 2, 1},
                    Geometry{2, 1, 400, 5, 6, 32, 3, 1, 1}, Geometry{2, 1, 64, 11, 19, 64, 3, 1, 1},
                    Geometry{2, 1, 64, 7, 17, 64, 3, 1, 1}));

/// Gradients of the source that are spread: phases stored together and apart, with equally many
/// taps and with other numbers or none, several images in a tile, groups, more channels than a
/// panel takes at once, places behind the last window.
class SpreadPanelsTest : public ConvolutionPanelsTest {};
INSTANTIATE_TEST_SUITE_P(Geometries, SpreadPanelsTest,
                         testing::Values(Geometry{2, 1, 64, 14, 28, 32, 4, 2, 1},
                                         Geometry{3, 1, 60, 14, 14, 32, 4, 2, 1},
                                         Geometry{3, 1, 32, 15, 13, 64, 3, 2, 1},
                                         Geometry{2, 2, 64, 14, 14, 64, 4, 2, 0},
                                         Geometry{2, 1, 32, 16, 15, 32, 5, 3, 2},
                                         Geometry{1, 1, 32, 12, 12, 400, 4, 2, 1}));

void expectExactOnAnyNumberOfThreads(const Geometry &g) {
  Array x = numbers({g.images, g.inputs, g.height, g.width}, 7);
  Array w = numbers({g.outputs, g.inputs / g.groups, g.kernel, g.kernel}, 3);
  ConvOptions options{.strides = {g.stride}, .padding = g.padding, .groups = g.groups};
  Graph graph;
  Tensor tx = graph.placeholder("x", f32, {g.images, g.inputs, g.height, g.width});
  Tensor tw = graph.placeholder("w", f32, {g.outputs, g.inputs / g.groups, g.kernel, g.kernel});
  Tensor y = conv(tx, tw, options);
  graph.output("y", y.relu());
  graph.output("dx", gradients({y}, {tx}, {y})[0]);
  // The same with weights that can be put into panels before.
  Tensor fixed = conv(tx, graph.constant(w), options);
  graph.output("fixed", fixed);
  graph.output("fixed_dx", gradients({fixed}, {tx}, {y})[0] + 1);
  // What is added may lie where the result is stored: no place is stored twice.
  Tensor added = conv(tx.relu(), tw, options) + conv(abs(tx), tw, options);
  graph.output("sums", sum(added, {1}));
  ArrayMap inputs{{"x", x}, {"w", w}};
  ArrayMap wanted = compile(graph, {.engine = Engine::Interpreter}).run(inputs);
  test::forEachLevel({"native", "x86-64-v4", "x86-64-v3", "x86-64-v2"}, [&](const char *target) {
    for (int64_t threads : {1, 2, 3, 7}) {
      ArrayMap got =
          compile(graph, {.target = Target::cpu(target), .threads = threads}).run(inputs);
      for (const auto &[name, array] : wanted)
        EXPECT_EQ(got.at(name).toVector<float>(), array.toVector<float>())
            << name << ", " << target << ", " << threads << " threads";
    }
  });
}

TEST_P(ConvolutionPanelsTest, IsExactOnAnyNumberOfThreads) {
  expectExactOnAnyNumberOfThreads(GetParam());
}

TEST_P(SpreadPanelsTest, IsExactOnAnyNumberOfThreads) {
  expectExactOnAnyNumberOfThreads(GetParam());
}

TEST_P(SpreadPanelsTest, IsChosen) {
  Geometry g = GetParam();
  for (bool fixed : {false, true}) {
    Graph graph;
    Tensor tx = graph.placeholder("x", f32, {g.images, g.inputs, g.height, g.width});
    const std::vector<int64_t> size{g.outputs, g.inputs / g.groups, g.kernel, g.kernel};
    Tensor tw = fixed ? graph.constant(numbers(size, 3)) : graph.placeholder("w", f32, Shape(size));
    Tensor y = conv(tx, tw, {.strides = {g.stride}, .padding = g.padding, .groups = g.groups});
    graph.output("dx", gradients({y}, {tx}, {graph.placeholder("dy", f32, y.shape())})[0]);
    const std::string text = schedules(graph, "x86-64-v4");
    EXPECT_EQ(count(text, "\n  panel "), 1U);
    EXPECT_EQ(count(text, "\n  panel 0"), 0U);
  }
}

TEST_P(ConvolutionPanelsTest, IsChosen) {
  Geometry g = GetParam();
  Graph graph;
  Tensor tx = graph.placeholder("x", f32, {g.images, g.inputs, g.height, g.width});
  Tensor tw = graph.placeholder("w", f32, {g.outputs, g.inputs / g.groups, g.kernel, g.kernel});
  graph.output("y",
               conv(tx, tw, {.strides = {g.stride}, .padding = g.padding, .groups = g.groups}));
  const std::string text = schedules(graph, "x86-64-v4");
  EXPECT_EQ(count(text, "\n  panel "), 1U);
  EXPECT_EQ(count(text, "\n  panel 0"), 0U);
}

} // namespace
} // namespace sinter::ops
