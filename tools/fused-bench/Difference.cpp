// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Difference.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {

double difference(const Array &got, const Array &expected, DifferenceKind kind) {
  if (got.sizes() != expected.sizes())
    return INFINITY;
  std::vector<double> a = got.toVector<double>(), b = expected.toVector<double>();
  double squares = 0, differences = 0, worst = 0;
  for (double value : b)
    squares += value * value;
  double scale = std::sqrt(squares / static_cast<double>(std::max<size_t>(b.size(), 1)));
  for (size_t i = 0; i < a.size(); ++i) {
    double difference = std::fabs(a[i] - b[i]);
    differences += difference * difference;
    double error = difference / std::max({std::fabs(b[i]), scale, 1e-30});
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  if (kind == DifferenceKind::Largest || std::isinf(worst))
    return worst;
  return std::sqrt(differences / std::max(squares, 1e-30));
}

} // namespace sinter::tools
