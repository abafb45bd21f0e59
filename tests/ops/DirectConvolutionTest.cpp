// SPDX-License-Identifier: Apache-2.0
// Convolutions that read x where it lies (1x1 windows, and windows over one channel or a few)
// against the interpreter: widths around those of vectors, steps, paddings, dilations, planes that
// are cut into parts, what is fused behind.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

namespace sinter::ops {
namespace {

/// Small whole numbers: sums are exact.
Array numbers(DType dtype, const std::vector<int64_t> &sizes) {
  Array array(dtype, sizes);
  for (int64_t i = 0; i < array.numElements(); ++i) {
    const auto value = static_cast<double>(i * 7 % 11 - 5);
    if (dtype == f64)
      array.as<double>()[i] = value;
    else
      array.as<float>()[i] = static_cast<float>(value);
  }
  return array;
}

struct Case {
  int64_t batch, channels, height, width, outputs, kernel;
  ConvOptions options;
  DType dtype = f32;
};

void expectSame(const Case &given) {
  const int64_t inputs = given.channels / given.options.groups;
  Graph graph;
  Tensor x =
      graph.placeholder("x", given.dtype, {given.batch, given.channels, given.height, given.width});
  Tensor w =
      graph.placeholder("w", given.dtype, {given.outputs, inputs, given.kernel, given.kernel});
  Tensor b = graph.placeholder("b", given.dtype, {given.outputs, 1, 1});
  Tensor y = conv(x, w, given.options) + b;
  Tensor z = relu(y);
  if (given.channels == given.outputs && y.shape() == x.shape())
    z = z + x;
  graph.output("y", z);
  ArrayMap inputsOf{
      {"x", numbers(given.dtype, {given.batch, given.channels, given.height, given.width})},
      {"w", numbers(given.dtype, {given.outputs, inputs, given.kernel, given.kernel})},
      {"b", numbers(given.dtype, {given.outputs, 1, 1})}};
  Array wanted = compile(graph, {.engine = Engine::Interpreter}).run(inputsOf).at("y");
  test::forEachLevel({"native", "x86-64-v3", "x86-64-v2"}, [&](const char *target) {
    for (int64_t threads : {1, 3}) {
      Array got =
          compile(graph, {.target = Target::cpu(target), .threads = threads}).run(inputsOf).at("y");
      EXPECT_EQ(got.toVector<double>(), wanted.toVector<double>())
          << given.channels << " to " << given.outputs << ", " << given.height << " x "
          << given.width << ", " << target << ", " << threads << " threads";
    }
  });
}

TEST(DirectConvolutionTest, DepthwiseOfAllWidths) {
  const Padding same({1, 1}, {1, 1});
  for (int64_t width : {2, 3, 7, 16, 24, 33, 48})
    for (int64_t stride : {1, 2})
      expectSame({2,
                  3,
                  width / 2 + 3,
                  width,
                  3,
                  3,
                  {.strides = {stride, stride}, .padding = same, .groups = 3}});
}

TEST(DirectConvolutionTest, DepthwiseOfOtherGeometry) {
  expectSame({1, 4, 9, 21, 8, 3, {.padding = Padding({1, 1}, {1, 1}), .groups = 4}});
  expectSame({1, 2, 30, 30, 2, 3, {.groups = 2}});
  expectSame(
      {1, 2, 20, 40, 2, 5, {.strides = {2, 1}, .padding = Padding({0, 3}, {4, 1}), .groups = 2}});
  expectSame(
      {1,
       2,
       21,
       19,
       2,
       3,
       {.strides = {1, 2}, .padding = Padding({2, 0}, {2, 1}), .dilations = {2, 3}, .groups = 2}});
  expectSame(
      {1, 2, 40, 18, 2, 3, {.padding = Padding({8, 8}, {8, 8}), .dilations = {8, 8}, .groups = 2}});
  expectSame({1, 2, 4, 5, 2, 3, {.padding = Padding({4, 6}, {5, 7}), .groups = 2}});
  expectSame({1,
              3,
              12,
              12,
              3,
              3,
              {.strides = {2, 2}, .padding = Padding({1, 1}, {1, 1}), .groups = 3},
              f64});
  expectSame({0, 3, 9, 9, 3, 3, {.padding = Padding({1, 1}, {1, 1}), .groups = 3}});
}

TEST(DirectConvolutionTest, WindowsOfOneElement) {
  expectSame({1, 5, 3, 3, 7, 1, {}});
  expectSame({2, 40, 6, 6, 29, 1, {}});
  expectSame({3, 16, 13, 11, 64, 1, {}});
  expectSame({1, 9, 32, 32, 9, 1, {}});
  expectSame({1, 8, 48, 47, 40, 1, {.groups = 2}});
  expectSame({1, 6, 5, 9, 10, 1, {}, f64});
  expectSame({1, 64, 14, 15, 64, 1, {}});
  expectSame({0, 64, 7, 7, 48, 1, {}});
}

TEST(DirectConvolutionTest, WindowsOverFewChannels) {
  const Padding same({1, 1}, {1, 1});
  for (int64_t width : {1, 5, 16, 31, 47})
    for (int64_t stride : {1, 2})
      expectSame(
          {2, 3, width / 2 + 2, width, 8, 3, {.strides = {stride, stride}, .padding = same}});
  expectSame({1, 3, 96, 96, 8, 3, {.strides = {2, 2}, .padding = same}}); // In parts.
  expectSame({1, 2, 33, 40, 7, 3, {.padding = Padding({0, 2}, {3, 0})}});
  expectSame({1, 4, 20, 18, 24, 5, {.strides = {2, 1}, .padding = Padding({2, 2}, {2, 2})}});
  expectSame({1, 3, 40, 60, 8, 7, {.strides = {2, 2}, .padding = Padding({3, 3}, {3, 3})}});
  expectSame({2, 6, 21, 19, 10, 3, {.padding = same, .dilations = {2, 3}, .groups = 2}});
  expectSame({1, 3, 5, 4, 8, 3, {.padding = Padding({5, 6}, {4, 7})}}); // Windows of padding alone.
  expectSame({1, 3, 12, 20, 16, 3, {.strides = {2, 2}, .padding = same}, f64});
  expectSame({0, 3, 9, 9, 8, 3, {.padding = same}});
}

TEST(DirectConvolutionTest, PlanesInParts) {
  const Padding same({1, 1}, {1, 1});
  // Rows of an odd number of parts, parts whose last group of rows is shorter, and steps.
  for (int64_t height : {47, 54, 64})
    for (int64_t stride : {1, 2})
      expectSame(
          {1, 16, height, 48, 16, 3, {.strides = {stride, 1}, .padding = same, .groups = 16}});
  expectSame({1, 12, 40, 60, 24, 1, {}});
  expectSame({1, 32, 24, 24, 32, 1, {}});
}

} // namespace
} // namespace sinter::ops
