// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies, barriers in shared memory, clusters.
#include "tests/cuda/machine/Async.h"

#include <algorithm>
#include <cstring>

namespace sinter::hostgpu {
namespace {

Machine &machine() { return Machine::instance(); }
uintptr_t at(const void *pointer) { return reinterpret_cast<uintptr_t>(pointer); }

/// The range will be written by somebody else later: nobody may use it until then.
void markInFlight(uintptr_t address, size_t bytes) {
  for (uintptr_t a = address; a < address + bytes; a += 4) {
    Cell &cell = machine().cellOfShared(a);
    cell.initialised = 0;
    cell.inFlight = 15;
  }
}

MemoryBarrier &barrierAt(void *address, void *place) {
  machine().access(at(address), 8, false, false, place); // Initialised, and that was before.
  auto found = machine().async->barriers.find(at(address));
  if (found == machine().async->barriers.end())
    machine().fail("a barrier in shared memory that nobody initialised", place);
  return found->second;
}

void finishPhase(MemoryBarrier &barrier) {
  if (barrier.pending != 0 || barrier.bytes != 0)
    return;
  barrier.before = std::move(barrier.clock);
  barrier.clock = machine().nothing();
  barrier.pending = barrier.count;
  const int finished = barrier.phase;
  barrier.phase ^= 1;
  auto waiting = std::move(barrier.waiting);
  barrier.waiting.clear();
  for (auto [thread, phase] : waiting) {
    if (phase != finished) {
      barrier.waiting.emplace_back(thread, phase);
      continue;
    }
    machine().acquire(*thread, barrier.before);
    machine().wake(*thread);
  }
}

void finishCopies(const std::vector<ThreadCopy> &copies, void *place) {
  for (const ThreadCopy &copy : copies) {
    machine().access(at(copy.to), static_cast<size_t>(copy.most), true, false, place);
    std::memset(copy.to, 0, static_cast<size_t>(copy.most));
    std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  }
}

uintptr_t swizzled(uintptr_t address, uint32_t bytes) {
  const uintptr_t bits = bytes == 128 ? 7 : bytes == 64 ? 3 : bytes == 32 ? 1 : 0;
  return address ^ ((address >> 7 & bits) << 4);
}

/// Calls use(address in shared memory, address in global memory or 0) for each row of 16 bytes or
/// less of a box.
template <typename Use> void forEachElement(const BoxCopy &copy, Use use) {
  const TensorMapCode &map = copy.map;
  uint32_t index[5] = {};
  uintptr_t to = copy.to;
  while (true) {
    bool inside = true;
    uint64_t from = map.address;
    for (uint32_t d = 0; d < map.rank; ++d) {
      int64_t place = int64_t{copy.at[d]} + index[d];
      inside &= place >= 0 && place < static_cast<int64_t>(map.sizes[d]);
      from += static_cast<uint64_t>(place) * (d == 0 ? map.elementBytes : map.strides[d - 1]);
    }
    use(swizzled(to, map.swizzleBytes), inside ? from : 0);
    to += map.elementBytes;
    uint32_t d = 0;
    while (d < map.rank && ++index[d] == map.box[d])
      index[d++] = 0;
    if (d == map.rank)
      return;
  }
}

size_t bytesOf(const TensorMapCode &map) {
  size_t bytes = map.elementBytes;
  for (uint32_t d = 0; d < map.rank; ++d)
    bytes *= map.box[d];
  return bytes;
}

} // namespace

std::string AsyncState::leftOver() const {
  if (!boxes.empty())
    return "a block ended while a copy of a box was on its way";
  for (const auto &[rank, group] : groups)
    if (!group.open.empty() || !group.groups.empty())
      return "a block ended while products of a warpgroup were in flight";
  return "";
}

bool bringBox(Machine &machine) {
  std::vector<BoxCopy> &boxes = machine.async->boxes;
  if (boxes.empty())
    return false;
  std::swap(boxes.back(), boxes[machine.random() % boxes.size()]);
  const BoxCopy copy = boxes.back();
  boxes.pop_back();
  const Tag tag(machine.unit(), machine.agentRank(), machine.agentTime, false);
  forEachElement(copy, [&](uintptr_t to, uintptr_t from) {
    const size_t bytes = copy.map.elementBytes;
    auto *target = reinterpret_cast<char *>(to);
    from ? std::memcpy(target, reinterpret_cast<const char *>(from), bytes)
         : std::memset(target, 0, bytes);
    const auto mask = static_cast<uint8_t>(bytes >= 4 ? 15 : ((1 << bytes) - 1) << to % 4);
    for (uintptr_t a = to; a < to + bytes; a += 4) {
      Cell &cell = machine.cellOfShared(a / 4 * 4);
      cell.writer = tag;
      cell.written |= mask;
      cell.initialised |= mask;
      cell.inFlight &= static_cast<uint8_t>(~mask);
    }
  });
  MemoryBarrier &barrier = machine.async->barriers.at(copy.barrier);
  barrier.clock[machine.agentRank()] = machine.agentTime++;
  barrier.bytes -= static_cast<int64_t>(bytesOf(copy.map));
  finishPhase(barrier);
  return true;
}

} // namespace sinter::hostgpu

using namespace sinter::hostgpu;

extern "C" {

void shimCopyAsync(void *shared, const void *from, int most, int bytes) {
  void *place = __builtin_return_address(0);
  if (bytes < 0 || bytes > most)
    machine().fail("an asynchronous copy of " + std::to_string(bytes) + " bytes", place);
  if (at(shared) % static_cast<size_t>(most) != 0 ||
      (bytes > 0 && at(from) % static_cast<size_t>(most) != 0))
    machine().fail("misaligned: an asynchronous copy of " + std::to_string(most) + " bytes", place);
  if (!machine().blockOfShared(at(shared)))
    machine().fail("illegal address: an asynchronous copy to what is not shared memory", place);
  if (bytes > 0 && !machine().isGlobal(at(from)))
    machine().fail("illegal address: an asynchronous copy from what is not global memory", place);
  if (bytes > 0)
    machine().access(at(from), static_cast<size_t>(bytes), false, false, place);
  machine().access(at(shared), static_cast<size_t>(most), true, false, place);
  markInFlight(at(shared), static_cast<size_t>(most));
  machine().async->of(machine().self()).open.push_back({shared, from, most, bytes});
}
void shimCommitAsync() {
  auto &mine = machine().async->of(machine().self());
  mine.groups.push_back(std::move(mine.open));
  mine.open.clear();
}
void shimWaitAsync(int inFlight) {
  void *place = __builtin_return_address(0);
  Thread &self = machine().self();
  while (machine().async->of(self).groups.size() > static_cast<size_t>(inFlight)) {
    std::vector<ThreadCopy> copies = std::move(machine().async->of(self).groups.front());
    machine().async->of(self).groups.pop_front();
    finishCopies(copies, place);
  }
}

void shimInitBarrier(void *barrier, int arrivals) {
  void *place = __builtin_return_address(0);
  if (at(barrier) % 8 != 0 || machine().blockOfShared(at(barrier)) != &machine().block() ||
      arrivals < 1)
    machine().fail("a barrier that is misaligned, not in shared memory, or of no arrivals", place);
  machine().access(at(barrier), 8, true, false, place);
  MemoryBarrier made;
  made.count = made.pending = arrivals;
  made.clock = made.before = machine().nothing();
  machine().async->barriers[at(barrier)] = std::move(made);
}
void shimFenceBarriers() {
  for (auto &[address, barrier] : machine().async->barriers)
    barrier.isFenced |= machine().blockOfShared(address) == &machine().block();
}
void shimArrive(void *address, int expectedBytes) {
  void *place = __builtin_return_address(0);
  MemoryBarrier &barrier = barrierAt(address, place);
  if (barrier.pending == 0)
    machine().fail("more arrivals at a barrier than it counts", place);
  barrier.bytes += expectedBytes;
  machine().release(machine().self(), barrier.clock);
  --barrier.pending;
  finishPhase(barrier);
}
void shimWait(void *address, int phase) {
  void *place = __builtin_return_address(0);
  MemoryBarrier &barrier = barrierAt(address, place);
  // Copies come when they like.
  if (machine().random() % 2)
    bringBox(machine());
  if (barrier.phase != (phase & 1)) {
    machine().acquire(machine().self(), barrier.before);
    return;
  }
  barrier.waiting.emplace_back(&machine().self(), phase & 1);
  machine().progress = bringBox;
  machine().wait("a barrier in shared memory", place);
}
void shimCopyBox(void *shared, const void *map, void *barrier, int rank, const int *coordinates) {
  void *place = __builtin_return_address(0);
  BoxCopy copy;
  copy.to = at(shared);
  copy.barrier = at(barrier);
  if (at(map) % 64 != 0)
    machine().fail("misaligned: a tensor map", place);
  std::memcpy(&copy.map, map, sizeof copy.map);
  if (copy.map.magic != TensorMapCode::good || copy.map.rank != rank)
    machine().fail("a copy of " + std::to_string(rank) +
                       " coordinates by what is no tensor map of as many dims",
                   place);
  std::copy_n(coordinates, rank, copy.at);
  MemoryBarrier &counts = barrierAt(barrier, place);
  if (!counts.isFenced)
    machine().fail("the copy engine was not told of a barrier: fenceBarriers is missing", place);
  const uintptr_t alignment = copy.map.swizzleBytes == 128  ? 1024
                              : copy.map.swizzleBytes == 64 ? 512
                              : copy.map.swizzleBytes == 32 ? 256
                                                            : 128;
  if (copy.to % alignment != 0)
    machine().fail("misaligned: a box in shared memory must be aligned to " +
                       std::to_string(alignment) + " bytes",
                   place);
  // What is read, and what will be written, is the caller's business now.
  forEachElement(copy, [&](uintptr_t, uintptr_t from) {
    if (from)
      machine().access(from, copy.map.elementBytes, false, false, place);
  });
  const size_t bytes = bytesOf(copy.map);
  for (uintptr_t a = copy.to; a < copy.to + bytes; a += 4)
    machine().access(a, 4, true, false, place);
  markInFlight(copy.to, bytes);
  machine().async->boxes.push_back(copy);
  machine().progress = bringBox;
}
void shimFenceProxy() {
  const Thread &self = machine().self();
  machine().async->of(self).proxyFence = self.time;
}

int shimClusterRank() { return static_cast<int>(machine().block().rankInCluster); }
void shimClusterArrive() {
  AsyncState &async = *machine().async;
  Thread &self = machine().self();
  if (async.of(self).clusterPhase > async.clusterPhase)
    machine().fail("two arrivals at the cluster's barrier without a wait",
                   __builtin_return_address(0));
  if (async.clusterClock.empty())
    async.clusterClock = machine().nothing();
  machine().release(self, async.clusterClock);
  async.of(self).clusterPhase = async.clusterPhase + 1;
  if (++async.clusterArrived < machine().nothing().size() - Machine::agents)
    return;
  async.clusterBefore = std::move(async.clusterClock);
  async.clusterClock.clear();
  async.clusterArrived = 0;
  ++async.clusterPhase;
  for (Thread *thread : machine().clusterBarrier.waiting) {
    machine().acquire(*thread, async.clusterBefore);
    machine().wake(*thread);
  }
  machine().clusterBarrier.waiting.clear();
}
void shimClusterWait() {
  AsyncState &async = *machine().async;
  Thread &self = machine().self();
  if (async.of(self).clusterPhase == async.clusterPhase && !async.clusterBefore.empty()) {
    machine().acquire(self, async.clusterBefore);
    return;
  }
  machine().clusterBarrier.waiting.push_back(&self);
  machine().wait("the cluster's barrier", __builtin_return_address(0));
}
void *shimOfPeer(void *own, int rank) {
  void *place = __builtin_return_address(0);
  const auto &blocks = machine().unitBlocks();
  if (rank < 0 || static_cast<size_t>(rank) >= blocks.size() ||
      machine().blockOfShared(at(own)) != &machine().block())
    machine().fail("no such block in the cluster, or no shared memory of this one", place);
  const Block &peer = *blocks[static_cast<size_t>(rank)];
  for (const Thread *thread : peer.threads)
    if (thread->state == Thread::State::Done)
      machine().fail("shared memory of a block of the cluster that has ended, or may have", place);
  return reinterpret_cast<void *>(at(own) - machine().block().shared + peer.shared);
}
}
