// SPDX-License-Identifier: Apache-2.0
// Functions that move elements and sums with named axes: shapes, and what is refused.
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N");

class ArrangeTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 4, 6});
  Tensor matrix = g.placeholder("matrix", f32, {3, 5});
  Tensor vector = g.placeholder("vector", f32, {n});
  Tensor mask = g.placeholder("mask", boolean, {3, 5});
};
} // namespace

TEST_F(ArrangeTest, Shapes) {
  EXPECT_EQ(x.flip().str(), "f32[N, 4, 6]");
  EXPECT_EQ(x.roll(1, 0).str(), "f32[N, 4, 6]");
  EXPECT_EQ(x.tile({2, 1, 1, 3}).str(), "f32[2, N, 4, 18]");
  EXPECT_EQ(x.tile({n}).str(), "f32[N, 4, 6*N]");
  EXPECT_EQ(x.repeat(n, 0).str(), "f32[N*N, 4, 6]");
  EXPECT_EQ(x.moveAxis(0, -1).str(), "f32[4, 6, N]");
  EXPECT_EQ(x.unflatten(-1, {2, -1}).str(), "f32[N, 4, 2, 3]");
  EXPECT_EQ(x.tril().str(), "f32[N, 4, 6]");
  EXPECT_EQ(mask.triu(1).str(), "bool[3, 5]");
  EXPECT_EQ(x.diagonal().str(), "f32[N, 4]");
  EXPECT_EQ(x.diagonal(3).str(), "f32[N, 3]");
  EXPECT_EQ(x.diagonal(-7).str(), "f32[N, 0]");
  EXPECT_EQ(x.diagonal(0, 1, 2).str(), "f32[N, 4]");
  EXPECT_EQ(vector.diagonalMatrix(-2).str(), "f32[N + 2, N + 2]");
  EXPECT_EQ(matrix.slice(1, 0, 3).trace().str(), "f32[]");
  EXPECT_EQ(matrix.maskedFill(mask, 0).str(), "f32[3, 5]");
}

TEST_F(ArrangeTest, NothingToDoAddsNoOp) {
  int64_t before = g.numOps();
  EXPECT_TRUE(matrix.tile({1, 1}).isSame(matrix));
  EXPECT_TRUE(matrix.roll(-10, 1).isSame(matrix));
  EXPECT_TRUE(matrix.moveAxis(1, -1).isSame(matrix));
  EXPECT_EQ(g.numOps(), before);
}

TEST_F(ArrangeTest, Mistakes) {
  EXPECT_MISTAKE("flip", "axis 1 is given twice; shape [3, 5]", matrix.flip({1, -1}));
  EXPECT_MISTAKE("flip", "axis 2 is out of range for rank 2", matrix.flip(2));
  EXPECT_MISTAKE("roll", "axis -3 is out of range for rank 2", matrix.roll(1, -3));
  EXPECT_MISTAKE("tile", "cannot repeat -1 times", matrix.tile({-1, 1}));
  EXPECT_MISTAKE("repeat", "cannot repeat -2 times", matrix.repeat(-2, 0));
  EXPECT_MISTAKE("unflatten", "size 5 does not divide by 2", matrix.unflatten(1, {2, -1}));
  EXPECT_MISTAKE("unflatten", "the sizes multiply to 6, axis 1 has size 5",
                 matrix.unflatten(1, {2, 3}));
  EXPECT_MISTAKE("unflatten", "only one size may be -1", matrix.unflatten(1, {-1, -1}));
  EXPECT_MISTAKE("tril", "needs rank 2 or more", vector.tril());
  EXPECT_MISTAKE("diagonal", "axis 0 is given twice", matrix.diagonal(0, 0, -2));
  EXPECT_MISTAKE("diagonal", "which of N and 4 is smaller", x.diagonal(0, 0, 1));
  EXPECT_MISTAKE("kron", "needs equal ranks", matrix.kron(vector));
  EXPECT_MISTAKE("outer", "needs two vectors", outer(vector, matrix));
  EXPECT_MISTAKE("inner", "at least one axis", inner(vector, g.scalar(f32, 1)));
}

TEST_F(ArrangeTest, EinsumContractsInOneOp) {
  Tensor a = g.placeholder("a", f32, {2, n, 5}), b = g.placeholder("b", f32, {2, 5, 7});
  EXPECT_EQ(einsum("bij,bjk->bik", {a, b}).str(), "f32[2, N, 7]");
  EXPECT_EQ(countOf(g.str(), "sinter.dot_general"), 1);
  EXPECT_EQ(countOf(g.str(), "sinter.transpose"), 0) << g.str();
  EXPECT_EQ(einsum("...ij,...jk", {a, b}).str(), "f32[2, N, 7]");
  EXPECT_EQ(einsum("bij->", {a}).str(), "f32[]");
  EXPECT_EQ(einsum("bij->jib", {a}).str(), "f32[5, N, 2]");
}

TEST_F(ArrangeTest, EinsumMistakes) {
  EXPECT_MISTAKE("einsum", "sizes 5 and N of 'j' differ", einsum("ij,j->i", {matrix, vector}));
  EXPECT_MISTAKE("einsum", "operand 0 has 3 names for rank 2", einsum("ijk->i", {matrix}));
  EXPECT_MISTAKE("einsum", "operand 0 has 3 names for rank 2", einsum("...ijk->i", {matrix}));
  EXPECT_MISTAKE("einsum", "has 1 operands, given are 2", einsum("ij->i", {matrix, vector}));
  EXPECT_MISTAKE("einsum", "has more operands than the 1 given", einsum("ij,j->i", {matrix}));
  EXPECT_MISTAKE("einsum", "the output names 'k', no operand does", einsum("ij->k", {matrix}));
  EXPECT_MISTAKE("einsum", "the output names 'i' twice", einsum("ij->ii", {matrix}));
  EXPECT_MISTAKE("einsum", "'1' is no name of an axis", einsum("i1->i", {matrix}));
  EXPECT_MISTAKE("einsum", "'.' only occurs in '...'", einsum("i.->i", {matrix}));
  EXPECT_MISTAKE("einsum", "'.' only occurs in '...'", einsum("......->i", {matrix}));
  EXPECT_MISTAKE("einsum", "sizes 3 and 5 of 'i' differ", einsum("ii", {matrix}));
  EXPECT_MISTAKE("einsum", "is bool, not f32", einsum("ij,ij->i", {matrix, mask}));
  EXPECT_MISTAKE("einsum", "empty Tensor", einsum("ij->i", {Tensor()}));
}
