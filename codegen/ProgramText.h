// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <string>
#include <string_view>

namespace sinter {

/// What a caller must know to run a compiled program, as versioned text: name, target, dims, table,
/// arguments, results, arena size, kernels' names, sites. Buffers, steps and constants are not part
/// of it (they live in the generated code). A compiled library carries this text as NAME_program.
std::string programText(const Program &program);

/// The inverse. Accepts anything a file may hold: throws Error(Diagnostics) naming the line when it
/// is malformed, of another version or inconsistent, never reads out of bounds and never allocates
/// more than a small multiple of the text.
Program parseProgramText(std::string_view text);

} // namespace sinter
