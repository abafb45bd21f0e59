// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/AllocationCounter.h"
#include "tests/unit/runtime/HandProgram.h"

using namespace sinter;
using namespace sinter::test;

namespace {

TEST(BoundCallTest, TheCounterCounts) {
  if (!countsAllocations())
    GTEST_SKIP() << "a sanitizer owns malloc";
  int64_t before = allocationCount();
  Array array(f32, {100});
  EXPECT_GT(allocationCount(), before);
}

TEST(BoundCallTest, AllocatesNothing) {
  State state(rowsProgram(true)->arguments, 1, {{"M", 16}});
  Array y = Array(f32, {2000}).slice(0, 0, 2000, 2); // staged on the way out
  Array x = Array(f32, {16, 1000}).transpose();      // and on the way in
  BoundCall call =
      rowsExecutable(true).bind(state, {{"x", x}, {"label", Array(i32, {1000})}}, {{"y", y}});
  int64_t before = allocationCount();
  for (int i = 0; i < 100; ++i)
    call();
  EXPECT_EQ(allocationCount(), before);
}

TEST(BoundCallTest, AddsScalars) {
  Array a(f32, {1}), b(f32, {1}), c(f32, {1});
  BoundCall call = addExecutable().bind({{"a", a}, {"b", b}}, {{"c", c}});
  a.fill(1);
  b.fill(2);
  call();
  EXPECT_EQ(c.item(), 3);
}

} // namespace
