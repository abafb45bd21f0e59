// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N");

class GradientsTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 3});
  Tensor w = g.parameter("w", f32, {3, 2});
  Tensor b = g.parameter("b", f64, {2});
};
} // namespace

TEST_F(GradientsTest, RecordsOneOpWithTheCallersLine) {
  Tensor loss = x.matmul(w).square().mean();
  unsigned line = __LINE__ + 1;
  std::vector<Tensor> grads = gradients(loss, {w, x});
  ASSERT_EQ(grads.size(), 2u);
  EXPECT_EQ(grads[0].str(), "f32[3, 2]");
  EXPECT_EQ(grads[1].str(), "f32[N, 3]");
  EXPECT_EQ(grads[0].location().line, line);
  EXPECT_EQ(countOf(g.str(), "sinter.gradients"), 1);
}

TEST_F(GradientsTest, ApplyToTheirOwnResult) {
  Tensor y = x.tanh().sum();
  Tensor dx = gradient(y, x);
  Tensor ddx = gradient(dx.square().sum(), x);
  EXPECT_EQ(ddx.str(), "f32[N, 3]");
  EXPECT_EQ(countOf(g.str(), "sinter.gradients"), 2);
}

TEST_F(GradientsTest, OfNothingIsNothing) { EXPECT_TRUE(gradients(x.sum(), {}).empty()); }

TEST_F(GradientsTest, NeedAScalarOrACotangent) {
  EXPECT_MISTAKE("gradients", "not a scalar and has no cotangent; shape [N, 3]",
                 gradients(x * 2, {x}));
  EXPECT_MISTAKE("gradients", "y.sum()", gradient(x * 2, x));
  EXPECT_EQ(gradients({x * 2}, {x}, {x})[0].str(), "f32[N, 3]");
  EXPECT_EQ(gradient(x.sum({0, 1}, true), x).str(), "f32[N, 3]") << "one element is a scalar";
  EXPECT_MISTAKE("gradients", "1 cotangents for 2 ys", gradients({x, x}, {x}, {x}));
  EXPECT_MISTAKE("gradients", "does not have the shape of its y", gradients({x * 2}, {x}, {w}));
  EXPECT_MISTAKE("gradients", ".cast(f32)", gradients({x * 2}, {x}, {x.cast(f64)}));
  EXPECT_MISTAKE("gradients", "operand 0 is an empty Tensor", gradient(Tensor(), x));
}

TEST_F(GradientsTest, NeedFloats) {
  Tensor i = g.placeholder("i", i32, {});
  EXPECT_MISTAKE("gradients", "y must be f16, bf16, f32 or f64, not i32", gradient(i + 1, x));
  EXPECT_MISTAKE("gradients", "x must be f16, bf16, f32 or f64, not i32", gradient(x.sum(), i));
}

TEST_F(GradientsTest, AnIndependentXHasGradientZero) {
  EXPECT_EQ(gradient(x.sum(), b).str(), "f64[2]");
  EXPECT_EQ(gradient(x.stopGradient().sum(), x).str(), "f32[N, 3]");
}

TEST_F(GradientsTest, ThroughAnIndexNamesTheOpAndItsLine) {
  Tensor score = x.matmul(w);
  unsigned line = __LINE__ + 1;
  Tensor label = score.argmax();
  Tensor y = label.cast(f32).mean();
  EXPECT_MISTAKE("gradients", "its result is an index", gradient(y, w));
  EXPECT_MISTAKE("gradients",
                 "'argmax' at " + std::string(__FILE__) + ":" + std::to_string(line) + ":",
                 gradient(y, w));
  // Another path makes it well defined.
  EXPECT_EQ(gradient(y + score.sum(), w).str(), "f32[3, 2]");
  // Cut on purpose.
  EXPECT_EQ(gradient(y.stopGradient(), w).str(), "f32[3, 2]");
}

TEST_F(GradientsTest, ThroughAComparisonNamesIt) {
  unsigned line = __LINE__ + 1;
  Tensor hits = (x > 0).cast(f32).mean();
  EXPECT_MISTAKE("gradients", "'greater' at", gradient(hits, x));
  EXPECT_MISTAKE("gradients", std::to_string(line), gradient(hits, x));
  EXPECT_EQ(gradient(where(x > 0, x, 0).sum(), x).str(), "f32[N, 3]");
}

TEST_F(GradientsTest, ThroughIntegersAndBack) {
  EXPECT_MISTAKE("gradients", "argmax", gradient(x.pick(x.argmax()).argmax(0).cast(f32), x));
  EXPECT_EQ(gradient(x.pick(x.argmax()).sum(), x).str(), "f32[N, 3]");
}

TEST_F(GradientsTest, TensorsOfAnotherGraph) {
  Graph other;
  Tensor z = other.placeholder("z", f32, {});
  EXPECT_MISTAKE("gradients", "different graphs", gradient(x.sum(), z));
  EXPECT_MISTAKE("gradients", "different graphs", gradients({x.sum(), z}, {x}));
}

TEST_F(GradientsTest, AnOpThatNoGradientReachesIsNoObstacle) {
  // The index comes from x, but the cast of it is a constant to the derivative.
  Tensor index = x.stopGradient().argmax().cast(f32);
  EXPECT_EQ(gradient((x.sum(-1) * index).sum(), x).str(), "f32[N, 3]");
}

// -- Forward mode ---------------------------------------------------------------------------------

TEST_F(GradientsTest, JvpRecordsOneOpWithTheCallersLine) {
  Tensor v = g.placeholder("v", f32, {3, 2});
  Tensor y = x.matmul(w);
  unsigned line = __LINE__ + 1;
  std::vector<Tensor> tangents = jvp({y, y.square().sum()}, {w}, {v});
  ASSERT_EQ(tangents.size(), 2u);
  EXPECT_EQ(tangents[0].str(), "f32[N, 2]");
  EXPECT_EQ(tangents[1].str(), "f32[]");
  EXPECT_EQ(tangents[0].location().line, line);
  EXPECT_EQ(countOf(g.str(), "sinter.jvp"), 1);
}

TEST_F(GradientsTest, JvpMistakes) {
  Tensor y = x.matmul(w);
  EXPECT_TRUE(jvp({}, {w}, {w}).empty());
  EXPECT_MISTAKE("jvp", "1 tangents for 2 xs", jvp({y}, {w, x}, {w}));
  EXPECT_MISTAKE("jvp", "a tangent does not have the shape of its x; shapes [N, 3] and [3, 2]",
                 tangent(y, w, x));
  EXPECT_MISTAKE("jvp", "a tangent is f64, its x f32", tangent(y, w, w.cast(f64)));
  EXPECT_MISTAKE("jvp", ".cast(f32)", tangent(y, w, w.cast(f64)));
  EXPECT_MISTAKE("jvp", "y must be f16, bf16, f32 or f64, not i64", tangent(y.argmax(), w, w));
  EXPECT_MISTAKE("jvp", "empty Tensor", tangent(y, w, Tensor()));
  Graph other;
  Tensor z = other.placeholder("z", f32, {3, 2});
  EXPECT_MISTAKE("jvp", "different graphs", tangent(y, w, z));
}

TEST_F(GradientsTest, JvpThroughAnIndexNamesTheOpAndItsLine) {
  Tensor score = x.matmul(w);
  unsigned line = __LINE__ + 1;
  Tensor label = score.argmax();
  EXPECT_MISTAKE("jvp", "'argmax' at " + std::string(__FILE__) + ":" + std::to_string(line) + ":",
                 tangent(label.cast(f32), w, w));
  EXPECT_EQ(tangent(score.pick(label), w, w).str(), "f32[N]");
}

TEST_F(GradientsTest, HvpIsOneOfEach) {
  Tensor loss = x.matmul(w).tanh().sum();
  EXPECT_EQ(hvp(loss, {w}, {w})[0].str(), "f32[3, 2]");
  EXPECT_EQ(countOf(g.str(), "sinter.gradients"), 1);
  EXPECT_EQ(countOf(g.str(), "sinter.jvp"), 1);
}
