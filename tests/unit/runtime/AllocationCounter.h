// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sinter::test {

/// Heap allocations of the whole process since it started: malloc and its kin, and with them
/// operator new. Sanitizers own malloc, so the count stays 0 under them; see countsAllocations().
int64_t allocationCount();
bool countsAllocations();

} // namespace sinter::test
