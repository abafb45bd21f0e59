// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cuda {

/// What a kernel takes of a multiprocessor, as its machine code states it.
struct KernelResources {
  std::string name;
  int64_t registers = 0;  ///< Per thread.
  int64_t stackBytes = 0; ///< Per thread: spilled registers, and arrays that did not fit into them.
  int64_t localLoads = 0; ///< Instructions that read or write the stack.
  int64_t localStores = 0;
  int64_t sharedBytes =
      0; ///< Per block, what the text declares; dynamic shared memory comes on top.
  int64_t codeBytes = 0;
};

/// The kernels of a cubin, by name. Empty for an image that is no cubin. Every offset is checked:
/// throws Error(Internal) for a damaged one.
std::vector<KernelResources> readCubin(std::string_view image);

/// How many blocks of a kernel one multiprocessor holds at once.
struct Occupancy {
  int64_t blocks = 0;
  int64_t warps = 0, maxWarps = 0;
  /// What there is too little of for one more block: "warps", "blocks", "registers" or "shared
  /// memory".
  std::string_view limit;
};
/// For a launch with blocks of `threads` threads and `dynamicBytes` of dynamic shared memory. An
/// architecture that is not known ("sm_…") counts as the latest that is.
Occupancy occupancyOf(std::string_view arch, const KernelResources &kernel, int64_t threads,
                      int64_t dynamicBytes);

} // namespace sinter::cuda
