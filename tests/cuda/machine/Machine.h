// SPDX-License-Identifier: Apache-2.0
// Runs kernels that were built for the host as a GPU would: the threads of a block, or of the
// blocks of a cluster, are fibers that change at barriers, in an order that a seed decides.
#pragma once

#include "tests/cuda/machine/Memory.h"
#include "tests/cuda/shim/Abi.h"

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sinter::hostgpu {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

/// What is known to have happened before, as the time of every thread of the unit. Shared among the
/// threads that know the same.
using Clock = std::shared_ptr<const std::vector<uint32_t>>;

struct Block;

struct WarpOp {
  int kind = 0;
  unsigned mask = 0;
  uint64_t value = 0;
  int argument = 0, width = 32;
};

struct Thread {
  enum class State : uint8_t { Ready, Waiting, Done };
  void *stackPointer = nullptr;
  Block *block = nullptr;
  uint32_t index[3] = {};
  uint32_t rank = 0; ///< In the unit.
  uint32_t rankInBlock = 0;
  uint32_t time = 1;
  State state = State::Ready;
  Clock clock;
  // While it waits:
  const char *waitsFor = nullptr;
  void *place = nullptr; ///< In the kernel's code.
  WarpOp warpOp;
  uint64_t answer = 0;
};

struct Barrier {
  int expected = 0, arrived = 0;
  unsigned sum = 0;
  std::vector<Thread *> waiting;
  std::vector<uint32_t> clock; ///< Of those that arrived.
  Clock joined;                ///< The last that became a part of it.
  void *place = nullptr;
  uint32_t placeOf = 0; ///< The thread that came first.
};

struct Block {
  uint32_t index[3] = {};
  uint32_t rankInCluster = 0;
  uintptr_t shared = 0; ///< Where its shared memory begins.
  std::vector<Thread *> threads;
  std::array<Barrier, 16> barriers;
  /// Per warp, a bit per lane: those that wait in an operation of the warp; those that have ended.
  std::array<uint32_t, 32> together = {}, ended = {};
};

struct Kernel {
  const ShimKernel *shim = nullptr;
  std::string image; ///< The file of its code, for places in the text.
  uintptr_t imageBase = 0, imageEnd = 0;
};

struct LaunchRequest {
  const Kernel *kernel = nullptr;
  Dim3 grid, block;
  uint32_t cluster = 1;
  size_t sharedBytes = 0; ///< Dynamic.
  void **parameters = nullptr;
};

/// What asynchronous units of a block (copies, matrix products) still have to do; see Async.h.
struct AsyncState;

class Machine {
public:
  /// Process-wide, since kernels call free functions.
  static Machine &instance() { return only ? *only : create(); }

  /// Runs a launch to its end. Returns what went wrong, or "".
  std::string run(const LaunchRequest &request);

  GlobalMemory global;

  // -- For what kernels call: they run on a fiber of this machine.

  Thread &self() { return *current; }
  Block &block() { return *current->block; }
  const LaunchRequest &launch() const { return *request; }
  /// Ends the launch.
  [[noreturn]] void fail(const std::string &what, void *place);
  /// Lets the others run until `current` is ready.
  void wait(const char *what, void *place);
  void wake(Thread &thread);
  /// Lets others run first.
  void yield();

  /// Checks an access and records it.
  void access(uintptr_t address, size_t bytes, bool writes, bool isAtomic, void *place);
  /// Where an address lies: shared memory of which block of the unit, or null.
  Block *blockOfShared(uintptr_t address);
  /// In a thread's local memory.
  bool isLocal(uintptr_t address) const { return address - stacks < stackCount * stackBytes; }
  bool isGlobal(uintptr_t address) const { return global.contains(address); }
  Cell &cellOfShared(uintptr_t address);
  /// Where a __shared__ variable lies for the current block.
  uintptr_t placeShared(ShimShared &variable);

  // Order in time.
  std::vector<uint32_t> knowledge(const Thread &thread) const; ///< Its own time included.
  static void join(std::vector<uint32_t> &into, const Clock &from);
  void release(Thread &thread, std::vector<uint32_t> &into);
  /// The thread's own part of release().
  void tick(Thread &thread, std::vector<uint32_t> &into);
  void acquire(Thread &thread, const std::vector<uint32_t> &from);
  std::vector<uint32_t> nothing() const { return std::vector<uint32_t>(unitThreads + agents); }

  /// Copy engines have a time of their own.
  static constexpr uint32_t agents = 1;
  uint32_t agentRank() const { return unitThreads; }
  uint32_t agentTime = 1;
  uint32_t unit() const { return unitNumber; }
  const std::vector<std::unique_ptr<Block>> &unitBlocks() const { return blocks; }

  uint64_t random();
  std::unique_ptr<AsyncState> async;
  /// Called when no thread can go on; true: somebody can now.
  bool (*progress)(Machine &) = nullptr;
  Barrier clusterBarrier;
  bool checks = true;

private:
  Machine();
  static Machine &create();
  inline static Machine *only = nullptr;
  void runUnit(uint32_t first);
  void start(Thread &thread);
  void resumeNext();
  std::string deadlock() const;
  std::string describe(const Thread &thread) const;
  std::string where(void *place) const;
  void checkCell(Cell &cell, uint8_t mask, uintptr_t address, size_t bytes, bool writes,
                 bool isAtomic, void *place);
  [[noreturn]] void race(Tag other, bool otherWrote, uintptr_t address, size_t bytes, bool writes,
                         void *place);
  bool isOrdered(Tag before, const Thread &thread) const;
  Cell &checkedCell(uintptr_t address, uint8_t mask, size_t bytes, bool writes, void *place);
  static void fiberMain();

  static constexpr size_t slotBytes = 256 << 10; ///< Addresses of a block's shared memory.
  static constexpr uint32_t maxCluster = 16;
  Space shared;
  static constexpr size_t stackBytes = 256 << 10;
  uintptr_t stacks = 0;
  size_t stackCount = 0;
  Thread *current = nullptr;
  void *schedulerStack = nullptr;
  const LaunchRequest *request = nullptr;
  std::vector<std::unique_ptr<Thread>> threads; ///< Reused.
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<Thread *> ready;
  size_t unitThreads = 0, done = 0, sharedEnd = 0, sharedDynamic = 0;
  std::vector<ShimShared *> placed;   ///< By this launch.
  std::vector<uint8_t> sharedAllowed; ///< Per four bytes of a block's shared memory.
  uint32_t unitNumber = 0, firstUnit = 1;
  uint64_t state = 0, seed = 0;
  bool shuffles = false;
  std::string failure;
};

} // namespace sinter::hostgpu
