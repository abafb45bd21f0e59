// SPDX-License-Identifier: Apache-2.0
// What threads of a block do together: barriers, and the lanes of a warp.
#include "tests/cuda/machine/Async.h"

#include <bit>
#include <cstring>

using namespace sinter::hostgpu;

namespace {

Machine &machine() { return Machine::instance(); }

/// Lets everybody go who waits at a barrier, knowing what all that arrived have done.
void open(Barrier &barrier) {
  auto clock = std::make_shared<const std::vector<uint32_t>>(std::move(barrier.clock));
  unsigned sum = barrier.sum;
  for (Thread *thread : barrier.waiting) {
    thread->clock = clock;
    thread->answer = sum;
    if (thread != &machine().self())
      machine().wake(*thread);
  }
  barrier = Barrier();
}

/// Arrives; true: the caller need not wait.
bool arrive(Barrier &barrier, int expected, void *place, bool waits, unsigned predicate) {
  Thread &self = machine().self();
  if (barrier.arrived == 0) {
    barrier.expected = expected;
    barrier.clock = machine().nothing();
    barrier.place = place;
    barrier.placeOf = self.rankInBlock;
  }
  if (barrier.expected != expected)
    machine().fail("a barrier is used for " + std::to_string(expected) + " threads and for " +
                       std::to_string(barrier.expected) + " at once",
                   place);
  // Most threads know the same.
  if (self.clock != barrier.joined)
    Machine::join(barrier.clock, self.clock);
  barrier.joined = self.clock;
  machine().tick(self, barrier.clock);
  barrier.sum += predicate;
  if (waits)
    barrier.waiting.push_back(&self);
  if (++barrier.arrived == expected) {
    open(barrier);
    return true;
  }
  return !waits;
}

uint64_t shuffled(const Thread &lane, uint32_t base, uint64_t (&values)[32]) {
  const WarpOp &op = lane.warpOp;
  const int width = op.width, self = static_cast<int>(lane.rankInBlock - base);
  const int segment = self / width * width, inside = self - segment;
  int source = self;
  switch (op.kind) {
  case shimShuffleIndex:
    source = segment + (op.argument & (width - 1));
    break;
  case shimShuffleUp:
    source = inside - op.argument < 0 ? self : self - op.argument;
    break;
  case shimShuffleDown:
    source = inside + op.argument >= width ? self : self + op.argument;
    break;
  case shimShuffleXor:
    // A lane of a segment behind the own one gives no value.
    source = ((self ^ op.argument) >= segment + width) ? self : self ^ op.argument;
    break;
  default:
    break;
  }
  // What a lane that takes no part holds is anybody's guess.
  return op.mask >> source & 1 ? values[source] : 0xa5a5a5a5deadbeef;
}

void finishWarp(Block &block, uint32_t base, unsigned mask) {
  uint64_t values[32] = {};
  unsigned ballot = 0;
  const int kind = machine().self().warpOp.kind;
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) {
      values[lane] = block.threads[base + lane]->warpOp.value;
      ballot |= static_cast<unsigned>(values[lane] != 0) << lane;
    }
  if (kind >= shimMatrices)
    warpMatrices(machine(), block, base, kind);
  std::vector<uint32_t> clock;
  if (kind == shimSyncWarp) {
    clock = machine().nothing();
    const std::vector<uint32_t> *before = nullptr;
    for (uint32_t lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1) {
        Thread &thread = *block.threads[base + lane];
        if (thread.clock.get() != before)
          Machine::join(clock, thread.clock);
        before = thread.clock.get();
        // Nobody knows more of a thread than itself.
        clock[thread.rank] = thread.time;
      }
  }
  Clock known = kind == shimSyncWarp
                    ? std::make_shared<const std::vector<uint32_t>>(std::move(clock))
                    : nullptr;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1))
      continue;
    Thread &thread = *block.threads[base + lane];
    if (kind == shimSyncWarp) {
      thread.clock = known;
      ++thread.time;
    } else if (kind == shimBallot) {
      thread.answer = ballot;
    } else if (kind == shimMatch) {
      thread.answer = 0;
      for (uint32_t other = 0; other < 32; ++other)
        if (mask >> other & 1 && values[other] == values[lane])
          thread.answer |= 1u << other;
    } else {
      thread.answer = shuffled(thread, base, values);
    }
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) {
      Thread &thread = *block.threads[base + lane];
      block.together[base / 32] &= ~(1u << lane);
      if (&thread != &machine().self())
        machine().wake(thread);
    }
}

template <typename T> T combine(int kind, T old, T value, T compare) {
  switch (kind) {
  case shimAdd:
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) +
                            static_cast<std::make_unsigned_t<T>>(value));
    else
      return old + value;
  case shimMin:
    return std::min(old, value);
  case shimMax:
    return std::max(old, value);
  case shimExchange:
    return value;
  case shimCompareExchange:
    return old == compare ? value : old;
  default:
    break;
  }
  if constexpr (std::is_integral_v<T>)
    return kind == shimAnd ? old & value : kind == shimOr ? old | value : old ^ value;
  return old;
}

template <typename T> uint64_t atomicOf(int kind, void *address, uint64_t value, uint64_t compare) {
  T old, operand, other;
  std::memcpy(&old, address, sizeof old);
  std::memcpy(&operand, &value, sizeof operand);
  std::memcpy(&other, &compare, sizeof other);
  T next = combine(kind, old, operand, other);
  std::memcpy(address, &next, sizeof next);
  uint64_t answer = 0;
  std::memcpy(&answer, &old, sizeof old);
  return answer;
}

} // namespace

extern "C" {

unsigned long long shimWarpAt(int kind, unsigned mask, unsigned long long value, int argument,
                              int width, void *place);

unsigned shimPosition(int what, int dimension) {
  const Thread &self = machine().self();
  const LaunchRequest &launch = machine().launch();
  auto of = [&](const Dim3 &size) {
    return dimension == 0 ? size.x : dimension == 1 ? size.y : size.z;
  };
  switch (what) {
  case shimThreadIndex:
    return self.index[dimension];
  case shimBlockIndex:
    return self.block->index[dimension];
  case shimBlockSize:
    return of(launch.block);
  default:
    return of(launch.grid);
  }
}

unsigned shimSyncThreads(unsigned predicate) {
  void *place = __builtin_return_address(0);
  Thread &self = machine().self();
  Barrier &barrier = self.block->barriers[0];
  if (barrier.arrived != 0 && barrier.place != place)
    machine().fail("divergent barrier: thread " + std::to_string(barrier.placeOf) +
                       " of the block waits at another __syncthreads",
                   place);
  if (!arrive(barrier, static_cast<int>(self.block->threads.size()), place, true, predicate))
    machine().wait("__syncthreads", place);
  return static_cast<unsigned>(self.answer);
}

void shimNamedBarrier(int number, int threads, int waits) {
  void *place = __builtin_return_address(0);
  Thread &self = machine().self();
  if (number < 0 || number > 15 || threads <= 0 || threads % 32 != 0 ||
      threads > static_cast<int>(self.block->threads.size()))
    machine().fail("barrier " + std::to_string(number) + " for " + std::to_string(threads) +
                       " threads",
                   place);
  if (!arrive(self.block->barriers[static_cast<size_t>(number)], threads, place, waits != 0, 0))
    machine().wait("a named barrier", place);
}

unsigned long long shimWarp(int kind, unsigned mask, unsigned long long value, int argument,
                            int width) {
  return shimWarpAt(kind, mask, value, argument, width, __builtin_return_address(0));
}

unsigned long long shimWarpAt(int kind, unsigned mask, unsigned long long value, int argument,
                              int width, void *place) {

  Thread &self = machine().self();
  Block &block = *self.block;
  const uint32_t base = self.rankInBlock / 32 * 32, lane = self.rankInBlock % 32;
  if (!(mask >> lane & 1))
    machine().fail("a warp's operation whose mask lacks the caller's lane", place);
  if (width < 1 || width > 32 || !std::has_single_bit(static_cast<unsigned>(width)))
    machine().fail("a shuffle of width " + std::to_string(width), place);
  self.warpOp = {kind, mask, value, argument, width};
  self.place = place;
  const size_t warp = base / 32;
  if (base + 32 > block.threads.size() && mask >> (block.threads.size() - base) != 0)
    machine().fail("a warp's mask names lanes that the block has not", place);
  if (mask & block.ended[warp])
    machine().fail("a warp's mask names lane " +
                       std::to_string(std::countr_zero(mask & block.ended[warp])) +
                       ", which has ended",
                   place);
  block.together[warp] |= 1u << lane;
  bool complete = (block.together[warp] & mask) == mask;
  for (uint32_t other = 0; other < 32 && complete; ++other) {
    if (!(mask >> other & 1) || other == lane)
      continue;
    const Thread &thread = *block.threads[base + other];
    // A lane that still waits for a group without this one comes later.
    if (!(thread.warpOp.mask >> lane & 1))
      complete = false;
    else if (thread.warpOp.mask != mask || thread.warpOp.kind != kind || thread.place != place)
      machine().fail("lanes of a warp meet in different operations or masks: lane " +
                         std::to_string(other) + " is elsewhere",
                     place);
  }
  if (complete)
    finishWarp(block, base, mask);
  else
    machine().wait("the lanes of its warp", place);
  return self.answer;
}

unsigned shimActiveMask() {
  const Thread &self = machine().self();
  unsigned mask = 0;
  const uint32_t base = self.rankInBlock / 32 * 32;
  for (uint32_t lane = 0; lane < 32 && base + lane < self.block->threads.size(); ++lane)
    mask |= static_cast<unsigned>(self.block->threads[base + lane]->state != Thread::State::Done)
            << lane;
  return mask;
}

unsigned long long shimAtomic(int kind, int type, void *address, unsigned long long value,
                              unsigned long long compare) {
  void *place = __builtin_return_address(0);
  const bool isWide = type == shimLong || type == shimUnsignedLong || type == shimDouble;
  const size_t bytes = isWide ? 8 : 4;
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0)
    machine().fail("misaligned atomic", place);
  machine().access(reinterpret_cast<uintptr_t>(address), bytes, true, true, place);
  switch (type) {
  case shimInt:
    return atomicOf<int>(kind, address, value, compare);
  case shimUnsigned:
    return atomicOf<unsigned>(kind, address, value, compare);
  case shimLong:
    return atomicOf<long long>(kind, address, value, compare);
  case shimUnsignedLong:
    return atomicOf<unsigned long long>(kind, address, value, compare);
  case shimFloat:
    return atomicOf<float>(kind, address, value, compare);
  default:
    return atomicOf<double>(kind, address, value, compare);
  }
}

void shimFail(const char *what) { machine().fail(what, __builtin_return_address(0)); }
}
