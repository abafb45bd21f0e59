// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/AllocationCounter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SINTER_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SINTER_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef SINTER_COUNTS_ALLOCATIONS
#define SINTER_COUNTS_ALLOCATIONS 1
#endif

static std::atomic<int64_t> allocations{0};

#if SINTER_COUNTS_ALLOCATIONS
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, bytes);
}
void *memalign(size_t alignment, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void **result, size_t alignment, size_t bytes) noexcept {
  *result = memalign(alignment, bytes);
  return *result ? 0 : ENOMEM;
}
}
#endif

namespace sinter::test {

int64_t allocationCount() { return allocations.load(std::memory_order_relaxed); }
bool countsAllocations() { return SINTER_COUNTS_ALLOCATIONS; }

} // namespace sinter::test
