// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/machine/Memory.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace sinter::hostgpu {
namespace {

void *reserve(uintptr_t wanted, size_t bytes) {
  void *found =
      mmap(reinterpret_cast<void *>(wanted), bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (wanted ? MAP_FIXED_NOREPLACE : 0), -1, 0);
  if (found == MAP_FAILED || (wanted && found != reinterpret_cast<void *>(wanted))) {
    std::fprintf(stderr, "host GPU: %zu bytes of addresses cannot be reserved\n", bytes);
    std::abort();
  }
  return found;
}

std::string hex(uintptr_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%zx", value);
  return text;
}

} // namespace

Space::Space(uintptr_t wanted, size_t bytes)
    : base(reinterpret_cast<uintptr_t>(reserve(wanted, bytes))), bytes(bytes),
      cells(static_cast<Cell *>(reserve(0, bytes / 4 * sizeof(Cell)))) {}

void Space::forget(uintptr_t address, size_t bytes) {
  // Whole pages come back as zeros.
  madvise(reinterpret_cast<void *>(address), bytes, MADV_DONTNEED);
  madvise(&cell(address), bytes / 4 * sizeof(Cell), MADV_DONTNEED);
}

GlobalMemory::GlobalMemory() : space(0, size_t{16} << 30) {
  end = space.begin() + page;
  const char *text = std::getenv("SINTER_HOST_GPU_MEMORY"); // In MiB.
  limit = text ? std::strtoull(text, nullptr, 10) << 20 : size_t{4} << 30;
}

uintptr_t GlobalMemory::allocate(size_t bytes) {
  if (bytes > limit - used)
    return 0;
  // A page more, which nothing may touch; the end of an allocation is exact to the byte.
  size_t whole = (bytes + page - 1) / page * page + page;
  uintptr_t address = 0;
  // Addresses are used anew only when there are no others, so that stale pointers show.
  if (end + whole <= space.begin() + space.size()) {
    address = end;
    end += whole;
  } else if (auto hole = holes.lower_bound(whole); hole != holes.end()) {
    address = hole->second;
    holes.erase(hole);
    freed.erase(address);
  } else {
    return 0;
  }
  allocations[address] = bytes;
  used += bytes;
  return address;
}

std::string GlobalMemory::free(uintptr_t address) {
  auto found = allocations.find(address);
  if (found == allocations.end())
    return freed.count(address) ? "was freed before" : "is no allocation";
  size_t whole = (found->second + page - 1) / page * page + page;
  space.forget(address, whole);
  used -= found->second;
  freed[address] = found->second;
  holes.emplace(whole, address);
  allocations.erase(found);
  return "";
}

std::string GlobalMemory::check(uintptr_t address, size_t bytes) const {
  auto after = allocations.upper_bound(address);
  if (after != allocations.begin()) {
    auto [start, size] = *std::prev(after);
    if (address + bytes <= start + size)
      return "";
    if (address < start + size + page)
      return hex(address) + " is " + std::to_string(address - start) +
             " bytes into an allocation of " + std::to_string(size);
  }
  auto before = freed.upper_bound(address);
  if (before != freed.begin() && address < std::prev(before)->first + std::prev(before)->second)
    return hex(address) + " lies in freed memory";
  return hex(address) + " lies in no allocation";
}

void GlobalMemory::markWritten(uintptr_t address, size_t bytes) {
  for (uintptr_t at = address / 4 * 4; at < address + bytes; at += 4) {
    Cell &one = cell(at);
    uint8_t mask = 15;
    if (at < address)
      mask &= static_cast<uint8_t>(15 << (address - at));
    if (at + 4 > address + bytes)
      mask &= static_cast<uint8_t>(15 >> (at + 4 - address - bytes));
    one.writer = Tag();
    one.initialised |= mask;
  }
}

std::string GlobalMemory::checkWritten(uintptr_t address, size_t bytes) {
  for (uintptr_t at = address; at < address + bytes; ++at)
    if (!(cell(at).initialised >> at % 4 & 1))
      return "byte " + std::to_string(at - address) + " of " + std::to_string(bytes) +
             " was never written";
  return "";
}

void GlobalMemory::copyMarks(uintptr_t to, uintptr_t from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    if (cell(from + i).initialised >> (from + i) % 4 & 1)
      markWritten(to + i, 1);
}

} // namespace sinter::hostgpu
