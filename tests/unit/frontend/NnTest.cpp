// SPDX-License-Identifier: Apache-2.0
// The shapes of layers over windows, and the mistakes that one can make with them. Their values are
// tests/ops/NnRows.cpp's matter.
#include "Expect.h"

using namespace sinter;

namespace {
const DimExpr n = dim("N"), h = dim("H");

class NnTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {n, 6, 9, 8});
  Tensor w = g.placeholder("w", f32, {4, 6, 3, 3});
  Tensor c = g.placeholder("c", f32, {6});
  Tensor wide = g.placeholder("wide", f64, {4, 6, 3, 3});
  Tensor row = g.placeholder("row", f32, {n, 6, h});
};
} // namespace

TEST_F(NnTest, ShapesOfConvolutions) {
  EXPECT_EQ(conv(x, w).shape(), (Shape{n, 4, 7, 6}));
  EXPECT_EQ(x.conv(w, {.strides = {2}, .padding = 1}).shape(), (Shape{n, 4, 5, 4}));
  EXPECT_EQ(conv2d(x, w, {.strides = {2, 3}, .padding = Padding::same()}).shape(),
            (Shape{n, 4, 5, 3}));
  EXPECT_EQ(conv(x, w, {.padding = Padding({1, 0}, {2, 1}), .dilations = {2, 1}}).shape(),
            (Shape{n, 4, 8, 7}));
  Tensor grouped = g.placeholder("grouped", f32, {10, 3, 1, 1});
  EXPECT_EQ(conv(x, grouped, {.groups = 2}).shape(), (Shape{n, 10, 9, 8}));
  Tensor v = g.placeholder("v", f32, {5, 6, 3});
  EXPECT_EQ(conv1d(row, v).shape(), (Shape{n, 5, h - 2}));
  EXPECT_EQ(conv1d(row, v, {.strides = {2}, .padding = 1}).shape(),
            (Shape{n, 5, floorDiv(h - 1, 2) + 1}));
}

TEST_F(NnTest, ShapesOfTransposedConvolutions) {
  Tensor v = g.placeholder("v", f32, {6, 5, 3, 2});
  EXPECT_EQ(convTranspose(x, v).shape(), (Shape{n, 5, 11, 9}));
  EXPECT_EQ(convTranspose(x, v, {.strides = {2}, .padding = 1, .outputPadding = {1, 0}}).shape(),
            (Shape{n, 5, 18, 14}));
  EXPECT_EQ(convTranspose(x, v, {.strides = {3}, .padding = Padding::same()}).shape(),
            (Shape{n, 5, 27, 24}));
  EXPECT_EQ(convTranspose(x, v, {.groups = 2}).shape(), (Shape{n, 10, 11, 9}));
  Tensor narrow = g.placeholder("narrow", f32, {6, 2, 4});
  EXPECT_EQ(convTranspose(row, narrow, {.strides = {2}}).shape(), (Shape{n, 2, 2 * h + 2}));
}

TEST_F(NnTest, ShapesOfPooling) {
  EXPECT_EQ(maxPool(x, {2, 2}).shape(), (Shape{n, 6, 4, 4}));
  EXPECT_EQ(x.avgPool({3, 3}, {.strides = {2}, .ceilMode = true}).shape(), (Shape{n, 6, 4, 4}));
  // The last window would start behind x, so there is none.
  Tensor y = g.placeholder("y", f32, {1, 1, 3});
  EXPECT_EQ(
      maxPool(y, {1}, {.strides = {4}, .padding = Padding({0}, {2}), .ceilMode = true}).shape(),
      (Shape{1, 1, 1}));
  EXPECT_EQ(maxPool(row, {2}).shape(), (Shape{n, 6, floorDiv(h - 2, 2) + 1}));
  EXPECT_EQ(adaptiveAvgPool(x, {4, 4}).shape(), (Shape{n, 6, 4, 4}));
  EXPECT_EQ(adaptiveMaxPool(row, {1}).shape(), (Shape{n, 6, 1}));
  EXPECT_EQ(globalAvgPool(row).shape(), (Shape{n, 6, 1}));
}

TEST_F(NnTest, MistakesWithConvolutions) {
  EXPECT_MISTAKE("conv", "has 6 input channels, the operand 5",
                 conv(g.placeholder("a", f32, {n, 5, 9, 8}), w));
  EXPECT_MISTAKE("conv", "[4, 6, 3, 3]", conv(g.placeholder("b", f32, {n, 5, 9, 8}), w));
  EXPECT_MISTAKE("conv", "has 6 input channels in each of 2 groups", conv(x, w, {.groups = 2}));
  EXPECT_MISTAKE("conv", "6 channels do not divide into 4 groups", conv(x, w, {.groups = 4}));
  EXPECT_MISTAKE("conv", "0 groups", conv(x, w, {.groups = 0}));
  EXPECT_MISTAKE("conv", "4 output channels do not divide into 3 groups",
                 conv(x, g.placeholder("d", f32, {4, 2, 3, 3}), {.groups = 3}));
  EXPECT_MISTAKE("conv", "stride 0 is not positive", conv(x, w, {.strides = {0}}));
  EXPECT_MISTAKE("conv", "3 strides for 2 spatial axes", conv(x, w, {.strides = {1, 1, 1}}));
  EXPECT_MISTAKE("conv", "dilation -1 is not positive", conv(x, w, {.dilations = {1, -1}}));
  EXPECT_MISTAKE("conv", "padding -1 is negative", conv(x, w, {.padding = -1}));
  EXPECT_MISTAKE("conv", "3 paddings for 2 spatial axes", conv(x, w, {.padding = {1, 1, 1}}));
  EXPECT_MISTAKE("conv", "larger than spatial axis 1 (8, padded 8)",
                 conv(x, w, {.dilations = {1, 4}}));
  EXPECT_MISTAKE("conv", "a window of 10 elements is larger than spatial axis 0 (9, padded 9)",
                 conv(x, g.placeholder("e", f32, {4, 6, 10, 1})));
  EXPECT_MISTAKE("conv", "[4, 6, 0, 3]", conv(x, g.placeholder("f", f32, {4, 6, 0, 3})));
  EXPECT_MISTAKE("conv", "the weight needs the rank of the operand", conv(row, w));
  EXPECT_MISTAKE("conv", "dtypes f32 and f64 of the operand and the weight do not mix",
                 conv(x, wide));
  EXPECT_MISTAKE("conv", "so at least rank 3", conv(c, w));
  EXPECT_MISTAKE("conv", "the bias [6] needs one number for each of 4 output channels",
                 conv(x, w, c));
  EXPECT_MISTAKE("conv1d", "needs an operand of rank 3", conv1d(x, w));
  EXPECT_MISTAKE("conv", "empty Tensor", conv(x, Tensor()));
  EXPECT_MISTAKE("convTranspose", "has 4 input channels, the operand 6", convTranspose(x, w));
  Tensor one = g.placeholder("one", f32, {6, 4, 1, 1});
  EXPECT_MISTAKE("convTranspose", "the padding leaves nothing of spatial axis 1",
                 convTranspose(x, one, {.padding = {0, 4}}));
  EXPECT_MISTAKE("convTranspose", "output padding -1",
                 convTranspose(x, one, {.outputPadding = {-1}}));
}

TEST_F(NnTest, MistakesWithWindows) {
  EXPECT_MISTAKE("windows", "needs one size", windows(c, {2, 2}));
  EXPECT_MISTAKE("windows", "a window of 7 elements is larger", windows(c, {7}));
  EXPECT_MISTAKE("windows", "is empty", windows(c, {0}));
  EXPECT_MISTAKE("overlapAdd", "[window_write_c1]",
                 overlapAdd(g.placeholder("two", f32, {n, 6, 3}), {9}));
  EXPECT_MISTAKE("overlapAdd", "at most half of the rank", overlapAdd(row, {9, 9}));
  EXPECT_MISTAKE("maxPool", "a window of 1 sizes for 2 spatial axes", maxPool(x, {2}));
  EXPECT_MISTAKE("maxPool", "stride -2 is not positive", x.maxPool({2, 2}, {.strides = {-2, 2}}));
  EXPECT_MISTAKE("maxPool", "needs numbers", maxPool(cast(x, boolean), {2, 2}));
  EXPECT_MISTAKE("avgPool", "needs a float dtype", avgPool(cast(x, i32), {2, 2}));
  EXPECT_MISTAKE("lpPool", "is not positive", lpPool(x, {2, 2}, 0));
  EXPECT_MISTAKE("adaptiveAvgPool", "must be known, or divide by 3", adaptiveAvgPool(row, {3}));
  EXPECT_MISTAKE("adaptiveAvgPool", "size 0 of the result", adaptiveAvgPool(x, {0, 1}));
  EXPECT_MISTAKE("globalMaxPool", "so at least rank 3", globalMaxPool(c));
  EXPECT_MISTAKE("pad", "needs at least 6 elements",
                 pad(c.slice(0, 0, 5), {5}, {0}, PadMode::Reflect));
  EXPECT_MISTAKE("pad", "needs one entry", pad(x, {1}, {1}, PadMode::Edge));
}

TEST_F(NnTest, MistakesWithNormsAndSizes) {
  Tensor four = g.placeholder("four", f32, {4});
  EXPECT_MISTAKE("batchNorm", "the mean needs one number per channel", batchNorm(x, c, c, four, c));
  EXPECT_MISTAKE("batchNorm", "epsilon", batchNorm(x, c, c, c, c, -1));
  EXPECT_MISTAKE("groupNorm", "6 channels do not divide into 4 groups", groupNorm(x, 4, c, c));
  EXPECT_MISTAKE("instanceNorm", "[4]", instanceNorm(x, four, c));
  EXPECT_MISTAKE("rmsNorm", "gamma does not have the sizes", rmsNorm(x, c));
  EXPECT_MISTAKE("lpNormalize", "axis 4 is out of range", lpNormalize(x, 2, 4));
  EXPECT_MISTAKE("localResponseNorm", "size 0", localResponseNorm(x, {.size = 0}));
  EXPECT_MISTAKE("resize", "size H of axis 2 must be known", resize(row, {4}, {2}));
  EXPECT_MISTAKE("resize", "one size", resize(x, {4}, {2, 3}));
  EXPECT_MISTAKE("resize", "axis 2 is given twice", resize(x, {4, 4}, {2, -2}));
  EXPECT_MISTAKE("resize", "cannot go from size 8 to 0", resize(x, {0}, {3}));
  EXPECT_MISTAKE("resize", "needs a float dtype",
                 resize(cast(x, i32), {4}, {3}, {.mode = ResizeMode::Linear}));
  EXPECT_MISTAKE("upsampleNearest", "factor 0", upsampleNearest(x, 0, {2}));
}
