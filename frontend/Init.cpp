// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Init.h"

#include <algorithm>
#include <cmath>

namespace sinter {

InitSpec Initializer::resolve(DType dtype, const Shape &shape) const {
  if (!shape.isStatic())
    throw Error({.hint = "only placeholders may have symbolic sizes"},
                "a parameter or state needs constant sizes");
  InitSpec result = spec;
  if (scheme != Scheme::Fixed) {
    // [..., in, out]; a vector feeds and is fed by itself.
    double in = 1, out = 1;
    for (int64_t i = 0; i < shape.rank(); ++i) {
      double size = static_cast<double>(*shape[i].constant());
      in *= i == shape.rank() - 1 && shape.rank() > 1 ? 1 : size;
      out *= i == shape.rank() - 2 ? 1 : size;
    }
    double fan = std::max(1.0, scheme == Scheme::FanIn ? in : (in + out) / 2);
    double deviation = gain / std::sqrt(fan);
    bool uniform = spec.kind == InitSpec::Kind::Uniform;
    result.a = uniform ? -std::sqrt(3.0) * deviation : 0;
    result.b = uniform ? std::sqrt(3.0) * deviation : deviation;
  }
  if (!std::isfinite(result.a) || !std::isfinite(result.b))
    throw Error("the initial values are not finite");
  if (result.kind == InitSpec::Kind::Uniform && result.a > result.b)
    throw Error("the lower bound of the initial values is above the upper");
  if (result.kind == InitSpec::Kind::Normal && result.b < 0)
    throw Error("the deviation of the initial values is negative");
  bool random = result.kind == InitSpec::Kind::Uniform || result.kind == InitSpec::Kind::Normal;
  if (random && !isFloat(dtype))
    throw Error({.hint = "use init::constant"},
                "random initial values need a float dtype, not " + std::string(name(dtype)));
  if (result.kind == InitSpec::Kind::Constant && !isRepresentable(result.a, dtype))
    throw Error("the initial value does not fit dtype " + std::string(name(dtype)));
  return result;
}

namespace init {

using Kind = InitSpec::Kind;
using Scheme = Initializer::Scheme;

Initializer zeros() { return {}; }
Initializer ones() { return constant(1); }
Initializer constant(double value) { return InitSpec{.kind = Kind::Constant, .a = value}; }
Initializer uniform(double low, double high) {
  return InitSpec{.kind = Kind::Uniform, .a = low, .b = high};
}
Initializer normal(double mean, double deviation) {
  return InitSpec{.kind = Kind::Normal, .a = mean, .b = deviation};
}
Initializer kaimingUniform(double gain) { return {Kind::Uniform, Scheme::FanIn, gain}; }
Initializer kaimingNormal(double gain) { return {Kind::Normal, Scheme::FanIn, gain}; }
Initializer xavierUniform(double gain) { return {Kind::Uniform, Scheme::FanAverage, gain}; }
Initializer xavierNormal(double gain) { return {Kind::Normal, Scheme::FanAverage, gain}; }

} // namespace init
} // namespace sinter
