// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ScarceMemory.h"

#include <cstdlib>
#include <new>

namespace {

/// Allocations of this thread before the one that fails; negative: none does.
thread_local int allocationsLeft = -1;

} // namespace

void *operator new(size_t bytes) {
  void *result = allocationsLeft >= 0 && allocationsLeft-- == 0 ? nullptr : std::malloc(bytes);
  if (!result)
    throw std::bad_alloc();
  return result;
}
void operator delete(void *block) noexcept { std::free(block); }
void operator delete(void *block, size_t) noexcept { std::free(block); }

namespace sinter::test {

ScarceMemory::ScarceMemory(int left) { allocationsLeft = left; }
ScarceMemory::~ScarceMemory() { allocationsLeft = -1; }
bool ScarceMemory::hasFailed() const { return allocationsLeft < 0; }

} // namespace sinter::test
