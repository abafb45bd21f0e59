// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/ir/base/TargetInfo.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// A program compiled for one target. A library may hold several versions of one program, of which
/// it runs the last that the machine can.
struct LibraryVersion {
  const Program *program = nullptr;
  std::vector<std::string_view> kernelObjects; ///< They define the symbols of Program::kernels.
  TargetInfo target;
  std::map<size_t, int64_t> firstSites = {}; ///< RunFunctionOptions::firstSites
};

/// What the symbols of version `index` of `count` begin with: `name` where there is only one, else
/// a hidden name of its own.
std::string versionName(const std::string &name, size_t index, size_t count);

/// Throws Error: Usage without versions, with too many, for targets of different instruction sets
/// or of a GPU, or one twice.
void requireVersions(const std::vector<TargetInfo> &targets);

/// The machine code that every CPU of the versions' instruction set runs.
TargetInfo commonTarget(TargetInfo::Isa isa);

/// int64_t NAME__version(void), hidden: the last version that this machine can run, -1 where it can
/// run none. Asked for the first time it looks at the CPU; threads may ask at once. Of several
/// versions also the exported functions that call the right one's, NAME_version and the
/// descriptions. After NAME__version has said -1, NAME_sizes fails and NAME_run only sets the
/// status' code to -1.
void addDispatch(llvm::Module &module, const std::vector<LibraryVersion> &versions);

/// The constants of all versions as hidden data, equal ones once.
struct SharedConstants {
  std::vector<std::vector<std::string>> symbols; ///< For each version, of each constant.
};
SharedConstants addConstants(llvm::Module &module, const std::vector<LibraryVersion> &versions);

} // namespace sinter::cpu
