// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sinter::tools {

/// One line of the report; what a case does not have is absent.
struct Measurement {
  std::string name = {}, target = {};
  int64_t threads = 0;
  double ms = 0;
  std::optional<double> limitMs = {}, roofline = {}, vsUnfused = {};
  std::optional<int64_t> bytesMoved = {}, bytesNeeded = {}, kernels = {}, peakBytes = {};
  double compileMs = 0;
  std::optional<double> maxError = {};
  bool checkedSmaller = false; ///< The error is that of a smaller instance of the graph.
  /// One call of the reference interpreter, scaled from the rows that it computes.
  std::optional<double> interpreterMs = {};
  double flops = 0;
  bool limitIsFlops = false; ///< Else bytes.
  int64_t rejected = 0;      ///< Samples in which the kernel was faster than its probe.
  int64_t starved = 0;       ///< Samples that other processes kept from the processors.
  int64_t samples = 0;       ///< All that were taken.
};

} // namespace sinter::tools
