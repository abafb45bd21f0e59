// SPDX-License-Identifier: Apache-2.0
// Numbers of every dtype as long double: rounding, limits, storage, and what inputs are drawn from.
#pragma once

#include "tests/ops/Row.h"

namespace sinter::ops {

/// What the table asks about a float dtype.
struct FloatLimits {
  Real epsilon, largest, smallest;
};
FloatLimits limitsOf(DType dtype);

/// What an exact value becomes in an integer dtype or bool: it wraps; the neutral elements ±inf
/// saturate.
Real toInteger(Real value, DType dtype);
/// `value` rounded to a float dtype.
Real roundTo(DType dtype, Real value);

/// Element i of a dense array.
void storeReal(const Array &array, size_t i, Real value);
Real loadReal(const Array &array, size_t i);

/// The dtype of an input of a row that is expanded for `dtype`.
inline DType dtypeOf(const Input &input, DType dtype) { return input.dtype.value_or(dtype); }
Real draw(const Input &input, DType dtype, const RandomStream &random, uint64_t i);
/// Values on which implementations differ.
std::vector<Real> specialValues(DType dtype);

std::string str(Real value);

} // namespace sinter::ops
