// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Signature.h"

#pragma GCC visibility push(default)
namespace sinter {

/// How a parameter gets its first value; what depends on the shape is settled by resolve().
class Initializer {
public:
  /// Zeros; Constant a; Uniform in [a, b); Normal with mean a and deviation b. The other two are
  /// uniform or normal with a variance of gain² / fan.
  enum class Scheme : uint8_t { Fixed, FanIn, FanAverage };

  Initializer() = default;
  Initializer(InitSpec spec) : spec(spec) {}
  Initializer(InitSpec::Kind kind, Scheme scheme, double gain)
      : spec{.kind = kind}, scheme(scheme), gain(gain) {}

  /// The numbers for one shape. Throws Error(User) when they depend on a symbolic size, are not
  /// finite, or do not suit the dtype.
  InitSpec resolve(DType dtype, const Shape &shape) const;

private:
  InitSpec spec;
  Scheme scheme = Scheme::Fixed;
  double gain = 1;
};

/// Initial values of parameters. A weight is [in, out] (further leading axes count to both fans).
namespace init {
Initializer zeros();
Initializer ones();
Initializer constant(double value);
Initializer uniform(double low = 0, double high = 1);
Initializer normal(double mean = 0, double deviation = 1);
/// Variance gain² / in; the default gain suits relu.
Initializer kaimingUniform(double gain = 1.4142135623730951);
Initializer kaimingNormal(double gain = 1.4142135623730951);
/// Variance 2 gain² / (in + out).
Initializer xavierUniform(double gain = 1);
Initializer xavierNormal(double gain = 1);
} // namespace init

} // namespace sinter
#pragma GCC visibility pop
