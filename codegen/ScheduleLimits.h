// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Schedule.h"

#include <optional>
#include <string>

namespace sinter::codegen {

struct ScheduleProblem {
  std::string field, message;
};

/// What keeps a kernel, whose own schedule is `chosen`, from running as `given`. A field may differ
/// from what was chosen only where every value within stated bounds gives correct code.
std::optional<ScheduleProblem> findProblem(const passes::KernelAnalysis &analysis,
                                           const Schedule &chosen, const Schedule &given,
                                           const TargetInfo &target);

} // namespace sinter::codegen
