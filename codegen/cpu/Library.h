// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cpu/Versions.h"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// What leaves the process. All need nothing but libc, pthread, and libm on CPUs without FMA or
/// SSE4.1 or to draw normal numbers: no heap, no Sinter, no LLVM.
enum class LibraryForm {
  Object, ///< One relocatable object.
  Static, ///< An archive with that object.
  Shared, ///< A shared library that exports what its header declares.
};

/// The program as the bytes of one object, archive or shared library called `fileName`; no outside
/// compiler or linker runs. All versions are of one program for one instruction set. Symbols other
/// than the exported ones are hidden; give kernels a prefix of versionName(), so that several
/// programs can be linked into one executable. The bytes depend on the arguments alone.
/// `values` are first values of parameters and state, which the library then carries; Error(User)
/// for one that is no variable, or of another dtype or size.
std::string libraryBytes(LibraryForm form, const std::vector<LibraryVersion> &versions,
                         const std::string &fileName, const ArrayMap &values = {});

/// libraryBytes() of one version as a file. Throws Error(FileAccess) when `path` cannot be written,
/// and then leaves nothing behind.
void writeLibrary(LibraryForm form, const Program &program,
                  const std::vector<std::string_view> &kernelObjects, const TargetInfo &target,
                  const std::filesystem::path &path);

/// Relocatable objects for one instruction set as the bytes of one file.
std::string linkObjects(LibraryForm form, const std::vector<std::string_view> &objects,
                        const std::string &fileName);

/// The object of NAME_run (and, with `exportInterface`, of its companions).
/// `firstSites`: see RunFunctionOptions.
std::string runObject(const Program &program, const TargetInfo &target, bool embedConstants,
                      bool exportInterface, const std::map<size_t, int64_t> &firstSites = {});

/// The C header that goes with all three forms: a self-contained description of the program and of
/// how to call it, for C99 and C++.
std::string headerText(const Program &program);
std::string headerText(const std::vector<const Program *> &versions);

} // namespace sinter::cpu
