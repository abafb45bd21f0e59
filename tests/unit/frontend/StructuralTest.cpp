// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N"), m = dim("M");

class StructuralTest : public testing::Test {
protected:
  Graph g;
  int count = 0;
  Tensor tensor(const Shape &shape, DType dtype = f32) {
    return g.placeholder("x" + std::to_string(count++), dtype, shape);
  }
};
} // namespace

TEST_F(StructuralTest, Cast) {
  Tensor x = tensor({n});
  EXPECT_EQ(x.cast(i64).str(), "i64[N]");
  EXPECT_TRUE(x.cast(f32).isSame(x));
}

TEST_F(StructuralTest, Reshape) {
  Tensor x = tensor({n, 28, 28});
  EXPECT_EQ(x.reshape({n, 784}).str(), "f32[N, 784]");
  EXPECT_EQ(x.reshape({n, -1}).str(), "f32[N, 784]");
  EXPECT_EQ(x.reshape({-1, 784}).str(), "f32[N, 784]");
  EXPECT_EQ(x.reshape({-1}).shape(), Shape{784 * n});
  EXPECT_EQ(x.reshape({2 * n, -1}).str(), "f32[2*N, 392]");
  EXPECT_EQ(tensor({}).reshape({1, 1}).str(), "f32[1, 1]");
  EXPECT_EQ(tensor({0, 3}).reshape({3, 0}).str(), "f32[3, 0]");
  EXPECT_MISTAKE("reshape", "[3, 4]", tensor({2, 3}).reshape({3, 4}));
  EXPECT_MISTAKE("reshape", "only one size may be -1", x.reshape({-1, -1}));
  EXPECT_EQ(x.reshape({m, -1}).size(1), floorDiv(784 * n, m)); // Checked at the call.
  EXPECT_MISTAKE("reshape", "do not divide", tensor({7}).reshape({2, -1}));
  EXPECT_MISTAKE("reshape", "do not divide", tensor({0}).reshape({0, -1}));
  EXPECT_MISTAKE("reshape", "negative", x.reshape({-2, 784}));
}

TEST_F(StructuralTest, TransposeAndSwapAxes) {
  Tensor x = tensor({2, n, 4});
  EXPECT_EQ(x.transpose().str(), "f32[4, N, 2]");
  EXPECT_EQ(x.transpose({1, 0, 2}).str(), "f32[N, 2, 4]");
  EXPECT_EQ(x.transpose({-1, 0, 1}).str(), "f32[4, 2, N]");
  EXPECT_EQ(x.swapAxes(0, -1).str(), "f32[4, N, 2]");
  EXPECT_MISTAKE("transpose", "2 entries, the tensor rank 3", x.transpose({0, 1}));
  EXPECT_MISTAKE("transpose", "permutation", x.transpose({0, 1, 1}));
  EXPECT_MISTAKE("transpose", "axis 3 is out of range", x.transpose({0, 1, 3}));
  EXPECT_MISTAKE("swapAxes", "axis -4 is out of range", x.swapAxes(0, -4));
}

TEST_F(StructuralTest, ExpandSqueezeFlatten) {
  Tensor x = tensor({n, 3});
  EXPECT_EQ(x.expandDims(0).str(), "f32[1, N, 3]");
  EXPECT_EQ(x.expandDims(-1).str(), "f32[N, 3, 1]");
  EXPECT_EQ(x.expandDims(1).squeeze().str(), "f32[N, 3]");
  EXPECT_EQ(tensor({1, n, 1}).squeeze(-1).str(), "f32[1, N]");
  EXPECT_EQ(tensor({1, n, 1}).squeeze({0, 2}).str(), "f32[N]");
  EXPECT_EQ(tensor({n, 2, 3}).flatten(1).str(), "f32[N, 6]");
  EXPECT_EQ(tensor({n, 2, 3}).flatten().shape(), Shape{6 * n});
  EXPECT_EQ(tensor({}).flatten().str(), "f32[1]");
  EXPECT_MISTAKE("squeeze", "axis 0 has size N, not 1", x.squeeze(0));
  EXPECT_MISTAKE("expandDims", "axis 3 is out of range for rank 3", x.expandDims(3));
}

TEST_F(StructuralTest, Slice) {
  Tensor x = tensor({n, 10});
  EXPECT_EQ(x.slice(1, 2, 8).str(), "f32[N, 6]");
  EXPECT_EQ(x.slice(1, 0, 10, 3).str(), "f32[N, 4]");
  EXPECT_EQ(x.slice(-1, -3, 10).str(), "f32[N, 3]");
  EXPECT_EQ(x.slice(1, 1, -1).str(), "f32[N, 8]");
  EXPECT_EQ(x.slice(1, 4, 4).str(), "f32[N, 0]");
  EXPECT_EQ(x.slice(0, 1, n).str(), "f32[N - 1, 10]");
  EXPECT_EQ(tensor({4, 6}).slices({1, 0}, {3, 6}, {1, 2}).str(), "f32[2, 3]");
  EXPECT_EQ(x.at(1, 3).str(), "f32[N]");
  EXPECT_EQ(x.at(1, -1).str(), "f32[N]");
  EXPECT_MISTAKE("slice", "10", x.slice(1, 5, 11));
  EXPECT_MISTAKE("slice", "", x.slice(1, 5, 4));
  EXPECT_MISTAKE("slice", "", x.slice(1, 0, 4, 0));
  EXPECT_MISTAKE("slice", "", x.slice(1, 0, 4, -1));
  EXPECT_MISTAKE("slice", "axis 2 is out of range", x.slice(2, 0, 1));
  EXPECT_MISTAKE("at", "", x.at(1, 10));
  EXPECT_MISTAKE("slices", "one start, limit and step per axis", x.slices({0}, {1}));
}

TEST_F(StructuralTest, Pad) {
  EXPECT_EQ(tensor({n, 3}).pad({1, 0}, {1, 2}, -1).str(), "f32[N + 2, 5]");
  EXPECT_MISTAKE("pad", "", tensor({3}).pad({-1}, {0}));
  EXPECT_MISTAKE("pad", "", tensor({3}).pad({1, 1}, {0}));
  EXPECT_MISTAKE("pad", "", tensor({3}, i32).pad({1}, {0}, 0.5));
}

TEST_F(StructuralTest, ConcatStackSplit) {
  Tensor a = tensor({n, 2}), b = tensor({n, 3});
  EXPECT_EQ(concat({a, b}, 1).str(), "f32[N, 5]");
  EXPECT_EQ(concat({a, b}, -1).str(), "f32[N, 5]");
  EXPECT_EQ(concat({a, tensor({m, 2})}).shape(), (Shape{n + m, 2}));
  EXPECT_EQ(stack({a, a, a}).str(), "f32[3, N, 2]");
  EXPECT_EQ(stack({a, a}, -1).str(), "f32[N, 2, 2]");
  std::vector<Tensor> parts = b.split({1, 2}, 1);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1].str(), "f32[N, 2]");
  EXPECT_EQ(tensor({2 * n}).split(2)[1].str(), "f32[N]");
  EXPECT_MISTAKE("concat", "", concat({a, b}, 0));
  EXPECT_MISTAKE("concat", "at least one tensor", concat({}));
  EXPECT_MISTAKE("concat", "axis", concat({a, b}, 2));
  EXPECT_MISTAKE("concat", "", concat({a, tensor({n, 2}, f64)}, 0));
  EXPECT_MISTAKE("stack", "different shapes", stack({a, b}));
  EXPECT_MISTAKE("split", "add up to 4", b.split({2, 2}, 1));
  EXPECT_MISTAKE("split", "does not divide into 2 parts", b.split(2, 1));
  EXPECT_MISTAKE("split", "does not divide into 0 parts", b.split(0, 1));
}

TEST_F(StructuralTest, Reductions) {
  Tensor x = tensor({n, 3, 4});
  EXPECT_EQ(x.sum().str(), "f32[]");
  EXPECT_EQ(x.sum(0).str(), "f32[3, 4]");
  EXPECT_EQ(x.sum(-1, true).str(), "f32[N, 3, 1]");
  EXPECT_EQ(x.max({2, 0}).str(), "f32[3]");
  EXPECT_EQ(x.min({0, -1}, true).str(), "f32[1, 3, 1]");
  EXPECT_EQ(x.prod().str(), "f32[]");
  EXPECT_EQ(x.argmax().str(), "i64[N, 3]");
  EXPECT_EQ(x.argmax(1, true).str(), "i64[N, 1, 4]");
  EXPECT_EQ(tensor({}).sum().str(), "f32[]");
  EXPECT_EQ(tensor({0, 2}).max(0).str(), "f32[2]");
  EXPECT_MISTAKE("sum", "axis 3 is out of range for rank 3", x.sum(3));
  EXPECT_MISTAKE("sum", "axis 2 is given twice", x.sum({2, -1}));
  EXPECT_MISTAKE("max", ".cast(i32)", tensor({2}, boolean).max());
  EXPECT_MISTAKE("argmax", "axis 0 is out of range for rank 0", tensor({}).argmax(0));
  EXPECT_MISTAKE("argmax", "", tensor({0}).argmax());
}

TEST_F(StructuralTest, MatmulFollowsNumPy) {
  struct Row {
    Shape a, b, result;
  };
  const Row rows[] = {
      {{2, 3}, {3, 4}, {2, 4}},
      {{n, 3}, {3, 4}, {n, 4}},
      {{3}, {3}, {}},
      {{3}, {3, 4}, {4}},
      {{2, 3}, {3}, {2}},
      {{5, 2, 3}, {3, 4}, {5, 2, 4}},
      {{n, 2, 3}, {3}, {n, 2}},
      {{5, 2, 3}, {5, 3, 4}, {5, 2, 4}},
      {{2, 3}, {5, 3, 4}, {5, 2, 4}},
      {{3}, {5, 3, 4}, {5, 4}},
      {{n, 1, 2, 3}, {7, 3, 4}, {n, 7, 2, 4}},
      {{1, 2, 3}, {n, 3, 4}, {n, 2, 4}},
      {{0, 3}, {3, 4}, {0, 4}},
      {{2, 0}, {0, 4}, {2, 4}},
  };
  for (const Row &row : rows) {
    SCOPED_TRACE(row.a.str() + " and " + row.b.str());
    EXPECT_EQ(tensor(row.a).matmul(tensor(row.b)).shape(), row.result);
  }
  Tensor x = tensor({n, 784}), w = tensor({10, 784});
  EXPECT_MISTAKE("matmul", "inner sizes 784 and 10 differ; shapes [N, 784] and [10, 784]", x.matmul(w));
  EXPECT_MISTAKE("matmul", "transpose the second operand", x.matmul(w));
  EXPECT_MISTAKE("matmul", "multiply with *", x.matmul(tensor({})));
  EXPECT_MISTAKE("matmul", "batch sizes 2 and 3", tensor({2, 1, 4}).matmul(tensor({3, 4, 1})));
  EXPECT_MISTAKE("matmul", "dtypes f32 and f64 do not mix", x.matmul(tensor({784, 1}, f64)));
  EXPECT_MISTAKE("matmul", "bool", tensor({2, 2}, boolean).matmul(tensor({2, 2}, boolean)));
}

TEST_F(StructuralTest, DotGeneral) {
  Tensor a = tensor({n, 2, 3}), b = tensor({n, 4, 3});
  DotDims dims{.lhsBatch = {0}, .rhsBatch = {0}, .lhsContract = {-1}, .rhsContract = {-1}};
  EXPECT_EQ(a.dotGeneral(b, dims).str(), "f32[N, 2, 4]");
  EXPECT_MISTAKE("dotGeneral", "", a.dotGeneral(b, {.lhsContract = {1}, .rhsContract = {1}}));
  EXPECT_MISTAKE("dotGeneral", "", a.dotGeneral(b, {.lhsContract = {1}}));
  EXPECT_MISTAKE("dotGeneral", "out of range", a.dotGeneral(b, {.lhsContract = {3}, .rhsContract = {1}}));
}

TEST_F(StructuralTest, Indexing) {
  Tensor table = tensor({100, 8}), ids = tensor({n, 5}, i32);
  EXPECT_EQ(table.gatherRows(ids).str(), "f32[N, 5, 8]");
  EXPECT_EQ(table.embedding(ids).str(), "f32[N, 5, 8]");
  EXPECT_EQ(scatterAddRows(ids, tensor({n, 5, 8}), 100).str(), "f32[100, 8]");
  EXPECT_EQ(tensor({n, 10}).pick(tensor({n}, i64)).str(), "f32[N]");
  EXPECT_MISTAKE("gatherRows", ".cast(i64)", table.gatherRows(tensor({3})));
  EXPECT_MISTAKE("embedding", "in gatherRows: ", table.embedding(tensor({3})));
  EXPECT_MISTAKE("gatherRows", "", tensor({}).gatherRows(ids));
  EXPECT_MISTAKE("pick", "", tensor({n, 10}).pick(tensor({m}, i64)));
  EXPECT_MISTAKE("scatterAddRows", "", scatterAddRows(ids, tensor({n, 4, 8}), 100));
  EXPECT_MISTAKE("scatterAddRows", "higher rank", scatterAddRows(ids, tensor({n}), 100));
}

TEST_F(StructuralTest, LikeFunctions) {
  Tensor x = tensor({n, 2}, i32);
  EXPECT_EQ(x.zerosLike().str(), "i32[N, 2]");
  EXPECT_EQ(tensor({3}, boolean).onesLike().str(), "bool[3]");
  EXPECT_EQ(x.fullLike(7, {5}).str(), "i32[5]");
}

TEST_F(StructuralTest, Where) {
  Tensor x = tensor({n, 3}), mask = tensor({3}, boolean);
  EXPECT_EQ(where(mask, x, 0).str(), "f32[N, 3]");
  EXPECT_EQ(mask.select(1.5, x).str(), "f32[N, 3]");
  EXPECT_MISTAKE("select", "condition must be bool, not f32", where(x, x, 0));
  EXPECT_MISTAKE("select", "one of the branches must be a tensor", where(mask, 1, 0));
  EXPECT_MISTAKE("select", "dtypes f32 and i32 do not mix", where(mask, x, tensor({3}, i32)));
}
