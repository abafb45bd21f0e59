// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter::test {

/// While it lives, `operator new` fails once in this thread, after `left` allocations. Replaces the
/// program's operators.
class ScarceMemory {
public:
  explicit ScarceMemory(int left);
  ~ScarceMemory();
  ScarceMemory(const ScarceMemory &) = delete;
  ScarceMemory &operator=(const ScarceMemory &) = delete;

  bool hasFailed() const;
};

} // namespace sinter::test
