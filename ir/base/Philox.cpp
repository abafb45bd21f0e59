// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Philox.h"

#include <cmath>
#include <limits>

namespace sinter {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiplier0 * counter[0], product1 = multiplier1 * counter[2];
    auto high = [](uint64_t product) { return static_cast<uint32_t>(product >> 32); };
    counter = {high(product1) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               high(product0) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += weyl0;
    key[1] += weyl1;
  }
  return counter;
}

/// FNV-1a.
static uint64_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325;
  for (char c : text)
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

static double toUnit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

RandomStream::RandomStream(uint64_t seed, std::string_view stream)
    : key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, stream(hash(stream)) {}

uint64_t RandomStream::bits(uint64_t i) const {
  uint64_t block = i / 2; // Two elements share a block of 128 bits.
  std::array<uint32_t, 4> words =
      philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                  static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
                 key);
  size_t half = i % 2 * 2;
  return words[half] | static_cast<uint64_t>(words[half + 1]) << 32;
}

double RandomStream::uniform01(uint64_t i) const { return toUnit(bits(i)); }

uint64_t RandomStream::below(uint64_t i, uint64_t bound) const {
  // The high half of a 64 x 64 bit product: bias at most bound / 2^64.
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(bits(i)) * bound >> 64);
}

double RandomStream::normal(uint64_t i) const {
  constexpr double twoPi = 6.283185307179586;
  // 1 - u lies in (0, 1], so the logarithm is finite.
  double radius = std::sqrt(-2 * std::log(1 - uniform01(i & ~uint64_t{1})));
  double angle = twoPi * uniform01(i | 1);
  return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

/// Calls draw(i) for each element in row-major order.
template <typename Draw> static void fillWith(const Array &array, const char *op, Draw &&draw) {
  if (!isFloat(array.dtype()))
    throw Error({.op = op}, "random values are floats, not " + std::string(name(array.dtype())));
  // A view may be strided: draw into a contiguous array and copy.
  Array dense = array.isContiguous() ? array : Array(array.dtype(), array.sizes());
  dispatch(dense.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = 0, n = dense.numElements(); i < n; ++i)
        static_cast<T *>(dense.data())[i] = draw.template operator()<T>(i);
  });
  array.copyFrom(dense);
}

/// The next smaller number.
template <typename T> static T before(T value) {
  if constexpr (isFloat16<T>)
    return T::fromBits(value > 0    ? static_cast<uint16_t>(value.bits() - 1)
                       : value == 0 ? 0x8001
                                    : static_cast<uint16_t>(value.bits() + 1));
  else
    return std::nextafter(value, -std::numeric_limits<T>::infinity());
}

void RandomStream::fillUniform(const Array &array, double low, double high, uint64_t first) const {
  if (!(low <= high) || !std::isfinite(high - low))
    throw Error({.op = "uniform"}, "the bounds must be finite and in order");
  fillWith(array, "uniform", [&]<typename T>(int64_t i) {
    T value = static_cast<T>(low + (high - low) * uniform01(first + static_cast<uint64_t>(i)));
    // Rounding may reach the excluded end.
    T end = static_cast<T>(high);
    return value >= end && low < high ? before(end) : value;
  });
}

void RandomStream::fillNormal(const Array &array, double mean, double deviation,
                              uint64_t first) const {
  if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation < 0)
    throw Error({.op = "normal"}, "the mean must be finite and the deviation finite, at least 0");
  fillWith(array, "normal", [&]<typename T>(int64_t i) {
    return static_cast<T>(mean + deviation * normal(first + static_cast<uint64_t>(i)));
  });
}

} // namespace sinter
