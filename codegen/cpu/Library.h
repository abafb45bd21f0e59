// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/codegen/cpu/CompileObject.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// What leaves the process. All need nothing but libc (and libm on CPUs without FMA or SSE4.1):
/// no heap, no threads of their own, no Sinter, no LLVM.
enum class LibraryForm {
  Object, ///< One relocatable object.
  Static, ///< An archive with that object.
  Shared, ///< A shared library that exports NAME_run, NAME_sizes, NAME_arena_bytes, NAME_program.
};

/// The program as one object, archive or shared library at `path`; no outside compiler or linker
/// runs. `kernelObjects` define the symbols of Program::kernels (compileKernels()). Symbols other
/// than the four exported ones are hidden; give kernels a prefix of the program's name, so that
/// several programs can be linked into one executable. The bytes depend on the arguments alone.
/// Throws Error(FileAccess) when `path` cannot be written, and then leaves nothing behind.
void writeLibrary(LibraryForm form, const Program &program,
                  const std::vector<std::string_view> &kernelObjects, const TargetInfo &target,
                  const std::filesystem::path &path);

/// Relocatable objects as one file, under the terms of writeLibrary().
void linkObjects(LibraryForm form, const std::vector<std::string_view> &objects,
                 const std::filesystem::path &path);

/// The object of NAME_run (and, with `exportInterface`, of its companions).
std::string runObject(const Program &program, const TargetInfo &target, bool embedConstants,
                      bool exportInterface);

/// The C header that goes with all three forms: a self-contained description of the program and of
/// how to call it, for C99 and C++.
std::string headerText(const Program &program);

} // namespace sinter::cpu
