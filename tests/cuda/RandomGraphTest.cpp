// SPDX-License-Identifier: Apache-2.0
// Random graphs by a GPU's kernels, run on the host, against the interpreter. SINTER_GRAPHS=<n>
// tries another number of them, SINTER_SEED=<n> others.
#include "tests/fuzz/Differ.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sinter::fuzz {
namespace {

uint64_t numberFrom(const char *variable, uint64_t otherwise) {
  const char *text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Graphs `first` to `last`; a third has symbolic sizes, a quarter has gradients.
void check(uint64_t first, uint64_t last) {
  constexpr size_t batchSize = 4;
  std::vector<std::vector<Plan>> batches;
  std::vector<Plan> open[2];
  for (uint64_t i = first; i < last; ++i) {
    Plan plan = generate(numberFrom("SINTER_SEED", 20'000) + i,
                         {.symbolic = i % 3 == 2, .gradients = i % 4 == 3, .maxOps = 24});
    std::vector<Plan> &batch = open[plan.symbolic];
    batch.push_back(std::move(plan));
    if (batch.size() == batchSize)
      batches.push_back(std::exchange(batch, {}));
  }
  for (std::vector<Plan> &rest : open)
    if (!rest.empty())
      batches.push_back(std::move(rest));
  for (const std::string &report : differAll(batches, {.target = Target::cuda()}))
    ADD_FAILURE() << report;
}

class CudaRandomGraphTest : public testing::TestWithParam<uint64_t> {};

TEST_P(CudaRandomGraphTest, AgreesWithTheInterpreter) {
  const uint64_t count = numberFrom("SINTER_GRAPHS", 64), part = count / 4;
  check(GetParam() * part, (GetParam() + 1) * part);
}

INSTANTIATE_TEST_SUITE_P(Parts, CudaRandomGraphTest, testing::Range(uint64_t{0}, uint64_t{4}));

} // namespace
} // namespace sinter::fuzz
