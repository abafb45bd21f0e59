// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/PlanMemory.h"

#include "sinter/codegen/Program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace sinter;
using namespace sinter::codegen;

namespace {

/// No two allocations that are live together overlap, and all lie in the arena, at a size of the
/// dims.
void expectDisjoint(const std::vector<Allocation> &allocations, const MemoryPlan &plan,
                    const DimBinding &dims) {
  int64_t end = 0;
  for (size_t i = 0; i < allocations.size(); ++i) {
    int64_t from = plan.offsets[i].evaluate(dims).value(),
            size = allocations[i].bytes.evaluate(dims).value();
    EXPECT_EQ(from % bufferAlignment, 0);
    end = std::max(end, from + size);
    for (size_t j = 0; j < i; ++j) {
      if (allocations[i].first > allocations[j].last || allocations[j].first > allocations[i].last)
        continue;
      int64_t other = plan.offsets[j].evaluate(dims).value(),
              otherSize = allocations[j].bytes.evaluate(dims).value();
      EXPECT_TRUE(from + size <= other || other + otherSize <= from) << i << " and " << j;
    }
  }
  EXPECT_LE(end, plan.bytes.evaluate(dims).value());
}

/// The largest sum of sizes, rounded to the alignment, that are live at one step.
int64_t liveBytes(const std::vector<Allocation> &allocations) {
  int64_t most = 0;
  for (const Allocation &at : allocations) {
    int64_t sum = 0;
    for (const Allocation &other : allocations)
      if (other.first <= at.first && at.first <= other.last)
        sum += (*other.bytes.constant() + bufferAlignment - 1) / bufferAlignment * bufferAlignment;
    most = std::max(most, sum);
  }
  return most;
}

TEST(PlanMemoryTest, NothingNeedsNothing) { EXPECT_EQ(planMemory({}).bytes, DimExpr(0)); }

TEST(PlanMemoryTest, ValuesThatDoNotMeetShare) {
  MemoryPlan plan = planMemory({{1024, 0, 1}, {1024, 2, 3}, {512, 4, 5}});
  EXPECT_EQ(plan.bytes, DimExpr(1024));
  EXPECT_EQ(plan.offsets[0], plan.offsets[1]);
}

TEST(PlanMemoryTest, ValuesThatMeetInOneStepDoNot) {
  MemoryPlan plan = planMemory({{1024, 0, 2}, {1024, 2, 3}});
  EXPECT_EQ(plan.bytes, DimExpr(2048));
}

TEST(PlanMemoryTest, TheArenaEndsWithItsHighestByte) {
  // 100 is padded to 128 for what lies behind it, but not at the end.
  EXPECT_EQ(planMemory({{100, 0, 0}}).bytes, DimExpr(100));
  EXPECT_EQ(planMemory({{100, 0, 0}, {100, 0, 0}}).bytes, DimExpr(228));
}

TEST(PlanMemoryTest, SymbolicSizesHoldForEveryValue) {
  DimExpr n = dim("N"), m = dim("M");
  std::vector<Allocation> allocations = {
      {n * 4, 0, 1}, {n * 8, 1, 2}, {m * 4, 2, 3},
      {n * m, 0, 3}, {4096, 1, 3},  {DimExpr::symbol(workersSymbol) * 640, 2, 2}};
  MemoryPlan plan = planMemory(allocations);
  for (int64_t nValue : {0, 1, 7, 1024, 100000})
    for (int64_t mValue : {0, 1, 33, 5000})
      expectDisjoint(allocations, plan, {{"N", nValue}, {"M", mValue}, {workersSymbol, 3}});
}

TEST(PlanMemoryTest, RandomPlansAreSoundAndTight) {
  std::mt19937 random(11);
  auto number = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  double worst = 1;
  for (int round = 0; round < 300; ++round) {
    std::vector<Allocation> allocations;
    int count = number(1, 40);
    for (int i = 0; i < count; ++i) {
      int first = number(0, 20);
      allocations.push_back({number(1, 1 << number(0, 16)), first, first + number(0, 6)});
    }
    MemoryPlan plan = planMemory(allocations);
    expectDisjoint(allocations, plan, {});
    double ratio =
        static_cast<double>(*plan.bytes.constant()) / static_cast<double>(liveBytes(allocations));
    EXPECT_LT(ratio, 1.5);
    worst = std::max(worst, ratio);
  }
  RecordProperty("worst_ratio_to_live", std::to_string(worst));
}

} // namespace
