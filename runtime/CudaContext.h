// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CudaDriver.h"

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sinter {

class CudaContext;

/// A block of a GPU's memory; goes back to its context.
class CudaMemory {
public:
  CudaMemory(std::shared_ptr<CudaContext> context, driver::DevicePointer address, int64_t bytes)
      : context(std::move(context)), start(address), size(bytes) {}
  ~CudaMemory();
  CudaMemory(const CudaMemory &) = delete;
  CudaMemory &operator=(const CudaMemory &) = delete;

  driver::DevicePointer address() const { return start; }
  /// At least what was asked for.
  int64_t bytes() const { return size; }

private:
  std::shared_ptr<CudaContext> context;
  driver::DevicePointer start;
  int64_t size;
};

/// Has memory that it can do without, such as what is kept for later calls.
class CudaReclaimable {
public:
  virtual ~CudaReclaimable() = default;
  virtual void reclaim() = 0;
};

struct CudaContextOptions {
  int ordinal = 0;
  /// Every block is of the size asked for and filled with NaNs, and none is used again.
  bool check = false;
};

/// The primary context of one GPU: its driver, its memory, its errors, and copies that wait.
/// Thread-safe. Held by everything that lives in it.
class CudaContext : public std::enable_shared_from_this<CudaContext> {
public:
  CudaContext(std::shared_ptr<const CudaDriver> driver, const CudaContextOptions &options);
  ~CudaContext();

  /// Makes a context current on this thread as long as it lives.
  class Current {
  public:
    /// Where it cannot: Error(Device), or nothing, because who gives things back goes on.
    enum class Otherwise : uint8_t { Throw, GoOn };
    explicit Current(const CudaContext &context, Otherwise otherwise = Otherwise::Throw);
    ~Current();
    Current(const Current &) = delete;
    Current &operator=(const Current &) = delete;

  private:
    const CudaContext &context;
    bool pushed = false;
  };

  const CudaDriver &api() const { return *driver; }
  const std::string &name() const { return deviceName; }
  int multiprocessors() const { return attribute(driver::DeviceAttribute::MultiprocessorCount); }
  int attribute(driver::DeviceAttribute which) const;
  bool isChecked() const { return options.check; }

  /// Throws Error(Device) unless `result` is success; `doing` says in its message what failed.
  /// After a fault the context cannot be used any more: then `fault` describes the work that ran,
  /// and every later call throws.
  void check(driver::Result result, const std::string &doing, const std::string &fault = "") const;
  /// Throws when an earlier fault has ended this context.
  void requireUsable() const;

  /// `what` for the message when there is too little: "the workspace".
  std::shared_ptr<CudaMemory> allocate(int64_t bytes, const std::string &what);
  /// Memory of the host that the GPU copies from and to by itself.
  std::shared_ptr<void> allocatePinned(int64_t bytes);
  /// Whether all of it lies in such a block.
  bool isPinned(const void *data, int64_t bytes) const;
  /// Asked for what it keeps when memory is short.
  void offerReclaim(std::weak_ptr<CudaReclaimable> owner);

  /// Copies of any size between a GPU's memory and the host's, finished on return.
  void upload(driver::DevicePointer to, const void *from, int64_t bytes);
  void download(void *to, driver::DevicePointer from, int64_t bytes);

private:
  friend class CudaMemory;
  struct PinnedBlock {
    void *data;
    int64_t bytes;
  };
  /// Freed blocks by size, to be used again.
  template <typename T> struct Kept {
    std::multimap<int64_t, T> blocks;
    int64_t bytes = 0;
  };

  void release(driver::DevicePointer address, int64_t bytes);
  void releasePinned(PinnedBlock block);
  template <typename T> bool take(Kept<T> &kept, int64_t bytes, T &block, int64_t &size);
  void freeKept();
  [[noreturn]] void throwOutOfMemory(const std::string &what, int64_t bytes) const;
  /// Two pinned blocks through which a copy goes in turns, made at the first copy.
  void prepareTransfers();

  std::shared_ptr<const CudaDriver> driver;
  CudaContextOptions options;
  driver::Ordinal device = 0;
  driver::Context context = nullptr;
  std::string deviceName;

  mutable std::mutex mutex; ///< Of all that follows up to the next one.
  mutable std::string broken;
  Kept<driver::DevicePointer> kept;
  Kept<void *> keptPinned;
  std::map<const char *, int64_t> pinned; ///< Blocks in use or kept, by address.
  std::vector<std::weak_ptr<CudaReclaimable>> reclaimable;
  mutable std::atomic<bool> isBroken{false};

  std::mutex transferMutex;
  driver::Stream transferStream = nullptr;
  std::array<void *, 2> slots = {};
  std::array<driver::Event, 2> slotFree = {};
};

} // namespace sinter
