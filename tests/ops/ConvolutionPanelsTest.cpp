// SPDX-License-Identifier: Apache-2.0
// Convolutions with lanes along channels of the result: exact sums of whole numbers, whatever the
// sizes, at every level and on any number of threads.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

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

/// Taps that read padding only are left out, row by row and position by position: padding of either
/// side alone, more than a window reaches, rows and columns shorter than a window, steps,
/// dilations, windows that read padding only, and a batch that leaves a tile of images in part
/// empty.
TEST(PaddingTest, IsLeftOutExactly) {
  struct Window {
    int64_t height, width, kernel, stride, dilation;
    Padding padding;
  };
  const Window windows[] = {
      {14, 14, 3, 1, 1, Padding({1, 0}, {0, 1})}, {6, 7, 3, 1, 1, Padding({0, 1}, {1, 0})},
      {4, 9, 3, 1, 1, Padding({3, 4}, {4, 3})},   {2, 7, 5, 1, 1, Padding({2, 2}, {2, 2})},
      {7, 1, 3, 1, 1, Padding({1, 1}, {1, 1})},   {9, 9, 3, 1, 2, Padding({2, 2}, {2, 2})},
      {15, 28, 3, 1, 1, Padding({1, 1}, {1, 1})}, {13, 45, 3, 1, 1, Padding({1, 1}, {1, 1})},
      {9, 31, 7, 1, 1, Padding({3, 3}, {3, 3})},  {15, 29, 3, 2, 1, Padding({1, 1}, {1, 1})},
      {14, 14, 2, 3, 1, Padding({0, 4}, {4, 0})}};
  for (const Window &window : windows)
    for (int64_t images : {1, 3}) {
      const int64_t channels = images == 1 ? 16 : 32;
      const std::vector<int64_t> size{images, channels, window.height, window.width};
      Array x = numbers(size, 7);
      Array w = numbers({channels, channels, window.kernel, window.kernel}, 3);
      const ConvOptions options{
          .strides = {window.stride}, .padding = window.padding, .dilations = {window.dilation}};
      Graph graph;
      Tensor tx = graph.placeholder("x", f32, Shape(size)), tw = graph.constant(w);
      Tensor y = conv(tx, tw, options);
      graph.output("y", y);
      graph.output("dx", gradients({y}, {tx}, {y})[0]);
      graph.output("dw", gradients({y}, {tw}, {y})[0]);
      ArrayMap wanted = compile(graph, {.engine = Engine::Interpreter}).run({{"x", x}});
      test::forEachLevel({"native", "x86-64-v3", "x86-64-v2"}, [&](const char *target) {
        for (int64_t threads : {1, 3}) {
          ArrayMap got =
              compile(graph, {.target = Target::cpu(target), .threads = threads}).run({{"x", x}});
          for (const auto &[name, array] : wanted)
            EXPECT_EQ(got.at(name).toVector<float>(), array.toVector<float>())
                << name << " of " << images << " images " << window.height << " x " << window.width
                << ", window " << window.kernel << ", " << target << ", " << threads << " threads";
        }
      });
    }
}

/// An infinite weight shows where it is multiplied: nowhere but in the terms, as in the
/// interpreter.
TEST(PaddingTest, IsNotMultiplied) {
  for (int64_t width : {14, 28, 45}) {
    Array w = numbers({32, 32, 3, 3}, 3);
    for (int64_t i = 0; i < w.numElements(); i += 9)
      w.as<float>()[i] = std::numeric_limits<float>::infinity();
    Graph graph;
    Tensor x = graph.placeholder("x", f32, {2, 32, 9, width});
    graph.output("y", conv(x, graph.constant(w), {.padding = 1}));
    ASSERT_EQ(count(schedules(graph, "x86-64-v4"), "\n  panel 0"), 0U);
    Array ones(f32, {2, 32, 9, width});
    std::fill_n(ones.as<float>(), ones.numElements(), 1.0F);
    ArrayMap wanted = compile(graph, {.engine = Engine::Interpreter}).run({{"x", ones}});
    test::forEachLevel({"x86-64-v4"}, [&](const char *target) {
      ArrayMap got = compile(graph, {.target = Target::cpu(target)}).run({{"x", ones}});
      EXPECT_EQ(got.at("y").toVector<float>(), wanted.at("y").toVector<float>());
    });
  }
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
