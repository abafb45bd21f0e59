// SPDX-License-Identifier: Apache-2.0
// Graphs of the text tests by a GPU's kernels, against the interpreter; and that neither the order
// of threads and blocks nor the number of multiprocessors changes a bit.
#include "sinter/runtime/Session.h"
#include "tests/fuzz/Isolated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace sinter {
namespace {

Graph load(const std::string &file) {
  return Graph::load(std::string(SINTER_TEST_CUDA_FOLDER) + "/" + file);
}

/// Runs in a process of its own, since nothing runs on a device after a kernel that failed.
void isolated(const std::function<std::string()> &body) {
  auto outcome = fuzz::Isolated(body).wait();
  EXPECT_FALSE(outcome.crashed);
  EXPECT_EQ(outcome.text, "");
}

std::string difference(const Array &got, const Array &want) {
  if (got.sizes() != want.sizes() || got.dtype() != want.dtype())
    return "another type";
  const auto bytes = static_cast<size_t>(got.numBytes());
  if (!isFloat(got.dtype()))
    return std::memcmp(got.data(), want.data(), bytes) == 0 ? "" : "other bits";
  Array a = got.cast(f64), b = want.cast(f64);
  const double tolerance = got.dtype() == f32 || got.dtype() == f64 ? 1e-5 : 1e-2;
  for (int64_t i = 0; i < a.numElements(); ++i)
    if (double wanted = b.as<double>()[i];
        !(std::fabs(a.as<double>()[i] - wanted) <= tolerance * std::max(1.0, std::fabs(wanted))))
      return "element " + std::to_string(i) + ": " + std::to_string(a.as<double>()[i]) + ", want " +
             std::to_string(wanted);
  return "";
}

void compare(const std::string &file, const ArrayMap &inputs) {
  isolated([&] {
    Graph graph = load(file);
    ArrayMap got = compile(graph, {.target = Target::cuda()}).run(inputs),
             want = compile(graph, {.engine = Engine::Interpreter}).run(inputs);
    std::string text;
    for (const auto &[name, array] : want)
      if (std::string wrong = difference(got.at(name), array); !wrong.empty())
        text += name + ": " + wrong + "\n";
    return text;
  });
}

/// The results as text, in an environment.
std::string bitsOf(const std::string &file, const ArrayMap &inputs,
                   const std::vector<std::pair<std::string, std::string>> &environment) {
  std::string text = fuzz::Isolated([&] {
                       for (const auto &[name, value] : environment)
                         setenv(name.c_str(), value.c_str(), 1);
                       std::string bits;
                       for (const auto &[name, array] :
                            compile(load(file), {.target = Target::cuda()}).run(inputs))
                         bits.append(static_cast<const char *>(array.data()),
                                     static_cast<size_t>(array.numBytes()));
                       return bits;
                     })
                         .wait()
                         .text;
  EXPECT_FALSE(text.empty());
  return text;
}

Array numbers(std::vector<int64_t> sizes) {
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>((i * 7919) % 1013) / 500.0f - 1.0f);
  return Array::from(values, std::move(sizes));
}

TEST(CudaKernelTest, Elementwise) {
  compare("CudaElementwise.mlir", {{"x", numbers({5, 64})}, {"y", numbers({5, 64})}});
}
TEST(CudaKernelTest, NarrowFloatsAndBits) {
  std::vector<uint64_t> counters;
  for (uint64_t i = 0; i < 320; ++i)
    counters.push_back(i * 0x9e3779b97f4a7c15);
  compare("CudaMath.mlir",
          {{"x", numbers({5, 64}).cast(f16)}, {"counter", Array::from(counters, {5, 64})}});
}
TEST(CudaKernelTest, Softmax) {
  for (int64_t rows : {1, 3, 40})
    compare("CudaSoftmax.mlir", {{"x", numbers({rows, 600})}});
}
TEST(CudaKernelTest, LayerNorm) {
  compare("CudaLayerNorm.mlir",
          {{"x", numbers({3, 768})}, {"gain", Array::from(std::vector<float>(768, 1.5f), {768})}});
}
TEST(CudaKernelTest, Reductions) {
  constexpr int64_t count = 1'000'003;
  std::vector<int32_t> integers(count, 2'000'000'000); // The sum wraps.
  compare("CudaReduce.mlir",
          {{"x", numbers({5, 768})}, {"n", Array::from(integers, {count})}, {"v", numbers({5})}});
}
TEST(CudaKernelTest, NamedSizes) {
  // Divisors that are powers of two, that are not, 1, and 0 where nothing is launched.
  for (auto [m, n] : {std::pair<int64_t, int64_t>{3, 5}, {4, 1}, {2, 64}, {1, 703}, {0, 4}, {3, 0}})
    compare("CudaHostSizes.mlir", {{"x", numbers({m, n, 3})}, {"b", numbers({n})}});
}
TEST(CudaKernelTest, UnsignedIntegers) {
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < 3 * 70; ++i)
    words.push_back(0x5fffffffu + i * 0x01234567u); // On both sides of the sign bit.
  Array all = Array::from(words, {3, 70});
  compare("CudaUnsigned.mlir", {{"a", all.cast(u8)}, {"b", all}, {"c", all.cast(u16)}});
}
TEST(CudaKernelTest, GatherReportsABadIndex) {
  isolated([]() -> std::string {
    std::vector<double> rows(1600, 4.0);
    Executable gather = compile(load("CudaGather.mlir"), {.target = Target::cuda()});
    auto run = [&](int32_t index) {
      return gather.run(ArrayMap{{"table", Array::from(rows, {100, 16})},
                                 {"ids", Array::from(std::vector<int32_t>{3, index, 99}, {3})}});
    };
    if (run(98).begin()->second.as<double>()[16] != 2.0)
      return "a wrong value";
    try {
      run(100);
    } catch (const Error &error) {
      std::string text = error.what();
      return text.find("100") != std::string::npos &&
                     text.find("CudaGather.mlir") != std::string::npos
                 ? ""
                 : text;
    }
    return "no error";
  });
}

TEST(CudaKernelTest, NothingChangesBits) {
  const ArrayMap softmax = {{"x", numbers({37, 600})}},
                 norm = {{"x", numbers({37, 768})}, {"gain", numbers({768})}};
  for (const auto &[file, inputs] :
       {std::pair{"CudaSoftmax.mlir", softmax}, {"CudaLayerNorm.mlir", norm}}) {
    const std::string first = bitsOf(file, inputs, {{"SINTER_HOST_GPU_SEED", "0"}});
    for (const char *seed : {"1", "2", "3"})
      EXPECT_EQ(bitsOf(file, inputs, {{"SINTER_HOST_GPU_SEED", seed}}) == first, true)
          << file << ", seed " << seed;
    for (const char *processors : {"1", "2", "132"})
      EXPECT_EQ(bitsOf(file, inputs, {{"SINTER_HOST_GPU_PROCESSORS", processors}}) == first, true)
          << file << ", " << processors << " multiprocessors";
    EXPECT_EQ(bitsOf(file, inputs, {{"SINTER_CUDA_CHECK", "1"}}) == first, true)
        << file << ", one kernel at a time";
  }
}

} // namespace
} // namespace sinter
