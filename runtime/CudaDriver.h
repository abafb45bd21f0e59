// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

/// The part of NVIDIA's driver interface that Sinter uses, declared by ourselves so that no toolkit
/// is needed to build. tests/device compares it with cuda.h where that is installed.
namespace sinter::driver {

enum class Result : int32_t {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  StubLibrary = 34,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  NoBinaryForGpu = 209,
  EccUncorrectable = 214,
  NvlinkUncorrectable = 220,
  UnsupportedPtxVersion = 222,
  InvalidHandle = 400,
  NotFound = 500,
  IllegalAddress = 700,
  LaunchOutOfResources = 701,
  LaunchTimeout = 702,
  Assert = 710,
  HardwareStackError = 714,
  IllegalInstruction = 715,
  MisalignedAddress = 716,
  InvalidAddressSpace = 717,
  InvalidPc = 718,
  LaunchFailed = 719,
  NotSupported = 801,
  SystemDriverMismatch = 803,
  StreamCaptureInvalidated = 901,
  GraphExecUpdateFailure = 910,
  InvalidClusterSize = 912,
  Unknown = 999,
};

using DevicePointer = unsigned long long;
using Ordinal = int32_t;
using Context = struct ContextHandle *;
using Module = struct ModuleHandle *;
using Function = struct FunctionHandle *;
using Stream = struct StreamHandle *;
using Event = struct EventHandle *;
using Graph = struct GraphHandle *;
using GraphExec = struct GraphExecHandle *;
using GraphNode = struct GraphNodeHandle *;

enum class DeviceAttribute : int32_t {
  MultiprocessorCount = 16,
  L2CacheBytes = 38,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  MaxSharedBytesPerBlockOptin = 97,
};
enum class FunctionAttribute : int32_t {
  MaxDynamicSharedBytes = 8,
  NonPortableClusterAllowed = 14
};

constexpr uint32_t streamNonBlocking = 1;
constexpr uint32_t eventDefault = 0;
constexpr uint32_t eventDisableTiming = 2;
constexpr uint32_t hostAllocPortable = 1;
enum class CaptureMode : int32_t { Global = 0, ThreadLocal = 1, Relaxed = 2 };

/// A launch's attribute; only the shape of clusters is used.
struct LaunchAttribute {
  static constexpr int32_t clusterDimension = 4;
  int32_t id = 0;
  char pad[4] = {};
  union Value {
    char pad[64];
    struct {
      uint32_t x, y, z;
    } clusterDim;
  } value = {};
};
struct LaunchConfig {
  uint32_t gridX = 1, gridY = 1, gridZ = 1;
  uint32_t blockX = 1, blockY = 1, blockZ = 1;
  uint32_t sharedBytes = 0;
  Stream stream = nullptr;
  LaunchAttribute *attributes = nullptr;
  uint32_t attributeCount = 0;
};

struct GraphUpdateInfo {
  int32_t result = 0; ///< 0: updated.
  GraphNode errorNode = nullptr;
  GraphNode errorFromNode = nullptr;
};

/// What the hardware reads; kernels get it by value.
struct alignas(128) EncodedTensorMap {
  uint64_t opaque[16];
};
enum class TensorMapType : int32_t {
  UInt8,
  UInt16,
  UInt32,
  Int32,
  UInt64,
  Int64,
  Float16,
  Float32,
  Float64,
  BFloat16,
};
enum class TensorMapInterleave : int32_t { None };
enum class TensorMapSwizzle : int32_t { None, Bytes32, Bytes64, Bytes128 };
enum class TensorMapPromotion : int32_t { None, Bytes64, Bytes128, Bytes256 };
enum class TensorMapFill : int32_t { Zeros };

// Member, symbol in the library, parameters. Memory is given back, and handles destroyed, before
// the context is released; every call that takes none of them runs with the context current.
#define SINTER_CUDA_ENTRY_POINTS(X)                                                                \
  X(init, cuInit, (uint32_t flags))                                                                \
  X(driverGetVersion, cuDriverGetVersion, (int32_t * version))                                     \
  X(getErrorName, cuGetErrorName, (Result result, const char **name))                              \
  X(getErrorString, cuGetErrorString, (Result result, const char **text))                          \
  X(deviceGetCount, cuDeviceGetCount, (int32_t * count))                                           \
  X(deviceGet, cuDeviceGet, (Ordinal * device, int32_t number))                                    \
  X(deviceGetName, cuDeviceGetName, (char *name, int32_t length, Ordinal device))                  \
  X(deviceGetAttribute, cuDeviceGetAttribute,                                                      \
    (int32_t * value, DeviceAttribute attribute, Ordinal device))                                  \
  X(primaryContextRetain, cuDevicePrimaryCtxRetain, (Context * context, Ordinal device))           \
  X(primaryContextRelease, cuDevicePrimaryCtxRelease_v2, (Ordinal device))                         \
  X(contextPush, cuCtxPushCurrent_v2, (Context context))                                           \
  X(contextPop, cuCtxPopCurrent_v2, (Context * context))                                           \
  X(memGetInfo, cuMemGetInfo_v2, (size_t * available, size_t * total))                             \
  X(memAlloc, cuMemAlloc_v2, (DevicePointer * pointer, size_t bytes))                              \
  X(memFree, cuMemFree_v2, (DevicePointer pointer))                                                \
  X(memHostAlloc, cuMemHostAlloc, (void **pointer, size_t bytes, uint32_t flags))                  \
  X(memFreeHost, cuMemFreeHost, (void *pointer))                                                   \
  X(memcpyToDevice, cuMemcpyHtoDAsync_v2,                                                          \
    (DevicePointer to, const void *from, size_t bytes, Stream stream))                             \
  X(memcpyToHost, cuMemcpyDtoHAsync_v2,                                                            \
    (void *to, DevicePointer from, size_t bytes, Stream stream))                                   \
  X(memcpyOnDevice, cuMemcpyDtoDAsync_v2,                                                          \
    (DevicePointer to, DevicePointer from, size_t bytes, Stream stream))                           \
  X(memset, cuMemsetD8Async, (DevicePointer to, uint8_t value, size_t bytes, Stream stream))       \
  X(streamCreate, cuStreamCreate, (Stream * stream, uint32_t flags))                               \
  X(streamDestroy, cuStreamDestroy_v2, (Stream stream))                                            \
  X(streamSynchronize, cuStreamSynchronize, (Stream stream))                                       \
  X(streamBeginCapture, cuStreamBeginCapture_v2, (Stream stream, CaptureMode mode))                \
  X(streamEndCapture, cuStreamEndCapture, (Stream stream, Graph * graph))                          \
  X(eventCreate, cuEventCreate, (Event * event, uint32_t flags))                                   \
  X(eventDestroy, cuEventDestroy_v2, (Event event))                                                \
  X(eventRecord, cuEventRecord, (Event event, Stream stream))                                      \
  X(eventSynchronize, cuEventSynchronize, (Event event))                                           \
  X(eventElapsedTime, cuEventElapsedTime, (float *milliseconds, Event start, Event end))           \
  X(graphInstantiate, cuGraphInstantiateWithFlags,                                                 \
    (GraphExec * exec, Graph graph, unsigned long long flags))                                     \
  X(graphExecUpdate, cuGraphExecUpdate_v2, (GraphExec exec, Graph graph, GraphUpdateInfo * info))  \
  X(graphExecDestroy, cuGraphExecDestroy, (GraphExec exec))                                        \
  X(graphDestroy, cuGraphDestroy, (Graph graph))                                                   \
  X(graphLaunch, cuGraphLaunch, (GraphExec exec, Stream stream))                                   \
  X(moduleLoadData, cuModuleLoadData, (Module * module, const void *image))                        \
  X(moduleGetFunction, cuModuleGetFunction,                                                        \
    (Function * function, Module module, const char *name))                                        \
  X(moduleUnload, cuModuleUnload, (Module module))                                                 \
  X(functionSetAttribute, cuFuncSetAttribute,                                                      \
    (Function function, FunctionAttribute attribute, int32_t value))                               \
  X(launchKernel, cuLaunchKernelEx,                                                                \
    (const LaunchConfig *config, Function function, void **parameters, void **extra))              \
  X(tensorMapEncodeTiled, cuTensorMapEncodeTiled,                                                  \
    (EncodedTensorMap * map, TensorMapType type, uint32_t rank, void *address,                     \
     const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,                          \
     const uint32_t *elementStrides, TensorMapInterleave interleave, TensorMapSwizzle swizzle,     \
     TensorMapPromotion promotion, TensorMapFill fill))

/// The driver's functions, looked up in its library.
struct EntryPoints {
#define SINTER_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  SINTER_CUDA_ENTRY_POINTS(SINTER_MEMBER)
#undef SINTER_MEMBER
};

} // namespace sinter::driver

namespace sinter {

/// NVIDIA's driver library, opened at run time and initialised.
class CudaDriver : public driver::EntryPoints {
public:
  /// The oldest interface that has all entry points: that of CUDA 12.0.
  static constexpr int32_t oldest = 12000;

  /// Opens `library`; empty: $SINTER_CUDA_DRIVER, or else libcuda.so.1. Throws Error(Device) where
  /// there is no driver, one too old, or one that does not start.
  static std::shared_ptr<const CudaDriver> load(const std::filesystem::path &library = {});

  /// As the driver states it: 13000 for CUDA 13.0.
  int32_t version() const { return versionNumber; }
  /// "CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was encountered".
  std::string describe(driver::Result result) const;

private:
  CudaDriver() = default;
  int32_t versionNumber = 0;
};

} // namespace sinter
