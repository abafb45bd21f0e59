// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Values.h"

#include <algorithm>
#include <limits>
#include <sstream>

namespace sinter::ops {

FloatLimits limitsOf(DType dtype) {
  return dispatch(dtype, [](auto zero) -> FloatLimits {
    using Limits = std::numeric_limits<decltype(zero)>;
    return {Real(Limits::epsilon()), Real(Limits::max()), Real(Limits::denorm_min())};
  });
}

Real toInteger(Real value, DType dtype) {
  if (dtype == boolean)
    return value != 0;
  return dispatch(dtype, [&](auto zero) -> Real {
    using Limits = std::numeric_limits<decltype(zero)>;
    auto low = Real(Limits::lowest()), high = Real(Limits::max());
    if (std::isinf(value))
      return value < 0 ? low : high;
    Real span = high - low + 1;
    Real rest = std::fmod(value - low, span);
    return low + (rest < 0 ? rest + span : rest);
  });
}

Real roundTo(DType dtype, Real value) {
  return dispatch(dtype, [&](auto zero) { return Real(static_cast<decltype(zero)>(value)); });
}

void storeReal(const Array &array, size_t i, Real value) {
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    static_cast<T *>(array.data())[i] = static_cast<T>(value);
  });
}

Real loadReal(const Array &array, size_t i) {
  return dispatch(array.dtype(), [&](auto zero) -> Real {
    return static_cast<Real>(static_cast<const decltype(zero) *>(array.data())[i]);
  });
}

static Real drawInteger(const Input &input, DType dtype, const RandomStream &random, uint64_t i) {
  return dispatch(dtype, [&](auto zero) -> Real {
    using Limits = std::numeric_limits<decltype(zero)>;
    Real low = std::max(Real(input.intLow), Real(Limits::lowest()));
    Real high = std::min(Real(input.intHigh), Real(Limits::max()));
    return low + Real(random.below(i, static_cast<uint64_t>(high - low) + 1));
  });
}

Real draw(const Input &input, DType dtype, const RandomStream &random, uint64_t i) {
  if (dtype == boolean)
    return Real(random.bits(i) & 1);
  if (!isFloat(dtype))
    return drawInteger(input, dtype, random, i);
  double value = input.low + (input.high - input.low) * random.uniform01(i);
  for (double kink : input.kinks)
    if (std::fabs(value - kink) < 1.0 / 64)
      value = kink + (value < kink ? -1.0 / 64 : 1.0 / 64);
  return roundTo(dtype, value);
}

std::vector<Real> specialValues(DType dtype) {
  std::vector<Real> values = {0.0L,   -0.0L, 1,     -1,    0.5L,     -0.5L,     1.5L, 2.5L,
                              -2.5L,  2,     -3,    10,    -10,      88.5L,     -104, 1e-20L,
                              -1e-9L, 1e20L, 0.25L, 3.75L, INFINITY, -INFINITY, NAN};
  dispatch(dtype, [&](auto zero) {
    using L = std::numeric_limits<decltype(zero)>;
    for (Real value : {Real(L::max()), Real(L::min()), Real(L::denorm_min()), Real(L::min()) / 8}) {
      values.push_back(value);
      values.push_back(-value);
    }
  });
  for (Real &value : values)
    value = roundTo(dtype, value);
  return values;
}

std::string str(Real value) {
  std::ostringstream out;
  out.precision(17);
  out << value << (std::signbit(value) && value == 0 ? " (negative)" : "");
  return out.str();
}

} // namespace sinter::ops
