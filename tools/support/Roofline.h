// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/report/Report.h"
#include "sinter/ir/base/TargetInfo.h"

#include <string>

namespace sinter::tools {

/// What --roofline takes.
std::string rooflineHelp();
/// Throws Error(Usage) for figures that are none, and for what goes with a report where none is
/// asked for. To be called before any work.
void requireReportOptions(const std::string &report, const std::string &roofline,
                          bool quoteSources);
/// The figures that `text` gives; without any, those of this machine if the target is its CPU: some
/// 0.3 s. Throws Error(Usage).
codegen::report::Roofs roofsOf(const std::string &text, const TargetInfo &target);

} // namespace sinter::tools
