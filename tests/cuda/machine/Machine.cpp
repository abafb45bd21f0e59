// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/machine/Machine.h"

#include "tests/cuda/machine/Async.h"
#include "tests/cuda/machine/Places.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

extern "C" void sinterHostGpuSwitch(void **saved, void *next);
// Saves what a call preserves, changes the stack, and returns there.
asm(R"(
.text
.globl sinterHostGpuSwitch
.hidden sinterHostGpuSwitch
.type sinterHostGpuSwitch, @function
sinterHostGpuSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size sinterHostGpuSwitch, .-sinterHostGpuSwitch
)");

namespace sinter::hostgpu {
namespace {

constexpr uintptr_t sharedBase = 0x50000000; // Below 4 GiB, as shared memory's addresses are.
constexpr size_t maxShared = 227 << 10;
constexpr uint64_t canary = 0x5ac1f1ceb10cce55;

} // namespace

Machine &Machine::create() {
  only = new Machine; // Programs may use it as long as they run.
  return *only;
}

Machine::Machine() : shared(sharedBase, slotBytes * maxCluster) {
  stackCount = maxCluster * 1024;
  void *memory = mmap(nullptr, stackCount * stackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    std::abort();
  stacks = reinterpret_cast<uintptr_t>(memory);
  const char *text = std::getenv("SINTER_HOST_GPU_SEED");
  seed = text ? std::strtoull(text, nullptr, 10) : 0;
  shuffles = seed != 0;
  const char *unchecked = std::getenv("SINTER_HOST_GPU_UNCHECKED");
  checks = !unchecked || !*unchecked;
  async = std::make_unique<AsyncState>();
}

uint64_t Machine::random() {
  state += 0x9e3779b97f4a7c15; // SplitMix64
  uint64_t z = state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// -- Launches -------------------------------------------------------------------------------------

std::string Machine::run(const LaunchRequest &wanted) {
  request = &wanted;
  failure.clear();
  firstUnit = unitNumber + 1;
  state = seed * 1000003 + firstUnit;
  sharedAllowed.assign(slotBytes / 4, 0);
  // Dynamic shared memory is no better aligned than its declaration says.
  sharedDynamic = std::max<size_t>(16, wanted.kernel->shim->dynamicAlignment);
  sharedEnd = sharedDynamic + wanted.sharedBytes;
  std::fill_n(sharedAllowed.begin() + sharedDynamic / 4, (wanted.sharedBytes + 3) / 4, 1);
  const uint64_t count = wanted.grid.count();
  std::vector<uint32_t> order;
  for (uint64_t first = 0; first < count; first += wanted.cluster)
    order.push_back(static_cast<uint32_t>(first));
  if (shuffles)
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);
  for (uint32_t first : order) {
    runUnit(first);
    if (!failure.empty())
      break;
  }
  // Another kernel of the image places its own.
  for (ShimShared *variable : placed)
    variable->offset = 0;
  placed.clear();
  request = nullptr;
  current = nullptr;
  return failure;
}

void Machine::runUnit(uint32_t first) {
  ++unitNumber;
  const LaunchRequest &wanted = *request;
  const auto perBlock = static_cast<uint32_t>(wanted.block.count());
  unitThreads = perBlock * wanted.cluster;
  done = 0;
  agentTime = 1;
  *async = AsyncState();
  clusterBarrier = Barrier();
  progress = nullptr;
  ready.clear();
  blocks.clear();
  // Nobody knows anything of the others yet.
  auto clock = std::make_shared<const std::vector<uint32_t>>(nothing());
  while (threads.size() < unitThreads)
    threads.push_back(std::make_unique<Thread>());
  for (uint32_t b = 0; b < wanted.cluster; ++b) {
    auto block = std::make_unique<Block>();
    const uint32_t number = first + b;
    block->index[0] = number % wanted.grid.x;
    block->index[1] = number / wanted.grid.x % wanted.grid.y;
    block->index[2] = number / wanted.grid.x / wanted.grid.y;
    block->rankInCluster = b;
    block->shared = shared.begin() + b * slotBytes;
    for (uint32_t t = 0; t < perBlock; ++t) {
      Thread &thread = *threads[b * perBlock + t];
      thread = Thread();
      thread.block = block.get();
      thread.index[0] = t % wanted.block.x;
      thread.index[1] = t / wanted.block.x % wanted.block.y;
      thread.index[2] = t / wanted.block.x / wanted.block.y;
      thread.rank = b * perBlock + t;
      thread.rankInBlock = t;
      thread.clock = clock;
      block->threads.push_back(&thread);
      start(thread);
      ready.push_back(&thread);
    }
    blocks.push_back(std::move(block));
  }
  // Without a seed the threads run in their order: the last of the list is next.
  std::reverse(ready.begin(), ready.end());
  resumeNext();
  if (failure.empty() && done < unitThreads)
    failure = deadlock();
  if (failure.empty())
    failure = async->leftOver();
}

void Machine::start(Thread &thread) {
  uintptr_t bottom = stacks + thread.rank * stackBytes;
  *reinterpret_cast<uint64_t *>(bottom) = canary;
  // Not all at the same place of a cache.
  auto *top = reinterpret_cast<void **>(bottom + stackBytes - 64 - thread.rank % 61 * 576);
  // As if fiberMain had been called: the stack is 8 off a multiple of 16.
  *--top = nullptr;
  *--top = reinterpret_cast<void *>(&Machine::fiberMain);
  for (int i = 0; i < 6; ++i)
    *--top = nullptr;
  thread.stackPointer = top;
}

void Machine::fiberMain() {
  Machine &machine = instance();
  machine.request->kernel->shim->call(machine.request->parameters);
  Thread &thread = *machine.current;
  thread.state = Thread::State::Done;
  thread.block->ended[thread.rankInBlock / 32] |= 1u << thread.rankInBlock % 32;
  ++machine.done;
  if (*reinterpret_cast<uint64_t *>(machine.stacks + thread.rank * stackBytes) != canary)
    machine.fail("a thread's local memory exceeds what the host gives it", nullptr);
  machine.resumeNext();
  std::abort();
}

/// Leaves the current fiber, or the scheduler, for the next thread; for the scheduler if there is
/// none.
void Machine::resumeNext() {
  Thread *from = current;
  if (ready.empty() && progress && done < unitThreads)
    while (ready.empty() && progress(*this)) {
    }
  void **save = from ? &from->stackPointer : &schedulerStack;
  if (ready.empty()) {
    if (!from)
      return;
    current = nullptr;
    sinterHostGpuSwitch(save, schedulerStack);
    return;
  }
  if (shuffles)
    std::swap(ready.back(), ready[random() % ready.size()]);
  Thread *next = ready.back();
  ready.pop_back();
  current = next;
  if (next != from)
    sinterHostGpuSwitch(save, next->stackPointer);
}

void Machine::wait(const char *what, void *place) {
  current->state = Thread::State::Waiting;
  current->waitsFor = what;
  current->place = place;
  resumeNext();
}

void Machine::wake(Thread &thread) {
  thread.state = Thread::State::Ready;
  thread.waitsFor = nullptr;
  ready.push_back(&thread);
}

void Machine::yield() {
  ready.insert(ready.begin(), current);
  resumeNext();
}

void Machine::fail(const std::string &what, void *place) {
  failure = what;
  if (current)
    failure += "\n  in " + describe(*current);
  if (place)
    failure += "\n  at " + where(place);
  void *left = nullptr;
  current = nullptr;
  sinterHostGpuSwitch(&left, schedulerStack);
  std::abort();
}

std::string Machine::describe(const Thread &thread) const {
  auto text = [](const uint32_t(&i)[3]) {
    std::string made = std::to_string(i[0]);
    if (i[1] || i[2])
      made += "," + std::to_string(i[1]) + "," + std::to_string(i[2]);
    return made;
  };
  return std::string(request->kernel->shim->name) + ", block " + text(thread.block->index) +
         ", thread " + text(thread.index);
}

std::string Machine::where(void *place) const {
  return placeInText(request->kernel->image,
                     reinterpret_cast<uintptr_t>(place) - request->kernel->imageBase - 1);
}

std::string Machine::deadlock() const {
  const Thread *waiting = nullptr;
  std::string text;
  size_t finished = 0, blocked = 0;
  for (size_t t = 0; t < unitThreads; ++t) {
    const Thread &thread = *threads[t];
    finished += thread.state == Thread::State::Done;
    if (thread.state != Thread::State::Waiting)
      continue;
    ++blocked;
    // One thread per place is enough.
    if (!waiting || waiting->place != thread.place) {
      if (blocked < 500)
        text += "\n  " + describe(thread) + " waits for " + thread.waitsFor + " at " +
                where(thread.place);
      waiting = &thread;
    }
  }
  return "some threads wait for ever (" + std::to_string(blocked) + " wait, " +
         std::to_string(finished) + " have ended)" + text;
}

// -- Shared memory
// ----------------------------------------------------------------------------------

Block *Machine::blockOfShared(uintptr_t address) {
  if (!shared.contains(address))
    return nullptr;
  size_t slot = (address - shared.begin()) / slotBytes;
  return slot < blocks.size() ? blocks[slot].get() : nullptr;
}

Cell &Machine::cellOfShared(uintptr_t address) {
  Cell &cell = shared.cell(address);
  if (cell.owner != unitNumber) {
    cell = Cell();
    cell.owner = unitNumber;
  }
  return cell;
}

uintptr_t Machine::placeShared(ShimShared &variable) {
  if (variable.bytes == shimDynamic)
    return current->block->shared + sharedDynamic;
  if (variable.offset == 0) {
    constexpr size_t gap = 16; // Which nothing may touch.
    size_t offset =
        (sharedEnd + gap + variable.alignment - 1) / variable.alignment * variable.alignment;
    sharedEnd = offset + variable.bytes;
    if (sharedEnd - sharedDynamic > maxShared)
      fail("more than 227 KiB of shared memory", nullptr);
    std::fill_n(sharedAllowed.begin() + offset / 4, (variable.bytes + 3) / 4, 1);
    variable.offset = offset + 1;
    placed.push_back(&variable);
  }
  return current->block->shared + variable.offset - 1;
}

// -- Order in time
// ------------------------------------------------------------------------------------

std::vector<uint32_t> Machine::knowledge(const Thread &thread) const {
  std::vector<uint32_t> all = *thread.clock;
  all[thread.rank] = thread.time;
  return all;
}

void Machine::join(std::vector<uint32_t> &into, const Clock &from) {
  const std::vector<uint32_t> &other = *from;
  for (size_t i = 0; i < into.size(); ++i)
    into[i] = std::max(into[i], other[i]);
}

void Machine::release(Thread &thread, std::vector<uint32_t> &into) {
  join(into, thread.clock);
  tick(thread, into);
}

void Machine::tick(Thread &thread, std::vector<uint32_t> &into) {
  into[thread.rank] = thread.time;
  if (thread.time++ == Tag::maxTime)
    fail("too many barriers for the host's bookkeeping", nullptr);
}

void Machine::acquire(Thread &thread, const std::vector<uint32_t> &from) {
  auto joined = std::make_shared<std::vector<uint32_t>>(from);
  join(*joined, thread.clock);
  thread.clock = std::move(joined);
}

} // namespace sinter::hostgpu
