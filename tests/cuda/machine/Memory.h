// SPDX-License-Identifier: Apache-2.0
// The memories of a pretended GPU, with what is known of every four bytes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sinter::hostgpu {

/// Who accessed something, and when: a unit (the blocks of a cluster, numbered through all
/// launches), a thread of it, and the thread's time. 0: nobody.
class Tag {
public:
  static constexpr uint64_t maxTime = (1 << 21) - 1, maxThread = (1 << 14) - 1;
  Tag() = default;
  Tag(uint64_t unit, uint64_t thread, uint64_t time, bool isAtomic)
      : bits(unit << 36 | thread << 22 | time << 1 | isAtomic) {}
  explicit operator bool() const { return bits != 0; }
  uint64_t unit() const { return bits >> 36; }
  uint64_t thread() const { return bits >> 22 & maxThread; }
  uint32_t time() const { return static_cast<uint32_t>(bits >> 1 & maxTime); }
  bool isAtomic() const { return bits & 1; }
  bool sameThread(Tag other) const { return bits >> 22 == other.bits >> 22; }

private:
  uint64_t bits = 0;
};

/// Four bytes. Masks have a bit per byte.
struct Cell {
  Tag writer, readers[2]; ///< Two readers that are not ordered, if there are as many.
  uint8_t written = 0, read[2] = {};
  uint8_t initialised : 4 = 0;
  uint8_t inFlight : 4 = 0; ///< An asynchronous copy will write them.
  uint32_t owner = 0;       ///< Shared memory: the unit that all this is about.
};
static_assert(sizeof(Cell) == 32);

/// A range of addresses with a cell per four bytes. Pages are there when they are first touched.
class Space {
public:
  Space(uintptr_t wanted, size_t bytes);
  bool contains(uintptr_t address) const { return address - base < bytes; }
  uintptr_t begin() const { return base; }
  size_t size() const { return bytes; }
  Cell &cell(uintptr_t address) { return cells[(address - base) / 4]; }
  /// Forgets contents and cells.
  void forget(uintptr_t address, size_t bytes);

private:
  uintptr_t base = 0;
  size_t bytes = 0;
  Cell *cells = nullptr;
};

/// Global memory: allocations with unmapped room between them.
class GlobalMemory {
public:
  GlobalMemory();
  /// 0: out of memory.
  uintptr_t allocate(size_t bytes);
  /// What is wrong with the address, or "".
  std::string free(uintptr_t address);
  size_t live() const { return allocations.size(); }
  size_t liveBytes() const { return used; }
  size_t capacity() const { return limit; }

  /// What is wrong with a range that is to lie in one allocation, or "".
  std::string check(uintptr_t address, size_t bytes) const;
  bool contains(uintptr_t address) const { return space.contains(address); }
  /// The host or a copy wrote the range.
  void markWritten(uintptr_t address, size_t bytes);
  /// "" or that bytes of the range were never written.
  std::string checkWritten(uintptr_t address, size_t bytes);
  void copyMarks(uintptr_t to, uintptr_t from, size_t bytes);
  Cell &cell(uintptr_t address) { return space.cell(address); }

private:
  static constexpr size_t page = 65536;
  Space space;
  std::map<uintptr_t, size_t> allocations;
  std::multimap<size_t, uintptr_t> holes; ///< By bytes, for reuse.
  std::map<uintptr_t, size_t> freed;      ///< For messages.
  uintptr_t end = 0;
  size_t used = 0, limit = 0;
};

} // namespace sinter::hostgpu
