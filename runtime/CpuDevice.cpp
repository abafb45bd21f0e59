// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CpuDevice.h"
#include "sinter/ir/base/CheckedMath.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>

namespace sinter {
namespace {

constexpr int64_t hugePage = int64_t{2} << 20;
constexpr int64_t mapFrom = int64_t{1} << 20; ///< Larger blocks are mapped, smaller ones allocated.
constexpr int64_t guardBytes = 4096;
constexpr uint64_t poisonWord = 0xFFF4DEAD7FB4BEEF; ///< NaN as f64 and as either f32 half.
constexpr size_t keptBlocks = 16;
constexpr int64_t keptBytes = int64_t{1} << 30; ///< One larger block is still kept.

struct Block {
  void *data = nullptr;
  int64_t bytes = 0; ///< Usable size.
  bool mapped = false;
};

int64_t roundUp(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

Block createBlock(int64_t bytes, bool hugePages) {
  Block block;
  block.mapped = bytes >= mapFrom;
  bool huge = hugePages && bytes >= hugePage;
  block.bytes = roundUp(std::max<int64_t>(bytes, 1), huge ? hugePage : block.mapped ? 4096 : 64);
  if (!block.mapped) {
    block.data = std::aligned_alloc(bufferAlignment, static_cast<size_t>(block.bytes));
    return block;
  }
  int64_t reserve = block.bytes + (huge ? hugePage : 0);
  void *base = mmap(nullptr, static_cast<size_t>(reserve), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return block;
  if (huge) {
    // Give back what lies before and behind the aligned part.
    auto start = reinterpret_cast<uintptr_t>(base);
    uintptr_t aligned = (start + hugePage - 1) / hugePage * hugePage;
    if (aligned != start)
      munmap(base, aligned - start);
    if (uintptr_t tail = start + reserve - (aligned + block.bytes))
      munmap(reinterpret_cast<void *>(aligned + block.bytes), tail);
    base = reinterpret_cast<void *>(aligned);
    madvise(base, static_cast<size_t>(block.bytes), MADV_HUGEPAGE); // best effort
  }
  block.data = base;
  return block;
}

void destroyBlock(const Block &block) {
  if (block.mapped)
    munmap(block.data, static_cast<size_t>(block.bytes));
  else
    std::free(block.data);
}

} // namespace

/// Freed blocks by size. Outlives the device while arrays still hold blocks.
struct CpuDevice::Blocks {
  std::mutex mutex;
  std::multimap<int64_t, Block> free;
  int64_t freeBytes = 0;
  bool hugePages = true;
  bool open = true; ///< False once the device is gone: blocks then go back to the system.

  ~Blocks() { clear(); }
  void clear() {
    for (auto &[bytes, block] : free)
      destroyBlock(block);
    free.clear();
    freeBytes = 0;
  }
  Block take(int64_t bytes) {
    {
      std::lock_guard lock(mutex);
      // Best fit, unless it would waste more than half of the block.
      auto it = free.lower_bound(bytes);
      if (it != free.end() && it->first <= 2 * bytes + 4096) {
        Block block = it->second;
        free.erase(it);
        freeBytes -= block.bytes;
        return block;
      }
    }
    Block block = createBlock(bytes, hugePages);
    if (block.data)
      return block;
    std::lock_guard lock(mutex);
    clear();
    return createBlock(bytes, hugePages);
  }
  void give(const Block &block) {
    {
      std::lock_guard lock(mutex);
      if (open) {
        free.emplace(block.bytes, block);
        freeBytes += block.bytes;
        while (free.size() > keptBlocks || (freeBytes > keptBytes && free.size() > 1))
          dropFurthestFrom(block.bytes);
        return;
      }
    }
    destroyBlock(block);
  }
  /// Sizes that nobody asks for any more must not pile up.
  void dropFurthestFrom(int64_t bytes) {
    auto first = free.begin(), last = std::prev(free.end());
    auto victim = last->first - bytes > bytes - first->first ? last : first;
    freeBytes -= victim->first;
    destroyBlock(victim->second);
    free.erase(victim);
  }
};

CpuDevice::CpuDevice(const CpuDeviceOptions &options)
    : pool(options.pool), blocks(std::make_shared<Blocks>()), poison(options.poison) {
  blocks->hugePages = options.hugePages;
}

CpuDevice::~CpuDevice() {
  std::lock_guard lock(blocks->mutex);
  blocks->open = false;
  blocks->clear();
}

std::shared_ptr<CpuDevice> CpuDevice::shared(int64_t threads) {
  // Executables of one process share threads; nothing else about the registry is observable.
  static std::mutex mutex;
  static std::map<int64_t, std::weak_ptr<CpuDevice>> registry;
  std::lock_guard lock(mutex);
  std::shared_ptr<CpuDevice> device = registry[threads].lock();
  if (!device) {
    CpuDeviceOptions options;
    options.pool.threads = threads;
    registry[threads] = device = std::make_shared<CpuDevice>(options);
  }
  return device;
}

std::shared_ptr<void> CpuDevice::allocate(int64_t bytes) {
  constexpr int64_t most = int64_t{1} << 46;
  Block block;
  if (bytes >= 0 && bytes <= most)
    block = blocks->take(roundUp(std::max<int64_t>(bytes, 1), 64) + (poison ? guardBytes : 0));
  if (!block.data)
    throw Error({.kind = ErrorKind::Device},
                "out of memory: cannot allocate " + std::to_string(bytes) + " bytes");
  if (poison)
    for (int64_t i = 0; i < block.bytes; i += 8)
      std::memcpy(static_cast<char *>(block.data) + i, &poisonWord, 8);
  return {block.data, [owner = blocks, block](void *) { owner->give(block); }};
}

SinterStatus CpuDevice::run(SinterRun entry, void *const *args, const int64_t *table,
                            void *arena) noexcept {
  SinterContext context{};
  if (pool.workers() > 1) {
    context.parallelFor = &ThreadPool::callback;
    context.pool = &pool;
  }
  entry(args, table, arena, &context);
  return context.status;
}

int64_t CpuDevice::highWaterMark(const void *block, int64_t bytes) const {
  if (!poison)
    throw Error({.kind = ErrorKind::User}, "highWaterMark() needs a device that poisons");
  int64_t words = (bytes + 7) / 8;
  const char *data = static_cast<const char *>(block);
  while (words > 0 && std::memcmp(data + (words - 1) * 8, &poisonWord, 8) == 0)
    --words;
  return std::min(words * 8, bytes);
}

bool CpuDevice::guardTouched(const void *block, int64_t bytes) const {
  int64_t from = roundUp(std::max<int64_t>(bytes, 1), 64);
  const char *data = static_cast<const char *>(block) + from;
  return highWaterMark(data, guardBytes) != 0;
}

} // namespace sinter
