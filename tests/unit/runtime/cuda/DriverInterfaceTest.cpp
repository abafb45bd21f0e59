// SPDX-License-Identifier: Apache-2.0
// Our declarations of the driver's interface beside those of the toolkit.
#include "sinter/runtime/CudaDriver.h"

#include "tests/unit/runtime/cuda/SameInterface.h"

#include <cuda.h>
#include <gtest/gtest.h>

// cuda.h renames functions to their latest version; ours are named as the library exports them.
#undef cuEventElapsedTime

namespace {

using namespace sinter::driver;
using sinter::test::same;
using sinter::test::SameCall;

extern "C" CUresult cuEventElapsedTime(float *, CUevent, CUevent);

#define SINTER_COMPARE(member, symbol, parameters)                                                 \
  static_assert(SameCall<decltype(EntryPoints::member), decltype(&::symbol)>::value, #symbol);
SINTER_CUDA_ENTRY_POINTS(SINTER_COMPARE)
#undef SINTER_COMPARE

static_assert(same(Result::Success, CUDA_SUCCESS));
static_assert(same(Result::InvalidValue, CUDA_ERROR_INVALID_VALUE));
static_assert(same(Result::OutOfMemory, CUDA_ERROR_OUT_OF_MEMORY));
static_assert(same(Result::StubLibrary, CUDA_ERROR_STUB_LIBRARY));
static_assert(same(Result::NoDevice, CUDA_ERROR_NO_DEVICE));
static_assert(same(Result::InvalidDevice, CUDA_ERROR_INVALID_DEVICE));
static_assert(same(Result::InvalidImage, CUDA_ERROR_INVALID_IMAGE));
static_assert(same(Result::NoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU));
static_assert(same(Result::EccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE));
static_assert(same(Result::NvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE));
static_assert(same(Result::UnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION));
static_assert(same(Result::InvalidHandle, CUDA_ERROR_INVALID_HANDLE));
static_assert(same(Result::NotFound, CUDA_ERROR_NOT_FOUND));
static_assert(same(Result::IllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS));
static_assert(same(Result::LaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES));
static_assert(same(Result::LaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT));
static_assert(same(Result::Assert, CUDA_ERROR_ASSERT));
static_assert(same(Result::HardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR));
static_assert(same(Result::IllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION));
static_assert(same(Result::MisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS));
static_assert(same(Result::InvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE));
static_assert(same(Result::InvalidPc, CUDA_ERROR_INVALID_PC));
static_assert(same(Result::LaunchFailed, CUDA_ERROR_LAUNCH_FAILED));
static_assert(same(Result::NotSupported, CUDA_ERROR_NOT_SUPPORTED));
static_assert(same(Result::SystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH));
static_assert(same(Result::StreamCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED));
static_assert(same(Result::GraphExecUpdateFailure, CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE));
static_assert(same(Result::InvalidClusterSize, CUDA_ERROR_INVALID_CLUSTER_SIZE));
static_assert(same(Result::Unknown, CUDA_ERROR_UNKNOWN));

static_assert(same(DeviceAttribute::MultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
static_assert(same(DeviceAttribute::L2CacheBytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE));
static_assert(same(DeviceAttribute::ComputeCapabilityMajor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
static_assert(same(DeviceAttribute::ComputeCapabilityMinor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
static_assert(same(DeviceAttribute::MaxSharedBytesPerBlockOptin,
                   CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN));
static_assert(same(FunctionAttribute::MaxDynamicSharedBytes,
                   CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES));
static_assert(same(FunctionAttribute::NonPortableClusterAllowed,
                   CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED));
static_assert(same(streamNonBlocking, CU_STREAM_NON_BLOCKING));
static_assert(same(eventDefault, CU_EVENT_DEFAULT));
static_assert(same(eventDisableTiming, CU_EVENT_DISABLE_TIMING));
static_assert(same(hostAllocPortable, CU_MEMHOSTALLOC_PORTABLE));
static_assert(same(CaptureMode::Global, CU_STREAM_CAPTURE_MODE_GLOBAL));
static_assert(same(CaptureMode::ThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
static_assert(same(CaptureMode::Relaxed, CU_STREAM_CAPTURE_MODE_RELAXED));

static_assert(same(LaunchAttribute::clusterDimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION));
static_assert(sizeof(LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(LaunchAttribute, id) == offsetof(CUlaunchAttribute, id));
static_assert(offsetof(LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(LaunchConfig, gridX) == offsetof(CUlaunchConfig, gridDimX));
static_assert(offsetof(LaunchConfig, blockX) == offsetof(CUlaunchConfig, blockDimX));
static_assert(offsetof(LaunchConfig, sharedBytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(LaunchConfig, attributeCount) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(GraphUpdateInfo) == sizeof(CUgraphExecUpdateResultInfo));
static_assert(offsetof(GraphUpdateInfo, errorNode) ==
              offsetof(CUgraphExecUpdateResultInfo, errorNode));

static_assert(sizeof(EncodedTensorMap) == sizeof(CUtensorMap));
static_assert(alignof(EncodedTensorMap) >= alignof(CUtensorMap));
static_assert(same(TensorMapType::UInt8, CU_TENSOR_MAP_DATA_TYPE_UINT8));
static_assert(same(TensorMapType::UInt16, CU_TENSOR_MAP_DATA_TYPE_UINT16));
static_assert(same(TensorMapType::UInt32, CU_TENSOR_MAP_DATA_TYPE_UINT32));
static_assert(same(TensorMapType::Int32, CU_TENSOR_MAP_DATA_TYPE_INT32));
static_assert(same(TensorMapType::UInt64, CU_TENSOR_MAP_DATA_TYPE_UINT64));
static_assert(same(TensorMapType::Int64, CU_TENSOR_MAP_DATA_TYPE_INT64));
static_assert(same(TensorMapType::Float16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16));
static_assert(same(TensorMapType::Float32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32));
static_assert(same(TensorMapType::Float64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64));
static_assert(same(TensorMapType::BFloat16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16));
static_assert(same(TensorMapInterleave::None, CU_TENSOR_MAP_INTERLEAVE_NONE));
static_assert(same(TensorMapSwizzle::None, CU_TENSOR_MAP_SWIZZLE_NONE));
static_assert(same(TensorMapSwizzle::Bytes32, CU_TENSOR_MAP_SWIZZLE_32B));
static_assert(same(TensorMapSwizzle::Bytes64, CU_TENSOR_MAP_SWIZZLE_64B));
static_assert(same(TensorMapSwizzle::Bytes128, CU_TENSOR_MAP_SWIZZLE_128B));
static_assert(same(TensorMapPromotion::None, CU_TENSOR_MAP_L2_PROMOTION_NONE));
static_assert(same(TensorMapPromotion::Bytes64, CU_TENSOR_MAP_L2_PROMOTION_L2_64B));
static_assert(same(TensorMapPromotion::Bytes128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B));
static_assert(same(TensorMapPromotion::Bytes256, CU_TENSOR_MAP_L2_PROMOTION_L2_256B));
static_assert(same(TensorMapFill::Zeros, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));

TEST(DriverInterfaceTest, IsTheToolkits) { EXPECT_GE(CUDA_VERSION, sinter::CudaDriver::oldest); }

} // namespace
