// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/report/Report.h"

namespace sinter::codegen::report {

/// What stands out, as a list.
std::string findingsList(const Report &report);

} // namespace sinter::codegen::report
