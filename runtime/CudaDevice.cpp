// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaDevice.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/CudaProgram.h"
#include "sinter/runtime/Environment.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

namespace sinter {
namespace {

/// Below this pinned memory gains nothing: what is small is gathered in one block anyway.
constexpr int64_t pinnedFrom = int64_t{64} << 10;

[[noreturn]] void throwOutOfMemory(int64_t bytes) {
  throw Error({.kind = ErrorKind::Device},
              "out of memory: cannot allocate " + std::to_string(bytes) + " bytes");
}

} // namespace

CudaDevice::CudaDevice(const CudaDeviceOptions &options) {
  CudaContextOptions context;
  context.ordinal = options.ordinal >= 0
                        ? options.ordinal
                        : static_cast<int>(environmentInteger("SINTER_CUDA_DEVICE").value_or(0));
  context.check = options.check.value_or(environmentInteger("SINTER_CUDA_CHECK").value_or(0) != 0);
  this->context = std::make_shared<CudaContext>(CudaDriver::load(options.driver), context);
  multiprocessors = std::max(1, this->context->multiprocessors());
  major = this->context->attribute(driver::DeviceAttribute::ComputeCapabilityMajor);
  minor = this->context->attribute(driver::DeviceAttribute::ComputeCapabilityMinor);
  arch = archOfCapability(major, minor, this->context->name());
}

CudaDevice::~CudaDevice() = default;

std::shared_ptr<CudaDevice> CudaDevice::shared() {
  // Executables of one process share memory; nothing else about the registry is observable.
  static std::mutex mutex;
  static std::weak_ptr<CudaDevice> registry;
  std::lock_guard lock(mutex);
  std::shared_ptr<CudaDevice> device = registry.lock();
  if (!device)
    registry = device = std::make_shared<CudaDevice>();
  return device;
}

std::string CudaDevice::name() const { return context->name(); }
int32_t CudaDevice::driverVersion() const { return context->api().version(); }

std::shared_ptr<void> CudaDevice::allocate(int64_t bytes) {
  constexpr int64_t most = int64_t{1} << 46;
  if (bytes < 0 || bytes > most)
    throwOutOfMemory(bytes);
  if (bytes > pinnedFrom)
    return context->allocatePinned(bytes);
  const int64_t size =
      (std::max<int64_t>(bytes, 1) + bufferAlignment - 1) / bufferAlignment * bufferAlignment;
  void *data = std::aligned_alloc(bufferAlignment, static_cast<size_t>(size));
  if (!data)
    throwOutOfMemory(bytes);
  return {data, [](void *block) { std::free(block); }};
}

std::shared_ptr<DeviceProgram> CudaDevice::load(ProgramCode code) {
  const std::string &text = code.program->target;
  const TargetInfo target = text.empty() ? TargetInfo() : TargetInfo::parse(text);
  if (code.entry || target.kind != TargetInfo::Kind::Cuda)
    throw Error({.kind = ErrorKind::Device, .op = "load"},
                "the GPU '" + name() + "' cannot run a program for '" + text + "'");
  requireCapability(target.arch, major, minor, name());
  auto program = std::make_shared<CudaProgram>(context, std::move(code.program),
                                               std::move(code.trace));
  context->offerReclaim(program);
  return program;
}

} // namespace sinter
