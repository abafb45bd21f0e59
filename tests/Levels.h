// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Error.h"
#include "sinter/runtime/Target.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace sinter::test {

/// Calls body with each target that this machine can run ("native", "x86-64-v3", …), then marks the
/// test as skipped for the others.
template <typename Body>
void forEachLevel(std::initializer_list<const char *> levels, Body &&body) {
  std::string lacking;
  for (const char *level : levels) {
    SCOPED_TRACE(level);
    try {
      Target::cpu(level).info().requireRunnable();
    } catch (const Error &error) {
      lacking += std::string(error.what()) + "\n";
      continue;
    }
    body(level);
  }
  if (!lacking.empty())
    GTEST_SKIP() << "the rest ran; " << lacking;
}

} // namespace sinter::test
