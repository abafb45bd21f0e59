// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

using namespace sinter;

namespace {

struct Row {
  Shape a, b;
  std::optional<Shape> result; ///< None: they do not broadcast.
};

const DimExpr n = dim("N"), m = dim("M");

const Row rows[] = {
    {{}, {}, Shape{}},
    {{3}, {}, Shape{3}},
    {{3}, {3}, Shape{3}},
    {{3}, {1}, Shape{3}},
    {{1}, {1}, Shape{1}},
    {{2, 3}, {3}, Shape{2, 3}},
    {{2, 3}, {2, 1}, Shape{2, 3}},
    {{2, 1}, {1, 3}, Shape{2, 3}},
    {{4, 1, 3}, {2, 1}, Shape{4, 2, 3}},
    {{0}, {1}, Shape{0}},
    {{0, 3}, {3}, Shape{0, 3}},
    {{n}, {n}, Shape{n}},
    {{n, 3}, {3}, Shape{n, 3}},
    {{n, 3}, {n, 1}, Shape{n, 3}},
    {{n, 1}, {1, m}, Shape{n, m}},
    {{n + 1}, {1 + n}, Shape{n + 1}},
    {{2 * n}, {n + n}, Shape{2 * n}},
    {{3}, {4}, std::nullopt},
    {{0}, {2}, std::nullopt},
    {{2, 3}, {2}, std::nullopt},
    {{n}, {m}, std::nullopt},
    {{n}, {3}, std::nullopt},
    {{n}, {n + 1}, std::nullopt},
    {{n, 3}, {n}, std::nullopt},
};

} // namespace

TEST(BroadcastTest, FollowsNumPy) {
  for (const Row &row : rows) {
    SCOPED_TRACE(row.a.str() + " and " + row.b.str());
    for (bool swap : {false, true}) {
      Graph g;
      Tensor a = g.placeholder("a", f32, swap ? row.b : row.a);
      Tensor b = g.placeholder("b", f32, swap ? row.a : row.b);
      if (row.result) {
        EXPECT_EQ((a + b).shape(), *row.result);
        EXPECT_EQ((a < b).shape(), *row.result);
        EXPECT_EQ((a < b).dtype(), boolean);
        EXPECT_EQ(where(a < b, a, b).shape(), *row.result);
        continue;
      }
      EXPECT_MISTAKE("add", "do not broadcast", a + b);
      std::optional<Error> error = errorOf([&] { a + b; });
      EXPECT_EQ(error->shapes(), (std::vector<Shape>{a.shape(), b.shape()}));
    }
  }
}

TEST(BroadcastTest, InsertsAnOpOnlyWhereSizesDiffer) {
  Graph g;
  Tensor a = g.placeholder("a", f32, {n, 3}), b = g.placeholder("b", f32, {3});
  a + a;
  EXPECT_EQ(countOf(g.str(), "sinter.broadcast"), 0);
  a + b;
  EXPECT_EQ(countOf(g.str(), "sinter.broadcast"), 1);
  EXPECT_NE(g.str().find("dimensions = array<i64: 1>"), std::string::npos);
  a * 2;
  EXPECT_EQ(countOf(g.str(), "sinter.broadcast"), 1) << "numbers are made in the right shape";
}

TEST(BroadcastTest, HintsAtTheLikelyCause) {
  Graph g;
  Tensor a = g.placeholder("a", f32, {2, 3}), b = g.placeholder("b", f32, {2});
  EXPECT_MISTAKE("mul", "expandDims(x, -1)", a * b);
  Tensor c = g.placeholder("c", f32, {n}), d = g.placeholder("d", f32, {m});
  EXPECT_MISTAKE("sub", "a symbolic size never broadcasts", c - d);
  EXPECT_MISTAKE("sub", "sizes N and M at axis -1", c - d);
}

TEST(BroadcastTest, BroadcastTo) {
  Graph g;
  Tensor a = g.placeholder("a", f32, {1, 3});
  EXPECT_EQ(a.broadcastTo({n, 2, 3}).shape(), (Shape{n, 2, 3}));
  EXPECT_TRUE(a.broadcastTo({1, 3}).isSame(a));
  EXPECT_MISTAKE("broadcastTo", "does not broadcast", a.broadcastTo({3}));
  EXPECT_MISTAKE("broadcastTo", "does not broadcast", a.broadcastTo({1, 1}));
  EXPECT_MISTAKE("broadcastTo", "do not broadcast", a.broadcastTo({2, 4}));
  EXPECT_MISTAKE("broadcastTo", "negative", a.broadcastTo({-1, 3}));
}
