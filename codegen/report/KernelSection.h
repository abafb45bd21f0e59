// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/report/Report.h"

namespace sinter::codegen::report {

/// The list of kernels; each opens to its ops, lines and buffers.
std::string kernelSection(const Report &report);
/// Values that kernels exchange, by the reason why they are stored.
std::string splitSection(const Report &report);
/// The user's line, with its text where that may be shown.
std::string lineHtml(const Report &report, const SourceLoc &line);
/// "mlp.cpp:12": the last part of the path.
std::string shortLine(const SourceLoc &line);

} // namespace sinter::codegen::report
