// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Philox.h"

#include <cmath>
#include <limits>
#include <tuple>

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

constexpr double twoPi = 6.283185307179586;

/// 1 - u lies in (0, 1], so the logarithm is finite.
static double radiusOf(double u) { return std::sqrt(-2 * std::log(1 - u)); }

double RandomStream::normal(uint64_t i) const {
  double radius = radiusOf(uniform01(i & ~uint64_t{1}));
  double angle = twoPi * uniform01(i | 1);
  return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

namespace {

/// The elements of a stream in order.
class Sequence {
public:
  Sequence(std::array<uint32_t, 2> key, uint64_t stream, uint64_t first)
      : key(key), stream(stream), block(first / 2) {
    refill();
    position = first % 2;
  }
  uint64_t next() {
    if (position == buffer.size())
      refill();
    return buffer[position++];
  }

private:
  /// Several blocks side by side, as philox4x32() does one: their lanes become vectors.
  void refill() {
    constexpr size_t lanes = 8;
    constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
    constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
    static_assert(std::tuple_size_v<decltype(buffer)> == 2 * lanes);
    uint32_t words[4][lanes];
    for (size_t lane = 0; lane < lanes; ++lane) {
      const uint64_t number = (block + lane) & ~uint64_t{0} >> 1; // Element numbers wrap.
      words[0][lane] = static_cast<uint32_t>(number);
      words[1][lane] = static_cast<uint32_t>(number >> 32);
      words[2][lane] = static_cast<uint32_t>(stream);
      words[3][lane] = static_cast<uint32_t>(stream >> 32);
    }
    uint32_t key0 = key[0], key1 = key[1];
    for (int round = 0; round < 10; ++round, key0 += weyl0, key1 += weyl1)
      for (size_t lane = 0; lane < lanes; ++lane) {
        const uint64_t product0 = multiplier0 * words[0][lane];
        const uint64_t product1 = multiplier1 * words[2][lane];
        words[0][lane] = static_cast<uint32_t>(product1 >> 32) ^ words[1][lane] ^ key0;
        words[1][lane] = static_cast<uint32_t>(product1);
        words[2][lane] = static_cast<uint32_t>(product0 >> 32) ^ words[3][lane] ^ key1;
        words[3][lane] = static_cast<uint32_t>(product0);
      }
    for (size_t lane = 0; lane < lanes; ++lane) {
      buffer[2 * lane] = words[0][lane] | static_cast<uint64_t>(words[1][lane]) << 32;
      buffer[2 * lane + 1] = words[2][lane] | static_cast<uint64_t>(words[3][lane]) << 32;
    }
    block += lanes;
    position = 0;
  }

  std::array<uint32_t, 2> key;
  uint64_t stream, block;
  std::array<uint64_t, 16> buffer;
  size_t position = 0;
};

} // namespace

/// Calls draw() for each element in row-major order.
template <typename Draw> static void fillWith(const Array &array, const char *op, Draw &&draw) {
  if (!isFloat(array.dtype()))
    throw Error({.op = op}, "random values are floats, not " + std::string(name(array.dtype())));
  // A view may be strided: draw into a contiguous array and copy.
  Array dense = array.isContiguous() ? array : Array(array.dtype(), array.sizes());
  dispatch(dense.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = 0, n = dense.numElements(); i < n; ++i)
        static_cast<T *>(dense.data())[i] = draw.template operator()<T>();
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
  Sequence sequence(key, stream, first);
  fillWith(array, "uniform", [&]<typename T>() {
    T value = static_cast<T>(low + (high - low) * toUnit(sequence.next()));
    // Rounding may reach the excluded end.
    T end = static_cast<T>(high);
    return value >= end && low < high ? before(end) : value;
  });
}

void RandomStream::fillNormal(const Array &array, double mean, double deviation,
                              uint64_t first) const {
  if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation < 0)
    throw Error({.op = "normal"}, "the mean must be finite and the deviation finite, at least 0");
  Sequence sequence(key, stream, first & ~uint64_t{1});
  // Two elements are a point's coordinates.
  double radius = 0, angle = 0;
  bool isSecond = false;
  auto turn = [&] {
    radius = radiusOf(toUnit(sequence.next()));
    angle = twoPi * toUnit(sequence.next());
  };
  if (first % 2 != 0) {
    turn();
    isSecond = true;
  }
  fillWith(array, "normal", [&]<typename T>() {
    if (!isSecond)
      turn();
    const double value = radius * (isSecond ? std::sin(angle) : std::cos(angle));
    isSecond = !isSecond;
    return static_cast<T>(mean + deviation * value);
  });
}

} // namespace sinter
