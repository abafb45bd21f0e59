// SPDX-License-Identifier: Apache-2.0
// The checked C interface of libraries: calls, errors in words, states, threads. Its code is C
// (support/), compiled to LLVM bitcode when Sinter is built; what is made here for each program is
// the table of constants that it reads, and the exported functions.
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/TargetInfo.h"

#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// One program compiled for one kind of CPU.
struct InterfaceVersion {
  const Program *program = nullptr;
  /// Its functions are called SYMBOL_run, SYMBOL_sizes and SYMBOL_arena_bytes.
  std::string symbol;
};

/// The object that exports the checked interface of a program called `name`. It declares the
/// functions of the versions, which have the same arguments, results and dims, and the hidden
/// `int64_t NAME__version(void)`: which of them this machine can run, or -1. `values` are first
/// values of parameters and state; Error(User) for one that is no variable or does not fit.
///
/// The code runs on every CPU of `isa`, and needs libc alone, libm for variables that are drawn,
/// and pthread for its threads. It allocates nothing on the heap.
std::string interfaceObject(const std::string &name, const std::vector<InterfaceVersion> &versions,
                            const ArrayMap &values, TargetInfo::Isa isa);

/// A target for people: "cpu:znver4 with 27 extensions" for a machine that is spelled out.
std::string shortTarget(const std::string &target);

/// Named dims of a program in the order in which C callers pass them.
std::vector<std::string> interfaceDims(const Program &program);

/// Identifies what a caller compiles into its code: the version of the interface, and names, kinds,
/// dtypes and shapes of the program. Libraries for other CPUs have the same.
uint64_t interfaceId(const Program &program);

/// The bitcode of support/, and support/ProgramAbi.h.
std::string_view supportCode(TargetInfo::Isa isa);
std::string_view programAbiText();

/// What the interface of a program exports.
struct InterfaceSymbols {
  explicit InterfaceSymbols(const std::string &name);
  std::string check, call, arenaNeed, errorText;
  std::string stateBytes, stateInit, stateLoad, stateSave, stateTensor;
  std::string threadsBytes, threadsStart, threadsStop;
  std::string values;  ///< Data; see buildProgramTable().
  std::string version; ///< Hidden; see interfaceObject().
};

/// "NAME_IN_X" and its like: the macros of a generated header, distinct even where names differ
/// only in what no macro can hold.
struct InterfaceMacros {
  InterfaceMacros(const std::string &name, const Program &program);
  std::string prefix;
  std::vector<std::string> dims, arguments, results; ///< For the checked layer.
  std::vector<std::string> bareArguments, bareResults;
};

/// True if the program has parameters or state, and so the functions for them.
bool hasVariables(const Program &program);

} // namespace sinter::cpu
