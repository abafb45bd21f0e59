// SPDX-License-Identifier: Apache-2.0
// The 16-bit floats against a decoder written from the format's definition, and a search for the
// nearest value.
#include "sinter/ir/base/DType.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace sinter {
namespace {

template <typename T> class Float16Test : public testing::Test {};
using Types = testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(Float16Test, Types);

template <typename T> constexpr int mantissaBits = std::is_same_v<T, Half> ? 10 : 7;

/// sign * mantissa * 2^exponent, by the definition of an IEEE format.
template <typename T> double decode(unsigned bits) {
  constexpr int m = mantissaBits<T>, e = 15 - m, bias = (1 << (e - 1)) - 1;
  int exponent = static_cast<int>(bits >> m) & ((1 << e) - 1);
  double fraction = static_cast<double>(bits & ((1u << m) - 1));
  double value = exponent == (1 << e) - 1 ? (fraction != 0 ? NAN : INFINITY)
                 : exponent == 0          ? std::ldexp(fraction, 1 - bias - m)
                                          : std::ldexp(fraction + (1 << m), exponent - bias - m);
  return bits >> 15 != 0 ? -value : value;
}

/// The nearest finite or infinite number, ties to the even pattern. What lies beyond the largest
/// number by half of the last step becomes infinite.
template <typename T> unsigned nearest(double value) {
  constexpr int m = mantissaBits<T>;
  static const std::vector<double> positive = [] {
    std::vector<double> numbers;
    for (unsigned bits = 0; bits < ((1u << (15 - m)) - 1) << m; ++bits)
      numbers.push_back(decode<T>(bits));
    double last = numbers.back(), step = last - numbers[numbers.size() - 2];
    numbers.push_back(last + step); // where infinity begins
    return numbers;
  }();
  unsigned sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::min(std::fabs(value), positive.back());
  auto above = std::lower_bound(positive.begin(), positive.end(), magnitude);
  auto high = static_cast<unsigned>(above - positive.begin());
  if (*above == magnitude)
    return sign | high;
  double down = magnitude - positive[high - 1], up = *above - magnitude; // both exact
  return sign | (down < up || (down == up && high % 2 == 1) ? high - 1 : high);
}

TYPED_TEST(Float16Test, EveryValueRoundTrips) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    TypeParam x = TypeParam::fromBits(static_cast<uint16_t>(bits));
    double want = decode<TypeParam>(bits);
    auto value = static_cast<float>(x);
    if (want != want) {
      ASSERT_TRUE(value != value) << bits;
      TypeParam back(value);
      ASSERT_EQ(back.bits(), bits | 1u << (mantissaBits<TypeParam> - 1)) << "a quiet NaN, " << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), want) << bits;
    ASSERT_EQ(std::signbit(value), std::signbit(want)) << bits;
    ASSERT_EQ(TypeParam(value).bits(), bits);
    ASSERT_EQ(TypeParam(want).bits(), bits);
  }
}

TYPED_TEST(Float16Test, RoundsToNearestEven) {
  std::mt19937_64 random(5);
  auto check = [](double value) {
    ASSERT_EQ(TypeParam(value).bits(), nearest<TypeParam>(value)) << value;
  };
  for (int i = 0; i < 400000; ++i) {
    auto pattern = static_cast<uint32_t>(random());
    auto value = std::bit_cast<float>(pattern);
    if (value == value)
      check(value);
    double wide = std::bit_cast<double>(random());
    if (wide == wide)
      check(wide);
    // The exponents of these are those of the format.
    check(std::ldexp(static_cast<double>(random()) / 0x1p63 - 1,
                     static_cast<int>(random() % 300) - 150));
  }
  // Halfway between neighbours, and next to it.
  for (unsigned bits = 0; bits < 0x7fff; ++bits) {
    double low = decode<TypeParam>(bits), high = decode<TypeParam>(bits + 1);
    if (!std::isfinite(high))
      break;
    double middle = (low + high) / 2;
    check(middle);
    check(-middle);
    check(std::nextafter(middle, INFINITY));
    check(std::nextafter(middle, 0.0));
  }
}

TYPED_TEST(Float16Test, Limits) {
  using L = std::numeric_limits<TypeParam>;
  EXPECT_EQ(static_cast<double>(L::max()), -static_cast<double>(L::lowest()));
  EXPECT_TRUE(std::isinf(static_cast<float>(L::infinity())));
  EXPECT_TRUE(std::isnan(static_cast<float>(L::quiet_NaN())));
  EXPECT_EQ(1 + static_cast<double>(L::epsilon()),
            decode<TypeParam>(nearest<TypeParam>(1) + 1)); // the next number after 1
  EXPECT_EQ(static_cast<double>(L::min()), decode<TypeParam>(1u << mantissaBits<TypeParam>));
  EXPECT_EQ(static_cast<double>(L::denorm_min()), decode<TypeParam>(1));
  EXPECT_EQ(L::digits, mantissaBits<TypeParam> + 1);
  // Beyond the largest by half a step is infinite; the tie is, too.
  double top = static_cast<double>(L::max());
  double step = top - decode<TypeParam>(L::max().bits() - 1);
  EXPECT_EQ(TypeParam(std::nextafter(top + step / 2, 0.0)).bits(), L::max().bits());
  EXPECT_EQ(TypeParam(top + step / 2).bits(), L::infinity().bits());
}

TEST(HalfTest, KnownPatterns) {
  EXPECT_EQ(Half(1.0).bits(), 0x3c00);
  EXPECT_EQ(Half(-2).bits(), 0xc000);
  EXPECT_EQ(Half(65504.0f).bits(), 0x7bff);
  EXPECT_EQ(Half(65520.0f).bits(), 0x7c00);
  EXPECT_EQ(Half(0x1p-24).bits(), 1);
  EXPECT_EQ(Half(0x1p-25).bits(), 0);
  EXPECT_EQ(Half(-0.0).bits(), 0x8000);
  EXPECT_EQ(BFloat16(1.0).bits(), 0x3f80);
  EXPECT_EQ(BFloat16(3.14159265).bits(), 0x4049);
  // By way of float the tie would round to even.
  EXPECT_EQ(Half(1 + 0x1p-11 + 0x1p-40).bits(), 0x3c01);
}

TEST(DTypeRangeTest, NumbersFit) {
  for (DType dtype : allDTypes)
    dispatch(dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_integral_v<T>) {
        auto low = static_cast<double>(std::numeric_limits<T>::lowest());
        EXPECT_TRUE(isRepresentable(low, dtype)) << name(dtype);
        EXPECT_FALSE(isRepresentable(low == 0 ? -1.0 : low * 1.01 - 1, dtype)) << name(dtype);
        EXPECT_FALSE(isRepresentable(0.5, dtype)) << name(dtype);
        EXPECT_FALSE(isRepresentable(std::ldexp(1.0, std::numeric_limits<T>::digits), dtype));
        EXPECT_FALSE(isRepresentable(static_cast<double>(NAN), dtype));
        EXPECT_EQ(isRepresentable(int64_t{-1}, dtype), std::is_signed_v<T>) << name(dtype);
        EXPECT_EQ(isRepresentable(int64_t{200}, dtype), dtype != i8 && dtype != boolean);
        EXPECT_EQ(isRepresentable(INT64_MAX, dtype), dtype == i64 || dtype == u64);
      }
    });
  EXPECT_TRUE(isRepresentable(65504.0, f16));
  EXPECT_FALSE(isRepresentable(65520.0, f16));
  EXPECT_FALSE(isRepresentable(int64_t{1} << 20, f16));
  EXPECT_TRUE(isRepresentable(1e30, bf16));
  EXPECT_FALSE(isRepresentable(1e39, f32));
  EXPECT_TRUE(isRepresentable(static_cast<double>(INFINITY), f16));
}

} // namespace
} // namespace sinter
