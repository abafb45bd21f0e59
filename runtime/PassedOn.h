// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <vector>

namespace sinter {

/// The results that no kernel computes: arguments and constants that a program only copies. Where
/// kernels test what they store (CompileOptions::checkNan), these are tested on the host.
class PassedOn {
public:
  explicit PassedOn(const Program &program);
  /// Throws Error(User) for a NaN, or an infinity of an argument, in what a call has passed on.
  void requireNumbers(const Program &program, const std::vector<Array> &arguments,
                      const std::vector<Array> &results) const;

private:
  struct Entry {
    size_t result = 0;
    int argument = -1; ///< Where it comes from; -1: a constant.
  };
  std::vector<Entry> entries;
};

} // namespace sinter
