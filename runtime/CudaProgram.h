// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/CudaContext.h"
#include "sinter/runtime/Device.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sinter {

class CudaFrame;

/// Throws Error(Device) unless code for `arch`, such as "sm_90a", runs on a GPU of this compute
/// capability.
void requireCapability(std::string_view arch, int major, int minor, const std::string &deviceName);
/// The architecture to compile for on a GPU of this compute capability.
std::string archOfCapability(int major, int minor, const std::string &deviceName);

/// A Program's code and constants in a GPU's memory. Thread-safe.
class CudaProgram : public DeviceProgram,
                    public CudaReclaimable,
                    public std::enable_shared_from_this<CudaProgram> {
public:
  /// `trace` collects what calls spend their time on; it may be null.
  CudaProgram(std::shared_ptr<CudaContext> context, std::shared_ptr<const Program> program,
              std::shared_ptr<Trace> trace = nullptr);
  ~CudaProgram() override;

  std::unique_ptr<DeviceCall> bind(CallBinding binding) override;
  void reclaim() override;

  CudaContext &context() const { return *gpu; }
  const std::shared_ptr<CudaContext> &sharedContext() const { return gpu; }
  const Program &program() const { return *code; }
  Trace *trace() const { return spans.get(); }
  driver::Function function(int kernel) const { return functions[static_cast<size_t>(kernel)]; }
  driver::DevicePointer constant(int number) const;
  /// Whether a step works on the buffer. Those that none does have no place.
  bool isUsed(size_t buffer) const { return used[buffer]; }
  /// "kernel 'softmax_kernel' (sub, exp, div at model.cpp:12:3)".
  std::string describe(const Launch &launch) const;
  [[noreturn]] void throwDamaged(const std::string &what) const;

  /// A frame for these sizes: one that an earlier call has left, or a new one.
  std::unique_ptr<CudaFrame> takeFrame(const CallBinding &binding);
  void giveFrame(std::unique_ptr<CudaFrame> frame);

private:
  void requireSound();
  void loadKernels();
  void uploadConstants();
  void unload();

  std::shared_ptr<CudaContext> gpu;
  std::shared_ptr<const Program> code;
  std::shared_ptr<Trace> spans;
  std::vector<driver::Module> modules;
  std::vector<driver::Function> functions; ///< One per kernel.
  std::shared_ptr<CudaMemory> constants;
  std::vector<int64_t> constantOffsets;
  std::vector<bool> used;

  std::mutex mutex;
  std::vector<std::unique_ptr<CudaFrame>> idle; ///< Latest last.
};

} // namespace sinter
