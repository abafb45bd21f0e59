// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Measurement.h"

#include "tools/support/Json.h"

#include <string>
#include <vector>

namespace sinter::tools {

struct TableColumns {
  bool roofline = false; ///< What bounds the case, and the speeds reached.
  bool unfused = false;
  bool interpreter = false;
};

std::string tableHeader(const TableColumns &columns);
std::string tableRow(const Measurement &measurement, const TableColumns &columns);
std::string jsonReport(const std::vector<Measurement> &measurements);
/// The same array as part of a larger text.
void writeMeasurements(JsonWriter &json, const std::vector<Measurement> &measurements);

} // namespace sinter::tools
