// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Pipeline.h"
#include "sinter/ir/base/CacheOptions.h"
#include "sinter/passes/FusionReport.h"

#include <cstdint>
#include <string>

namespace sinter::tools {

enum class StatisticsForm { Text, Json };
/// What is known of a compilation besides its program.
struct CompilationReport {
  CacheReport cache;
  std::vector<passes::UnfusedEdge> unfused;
  std::vector<codegen::StageTime> times;
};
std::string statisticsText(const Program &program, int64_t workers, StatisticsForm form,
                           const CompilationReport &report = {});

/// Throws Error(Limit), naming the largest tensors and their lines, when the planned peak is above
/// `budget`; Error(Usage) when it depends on a dimension.
void requireBudget(const Program &program, int64_t workers, int64_t budget);

} // namespace sinter::tools
