// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <string>

namespace sinter::codegen {

/// The plan as a person reads it: one line per step with its kernel, parallel extent and buffers,
/// each with its place and size. ProgramText.h has the form that programs read.
std::string planText(const Program &program);

} // namespace sinter::codegen
