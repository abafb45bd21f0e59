// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Philox.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

TEST(PhiloxTest, KnownAnswers) { // Random123, kat_vectors, philox4x32 10
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, ElementsDoNotDependOnHowTheyAreDrawn) {
  RandomStream stream(7, "weights");
  Array whole(f32, {1001});
  stream.fillNormal(whole, 0, 1);
  Array parts(f32, {1001});
  stream.fillNormal(parts.slice(0, 500, 1001), 0, 1, 500);
  stream.fillNormal(parts.slice(0, 0, 500), 0, 1);
  EXPECT_EQ(whole.toVector<float>(), parts.toVector<float>());
  Array transposed(f32, {7, 11});
  Array plain(f32, {11, 7});
  stream.fillUniform(plain, -1, 1);
  stream.fillUniform(transposed.transpose(), -1, 1);
  EXPECT_EQ(plain.toVector<float>(), transposed.transpose().toVector<float>());
  Array wide(f64, {1001});
  stream.fillNormal(wide, 0, 1);
  EXPECT_EQ(whole.toVector<float>(), wide.cast(f32).toVector<float>());
}

TEST(PhiloxTest, SeedsAndStreamsDiffer) {
  RandomStream a(1, "w"), b(2, "w"), c(1, "b"), again(1, "w"), high(1 | uint64_t{1} << 32, "w");
  EXPECT_EQ(a.bits(5), again.bits(5));
  EXPECT_NE(a.bits(5), b.bits(5));
  EXPECT_NE(a.bits(5), c.bits(5));
  EXPECT_NE(a.bits(5), high.bits(5));
  EXPECT_NE(a.bits(5), a.bits(5 + (uint64_t{1} << 40)));
}

TEST(PhiloxTest, UniformMoments) {
  Array values(f64, {200000});
  RandomStream(3, "u").fillUniform(values, -2, 4);
  double sum = 0, squares = 0;
  for (double value : values.toVector<double>()) {
    ASSERT_GE(value, -2);
    ASSERT_LT(value, 4);
    sum += value;
    squares += (value - 1) * (value - 1);
  }
  EXPECT_NEAR(sum / 200000, 1, 0.02);
  EXPECT_NEAR(squares / 200000, 3, 0.05);
}

TEST(PhiloxTest, NormalMoments) {
  constexpr int64_t count = 200000;
  Array values(f64, {count});
  RandomStream(4, "n").fillNormal(values, 0, 1);
  std::vector<double> all = values.toVector<double>();
  double moments[5] = {};
  double product = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(std::isfinite(all[i]));
    for (int k = 1; k < 5; ++k)
      moments[k] += std::pow(all[i], k) / count;
    if (i > 0)
      product += all[i] * all[i - 1] / count;
  }
  EXPECT_NEAR(moments[1], 0, 0.01);
  EXPECT_NEAR(moments[2], 1, 0.02);
  EXPECT_NEAR(moments[3], 0, 0.04);
  EXPECT_NEAR(moments[4], 3, 0.1);
  EXPECT_NEAR(product, 0, 0.01) << "neighbours share a block and must not be correlated";
}

TEST(PhiloxTest, UniformNeverReachesItsEnd) {
  // In f32 almost every draw of this range rounds to one of its ends.
  float low = 1, high = std::nextafter(1.0f, 2.0f);
  Array values(f32, {1000});
  RandomStream(5, "end").fillUniform(values, low, high);
  for (float value : values.toVector<float>())
    ASSERT_EQ(value, low);
  RandomStream(5, "end").fillUniform(values, 2, 2);
  EXPECT_EQ(values.at<float>({0}), 2);
}

TEST(PhiloxTest, BelowIsInRangeAndEven) {
  RandomStream stream(6, "shuffle");
  std::vector<int> counts(10);
  for (uint64_t i = 0; i < 100000; ++i)
    ++counts.at(stream.below(i, 10));
  for (int count : counts)
    EXPECT_NEAR(count, 10000, 500);
}

TEST(PhiloxTest, NarrowFloatsHoldTheRoundedValues) {
  RandomStream stream(9, "narrow");
  for (DType dtype : {f16, bf16}) {
    Array wide(f64, {5000}), narrow(dtype, {5000});
    stream.fillNormal(wide, 1, 2);
    stream.fillNormal(narrow, 1, 2);
    EXPECT_EQ(narrow.toVector<double>(), wide.cast(dtype).toVector<double>());
    // Steps are so wide that many values round up to the end, which is not drawn.
    for (auto [low, high] : {std::pair(-1.0, 1.0), {-1.0, 0.0}, {-4.0, -2.0}, {256.0, 257.0}}) {
      stream.fillUniform(narrow, low, high);
      for (double value : narrow.toVector<double>())
        ASSERT_TRUE(value < high && value >= low - 1) << value << " below " << high;
    }
  }
}

TEST(PhiloxTest, RefusesNonsense) {
  RandomStream stream(0, "");
  EXPECT_THROW(stream.fillUniform(Array(i32, {2}), 0, 1), Error);
  EXPECT_THROW(stream.fillNormal(Array(u8, {2}), 0, 1), Error);
  EXPECT_THROW(stream.fillUniform(Array(f32, {2}), 1, 0), Error);
  EXPECT_THROW(stream.fillUniform(Array(f32, {2}), 0, INFINITY), Error);
  EXPECT_THROW(stream.fillNormal(Array(f32, {2}), 0, -1), Error);
  EXPECT_THROW(stream.fillNormal(Array(f32, {2}), NAN, 1), Error);
  EXPECT_NO_THROW(stream.fillNormal(Array(f32, {0}), 0, 1));
}

} // namespace
