// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Cases.h"

#include <cstdint>
#include <vector>

namespace sinter::tools {

struct CheckNanOptions {
  int64_t threads = 0; ///< 0: the default.
  int64_t runs = 15;   ///< Pairs of samples per case.
  bool winograd = true;
};

/// Prints what CompileOptions::checkNan costs: each case compiled with and without it, and called
/// in turn. Throws Error(Mismatch) when the results differ in a bit.
int measureCheckNan(const std::vector<CaseRow> &cases, const CheckNanOptions &options);

} // namespace sinter::tools
