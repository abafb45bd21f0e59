// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

#include <cmath>

using namespace sinter;

static InitSpec specOf(const Initializer &init, const Shape &shape, DType dtype = f32) {
  Graph g;
  g.parameter("w", dtype, shape, init);
  return g.arguments()[0].init;
}

TEST(InitTest, FixedOnesKeepTheirNumbers) {
  EXPECT_EQ(specOf(init::zeros(), {2}).kind, InitSpec::Kind::Zeros);
  EXPECT_EQ(specOf(init::ones(), {2}), (InitSpec{InitSpec::Kind::Constant, 1, 0}));
  EXPECT_EQ(specOf(init::uniform(-2, 3), {2}), (InitSpec{InitSpec::Kind::Uniform, -2, 3}));
  EXPECT_EQ(specOf(init::normal(1, 2), {2}), (InitSpec{InitSpec::Kind::Normal, 1, 2}));
}

TEST(InitTest, KaimingScalesByTheInputs) {
  InitSpec spec = specOf(init::kaimingUniform(), {600, 10});
  EXPECT_EQ(spec.kind, InitSpec::Kind::Uniform);
  EXPECT_DOUBLE_EQ(spec.b, std::sqrt(2.0) * std::sqrt(3.0 / 600));
  EXPECT_DOUBLE_EQ(spec.a, -spec.b);
  EXPECT_DOUBLE_EQ(specOf(init::kaimingNormal(1), {4, 25, 7}).b, 1 / std::sqrt(100.0));
  EXPECT_DOUBLE_EQ(specOf(init::kaimingNormal(1), {16}).b, 0.25);
}

TEST(InitTest, XavierScalesByBothSides) {
  EXPECT_DOUBLE_EQ(specOf(init::xavierUniform(), {30, 20}).b, std::sqrt(6.0 / 50));
  EXPECT_DOUBLE_EQ(specOf(init::xavierNormal(), {30, 20}).b, std::sqrt(2.0 / 50));
}

TEST(InitTest, SizesMayBeZeroOrMissing) {
  EXPECT_TRUE(std::isfinite(specOf(init::kaimingUniform(), {0, 10}).b));
  EXPECT_TRUE(std::isfinite(specOf(init::xavierNormal(), {}).b));
}

TEST(InitTest, Mistakes) {
  Graph g;
  EXPECT_MISTAKE("parameter", "constant sizes", g.parameter("w", f32, {dim("N")}));
  EXPECT_MISTAKE("state", "constant sizes", g.state("w", f32, {dim("N")}));
  EXPECT_MISTAKE("parameter", "random initial values", g.parameter("w", i32, {2}, init::normal()));
  EXPECT_MISTAKE("parameter", "not finite", g.parameter("w", f32, {2}, init::constant(NAN)));
  EXPECT_MISTAKE("parameter", "above the upper", g.parameter("w", f32, {2}, init::uniform(1, 0)));
  EXPECT_MISTAKE("parameter", "negative", g.parameter("w", f32, {2}, init::normal(0, -1)));
  EXPECT_MISTAKE("parameter", "does not fit", g.parameter("w", i32, {2}, init::constant(0.5)));
  EXPECT_MISTAKE("parameter", "does not fit", g.parameter("w", i32, {2}, init::constant(1e10)));
  EXPECT_MISTAKE("parameter", "does not fit", g.parameter("w", boolean, {2}, init::constant(2)));
  EXPECT_TRUE(g.arguments().empty());
}
