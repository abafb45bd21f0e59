// SPDX-License-Identifier: Apache-2.0
// Every row of the op table by the kernels of a GPU, run on the host. Each row has a process of its
// own, since no kernel runs on a device after one that failed.
#include "tests/fuzz/Isolated.h"
#include "tests/ops/Check.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sinter::ops {
namespace {

/// Tests of all cases take too long; sizes are what kernels get wrong, so the first and the last
/// few stay, which rows choose to be the odd ones.
Row sampled(Row row) {
  const char *all = std::getenv("SINTER_HOST_GPU_ALL_CASES");
  constexpr size_t most = 4;
  if (row.cases.size() > most && !(all && *all))
    row.cases.erase(row.cases.begin() + 1, row.cases.end() - (most - 1));
  return row;
}

class CudaOpTable : public testing::TestWithParam<size_t> {
protected:
  const Row &row() const { return table()[GetParam()]; }
  static void expectNothing(const std::function<Failures()> &check) {
    auto answer = fuzz::Isolated([&] {
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
  expectNothing([&] {
    Failures failures;
    for (DType dtype : row().dtypes)
      for (std::string &failure :
           checkForward(sampled(row()), dtype, Engine::Compiled, Target::cuda()))
        failures.push_back(std::move(failure));
    return failures;
  });
}

TEST_P(CudaOpTable, Derivatives) {
  if (row().derivative == Derivative::None)
    return;
  expectNothing([&] {
    Failures failures;
    for (DType dtype : derivativeDTypes(row()))
      for (std::string &failure :
           checkDerivatives(row(), dtype, Engine::Compiled, forwardMode, Target::cuda()))
        failures.push_back(std::move(failure));
    return failures;
  });
}

INSTANTIATE_TEST_SUITE_P(Rows, CudaOpTable, testing::Range(size_t{0}, table().size()),
                         [](const auto &info) { return table()[info.param].name; });

} // namespace
} // namespace sinter::ops
