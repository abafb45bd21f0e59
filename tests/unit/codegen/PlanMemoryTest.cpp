// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/PlanMemory.h"
#include "sinter/ir/base/Error.h"

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

TEST(PlanMemoryTest, SumsBeyond64BitsAreRefused) {
  constexpr int64_t huge = int64_t{1} << 61;
  EXPECT_NO_THROW(planMemory({{huge, 0, 4}, {huge, 1, 4}, {huge, 2, 4}}));
  try {
    planMemory({{huge, 0, 4}, {huge, 1, 4}, {huge, 2, 4}, {huge, 3, 4}});
    FAIL() << "planned";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::Limit) << error.what();
  }
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
    EXPECT_LT(ratio, 1.25);
    worst = std::max(worst, ratio);
  }
  RecordProperty("worst_ratio_to_live", std::to_string(worst));
}

/// The least bytes of any plan. Taken in the order of its offsets, every plan can be packed so that
/// each allocation lies at the lowest place that those before it leave free; so all orders are
/// tried, and an order is left as soon as it is no better than the best.
class ExactSearch {
public:
  explicit ExactSearch(const std::vector<Allocation> &allocations)
      : allocations(allocations), place(allocations.size(), -1), bound(liveBytes(allocations)) {
    for (const Allocation &allocation : allocations)
      sizes.push_back((*allocation.bytes.constant() + bufferAlignment - 1) / bufferAlignment *
                      bufferAlignment);
  }
  int64_t run() {
    extend(0, 0);
    return best;
  }

private:
  void extend(size_t depth, int64_t top) {
    if (top >= best || best == bound)
      return;
    if (depth == allocations.size()) {
      best = top;
      return;
    }
    for (size_t i = 0; i < allocations.size(); ++i) {
      if (place[i] >= 0)
        continue;
      place[i] = lowest(i);
      extend(depth + 1, std::max(top, place[i] + sizes[i]));
      place[i] = -1;
    }
  }
  int64_t lowest(size_t i) const {
    for (int64_t at = 0;;) {
      int64_t next = at;
      for (size_t j = 0; j < allocations.size(); ++j)
        if (j != i && place[j] >= 0 && allocations[j].first <= allocations[i].last &&
            allocations[i].first <= allocations[j].last && place[j] < at + sizes[i] &&
            at < place[j] + sizes[j])
          next = std::max(next, place[j] + sizes[j]);
      if (next == at)
        return at;
      at = next;
    }
  }

  const std::vector<Allocation> &allocations;
  std::vector<int64_t> place, sizes;
  int64_t bound, best = INT64_MAX;
};

TEST(PlanMemoryTest, SmallPlansAreAsGoodAsAnExactSearch) {
  std::mt19937 random(5);
  auto number = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  int optimal = 0, aboveLive = 0, rounds = 300;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Allocation> allocations;
    int count = number(2, 8);
    for (int i = 0; i < count; ++i) {
      int first = number(0, 5);
      allocations.push_back({64 * number(1, 9), first, first + number(0, 3)});
    }
    int64_t exact = ExactSearch(allocations).run(),
            planned = *planMemory(allocations).bytes.constant();
    ASSERT_GE(planned, exact);
    EXPECT_LE(static_cast<double>(planned), 1.05 * static_cast<double>(exact));
    optimal += planned == exact;
    aboveLive += exact > liveBytes(allocations);
  }
  EXPECT_GE(optimal, rounds * 99 / 100);
  RecordProperty("optimal_plans", std::to_string(optimal));
  RecordProperty("plans_that_must_exceed_what_is_live", std::to_string(aboveLive));
}

/// Scratch of each worker lies in memory that is free at its step, for any number of workers.
TEST(PlanMemoryTest, WorkersScratchSharesMemory) {
  DimExpr scratch = DimExpr::symbol(workersSymbol) * 4096;
  std::vector<Allocation> allocations = {{1 << 16, 0, 1},       {scratch, 1, 1}, {1 << 12, 1, 3},
                                         {scratch * 2, 3, 3},   {scratch, 3, 3}, {1 << 16, 4, 4},
                                         {scratch + 100, 2, 2}, {100, 3, 4}};
  MemoryPlan plan = planMemory(allocations);
  for (int64_t workers : {1, 2, 3, 7, 64})
    expectDisjoint(allocations, plan, {{workersSymbol, workers}});
  // Two workers: the step with the large value and its scratch needs most.
  EXPECT_EQ(plan.bytes.evaluate({{workersSymbol, 2}}), (1 << 16) + (1 << 12) + 2 * 4096);
}

/// Forward and backward of a deep network: activations are freed in the opposite order.
TEST(PlanMemoryTest, TrainingStepsNeedWhatIsLive) {
  std::mt19937 random(9);
  auto number = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 20; ++round) {
    int layers = number(10, 80);
    std::vector<Allocation> allocations;
    for (int layer = 0; layer < layers; ++layer) {
      int64_t size = 1024 * number(1, 64);
      int last = 2 * layers - layer;
      allocations.push_back({size, layer, last});                      // An activation.
      allocations.push_back({size, last - 1, last});                   // Its gradient.
      allocations.push_back({1024 * number(1, 16), layer, layer + 1}); // Scratch.
      allocations.push_back({1024 * number(1, 32), last, last + number(0, 2)});
    }
    MemoryPlan plan = planMemory(allocations);
    expectDisjoint(allocations, plan, {});
    EXPECT_LE(static_cast<double>(*plan.bytes.constant()),
              1.05 * static_cast<double>(liveBytes(allocations)));
  }
}

/// Of a long program, most values never meet.
TEST(PlanMemoryTest, LongProgramsOfShortLivesAreSoundAndTight) {
  std::mt19937 random(13);
  std::vector<Allocation> allocations = {{1 << 12, 0, 400}};
  for (int i = 0; i < 400; ++i)
    allocations.push_back(
        {static_cast<int64_t>(1 + random() % (1 << 14)), i, i + static_cast<int>(random() % 4)});
  const MemoryPlan plan = planMemory(allocations);
  expectDisjoint(allocations, plan, {});
  EXPECT_LE(static_cast<double>(*plan.bytes.constant()),
            1.25 * static_cast<double>(liveBytes(allocations)));
}

TEST(PlanMemoryTest, TheSameInputGivesTheSamePlan) {
  std::vector<Allocation> allocations;
  for (int i = 0; i < 60; ++i)
    allocations.push_back({64 * (1 + i * 37 % 23), i * 7 % 40, i * 7 % 40 + i % 6});
  MemoryPlan one = planMemory(allocations), two = planMemory(allocations);
  EXPECT_EQ(one.bytes, two.bytes);
  EXPECT_EQ(one.offsets, two.offsets);
}

} // namespace
