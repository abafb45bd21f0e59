// SPDX-License-Identifier: Apache-2.0
// Every load and store of a kernel comes here before it happens: clang's instrumentation for its
// thread sanitizer calls these functions, of whose run-time library nothing is used.
#include "tests/cuda/machine/Machine.h"

#include <cstdio>
#include <cstring>

namespace sinter::hostgpu {
namespace {

std::string hex(uintptr_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%zx", value);
  return text;
}

std::string kindOf(bool writes, size_t bytes) {
  return std::string(writes ? "write" : "read") + " of " + std::to_string(bytes) + " bytes";
}

} // namespace

bool Machine::isOrdered(Tag before, const Thread &thread) const {
  if (before.unit() != unitNumber)
    return before.unit() < firstUnit;
  return before.thread() == thread.rank || before.time() <= (*thread.clock)[before.thread()];
}

void Machine::race(Tag other, bool otherWrote, uintptr_t address, size_t bytes, bool writes,
                   void *place) {
  std::string who;
  if (other.unit() != unitNumber)
    who = "another block of this launch";
  else if (other.thread() == unitThreads)
    who = "an asynchronous copy";
  else
    who = "thread " + std::to_string(threads[other.thread()]->rankInBlock) +
          (blocks.size() > 1
               ? " of block " + std::to_string(threads[other.thread()]->block->rankInCluster) +
                     " of the cluster"
               : "");
  fail("race: " + kindOf(writes, bytes) + " at " + hex(address) +
           (shared.contains(address) ? " (shared memory)" : " (global memory)") + ", which " + who +
           (otherWrote ? " wrote" : " read") + " with nothing in between that orders the two",
       place);
}

/// The cell of an address that a kernel may access.
Cell &Machine::checkedCell(uintptr_t address, uint8_t mask, size_t bytes, bool writes,
                           void *place) {
  if (shared.contains(address)) {
    const uintptr_t offset = address - shared.begin();
    if (offset / slotBytes >= blocks.size() || !sharedAllowed[offset % slotBytes / 4])
      fail("out of bounds: " + kindOf(writes, bytes) + " at " + hex(address) + ", byte " +
               std::to_string(static_cast<long>(offset % slotBytes - sharedDynamic)) +
               " of shared memory, of which " + std::to_string(request->sharedBytes) +
               " bytes are dynamic",
           place);
    return cellOfShared(address);
  }
  Cell &cell = global.cell(address);
  if ((cell.initialised & mask) != mask)
    if (std::string wrong = global.check(address, 1); !wrong.empty())
      fail("out of bounds: " + kindOf(writes, bytes) + ": " + wrong, place);
  return cell;
}

void Machine::checkCell(Cell &cell, uint8_t mask, uintptr_t address, size_t bytes, bool writes,
                        bool isAtomic, void *place) {
  const Thread &thread = *current;
  const Tag me(unitNumber, thread.rank, thread.time, isAtomic);
  if ((!writes || isAtomic) && (cell.initialised & mask) != mask)
    fail((cell.inFlight & mask ? "read of what an asynchronous copy has not brought yet: "
                               : "read of memory that was never written: ") +
             kindOf(false, bytes) + " at " + hex(address) +
             (shared.contains(address) ? " (shared memory)" : " (global memory)"),
         place);
  if (cell.writer && cell.written & mask && !cell.writer.sameThread(me) &&
      !(isAtomic && cell.writer.isAtomic()) && !isOrdered(cell.writer, thread))
    race(cell.writer, true, address, bytes, writes, place);
  if (writes) {
    for (int i = 0; i < 2; ++i)
      if (cell.readers[i] && cell.read[i] & mask && !cell.readers[i].sameThread(me) &&
          !isOrdered(cell.readers[i], thread))
        race(cell.readers[i], false, address, bytes, writes, place);
    if (!cell.writer.sameThread(me))
      cell.written = 0;
    cell.writer = me;
    cell.written |= mask;
    cell.initialised |= mask;
    cell.inFlight &= static_cast<uint8_t>(~mask);
    return;
  }
  for (int i = 0; i < 2; ++i) {
    bool same = cell.readers[i].sameThread(me);
    if (cell.readers[i] && !same && !isOrdered(cell.readers[i], thread))
      continue;
    cell.readers[i] = me;
    cell.read[i] = same ? cell.read[i] | mask : mask;
    return;
  }
}

void Machine::access(uintptr_t address, size_t bytes, bool writes, bool isAtomic, void *place) {
  if (!current)
    return;
  if (isLocal(address)) {
    if ((address - stacks) / stackBytes != current->rank)
      fail(kindOf(writes, bytes) + " in another thread's local memory", place);
    return;
  }
  if (!shared.contains(address) && !global.contains(address)) {
    if (address >= request->kernel->imageBase && address < request->kernel->imageEnd)
      return;
    fail("illegal address: " + kindOf(writes, bytes) + " at " + hex(address) +
             ", which is no device memory",
         place);
  }
  if (!checks)
    return;
  for (uintptr_t at = address / 4 * 4; at < address + bytes; at += 4) {
    uint8_t mask = 15;
    if (at < address)
      mask &= static_cast<uint8_t>(15 << (address - at));
    if (at + 4 > address + bytes)
      mask &= static_cast<uint8_t>(15 >> (at + 4 - address - bytes));
    uintptr_t last = std::min(at + 3, address + bytes - 1);
    Cell &cell = checkedCell(at < address ? address : at, mask, bytes, writes, place);
    // The end of an allocation need not be a multiple of four.
    if (global.contains(last) && (cell.initialised & mask) != mask)
      checkedCell(last, mask, bytes, writes, place);
    checkCell(cell, mask, address, bytes, writes, isAtomic, place);
  }
}

} // namespace sinter::hostgpu

using sinter::hostgpu::Machine;

namespace {

void check(void *address, size_t bytes, bool writes, bool aligned, void *place) {
  auto at = reinterpret_cast<uintptr_t>(address);
  Machine &machine = Machine::instance();
  // The instrumentation calls 16 bytes aligned when 8 of them are; for local variables they need be
  // no more.
  if (aligned && at % bytes != 0 && !machine.isLocal(at))
    machine.fail("misaligned: access of " + std::to_string(bytes) + " bytes", place);
  machine.access(at, bytes, writes, false, place);
}

} // namespace

#define SINTER_ACCESS(bytes)                                                                       \
  void __tsan_read##bytes(void *a) { check(a, bytes, false, true, __builtin_return_address(0)); }  \
  void __tsan_write##bytes(void *a) { check(a, bytes, true, true, __builtin_return_address(0)); }  \
  void __tsan_unaligned_read##bytes(void *a) {                                                     \
    check(a, bytes, false, false, __builtin_return_address(0));                                    \
  }                                                                                                \
  void __tsan_unaligned_write##bytes(void *a) {                                                    \
    check(a, bytes, true, false, __builtin_return_address(0));                                     \
  }

extern "C" {
void __tsan_init() {}
SINTER_ACCESS(1)
SINTER_ACCESS(2)
SINTER_ACCESS(4)
SINTER_ACCESS(8)
SINTER_ACCESS(16)
void __tsan_read_range(void *a, size_t bytes) {
  check(a, bytes, false, false, __builtin_return_address(0));
}
void __tsan_write_range(void *a, size_t bytes) {
  check(a, bytes, true, false, __builtin_return_address(0));
}
void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
  check(const_cast<void *>(from), bytes, false, false, __builtin_return_address(0));
  check(to, bytes, true, false, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void *__tsan_memmove(void *to, const void *from, size_t bytes) {
  check(const_cast<void *>(from), bytes, false, false, __builtin_return_address(0));
  check(to, bytes, true, false, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void *__tsan_memset(void *to, int value, size_t bytes) {
  check(to, bytes, true, false, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}

/// clang's check of alignment found a pointer that its type does not allow.
void __ubsan_handle_type_mismatch_v1(const void *, void *address) {
  char text[96];
  std::snprintf(text, sizeof text,
                "misaligned: %p is not aligned as the type of the access demands", address);
  Machine::instance().fail(text, __builtin_return_address(0));
}
void __ubsan_handle_alignment_assumption(const void *, void *, void *, void *) {
  Machine::instance().fail("misaligned: a pointer is not aligned as was promised",
                           __builtin_return_address(0));
}

void *shimPlaceShared(ShimShared *variable) {
  return reinterpret_cast<void *>(Machine::instance().placeShared(*variable));
}
}
