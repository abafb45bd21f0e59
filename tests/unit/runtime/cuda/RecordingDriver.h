// SPDX-License-Identifier: Apache-2.0
// A driver in a library of its own that keeps a record of what is asked of it, checks every handle,
// size and lifetime, and calls functions of the test in place of kernels. Device memory is the
// host's.
#pragma once

#include "sinter/runtime/CudaDriver.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sinter::test {

struct RecordedKernel {
  std::vector<size_t> parameterBytes;
  /// With a pointer to each parameter.
  std::function<void(const driver::LaunchConfig &, void *const *)> run;
};

struct Recording {
  // What the test chooses.
  int version = 13000, devices = 1, major = 9, minor = 0, multiprocessors = 4;
  int sharedBytes = 232448;
  size_t memory = size_t{1} << 30;
  driver::Result init = driver::Result::Success, load = driver::Result::Success,
                 push = driver::Result::Success;
  std::map<std::string, RecordedKernel> kernels;
  /// The launch of this kernel ends the context.
  std::string faulty;
  /// This kernel is not launched.
  std::string refused;

  // What happened: one line per call that does something.
  std::vector<std::string> log;
  /// What no driver would allow, or would do wrong.
  std::vector<std::string> problems;
  /// Handles and blocks in use, by kind.
  std::map<std::string, int> live;
  size_t allocated = 0, mostAllocated = 0;
  int pushed = 0;
  bool broken = false;

  /// Lines of the log that begin with a word.
  std::vector<std::string> lines(const std::string &word) const {
    std::vector<std::string> found;
    for (const std::string &line : log)
      if (line.starts_with(word))
        found.push_back(line);
    return found;
  }
};

} // namespace sinter::test
