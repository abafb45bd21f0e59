// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Device.h"
#include "sinter/runtime/ThreadPool.h"

#include <optional>

#pragma GCC visibility push(default)
namespace sinter {

struct CpuDeviceOptions {
  ThreadPoolOptions pool;
  /// Back blocks of several MiB with huge pages where the system allows it.
  bool hugePages = true;
  /// For tests: fill every block with a NaN pattern, followed by a guard zone, before it is used.
  bool poison = false;
};

/// The host's cores and memory.
class CpuDevice : public Device, public std::enable_shared_from_this<CpuDevice> {
public:
  explicit CpuDevice(const CpuDeviceOptions &options = {});
  ~CpuDevice() override;

  /// The device that executables share unless told otherwise: one per number of threads (0: the
  /// default), alive as long as somebody holds it.
  static std::shared_ptr<CpuDevice> shared(int64_t threads = 0);

  std::string name() const override { return "cpu"; }
  std::string target() const override { return "cpu:native"; }
  int64_t workers() const override { return pool.workers(); }
  std::shared_ptr<void> allocate(int64_t bytes) override;
  std::shared_ptr<DeviceProgram> load(ProgramCode code) override;
  /// Runs a compiled program and returns its status; does not throw and allocates nothing.
  SinterStatus run(SinterRun entry, void *const *args, const int64_t *table, void *arena) noexcept;
  ThreadPool &threadPool() { return pool; }

  bool poisons() const { return poison; }
  /// Bytes from the start of `block` (of `bytes`, from allocate()) up to the last one written since
  /// it was handed out, in steps of 8. Only for devices that poison.
  int64_t highWaterMark(const void *block, int64_t bytes) const;
  /// Whether anything was written behind the block's end. Only for devices that poison.
  bool guardTouched(const void *block, int64_t bytes) const;

private:
  struct Blocks;
  ThreadPool pool;
  std::shared_ptr<Blocks> blocks;
  bool poison = false;
};

} // namespace sinter
#pragma GCC visibility pop
