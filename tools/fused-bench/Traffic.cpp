// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Traffic.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {

double median(std::vector<double> values) {
  if (values.empty())
    return NAN;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int64_t number(const DimExpr &size) { return size.constant().value_or(0); }

Traffic trafficOf(const Program &program, const codegen::ProgramCosts &costs) {
  Traffic traffic{.written = number(costs.resultBytes)};
  for (const Argument &argument : program.arguments)
    traffic.read += number(argument.shape.numElements()) * byteSize(argument.dtype);
  for (const Array &constant : program.constants)
    traffic.read += constant.numBytes();
  for (const Result &output : program.results)
    if (output.updates >= 0)
      traffic.inPlace += number(output.shape.numElements()) * byteSize(output.dtype);
  traffic.written += traffic.inPlace;
  return traffic;
}

} // namespace sinter::tools
