// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <array>
#include <cstdint>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011):
/// 128 random bits from a counter and a key, without state.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A random sequence named by a seed and a stream. Element i depends on these three alone: neither
/// on what was drawn before nor on who draws it, so threads may share it.
class RandomStream {
public:
  RandomStream(uint64_t seed, std::string_view stream);

  uint64_t bits(uint64_t i) const;
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform01(uint64_t i) const;
  /// Uniform in [0, bound), without bias worth mentioning; bound > 0.
  uint64_t below(uint64_t i, uint64_t bound) const;
  /// Standard normal (Box-Muller on elements i & ~1 and i | 1).
  double normal(uint64_t i) const;

  /// Fills a view of floats in row-major order from elements first, first + 1, …: narrow ones hold
  /// the rounded f64 values. Uniform values lie in [low, high). Throws Error(User) on other dtypes.
  void fillUniform(const Array &array, double low, double high, uint64_t first = 0) const;
  void fillNormal(const Array &array, double mean, double deviation, uint64_t first = 0) const;

private:
  std::array<uint32_t, 2> key;
  uint64_t stream;
};

} // namespace sinter
#pragma GCC visibility pop
