// SPDX-License-Identifier: Apache-2.0
// What runs beside the threads of a unit: copies and matrix products that are waited for later.
#pragma once

#include "tests/cuda/machine/Machine.h"
#include "tests/cuda/machine/TensorMaps.h"

#include <map>

namespace sinter::hostgpu {

/// A copy of cp.async, whose data comes when its thread waits.
struct ThreadCopy {
  void *to = nullptr;
  const void *from = nullptr;
  int most = 16, bytes = 16;
};

/// A barrier in shared memory that counts arrivals and bytes.
struct MemoryBarrier {
  int count = 0, pending = 0, phase = 0;
  int64_t bytes = 0; ///< Expected less those that came.
  bool isFenced = false;
  std::vector<uint32_t> clock, before; ///< Of the current phase; of the one before.
  std::vector<std::pair<Thread *, int>> waiting;
};

/// A copy of the copy engine.
struct BoxCopy {
  uintptr_t to = 0, barrier = 0;
  TensorMapCode map;
  int at[5] = {};
};

/// A product of a warpgroup, whose sums are written when it is waited for.
struct GroupProduct {
  ShimProduct product;
  std::vector<float *> sums; ///< Per thread of the group.
  Block *block = nullptr;
};

struct AsyncState {
  struct PerThread {
    std::vector<ThreadCopy> open;
    std::deque<std::vector<ThreadCopy>> groups;
    uint32_t proxyFence =
        0; ///< Its stores up to this time are seen by the copy engine and products.
    int openProducts = 0;
    uint32_t clusterPhase = 0;
  };
  std::vector<PerThread> threads; ///< By rank; grows.
  std::map<uintptr_t, MemoryBarrier> barriers;
  std::vector<BoxCopy> boxes;
  uint32_t clusterPhase = 0;
  std::vector<uint32_t> clusterClock, clusterBefore;
  size_t clusterArrived = 0;

  /// Products of a warpgroup, by its first thread's rank.
  struct Group {
    std::vector<const ShimProduct *> arriving; ///< Per thread.
    std::vector<int> waits;
    size_t arrived = 0;
    void *place = nullptr;
    std::vector<Thread *> waiting;
    std::vector<GroupProduct> open;
    std::deque<std::vector<GroupProduct>> groups;
    std::map<float *, std::vector<float>> held; ///< The true sums of those in flight.
  };
  std::map<uint32_t, Group> groups;

  PerThread &of(const Thread &thread) {
    if (threads.size() <= thread.rank)
      threads.resize(thread.rank + 1);
    return threads[thread.rank];
  }
  /// At the end of a unit: "" or what nobody waited for.
  std::string leftOver() const;
};

/// Brings the data of one copy of the copy engine; false: none is on its way.
bool bringBox(Machine &machine);
/// What the lanes of a warp compute together; see shimWarp.
void warpMatrices(Machine &machine, Block &block, uint32_t firstLane, int kind);

} // namespace sinter::hostgpu
