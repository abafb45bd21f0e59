// SPDX-License-Identifier: Apache-2.0
// Activations, losses, attention, recurrences, quantization: shapes, and what is refused.
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N");

class FamiliesTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 6});
  Tensor labels = g.placeholder("labels", i64, {n});
  Tensor integers = g.placeholder("integers", i32, {n, 6});

  Tensor in(const Shape &shape, DType dtype = f32) {
    return g.placeholder("p" + std::to_string(g.arguments().size()), dtype, shape);
  }
};
} // namespace

TEST_F(FamiliesTest, Activations) {
  EXPECT_EQ(x.glu().str(), "f32[N, 3]");
  EXPECT_EQ(x.prelu(in({6})).str(), "f32[N, 6]");
  EXPECT_EQ(in({2}, bf16).mish().str(), "bf16[2]");
  EXPECT_MISTAKE("elu", "needs floats, not i32", integers.elu());
  EXPECT_MISTAKE("glu", "size 3 does not divide into 2 parts", x.slice(1, 0, 3).glu());
  EXPECT_MISTAKE("celu", "alpha must be positive", x.celu(0));
  EXPECT_MISTAKE("hardTanh", "wrong order", x.hardTanh(1, -1));
  EXPECT_MISTAKE("softShrink", "must not be negative", x.softShrink(-1));
  EXPECT_MISTAKE("prelu", "does not broadcast", x.prelu(in({2, 1, 6})));
  EXPECT_MISTAKE("prelu", "the slope is f64, not f32", x.prelu(in({6}, f64)));
}

TEST_F(FamiliesTest, Statistics) {
  EXPECT_EQ(x.stdDev(0).str(), "f32[6]");
  EXPECT_EQ(x.norm(3, 1, true).str(), "f32[N, 1]");
  EXPECT_EQ(integers.any(0).str(), "bool[6]");
  EXPECT_EQ((x > 0).all().str(), "bool[]");
  EXPECT_EQ(x.countNonzero(1).str(), "i64[N]");
  EXPECT_EQ(in({2}, f16).mean().str(), "f16[]");
  EXPECT_EQ(x.cosineSimilarity(x).str(), "f32[N]");
  EXPECT_MISTAKE("norm", "p must not be negative", x.norm(-1));
  EXPECT_MISTAKE("cosineSimilarity", "different shapes; shapes [N, 6] and [6]",
                 x.cosineSimilarity(in({6})));
  EXPECT_MISTAKE("isClose", "tolerances", x.isClose(x, -1));
}

TEST_F(FamiliesTest, LabelLosses) {
  EXPECT_EQ(softmaxCrossEntropy(x, labels, LabelLossOptions{}).str(), "f32[]");
  EXPECT_EQ(softmaxCrossEntropy(x, labels, {.reduction = Reduction::None}).str(), "f32[N]");
  EXPECT_EQ(nllLoss(in({2, 6, n}), in({2, n}, i32), {.axis = 1}).str(), "f32[]");
  EXPECT_MISTAKE("nllLoss", "one weight per class; shapes [N, 6] and [5]",
                 nllLoss(x, labels, {.weights = in({5})}));
  EXPECT_MISTAKE("nllLoss", "label smoothing must lie in [0, 1]",
                 nllLoss(x, labels, {.labelSmoothing = 1.5}));
  EXPECT_MISTAKE("nllLoss", "without axis 0; shapes [N, 6] and [N]",
                 nllLoss(x, labels, {.axis = 0}));
  EXPECT_MISTAKE("softmaxCrossEntropy", "axis 2 is out of range",
                 softmaxCrossEntropy(x, labels, {.axis = 2}));
  EXPECT_MISTAKE("softmaxCrossEntropy", "labels are integers",
                 softmaxCrossEntropy(x, x, LabelLossOptions{}));
}

TEST_F(FamiliesTest, PairLosses) {
  EXPECT_EQ(x.huber(0.0, 2, Reduction::None).str(), "f32[N, 6]");
  EXPECT_EQ(bceWithLogits(x, x, {.positiveWeight = in({6})}).str(), "f32[]");
  EXPECT_MISTAKE("huber", "delta must be positive", x.huber(x, 0));
  EXPECT_MISTAKE("l1Loss", "different shapes; shapes [N, 6] and [6]", x.l1Loss(in({6})));
  EXPECT_MISTAKE("bce", "the target is f64, not f32", x.bce(in({n, 6}, f64)));
  EXPECT_MISTAKE("cosineEmbedding", "one target per row", cosineEmbedding(x, x, in({6})));
}

TEST_F(FamiliesTest, Attention) {
  Tensor q = in({2, 8, n, 16}), k = in({2, 4, 5, 16}), v = in({2, 4, 5, 3});
  EXPECT_EQ(q.attention(k, v).str(), "f32[2, 8, N, 3]");
  EXPECT_EQ(q.attention(k, v, {.mask = in({n, 5}, boolean)}).str(), "f32[2, 8, N, 3]");
  EXPECT_EQ(countOf(g.str(), "sinter.attention"), 2);
  EXPECT_MISTAKE("attention",
                 "have different widths 16 and 3; shapes [2, 8, N, 16], [2, 4, 5, 3] and",
                 q.attention(v, v));
  EXPECT_MISTAKE("attention", "8 heads of the query do not divide into groups for 3",
                 q.attention(in({2, 3, 5, 16}), in({2, 3, 5, 3})));
  EXPECT_MISTAKE("attention", "there are 5 keys and 4 values", q.attention(k, in({2, 4, 4, 3})));
  EXPECT_MISTAKE("attention", "equal ranks", q.attention(k, in({5, 3})));
  EXPECT_MISTAKE("attention", "shapes do not broadcast: sizes 4 and 5",
                 q.attention(k, v, {.mask = in({4}, boolean)}));
  EXPECT_MISTAKE("attention", "the mask is i32", q.attention(k, v, {.mask = in({n, 5}, i32)}));
}

TEST_F(FamiliesTest, Rotation) {
  EXPECT_EQ(in({2, n, 8}).rotaryEmbedding({.dims = 4}).str(), "f32[2, N, 8]");
  EXPECT_EQ(in({2, 3, 8}, f16).rotaryEmbedding().str(), "f16[2, 3, 8]");
  EXPECT_MISTAKE("rotaryEmbedding", "turns pairs, but the last axis has size 7",
                 in({n, 7}).rotaryEmbedding());
  EXPECT_MISTAKE("rotaryEmbedding", "even number of dims", x.rotaryEmbedding({.dims = 3}));
  EXPECT_MISTAKE("rotate", "turns 8 elements of 6", x.rotate(in({4}), in({4})));
}

TEST_F(FamiliesTest, Recurrence) {
  RecurrentWeights w = {in({6, 12}), in({3, 12})};
  Tensor sequence = in({n, 4, 6});
  RecurrentResult result = lstm(sequence, {w, w});
  EXPECT_EQ(result.outputs.str(), "f32[N, 4, 6]");
  ASSERT_EQ(result.c.size(), 2u);
  EXPECT_EQ(result.c[1].str(), "f32[N, 3]");
  EXPECT_EQ(countOf(g.str(), "sinter.dot_general"), 2 + 2 * 4) << "x is multiplied once";
  EXPECT_MISTAKE("lstm", "the number of steps must be known and positive, not N",
                 lstm(in({2, n, 6}), {w}));
  EXPECT_MISTAKE("lstm", "one or two directions, not 0", lstm(sequence, {}));
  EXPECT_MISTAKE("lstm", "one initial state per direction", lstm(sequence, {w, w}, {{x, x}}));
  EXPECT_MISTAKE("gru", "3 gates for a hidden size of 3 need 9 columns", gru(sequence, {w}));
  EXPECT_MISTAKE("lstmCell", "the state needs the shape [N, 3]", lstmCell(x, {x, x}, w));
  EXPECT_MISTAKE("rnnCell", "the input weight has 5 rows",
                 rnnCell(x, in({n, 3}), {in({5, 3}), in({3, 3})}));
}

TEST_F(FamiliesTest, Quantization) {
  Tensor scale = in({6});
  EXPECT_EQ(x.quantizeLinear(scale).str(), "u8[N, 6]");
  EXPECT_EQ(x.quantizeLinear(g.scalar(f32, 0.5), {.zeroPoint = in({}, i16)}).str(), "i16[N, 6]");
  EXPECT_EQ(integers.cast(i8).dequantizeLinear(scale.cast(f16)).str(), "f16[N, 6]");
  EXPECT_EQ(dynamicQuantize(x).values.str(), "u8[N, 6]");
  EXPECT_MISTAKE("quantizeLinear", "one number per index of axis 0; shapes [N, 6] and [6]",
                 x.quantizeLinear(scale, {.axis = 0}));
  EXPECT_MISTAKE("quantizeLinear", "not i32", x.quantizeLinear(scale, {.dtype = i32}));
  EXPECT_MISTAKE("quantizeLinear", "the zero point does not have the scale's shape",
                 x.quantizeLinear(scale, {.zeroPoint = in({}, u8)}));
  EXPECT_MISTAKE("dequantizeLinear", "needs integers", x.dequantizeLinear(scale));
  EXPECT_MISTAKE("fakeQuantize", "the scale is i32, not a float",
                 x.fakeQuantize(integers.at(0, 0)));
}
