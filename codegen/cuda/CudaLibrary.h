// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <filesystem>
#include <string>

namespace sinter::cuda {

/// A program for a GPU as a shared library at `path` that holds data alone: its description and
/// launches as NAME_program, cubins and constants as NAME_data. loadLibrary() runs it with a driver
/// and nothing else. The bytes depend on the program alone. Throws Error(FileAccess) when `path`
/// cannot be written, and then leaves nothing behind.
void writeLibrary(const Program &program, const std::filesystem::path &path);
/// Its bytes, as a library called `fileName`.
std::string libraryBytes(const Program &program, const std::string &fileName);

/// The C header that goes with it.
std::string headerText(const Program &program);

} // namespace sinter::cuda
