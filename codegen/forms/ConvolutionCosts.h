// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/forms/Region.h"

#include <algorithm>

// What the ways to run a convolution on a CPU ask when they choose their tiles and units. Cycles
// were measured on one core of a Zen 4, which multiplies and adds one vector of 64 bytes in each,
// or two narrower ones, alone on its memory.

namespace sinter::codegen::convolution {

// Where a size is a name, what it is taken to be: a small batch, as in inference, and a layer from
// the middle of a network.
inline constexpr int64_t someImages = 4, someChannels = 64, somePixels = 32;

// -- Threads --------------------------------------------------------------------------------------

/// Units of a launch: with fewer, threads are idle while the last ones run (16 leave a thirtieth of
/// the time for two threads of unequal speed), more only copy and pack more often.
inline constexpr int64_t fewUnits = 16;
/// Multiply-adds that one thread does at once: about a microsecond of vectors, ten times what it
/// costs to hand a unit to another thread.
inline constexpr double smallWork = 100e3;

/// How many units a launch of so many multiply-adds should have. Few are an even number of them:
/// two threads then get the same.
inline int64_t wantedUnits(double work) {
  const auto wanted =
      static_cast<int64_t>(std::clamp(work / smallWork, 1.0, static_cast<double>(fewUnits)));
  return wanted > 1 ? roundUp(wanted, 2) : 1;
}

/// Units that one thread does at once, each of so many multiply-adds.
inline int64_t smallGrain(double perUnit) {
  return std::max<int64_t>(1, static_cast<int64_t>(smallWork / std::max(1.0, perUnit)));
}

// -- Register tiles -------------------------------------------------------------------------------

/// Whether `sums` and `vectors` of one operand are in registers, with one more for the other
/// operand and, without a multiply-add, for a product.
inline bool fitRegisters(int64_t sums, int64_t vectors, const TargetInfo &target, bool fma) {
  return sums + vectors + (fma ? 1 : 2) < target.vectorRegisters;
}

/// Cycles per vector of multiply-adds.
inline double multiplyCycles(const TargetInfo &target) {
  return target.vectorBytes >= 64 ? 1 : 0.5;
}

inline constexpr double factorLoad = 0.5; ///< Cycles: two a cycle.
/// A chain's next multiply-add waits for the last one: 4 cycles, and a half where a tile is too
/// small to have others meanwhile.
inline constexpr double stepLatency = 4.5;

/// A step of a tile: `factors` single elements times `vectors` vectors.
struct TileStep {
  double factors, vectors;
  double overhead;       ///< What nothing hides: the loop, and what waits at its end.
  double vectorLoad = 1; ///< Cycles for a vector's load; more where it straddles lines.
  double others = 0;     ///< Cycles that must pass besides, like those of a way from memory.

  double cycles(const TargetInfo &target) const {
    constexpr double contention = 0.02; // Of each load, beside multiply-adds that keep it waiting.
    const double loads = factorLoad * factors + vectorLoad * vectors;
    return std::max({factors * vectors * multiplyCycles(target), loads, others, stepLatency}) +
           contention * loads + overhead;
  }
};

} // namespace sinter::codegen::convolution
