// SPDX-License-Identifier: Apache-2.0
// NVRTC, which needs no GPU, compiles the kernels that a sample of the op table and the graphs of
// the benchmark make. More of a stack than KernelSet.cpp states for a kernel's row fails.
// Without NVRTC the tests skip and say so.
#include "tests/cuda/Schedules.h"
#include "tests/nvrtc/KernelSet.h"
#include "tests/ops/Row.h"
#include "tools/fused-bench/Cases.h"
#include "tools/fused-bench/GpuProbeKernels.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <set>

namespace sinter {
namespace {

using nvrtctest::isExhaustive;
using nvrtctest::KernelSet;
using ops::Case;
using ops::Row;

class NvrtcTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    try {
      const char *wanted = std::getenv("SINTER_NVRTC");
      nvrtc = cuda::Nvrtc::load(cuda::findNvrtc(wanted ? wanted : ""));
    } catch (const Error &error) {
      GTEST_SKIP() << "NVRTC was not found, kernels for a GPU are NOT compiled by this run: "
                   << error.what();
    }
    nvrtc->requireArch(GetParam());
  }

  void expectCompiles(const KernelSet &set) {
    constexpr int threads = 2;
    KernelSet::Report report = set.compile(*nvrtc, threads);
    for (const std::string &failure : report.failures)
      ADD_FAILURE() << failure;
    for (const std::string &refused : set.refused())
      ADD_FAILURE() << refused;
    std::printf("%s: %zu kernels in %zu programs, %.0f ms of one core, %.1f ms each\n", GetParam(),
                set.size(), report.programs, report.milliseconds,
                report.milliseconds / static_cast<double>(std::max<size_t>(1, set.size())));
    for (const auto &[form, family] : report.families)
      std::printf("  %-12s %4zu kernels, %.1f ms each, up to %lld registers and %lld bytes\n",
                  form.c_str(), family.kernels,
                  family.milliseconds / static_cast<double>(std::max<size_t>(1, family.kernels)),
                  static_cast<long long>(family.registers),
                  static_cast<long long>(family.codeBytes));
    std::fflush(stdout);
  }

  std::shared_ptr<const cuda::Nvrtc> nvrtc;
};

Tensor placeholder(Graph &graph, const std::string &name, DType dtype, const Shape &shape,
                   bool transposed) {
  if (!transposed)
    return graph.placeholder(name, dtype, shape);
  std::vector<DimExpr> dims(shape.vector().rbegin(), shape.vector().rend());
  return transpose(graph.placeholder(name, dtype, Shape(dims)));
}

/// SINTER_NVRTC_ROW names the one row to look at.
bool isWanted(const Row &row) {
  const char *wanted = std::getenv("SINTER_NVRTC_ROW");
  return !wanted || row.name == wanted;
}

/// Shapes differ in numbers, so a few of them make all kinds of kernels that a row has.
std::vector<Case> casesFor(const Row &row, DType dtype) {
  if (isExhaustive() || row.cases.size() < 2)
    return row.cases;
  if (dtype == row.dtypes.front() && !row.element)
    return {row.cases.front(), row.cases.back()};
  return {row.cases.back()};
}

/// One architecture gets a dtype of each kind, the others those that tensor cores tell apart.
bool isTried(const Row &row, DType dtype, std::string_view arch) {
  if (!isWanted(row))
    return false;
  if (isExhaustive() || dtype == row.dtypes.front() || dtype == f16)
    return true;
  if (arch != "sm_90a")
    return false;
  return dtype == bf16 || dtype == f64 || dtype == i64 || dtype == u16 || dtype == boolean;
}

/// Forward, or the gradients of all inputs that have one.
void addRow(KernelSet &set, const Row &row, DType dtype, bool derivative) {
  const std::string where =
      row.name + " " + std::string(name(dtype)) + (derivative ? " gradient" : "");
  Graph graph;
  int number = 0;
  for (const Case &one : casesFor(row, dtype)) {
    const std::string prefix = "c" + std::to_string(number++);
    ops::Tensors inputs, differentiable;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      const DType type = row.inputs[k].dtype.value_or(dtype);
      inputs.push_back(placeholder(graph, prefix + "_x" + std::to_string(k), type, one.shapes[k],
                                   one.transposed));
      if (isFloat(type))
        differentiable.push_back(inputs.back());
    }
    Tensor y = row.graph(graph, inputs);
    if (!derivative) {
      graph.output(prefix, y);
      continue;
    }
    if (!isFloat(y.dtype()) || differentiable.empty())
      return;
    std::vector<Tensor> gradientsOfY = gradients(y.sum(), differentiable);
    for (size_t i = 0; i < gradientsOfY.size(); ++i)
      graph.output(prefix + "_g" + std::to_string(i), gradientsOfY[i]);
  }
  set.add(where, graph);
}

TEST_P(NvrtcTest, OpTableForward) {
  KernelSet set(GetParam());
  for (const Row &row : ops::table())
    for (DType dtype : row.dtypes)
      if (isTried(row, dtype, GetParam()))
        addRow(set, row, dtype, false);
  expectCompiles(set);
}

TEST_P(NvrtcTest, OpTableGradients) {
  KernelSet set(GetParam());
  for (const Row &row : ops::table())
    if (row.derivative != ops::Derivative::None && isWanted(row))
      for (DType dtype : row.dtypes)
        if (isExhaustive() ||
            (dtype == f32 && (!row.element || GetParam() == std::string_view("sm_90a"))))
          addRow(set, row, dtype, true);
  expectCompiles(set);
}

/// The benchmark's cases, which hold the networks of the examples.
TEST_P(NvrtcTest, Networks) {
  KernelSet set(GetParam());
  std::set<std::string> seen;
  for (const tools::CaseRow &row : tools::caseTable())
    if (row.kind == tools::CaseKind::Kernel)
      set.add(row.name, row.make(row.rows).graph);
  expectCompiles(set);
}

/// The benchmark's cases for a GPU, at the sizes that choose its largest tiles, clusters and pairs
/// of blocks. Whole networks take minutes.
TEST_P(NvrtcTest, LargeKernels) {
  KernelSet set(GetParam());
  for (const tools::CaseRow &row : tools::gpuCaseTable())
    if (isExhaustive() || !std::string_view(row.name).ends_with("_train_step"))
      set.add(row.name, row.make(row.rows).graph);
  expectCompiles(set);
}

/// The probes that those are held against.
TEST_P(NvrtcTest, Probes) {
  std::set<std::string> names;
  for (const cuda::KernelResources &kernel : cuda::readCubin(tools::compileGpuProbes(GetParam()))) {
    names.insert(kernel.name);
    EXPECT_EQ(kernel.stackBytes + kernel.localLoads + kernel.localStores, 0) << kernel.name;
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"probe_copy", "probe_read", "probe_fma", "probe_products"}));
}

/// Widths of heads that take most registers and shared memory.
TEST_P(NvrtcTest, Attention) {
  KernelSet set(GetParam());
  struct Setting {
    DType dtype;
    int64_t width;
    bool biased;
  };
  for (Setting s :
       {Setting{f16, 96, false}, {bf16, 128, true}, {f16, 256, true}, {f32, 128, true}}) {
    Graph graph;
    const Shape shape{dim("N"), 4, dim("L"), s.width};
    ops::Tensors x;
    for (const char *name : {"q", "k", "v", "d"})
      x.push_back(graph.placeholder(name, s.dtype, shape));
    AttentionOptions options{.causal = !s.biased};
    if (s.biased)
      options.mask = graph.placeholder("mask", s.dtype, {4, dim("L"), dim("L")});
    Tensor y = attention(x[0], x[1], x[2], options);
    graph.output("y", y);
    std::vector<Tensor> slopes = gradients(y, {x[0], x[1], x[2]}, {x[3]});
    for (size_t i = 0; i < slopes.size(); ++i)
      graph.output("g" + std::to_string(i), slopes[i]);
    set.add("attention " + std::string(name(s.dtype)) + " " + std::to_string(s.width), graph);
  }
  expectCompiles(set);
}

/// Tiles that attention may be given as text.
TEST_P(NvrtcTest, TilesOfAttention) {
  KernelSet set(GetParam());
  for (DType dtype : {f32, f16}) {
    const Graph graph = scheduletest::attentionOf(dtype, 64, /*causal=*/true);
    for (const std::string &schedule : scheduletest::retilings(
             graph, Target::cuda(GetParam()), dtype == f16, isExhaustive() ? 1 << 20 : 4))
      set.add("tiles of attention", graph, schedule);
  }
  expectCompiles(set);
}

/// Softmax and sums of columns behind products of every tile that has whole rows, and behind parts
/// of k.
TEST_P(NvrtcTest, RowsBehindProducts) {
  KernelSet set(GetParam());
  struct Setting {
    DType dtype;
    int64_t rows, width, depth;
  };
  for (Setting s : {Setting{f32, 70, 20, 64},
                    {f32, 700, 50, 64},
                    {f32, 700, 100, 64},
                    {f32, 70000, 128, 64},
                    {f32, 16, 128, 9000},
                    {f64, 500, 64, 64},
                    {f16, 500, 64, 96},
                    {f16, 70000, 128, 96},
                    {bf16, 9000, 256, 96},
                    {f16, 16, 256, 8192}}) {
    Graph graph;
    Tensor x = graph.placeholder("x", s.dtype, {s.rows, s.depth}),
           w = graph.placeholder("w", s.dtype, {s.depth, s.width});
    Tensor y = softmax(x.matmul(w));
    graph.output("y", y);
    graph.output("sums", sum(y, {0}));
    set.add("rows behind " + std::string(name(s.dtype)) + " " + std::to_string(s.rows) + " " +
                std::to_string(s.width),
            graph);
  }
  expectCompiles(set);
}

/// The loss of labels over many classes, whose logits are reduced by tiles; and tiles that are
/// stored too, of all widths.
TEST_P(NvrtcTest, TilesOfRowsBehindProducts) {
  KernelSet set(GetParam());
  for (DType dtype : {f32, f64, f16, bf16}) {
    Graph graph, other;
    auto product = [&](Graph &g) {
      Tensor x = g.placeholder("x", dtype, {1024, 256}),
             w = g.placeholder("w", dtype, {256, 32768});
      return x.matmul(w) + g.placeholder("bias", dtype, {32768});
    };
    Tensor y = product(other);
    other.output("which", argmax(y, -1));
    other.output("sum", sum(y, {-1}));
    set.add("largest of tiles of " + std::string(name(dtype)), other);
    graph.output("loss",
                 softmaxCrossEntropy(product(graph), graph.placeholder("labels", i32, {1024})));
    set.add("loss of tiles of " + std::string(name(dtype)), graph);
  }
  for (int64_t width : {64, 256}) {
    Graph graph;
    Tensor x = graph.placeholder("x", bf16, {1024, 256}),
           w = graph.placeholder("w", bf16, {256, 16, width});
    Tensor y = dotGeneral(x, w, {.lhsContract = {1}, .rhsContract = {0}});
    graph.output("y", y);
    graph.output("max", max(y, {-1}));
    set.add("tiles of " + std::to_string(width), graph);
  }
  expectCompiles(set);
}

/// Convolutions of many channels with their gradients, of all sizes of patches.
TEST_P(NvrtcTest, Convolutions) {
  KernelSet set(GetParam());
  struct Setting {
    DType dtype;
    int64_t images, inputs, outputs, size, window, stride;
  };
  for (Setting s : {Setting{bf16, 32, 64, 64, 56, 3, 1},
                    {bf16, 32, 128, 128, 28, 3, 1},
                    {f16, 32, 128, 128, 56, 3, 2},
                    {f16, 32, 256, 512, 15, 3, 2},
                    {bf16, 8, 32, 48, 20, 5, 1},
                    {bf16, 32, 64, 256, 28, 1, 1}}) {
    Graph graph;
    Tensor x = graph.placeholder("x", s.dtype, {s.images, s.inputs, s.size, s.size}),
           w = graph.placeholder("w", s.dtype, {s.outputs, s.inputs, s.window, s.window});
    Tensor y = conv(x, w, {.strides = {s.stride}, .padding = {s.window / 2}});
    graph.output("y", relu(y));
    std::vector<Tensor> grads = gradients({sum(y * y)}, {x, w});
    graph.output("dx", grads[0]);
    graph.output("dw", grads[1]);
    set.add("convolution " + std::string(name(s.dtype)) + " of " + std::to_string(s.inputs) +
                " channels of " + std::to_string(s.size) + " by " + std::to_string(s.window),
            graph);
  }
  expectCompiles(set);
}

INSTANTIATE_TEST_SUITE_P(Architectures, NvrtcTest, testing::Values("sm_80", "sm_90a", "sm_100"),
                         [](const auto &info) { return std::string(info.param); });

} // namespace
} // namespace sinter
