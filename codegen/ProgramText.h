// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// What a caller must know to run a compiled program, as versioned text: name, target, dims, table,
/// arguments, results, arena size, kernels' names, sites. A compiled library carries this text as
/// NAME_program. For a CPU buffers, steps and constants are not part of it (they live in the
/// generated code). For a GPU buffers and steps are, and the bytes of images and constants follow
/// the text as programData(), which a library carries as NAME_data.
std::string programText(const Program &program);

/// Images, then constants, each from the next multiple of bufferAlignment on. Empty for a CPU.
std::string programData(const Program &program);

/// The inverse of programText(), without images and constants. Accepts anything a file may hold:
/// throws Error(Diagnostics) naming the line when it is malformed, of another version or
/// inconsistent, never reads out of bounds and never allocates more than a small multiple of the
/// text.
Program parseProgramText(std::string_view text);

/// The inverse of both, under the same terms.
Program parseProgram(std::string_view text, std::string_view data);

/// As programText() and programData(), but with all that a program has, whatever it is for.
struct CompleteProgramText {
  std::string text, data;
};
CompleteProgramText completeProgramText(const Program &program);
/// The inverse, under the same terms.
Program parseCompleteProgram(std::string_view text, std::string_view data);

} // namespace sinter
#pragma GCC visibility pop
