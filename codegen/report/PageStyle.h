// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter::codegen::report {

/// Style and script of the page. Without the script everything can still be read.
extern const char *const pageStyle;
extern const char *const pageScript;

} // namespace sinter::codegen::report
