// SPDX-License-Identifier: Apache-2.0
// Convolutions and both gradients by kernels of a GPU, run on the host against the interpreter: one
// to three axes, steps, padding, groups, channels that fill no tile, depths that are cut into
// parts.
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

struct Setting {
  std::string name;
  DType dtype = f32;
  int64_t images, groups, inputs, outputs; ///< Channels of a group.
  std::vector<int64_t> sizes, window;
  std::vector<int64_t> strides = {1}, dilations = {1};
  std::vector<int64_t> padding = {0};
  bool named = false;                    ///< The number of images is.
  std::vector<std::string> kernels = {}; ///< What schedules must say.
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

const std::string direct = "gpuKernel = 0", tiles = "gpuKernel = 1", matrix = "gpuKernel = 2",
                  patches = "gpuKernel = 3", product = "gpuKernel = 4";

const Setting settings[] = {
    {"OneElement", f32, 1, 1, 1, 1, {1, 1}, {1, 1}, {1}, {1}, {0}, false, {tiles}},
    {"Line", f32, 2, 1, 3, 5, {17}, {4}, {3}, {2}, {2}, false, {tiles}},
    {"Plane", f32, 2, 1, 5, 7, {7, 11}, {3, 2}, {2, 1}, {1, 2}, {1}, false, {tiles}},
    {"Volume", f32, 1, 1, 2, 3, {4, 5, 6}, {2, 3, 2}, {2, 1, 3}, {1}, {1}, false, {tiles}},
    {"ManyChannels", f32, 1, 1, 67, 130, {5, 5}, {3, 3}, {1}, {1}, {1}, false, {tiles}},
    {"Parts", f32, 9, 1, 3, 4, {16, 16}, {3, 3}, {1}, {1}, {1}, false, {tiles, "splits = 18 "}},
    {"Groups", f32, 2, 3, 6, 8, {6, 5}, {3, 3}, {2}, {1}, {1}, false, {tiles}},
    {"EachChannel", f32, 2, 7, 1, 1, {9, 8}, {3, 3}, {2, 1}, {1}, {1}, false, {direct}},
    {"EachChannelTwice", f64, 2, 5, 1, 2, {9, 8}, {4, 3}, {1}, {2}, {1}, false, {direct}},
    {"NamedImages", f32, 3, 1, 4, 6, {8, 8}, {3, 3}, {1}, {1}, {1}, true, {tiles}},
    {"Double", f64, 2, 1, 4, 70, {6, 6}, {3, 3}, {3, 2}, {1}, {2}, false, {tiles}},
    {"Integers", i32, 2, 1, 4, 6, {6, 6}, {3, 2}, {1, 2}, {1}, {1}, false, {tiles}},
    {"Half", f16, 2, 1, 20, 33, {7, 7}, {3, 3}, {1}, {1}, {1}, false, {patches}},
    {"HalfSteps", f16, 2, 2, 9, 12, {9, 7}, {3, 3}, {2}, {1}, {1}, false, {matrix}},
    {"HalfManyTaps", f16, 1, 1, 18, 17, {8, 8}, {6, 6}, {1}, {1}, {2}, false, {matrix}},
    {"Brain", bf16, 1, 1, 70, 66, {6, 6}, {1, 1}, {1}, {1}, {0}, false, {patches}},
    {"Product", bf16, 60, 1, 40, 72, {5, 8}, {1, 1}, {1}, {1}, {0}, false, {product}},
    {"ProductOfGroups", f16, 7, 20, 8, 12, {40}, {1}, {1}, {1}, {0}, false, {product}},
    {"LargeProduct", f16, 2, 1, 16, 136, {16, 16}, {1, 1}, {1}, {1}, {0}, true, {product}},
    {"NoProduct", bf16, 3, 1, 40, 72, {7, 9}, {1, 1}, {1}, {1}, {0}, false, {patches}},
    {"Patches", bf16, 2, 1, 64, 130, {8, 8}, {3, 3}, {1}, {1}, {1}, false, {patches}},
    {"PatchesOfGroups", f16, 2, 2, 17, 40, {9, 7}, {3, 3}, {2, 1}, {1}, {1}, false, {patches}},
    {"PatchesApart", bf16, 1, 1, 32, 32, {10, 12}, {3, 2}, {1, 2}, {2, 1}, {2}, false, {patches}},
    {"PatchesOfLines", f16, 3, 1, 16, 20, {70}, {5}, {2}, {1}, {2}, false, {patches}},
    {"PatchesOfVolumes",
     f16,
     1,
     1,
     16,
     16,
     {4, 6, 4},
     {2, 2, 2},
     {2, 1, 1},
     {1},
     {1},
     false,
     {patches}},
    {"PatchesBeyond", f16, 2, 1, 16, 16, {5, 6}, {3, 3}, {1}, {1}, {3}, false, {patches}},
    {"PatchesInParts",
     f16,
     16,
     1,
     32,
     32,
     {8, 8},
     {3, 3},
     {1},
     {1},
     {1},
     false,
     {patches, "splits = 4 "}},
    {"PatchesOfNamedImages", bf16, 3, 1, 16, 24, {12, 10}, {3, 3}, {2}, {1}, {1}, true, {patches}},
    {"LargePatches", f16, 1, 1, 16, 16, {40, 42}, {3, 3}, {2}, {1}, {1}, false, {patches}},
    {"BrainEachChannel", bf16, 2, 4, 1, 1, {9, 8}, {3, 3}, {1}, {1}, {1}, false, {direct}},
};

Array draw(DType dtype, const std::vector<int64_t> &sizes, uint32_t seed) {
  Array array(dtype, sizes);
  uint32_t state = seed;
  for (int64_t i = 0; i < array.numElements(); ++i) {
    state = state * 1664525 + 1013904223;
    // Sixteenths: their products are exact in every dtype.
    dispatch(dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (isFloatElement<T>)
        array.as<T>()[i] = static_cast<T>(static_cast<float>(state >> 27) / 16 - 1);
      else
        array.as<T>()[i] = static_cast<T>(state >> 20);
    });
  }
  return array;
}

std::vector<int64_t> joined(std::vector<int64_t> front, const std::vector<int64_t> &back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

class CudaConvolution : public testing::TestWithParam<Setting> {};

TEST_P(CudaConvolution, AgreesWithTheInterpreter) {
  const Setting &s = GetParam();
  const bool isFloat = s.dtype == f32 || s.dtype == f64 || s.dtype == f16 || s.dtype == bf16;
  std::vector<int64_t> xSizes = joined({s.images, s.groups * s.inputs}, s.sizes),
                       wSizes = joined({s.groups * s.outputs, s.inputs}, s.window);
  Shape xShape(xSizes), wShape(wSizes);
  if (s.named) {
    std::vector<DimExpr> dims(xSizes.begin(), xSizes.end());
    dims[0] = dim("N");
    xShape = Shape(dims);
  }
  Graph g;
  Tensor x = g.placeholder("x", s.dtype, xShape), w = g.placeholder("w", s.dtype, wShape);
  Tensor y = conv(
      x, w,
      {.strides = s.strides, .padding = s.padding, .dilations = s.dilations, .groups = s.groups});
  ArrayMap inputs = {{"x", draw(s.dtype, xSizes, 1)}, {"w", draw(s.dtype, wSizes, 2)}};
  std::vector<int64_t> ySizes = {s.images};
  for (int64_t d = 1; d < y.rank(); ++d)
    ySizes.push_back(*y.size(d).constant());
  inputs.insert({"rest", draw(s.dtype, ySizes, 3)});
  Tensor rest = g.placeholder("rest", s.dtype, y.shape());
  g.output("y", y * rest + rest);
  if (isFloat) {
    // The gradients' sums are what is followed, too.
    std::vector<Tensor> grads = gradients({y}, {x, w}, {rest});
    g.output("dx", grads[0] * 0.5);
    g.output("dw", grads[1] - w);
  }

  ArrayMap wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs);
  std::string schedule;
  CompileOptions options = {.target = Target::cuda("sm_90")};
  options.onStage = [&](std::string_view stage, std::string_view text) {
    if (stage == "scheduled")
      schedule = text;
  };
  ArrayMap got = compile(g, options).run(inputs);
  for (const std::string &kernel : s.kernels)
    EXPECT_NE(schedule.find(kernel), std::string::npos) << kernel << " did not run:\n" << schedule;

  const double epsilon = s.dtype == f64    ? 0x1p-50
                         : s.dtype == f16  ? 0x1p-10
                         : s.dtype == bf16 ? 0x1p-7
                                           : 0x1p-21;
  for (const auto &[name, array] : wanted) {
    ASSERT_EQ(got.at(name).sizes(), array.sizes());
    int64_t bad = 0;
    for (int64_t i = 0; i < array.numElements() && bad < 3; ++i)
      dispatch(array.dtype(), [&, &array = array, &name = name](auto zero) {
        using T = decltype(zero);
        const T a = got.at(name).as<T>()[i], b = array.as<T>()[i];
        if constexpr (isFloatElement<T>) {
          const double mine = static_cast<double>(a), other = static_cast<double>(b);
          if (!(std::abs(mine - other) <= 2 * epsilon * (1 + std::abs(other))) && ++bad)
            ADD_FAILURE() << name << " " << i << ": " << mine << ", not " << other;
        } else if (a != b && ++bad) {
          ADD_FAILURE() << name << " " << i << ": " << +a << ", not " << +b;
        }
      });
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, CudaConvolution, testing::ValuesIn(settings),
                         [](const auto &info) { return info.param.name; });

} // namespace
