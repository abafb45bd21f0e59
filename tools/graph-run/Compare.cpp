// SPDX-License-Identifier: Apache-2.0
#include "tools/graph-run/Compare.h"

#include <cmath>
#include <cstdio>
#include <limits>

namespace sinter::tools {
namespace {

std::string format(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

std::string indexText(int64_t flat, const std::vector<int64_t> &sizes) {
  std::vector<int64_t> index(sizes.size());
  for (size_t axis = sizes.size(); axis-- > 0; flat /= sizes[axis])
    index[axis] = flat % sizes[axis];
  std::string text = "[";
  for (size_t axis = 0; axis < index.size(); ++axis)
    text += (axis ? ", " : "") + std::to_string(index[axis]);
  return text + "]";
}

/// Relative and absolute.
std::pair<double, double> defaultTolerance(DType dtype) {
  return dtype == f32    ? std::pair(1.3e-6, 1e-5)
         : dtype == f64  ? std::pair(1e-7, 1e-7)
         : dtype == f16  ? std::pair(1e-3, 1e-5)
         : dtype == bf16 ? std::pair(1.6e-2, 1e-5)
                         : std::pair(0.0, 0.0);
}

/// 0 for equal values, infinity where only one is finite.
double difference(double got, double expected) {
  if (got == expected || (std::isnan(got) && std::isnan(expected)))
    return 0;
  double result = std::fabs(got - expected);
  return std::isnan(result) ? std::numeric_limits<double>::infinity() : result;
}

template <typename T> std::string compareExactly(const Array &got, const Array &expected) {
  std::vector<T> a = got.toVector<T>(), b = expected.toVector<T>();
  int64_t wrong = 0, first = -1;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && wrong++ == 0)
      first = static_cast<int64_t>(i);
  if (wrong == 0)
    return "";
  return std::to_string(wrong) + " of " + std::to_string(a.size()) + " elements differ; first " +
         indexText(first, got.sizes()) + ": " + std::to_string(a[static_cast<size_t>(first)]) +
         " instead of " + std::to_string(b[static_cast<size_t>(first)]);
}

} // namespace

std::string compare(const Array &got, const Array &expected, const Tolerance &tolerance) {
  auto type = [](const Array &array) {
    return std::string(name(array.dtype())) + Shape(array.sizes()).str();
  };
  if (got.dtype() != expected.dtype() || got.sizes() != expected.sizes())
    return type(got) + " instead of " + type(expected);
  double rtol = tolerance.rtol.value_or(defaultTolerance(got.dtype()).first);
  double atol = tolerance.atol.value_or(defaultTolerance(got.dtype()).second);
  if (got.dtype() == u64 && rtol == 0 && atol == 0)
    return compareExactly<uint64_t>(got, expected);
  // Large integers are not numbers of double precision.
  if (got.dtype() == i64 && rtol == 0 && atol == 0)
    return compareExactly<int64_t>(got, expected);
  std::vector<double> a = got.toVector<double>(), b = expected.toVector<double>();
  int64_t wrong = 0, worst = -1;
  double worstExcess = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    double delta = difference(a[i], b[i]);
    double allowed = atol + rtol * std::fabs(b[i]);
    if (delta == 0 || (std::isfinite(delta) && delta <= allowed))
      continue;
    ++wrong;
    double excess = std::isinf(delta) ? delta : delta / std::max(allowed, 1e-300);
    if (worst < 0 || excess > worstExcess) {
      worst = static_cast<int64_t>(i);
      worstExcess = excess;
    }
  }
  if (wrong == 0)
    return "";
  auto at = static_cast<size_t>(worst);
  return std::to_string(wrong) + " of " + std::to_string(a.size()) + " elements differ; worst " +
         indexText(worst, got.sizes()) + ": " + format(a[at]) + " instead of " + format(b[at]) +
         ", off by " + format(difference(a[at], b[at])) + " where " +
         format(atol + rtol * std::fabs(b[at])) + " is allowed";
}

} // namespace sinter::tools
