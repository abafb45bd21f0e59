// SPDX-License-Identifier: Apache-2.0
// Every row of the op table by the kernels of a GPU, run on the host. Each row has a process of its
// own, since no kernel runs on a device after one that failed.
#include "tests/fuzz/Isolated.h"
#include "tests/ops/Check.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sinter::ops {
namespace {

/// With SINTER_HOST_GPU_ALL=1 everything is tried, which takes half an hour of two cores. Else: of
/// each row's cases the first and the last two, which rows choose to be the odd ones; of its dtypes
/// the first and every third of the others; derivatives in one dtype. Neighbouring rows take
/// different dtypes.
bool triesAll() {
  const char *all = std::getenv("SINTER_HOST_GPU_ALL");
  return all && *all;
}

Row sampled(Row row) {
  constexpr size_t most = 3;
  if (row.cases.size() > most && !triesAll())
    row.cases.erase(row.cases.begin() + 1, row.cases.end() - (most - 1));
  return row;
}

std::vector<DType> sampled(const std::vector<DType> &dtypes, size_t row, bool onlyOne) {
  if (triesAll())
    return dtypes;
  if (onlyOne)
    return {dtypes[row % dtypes.size()]};
  std::vector<DType> some = {dtypes.front()};
  for (size_t d = 1; d < dtypes.size(); ++d)
    if ((row + d) % 3 == 0)
      some.push_back(dtypes[d]);
  return some;
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
    for (DType dtype : sampled(row().dtypes, GetParam(), false))
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
    for (DType dtype : sampled(derivativeDTypes(row()), GetParam(), true))
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
