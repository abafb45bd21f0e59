// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/report/Report.h"
#include "sinter/ir/base/TargetInfo.h"

#include <string>

namespace sinter::tools {

/// What --roofline takes.
std::string rooflineHelp();
/// The figures that `text` gives; without any, those of this machine if the target is its CPU: some
/// 0.3 s. Throws Error(Usage).
codegen::report::Roofs roofsOf(const std::string &text, const TargetInfo &target);

} // namespace sinter::tools
