// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N");

class CompositeTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 10});
  Tensor ids = g.placeholder("ids", i32, {n});
};
} // namespace

TEST_F(CompositeTest, KeepTheirShapes) {
  EXPECT_EQ(x.softmax().str(), "f32[N, 10]");
  EXPECT_EQ(x.logSoftmax(0).str(), "f32[N, 10]");
  EXPECT_EQ(x.logsumexp(-1).str(), "f32[N]");
  EXPECT_EQ(x.logsumexp({0, 1}, true).str(), "f32[1, 1]");
  EXPECT_EQ(x.logsumexp().str(), "f32[]");
  EXPECT_EQ(x.mean().str(), "f32[]");
  EXPECT_EQ(x.mean(0).str(), "f32[10]");
  EXPECT_EQ(x.var(-1, true, 1).str(), "f32[N, 1]");
  EXPECT_EQ(x.gelu().str(), "f32[N, 10]");
  EXPECT_EQ(x.gelu(Gelu::Tanh).str(), "f32[N, 10]");
  EXPECT_EQ(x.silu().str(), "f32[N, 10]");
  EXPECT_EQ(x.softplus().str(), "f32[N, 10]");
  EXPECT_EQ(x.leakyRelu(0.1).str(), "f32[N, 10]");
  EXPECT_EQ(x.clamp(-1, 1).str(), "f32[N, 10]");
  EXPECT_EQ(x.square().str(), "f32[N, 10]");
  EXPECT_EQ(x.reciprocal().str(), "f32[N, 10]");
  EXPECT_EQ(mse(x, x).str(), "f32[]");
  EXPECT_EQ(mse(x, 0).str(), "f32[]");
  EXPECT_EQ(softmaxCrossEntropy(x, ids).str(), "f32[N]");
  EXPECT_EQ(ids.oneHot(10).str(), "f32[N, 10]");
  EXPECT_EQ(ids.oneHot(n, boolean).str(), "bool[N, N]");
}

TEST_F(CompositeTest, LayerNorm) {
  Tensor gamma = g.parameter("gamma", f32, {10}, init::ones());
  Tensor beta = g.parameter("beta", f32, {10});
  EXPECT_EQ(layerNorm(x, gamma, beta).str(), "f32[N, 10]");
  EXPECT_EQ(countOf(g.str(), "sinter.reduce_sum"), 2);
  Tensor narrow = g.parameter("narrow", f32, {9});
  EXPECT_MISTAKE("layerNorm", "gamma does not have the sizes", layerNorm(x, narrow, narrow));
  EXPECT_MISTAKE("layerNorm", "different shapes", layerNorm(x, gamma, narrow));
  EXPECT_MISTAKE("layerNorm", "gamma needs rank 1 to 2", layerNorm(x, g.scalar(f32, 1), beta));
}

TEST_F(CompositeTest, LinearKeepsLeadingAxes) {
  Tensor w = g.parameter("w", f32, {10, 4}), b = g.parameter("b", f32, {4});
  EXPECT_EQ(x.linear(w, b).str(), "f32[N, 4]");
  EXPECT_EQ(x.reshape({n, 1, 10}).linear(w, b).str(), "f32[N, 1, 4]");
  EXPECT_MISTAKE("linear", "in matmul: inner sizes 10 and 4 differ", x.linear(w.transpose(), b));
  EXPECT_MISTAKE("linear", "in add: shapes do not broadcast", x.linear(w, x.sum(0)));
}

TEST_F(CompositeTest, MeanOfSymbolicSizesDividesByTheirValue) {
  x.mean();
  EXPECT_EQ(countOf(g.str(), "sinter.dim_value {expression = \"10*N\"}"), 1) << g.str();
  x.mean(1);
  EXPECT_EQ(countOf(g.str(), "sinter.dim_value"), 1) << "10 is known";
}

TEST_F(CompositeTest, SoftmaxSubtractsTheMaximumWithoutAGradient) {
  x.softmax();
  std::string text = g.str();
  EXPECT_EQ(countOf(text, "sinter.reduce_max"), 1);
  EXPECT_EQ(countOf(text, "sinter.stop_gradient"), 1);
  EXPECT_EQ(countOf(text, "sinter.exp"), 1);
  EXPECT_EQ(countOf(text, "sinter.reduce_sum"), 1);
}

TEST_F(CompositeTest, EveryOpCarriesNameAndCallersLine) {
  unsigned line = __LINE__ + 1;
  x.softmax();
  std::string text = g.str(Graph::Locations::Print);
  EXPECT_NE(text.find(":" + std::to_string(line) + ":"), std::string::npos);
  EXPECT_NE(text.find("loc(\"softmax\"("), std::string::npos);
  EXPECT_EQ(text.find("Composite.cpp"), std::string::npos);
  EXPECT_EQ(text.find("Structural.cpp"), std::string::npos);
}

TEST_F(CompositeTest, CrossEntropyChecksItsLabels) {
  Tensor rows = g.placeholder("rows", f32, {n, 10});
  EXPECT_MISTAKE("softmaxCrossEntropy", "labels are integers", softmaxCrossEntropy(x, rows));
  EXPECT_MISTAKE("softmaxCrossEntropy", "not one-hot rows", softmaxCrossEntropy(x, rows.cast(i32)));
  EXPECT_MISTAKE("softmaxCrossEntropy", "sizes of logits", softmaxCrossEntropy(x, ids.expandDims(0)));
  EXPECT_MISTAKE("softmaxCrossEntropy", "at least one axis", softmaxCrossEntropy(g.scalar(f32, 1), ids));
  EXPECT_MISTAKE("softmaxCrossEntropy", "needs floats", softmaxCrossEntropy(ids, ids));
}

TEST_F(CompositeTest, NeedFloats) {
  EXPECT_MISTAKE("mean", "needs floats, not i32", ids.mean());
  EXPECT_MISTAKE("softmax", ".cast(f32)", ids.softmax());
  EXPECT_MISTAKE("gelu", ".cast(f32)", ids.gelu());
  EXPECT_MISTAKE("oneHot", "indices are integers", x.oneHot(3));
  EXPECT_MISTAKE("softmax", "axis 2 is out of range for rank 2", x.softmax(2));
  EXPECT_MISTAKE("mean", "in sum: axis -3 is out of range", x.mean(-3));
}

TEST_F(CompositeTest, MseRefusesToBroadcast) {
  EXPECT_MISTAKE("mse", "different shapes; shapes [N, 10] and [10]", mse(x, x.sum(0)));
}
