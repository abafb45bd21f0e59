// SPDX-License-Identifier: Apache-2.0
// Every case of every row of the op table in every dtype by the kernels of a GPU, run on the host.
// Each row has a process of its own, since no kernel runs on a device after one that failed; its
// dtypes share a graph, and kernels are built without optimisation: most run once.
#include "tests/fuzz/Isolated.h"
#include "tests/ops/Check.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sinter::ops {
namespace {

class CudaOpTable : public testing::TestWithParam<size_t> {
protected:
  const Row &row() const { return table()[GetParam()]; }
  static void expectNothing(const std::function<Failures()> &check) {
    auto answer = fuzz::Isolated([&] {
                    setenv("SINTER_HOST_GPU_OPTIMISE", "0", /*overwrite=*/0);
                    std::string text;
                    for (const std::string &failure : check())
                      text += failure + "\n";
                    return text;
                  }).wait();
    EXPECT_FALSE(answer.crashed);
    EXPECT_EQ(answer.text, "");
  }
};

TEST_P(CudaOpTable, Forward) {
  expectNothing(
      [&] { return checkForward(row(), row().dtypes, Engine::Compiled, Target::cuda()); });
}

TEST_P(CudaOpTable, Derivatives) {
  if (row().derivative == Derivative::None)
    return;
  expectNothing([&] {
    return checkDerivatives(row(), derivativeDTypes(row()), Engine::Compiled, forwardMode,
                            Target::cuda());
  });
}

INSTANTIATE_TEST_SUITE_P(Rows, CudaOpTable, testing::Range(size_t{0}, table().size()),
                         [](const auto &info) { return table()[info.param].name; });

} // namespace
} // namespace sinter::ops
