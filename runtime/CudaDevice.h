// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Device.h"

#include <filesystem>
#include <optional>

#pragma GCC visibility push(default)
namespace sinter {

class CudaContext;

struct CudaDeviceOptions {
  /// Which GPU, in the driver's order; negative: SINTER_CUDA_DEVICE, else the first.
  int ordinal = -1;
  /// The driver's library; empty: SINTER_CUDA_DRIVER, else libcuda.so.1.
  std::filesystem::path driver = {};
  /// Run one kernel at a time, every buffer in a block of its own, filled with NaNs: a fault then
  /// names its kernel, and sanitizers see more. Unset: SINTER_CUDA_CHECK, else no.
  std::optional<bool> check = std::nullopt;
};

/// An NVIDIA GPU. Programs keep their code, constants and memory there; a State's variables stay
/// there between calls (State::get() brings them back). A call is one replay of a graph that has
/// all of its copies and kernels. After a fault in a kernel every use throws: the driver then takes
/// no more work of this process.
class CudaDevice : public Device {
public:
  /// Throws Error(Device) with a message of its own for each: no driver, one that is too old, no
  /// GPU, one that no code can be made for.
  explicit CudaDevice(const CudaDeviceOptions &options = {});
  ~CudaDevice() override;

  /// The device that executables share unless told otherwise, alive as long as somebody holds it.
  static std::shared_ptr<CudaDevice> shared();

  std::string name() const override;
  /// Such as "cuda:sm_90a".
  std::string target() const override { return "cuda:" + arch; }
  /// Its multiprocessors.
  int64_t workers() const override { return multiprocessors; }
  std::shared_ptr<void> allocate(int64_t bytes) override;
  std::shared_ptr<DeviceProgram> load(ProgramCode code) override;

  /// The driver's version as it states it: 13000 for CUDA 13.0.
  int32_t driverVersion() const;

private:
  std::shared_ptr<CudaContext> context;
  int64_t multiprocessors = 0;
  int major = 0, minor = 0;
  std::string arch;
};

} // namespace sinter
#pragma GCC visibility pop
