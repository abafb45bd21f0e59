// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Executable.h"

#include <filesystem>
#include <memory>
#include <string>

#pragma GCC visibility push(default)
namespace sinter {

struct LibraryOptions {
  /// Which program of the library; may stay empty when it has only one.
  std::string program = {};
  /// 0: the default number of threads. Ignored when a device is given.
  int64_t threads = 0;
  std::shared_ptr<Device> device = nullptr;
  /// Collects what calls spend their time on; each is one event.
  std::shared_ptr<Trace> trace = nullptr;
};

/// The program in a shared library made by `graph-compile --emit=lib`. The file is examined before
/// any of its code is loaded: Error(FileAccess) when it cannot be read, Error(Device) when it is
/// damaged, not such a library, of another version, or built for a CPU or GPU that this machine
/// does not have. A library for a GPU is read as data only.
Executable loadLibrary(const std::filesystem::path &path, const LibraryOptions &options = {});

} // namespace sinter
#pragma GCC visibility pop
