// SPDX-License-Identifier: Apache-2.0
// Rows, running reductions and sorts by kernels of a GPU, run on the host, in sizes that reach each
// of their schedules. The bits depend on sizes alone: not on the order of threads, nor on the grid.
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"
#include "tests/fuzz/Isolated.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

struct Setting {
  std::string name;
  std::vector<int64_t> sizes;
  std::function<void(Graph &, const Tensor &)> build;
  DType dtype = f32;
  bool named = false; ///< All sizes are.
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

Array inputOf(const Setting &s) {
  Array array(f32, s.sizes);
  uint32_t state = 7;
  for (int64_t i = 0; i < array.numElements(); ++i) {
    state = state * 1664525 + 1013904223;
    array.as<float>()[i] = static_cast<float>(state >> 20) / 1024 - 2; // Some are equal.
  }
  return array.cast(s.dtype);
}

Graph graphOf(const Setting &s) {
  Graph g;
  Shape shape;
  for (size_t d = 0; d < s.sizes.size(); ++d)
    shape.push_back(s.named ? dim("D" + std::to_string(d)) : DimExpr(s.sizes[d]));
  s.build(g, g.placeholder("x", s.dtype, shape));
  return g;
}

void softmaxOf(Graph &g, const Tensor &x) {
  g.output("softmax", x.softmax());
  g.output("argmax", x.argmax(1));
}
/// Forward and backward with the sums over rows.
void normOf(Graph &g, const Tensor &x) {
  const int64_t length = *x.shape()[1].constant();
  Tensor gain = g.constant(Array::from(std::vector<float>(static_cast<size_t>(length), 1.5f), {length}));
  Tensor shift = g.constant(Array::from(std::vector<float>(static_cast<size_t>(length), 0.5f), {length}));
  Tensor y = x.layerNorm(gain.cast(x.dtype()), shift.cast(x.dtype()));
  g.output("y", y);
  std::vector<Tensor> grads = gradients((y * x).sum(), {x});
  g.output("dx", grads[0]);
  g.output("columns", (y * grads[0]).sum(0));
}
std::function<void(Graph &, const Tensor &)> runOf(int64_t axis, bool reverse) {
  return [=](Graph &g, const Tensor &x) {
    g.output("sum", (x * x).cumsum(axis, {.exclusive = true, .reverse = reverse}) + x);
    g.output("most", x.cummax(axis, {.reverse = reverse}));
  };
}
std::function<void(Graph &, const Tensor &)> sortOf(int64_t axis, bool descending) {
  return [=](Graph &g, const Tensor &x) { g.output("order", x.argsort(axis, descending)); };
}

const Setting settings[] = {
    {"ThreadPerRow", {300, 3}, softmaxOf},
    {"FewLanes", {70, 34}, softmaxOf},
    {"Warp", {19, 768}, softmaxOf},
    {"OddBlock", {4, 1501}, softmaxOf},
    {"Block", {5, 4096}, softmaxOf, f16},
    {"Cluster", {3, 40000}, softmaxOf},
    {"ClusterAgain", {2, 270000}, softmaxOf},
    {"Named", {3, 2500}, softmaxOf, f32, true},
    {"Double", {4, 1000}, softmaxOf, f64},
    {"ColumnsOfLanes", {90, 60}, normOf},
    {"ColumnsOfBlocks", {150, 1028}, normOf},
    {"RunShort", {6, 700}, runOf(1, false)},
    {"RunBlock", {3, 5000}, runOf(1, true)},
    {"RunNamed", {3, 900}, runOf(1, true), f32, true},
    {"RunColumn", {130, 37}, runOf(0, true)},
    {"RunCut", {2, 40000}, [](Graph &g, const Tensor &x) { g.output("sum", x.cumsum(1)); }},
    {"RunColumnCut", {1000, 3}, [](Graph &g, const Tensor &x) { g.output("least", x.cummin(0)); }},
    {"SortShort", {50, 37}, sortOf(1, true)},
    {"SortShared", {3, 3000}, sortOf(1, false), f64},
    {"SortDigits", {2, 9000}, sortOf(1, true)},
    {"SortNamed", {70, 9}, sortOf(0, false), i64, true},
};

class CudaRow : public testing::TestWithParam<Setting> {};

/// A GPU's results; what is run in another process is not seen by this one.
std::string bitsOf(const Setting &s, const char *seed, const char *processors) {
  setenv("SINTER_HOST_GPU_SEED", seed, 1);
  setenv("SINTER_HOST_GPU_PROCESSORS", processors, 1);
  ArrayMap results = compile(graphOf(s), {.target = Target::cuda()}).run({{"x", inputOf(s)}});
  std::string bits;
  for (const auto &[name, array] : results)
    bits += name + std::string(static_cast<const char *>(array.data()),
                               static_cast<size_t>(array.numBytes()));
  return std::to_string(std::hash<std::string>()(bits));
}

TEST_P(CudaRow, AgreesWithTheInterpreter) {
  const Setting &s = GetParam();
  ArrayMap inputs = {{"x", inputOf(s)}};
  ArrayMap wanted = compile(graphOf(s), {.engine = Engine::Interpreter}).run(inputs);
  ArrayMap got = compile(graphOf(s), {.target = Target::cuda()}).run(inputs);
  const double tolerance = s.dtype == f16 ? 2e-3 : s.dtype == f64 ? 1e-11 : 1e-4;
  for (const auto &[name, array] : wanted) {
    Array mine = got.at(name).cast(f64), other = array.cast(f64);
    ASSERT_EQ(mine.sizes(), other.sizes());
    const bool exact = name == "order" || name == "argmax" || name == "most" || name == "least";
    for (int64_t i = 0; i < other.numElements(); ++i) {
      const double a = mine.as<double>()[i], b = other.as<double>()[i];
      ASSERT_LE(std::abs(a - b), exact ? 0 : tolerance * (1 + std::abs(b))) << name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, CudaRow, testing::ValuesIn(settings),
                         [](const auto &info) { return info.param.name; });

TEST(CudaRowOrder, BitsDoNotDependOnIt) {
  for (const char *name : {"OddBlock", "Cluster", "ColumnsOfBlocks", "RunCut", "SortDigits"})
    for (const Setting &s : settings) {
      if (s.name != name)
        continue;
      auto first = fuzz::Isolated([&] { return bitsOf(s, "0", "3"); }).wait();
      auto other = fuzz::Isolated([&] { return bitsOf(s, "5", "1"); }).wait();
      EXPECT_FALSE(first.crashed || other.crashed) << first.text << other.text;
      EXPECT_EQ(first.text, other.text) << name;
    }
}

} // namespace
