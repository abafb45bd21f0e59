// SPDX-License-Identifier: Apache-2.0
// The driver's functions: devices, contexts, memory, streams, graphs. Images and launches are in
// Launches.cpp.
#include "tests/cuda/driver/Driver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

using namespace sinter::driver;
using sinter::hostgpu::Driver;
using sinter::hostgpu::GlobalMemory;
using sinter::hostgpu::Machine;

namespace {

Driver &fake() { return Driver::instance(); }
GlobalMemory &memory() { return Machine::instance().global; }

struct Threads {
  std::vector<Context> current;
  int capturing = 0; ///< Streams that this thread captures.
};
thread_local Threads mine;

struct Capability {
  int32_t major = 9, minor = 0;
};
Capability capability() {
  Capability found;
  if (const char *text = std::getenv("SINTER_HOST_GPU_ARCH"); text && *text) { // "80"
    int number = std::atoi(text);
    found = {number / 10, number % 10};
  }
  return found;
}

/// Holds the lock; answers what stands in the way of a call.
class Call {
public:
  explicit Call(const char *function, bool needsContext = true)
      : lock(fake().mutex), function(function) {
    if (!fake().started)
      result = fake().misuse(Result::InvalidValue, function, "before cuInit");
    else if (needsContext && mine.current.empty())
      result = fake().misuse(Result::InvalidHandle, function, "no context is current");
    else
      result = fake().fault;
    if (fake().records())
      fake().record(function);
  }
  bool stops() const { return result != Result::Success; }
  Result misuse(const std::string &what, Result code = Result::InvalidValue) const {
    return fake().misuse(code, function, what);
  }
  /// Calls that may wait are not allowed while the thread captures.
  bool captures() { return mine.capturing > 0; }
  Result result = Result::Success;

private:
  std::lock_guard<std::recursive_mutex> lock;
  const char *function;
};

#define SINTER_CALL(...)                                                                           \
  Call call(__func__ __VA_OPT__(, ) __VA_ARGS__);                                                  \
  if (call.stops())                                                                                \
    return call.result;
#define SINTER_LIVE(set, handle, what)                                                             \
  if (!fake().set.count(handle))                                                                   \
    return call.misuse(std::string(what) + " that is not alive", Result::InvalidHandle);

Result enqueue(const Call &call, Stream stream, Operation operation) {
  if (!fake().streams.count(stream))
    return call.misuse("a stream that is not alive", Result::InvalidHandle);
  if (stream->capture)
    stream->capture->operations.push_back(std::move(operation));
  else
    stream->queue.push_back(std::move(operation));
  return Result::Success;
}

} // namespace

extern "C" {

Result cuInit(uint32_t flags) {
  if (flags != 0)
    return Result::InvalidValue;
  // What kernels call is found among the process's own functions.
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(&cuInit), &info))
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
  if (!fake().started)
    std::atexit([] { fake().finish(); });
  fake().started = true;
  return Result::Success;
}

Result cuDriverGetVersion(int32_t *version) {
  const char *text = std::getenv("SINTER_HOST_GPU_VERSION");
  *version = text && *text ? std::atoi(text) : 13000;
  return Result::Success;
}

Result cuGetErrorName(Result result, const char **name) {
  switch (result) {
#define SINTER_NAME(member, text)                                                                  \
  case Result::member:                                                                             \
    *name = text;                                                                                  \
    return Result::Success;
    SINTER_NAME(Success, "CUDA_SUCCESS")
    SINTER_NAME(InvalidValue, "CUDA_ERROR_INVALID_VALUE")
    SINTER_NAME(OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY")
    SINTER_NAME(NoDevice, "CUDA_ERROR_NO_DEVICE")
    SINTER_NAME(InvalidDevice, "CUDA_ERROR_INVALID_DEVICE")
    SINTER_NAME(InvalidImage, "CUDA_ERROR_INVALID_IMAGE")
    SINTER_NAME(NoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU")
    SINTER_NAME(InvalidHandle, "CUDA_ERROR_INVALID_HANDLE")
    SINTER_NAME(NotFound, "CUDA_ERROR_NOT_FOUND")
    SINTER_NAME(IllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS")
    SINTER_NAME(LaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
    SINTER_NAME(MisalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS")
    SINTER_NAME(LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED")
    SINTER_NAME(StreamCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")
    SINTER_NAME(InvalidClusterSize, "CUDA_ERROR_INVALID_CLUSTER_SIZE")
#undef SINTER_NAME
  default:
    *name = nullptr;
    return Result::InvalidValue;
  }
}
Result cuGetErrorString(Result result, const char **text) { return cuGetErrorName(result, text); }

Result cuDeviceGetCount(int32_t *count) {
  const char *text = std::getenv("SINTER_HOST_GPU_DEVICES");
  *count = text && *text ? std::atoi(text) : 1;
  return Result::Success;
}
Result cuDeviceGet(Ordinal *device, int32_t number) {
  SINTER_CALL(false)
  if (number != 0)
    return Result::InvalidDevice;
  *device = 0;
  return Result::Success;
}
Result cuDeviceGetName(char *name, int32_t length, Ordinal device) {
  SINTER_CALL(false)
  if (device != 0 || length <= 0)
    return Result::InvalidDevice;
  std::strncpy(name, "Host GPU", static_cast<size_t>(length));
  name[length - 1] = 0;
  return Result::Success;
}
Result cuDeviceGetAttribute(int32_t *value, DeviceAttribute attribute, Ordinal device) {
  SINTER_CALL(false)
  if (device != 0)
    return Result::InvalidDevice;
  switch (attribute) {
  case DeviceAttribute::MultiprocessorCount: {
    const char *text = std::getenv("SINTER_HOST_GPU_PROCESSORS");
    *value = text && *text ? std::atoi(text) : 3;
    return Result::Success;
  }
  case DeviceAttribute::L2CacheBytes:
    *value = 50 << 20;
    return Result::Success;
  case DeviceAttribute::ComputeCapabilityMajor:
    *value = capability().major;
    return Result::Success;
  case DeviceAttribute::ComputeCapabilityMinor:
    *value = capability().minor;
    return Result::Success;
  case DeviceAttribute::MaxSharedBytesPerBlockOptin:
    *value = capability().major >= 9 ? 227 << 10 : 163 << 10;
    return Result::Success;
  }
  return Result::InvalidValue;
}

Result cuDevicePrimaryCtxRetain(Context *context, Ordinal device) {
  SINTER_CALL(false)
  if (device != 0)
    return Result::InvalidDevice;
  ++fake().context.retained;
  *context = &fake().context;
  return Result::Success;
}
Result cuDevicePrimaryCtxRelease_v2(Ordinal device) {
  Call call(__func__, false);
  if (device != 0 || fake().context.retained == 0)
    return call.misuse("a context that nobody retains");
  if (--fake().context.retained == 0 && fake().fault == Result::Success)
    if (std::string left = fake().leftOver(); !left.empty())
      return call.misuse("still alive: " + left);
  return Result::Success;
}
Result cuCtxPushCurrent_v2(Context context) {
  Call call(__func__, false);
  if (context != &fake().context || fake().context.retained == 0)
    return call.misuse("a context that is not retained", Result::InvalidHandle);
  mine.current.push_back(context);
  return Result::Success;
}
Result cuCtxPopCurrent_v2(Context *context) {
  Call call(__func__, false);
  if (mine.current.empty())
    return call.misuse("no context is current", Result::InvalidHandle);
  if (context)
    *context = mine.current.back();
  mine.current.pop_back();
  return Result::Success;
}

// -- Memory
// -----------------------------------------------------------------------------------------

Result cuMemGetInfo_v2(size_t *available, size_t *total) {
  SINTER_CALL()
  *total = memory().capacity();
  *available = memory().capacity() - memory().liveBytes();
  return Result::Success;
}
Result cuMemAlloc_v2(DevicePointer *pointer, size_t bytes) {
  SINTER_CALL()
  if (bytes == 0)
    return call.misuse("0 bytes");
  if (call.captures())
    return call.misuse("while a stream is captured", Result::StreamCaptureInvalidated);
  *pointer = memory().allocate(bytes);
  return *pointer ? Result::Success : Result::OutOfMemory;
}
Result cuMemFree_v2(DevicePointer pointer) {
  Call call(__func__);
  if (call.captures())
    return call.misuse("while a stream is captured", Result::StreamCaptureInvalidated);
  if (pointer == 0)
    return Result::Success;
  fake().drainAll(); // The real one waits too.
  if (std::string wrong = memory().free(pointer); !wrong.empty())
    return call.misuse("the pointer " + wrong);
  return Result::Success;
}
Result cuMemHostAlloc(void **pointer, size_t bytes, uint32_t flags) {
  SINTER_CALL()
  if (bytes == 0 || flags > 7)
    return call.misuse("0 bytes, or unknown flags");
  if (call.captures())
    return call.misuse("while a stream is captured", Result::StreamCaptureInvalidated);
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!*pointer)
    return Result::OutOfMemory;
  std::memset(*pointer, 0xcd, bytes);
  fake().pinned[reinterpret_cast<uintptr_t>(*pointer)] = bytes;
  return Result::Success;
}
Result cuMemFreeHost(void *pointer) {
  Call call(__func__);
  fake().drainAll();
  if (!fake().pinned.erase(reinterpret_cast<uintptr_t>(pointer)))
    return call.misuse("memory that is not pinned");
  std::free(pointer);
  return Result::Success;
}
Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, Stream stream) {
  SINTER_CALL()
  Operation operation{.kind = Operation::Kind::CopyToDevice,
                      .to = to,
                      .from = reinterpret_cast<uintptr_t>(from),
                      .bytes = bytes};
  if (std::string wrong = memory().check(to, bytes); bytes && !wrong.empty())
    return call.misuse(wrong);
  if (bytes && !fake().isPinned(operation.from, bytes)) {
    if (call.captures())
      return call.misuse("a captured copy from memory that is not pinned");
    operation.staged.assign(static_cast<const char *>(from),
                            static_cast<const char *>(from) + bytes);
  }
  return enqueue(call, stream, std::move(operation));
}
Result cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, Stream stream) {
  SINTER_CALL()
  if (std::string wrong = memory().check(from, bytes); bytes && !wrong.empty())
    return call.misuse(wrong);
  const bool pinned = fake().isPinned(reinterpret_cast<uintptr_t>(to), bytes);
  if (!pinned && call.captures())
    return call.misuse("a captured copy to memory that is not pinned");
  Result result = enqueue(call, stream,
                          {.kind = Operation::Kind::CopyToHost,
                           .to = reinterpret_cast<uintptr_t>(to),
                           .from = from,
                           .bytes = bytes});
  // Copies to other memory are waited for.
  return result == Result::Success && !pinned ? fake().drain(*stream) : result;
}
Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, Stream stream) {
  SINTER_CALL()
  for (DevicePointer address : {to, from})
    if (std::string wrong = memory().check(address, bytes); bytes && !wrong.empty())
      return call.misuse(wrong);
  return enqueue(call, stream,
                 {.kind = Operation::Kind::CopyOnDevice, .to = to, .from = from, .bytes = bytes});
}
Result cuMemsetD8Async(DevicePointer to, uint8_t value, size_t bytes, Stream stream) {
  SINTER_CALL()
  if (std::string wrong = memory().check(to, bytes); !wrong.empty())
    return call.misuse(wrong);
  return enqueue(call, stream,
                 {.kind = Operation::Kind::Set, .to = to, .bytes = bytes, .value = value});
}

// -- Streams and events
// -------------------------------------------------------------------------------

Result cuStreamCreate(Stream *stream, uint32_t flags) {
  SINTER_CALL()
  if (flags > 1)
    return call.misuse("unknown flags");
  *stream = *fake().streams.insert(new StreamHandle).first;
  return Result::Success;
}
Result cuStreamDestroy_v2(Stream stream) {
  Call call(__func__);
  SINTER_LIVE(streams, stream, "a stream")
  if (stream->capture)
    return call.misuse("a stream that is being captured");
  fake().drain(*stream);
  fake().streams.erase(stream);
  delete stream;
  return Result::Success;
}
Result cuStreamSynchronize(Stream stream) {
  SINTER_CALL()
  SINTER_LIVE(streams, stream, "a stream")
  if (call.captures())
    return call.misuse("while a stream is captured", Result::StreamCaptureInvalidated);
  // Other streams run as far as they like.
  if (Machine::instance().random() % 2)
    fake().drainAll();
  return fake().drain(*stream);
}
Result cuStreamBeginCapture_v2(Stream stream, CaptureMode) {
  SINTER_CALL()
  SINTER_LIVE(streams, stream, "a stream")
  if (stream->capture)
    return call.misuse("a stream that is being captured already");
  stream->capture = std::make_unique<GraphHandle>();
  ++mine.capturing;
  return Result::Success;
}
Result cuStreamEndCapture(Stream stream, Graph *graph) {
  Call call(__func__);
  SINTER_LIVE(streams, stream, "a stream")
  if (!stream->capture)
    return call.misuse("a stream that is not being captured");
  --mine.capturing;
  *graph = stream->capture.release();
  fake().graphs.insert(*graph);
  return Result::Success;
}
Result cuEventCreate(Event *event, uint32_t flags) {
  SINTER_CALL()
  if (flags > 7)
    return call.misuse("unknown flags");
  *event = *fake().events.insert(new EventHandle).first;
  return Result::Success;
}
Result cuEventDestroy_v2(Event event) {
  Call call(__func__);
  SINTER_LIVE(events, event, "an event")
  fake().drainAll();
  fake().events.erase(event);
  delete event;
  return Result::Success;
}
Result cuEventRecord(Event event, Stream stream) {
  SINTER_CALL()
  SINTER_LIVE(events, event, "an event")
  event->recorded = true;
  event->done = false;
  return enqueue(call, stream, {.kind = Operation::Kind::Record, .event = event});
}
Result cuEventSynchronize(Event event) {
  SINTER_CALL()
  SINTER_LIVE(events, event, "an event")
  if (call.captures())
    return call.misuse("while a stream is captured", Result::StreamCaptureInvalidated);
  return event->recorded && !event->done ? fake().drainAll() : Result::Success;
}
Result cuEventElapsedTime(float *milliseconds, Event start, Event end) {
  SINTER_CALL()
  SINTER_LIVE(events, start, "an event")
  SINTER_LIVE(events, end, "an event")
  if (!start->done || !end->done)
    return call.misuse("an event that is not done");
  *milliseconds = static_cast<float>(end->time - start->time);
  return Result::Success;
}

// -- Graphs
// -------------------------------------------------------------------------------------------

Result cuGraphInstantiateWithFlags(GraphExec *exec, Graph graph, unsigned long long flags) {
  SINTER_CALL()
  SINTER_LIVE(graphs, graph, "a graph")
  if (flags != 0)
    return call.misuse("unknown flags");
  *exec = new GraphExecHandle{graph->operations};
  fake().execs.insert(*exec);
  return Result::Success;
}
Result cuGraphExecUpdate_v2(GraphExec exec, Graph graph, GraphUpdateInfo *info) {
  SINTER_CALL()
  SINTER_LIVE(execs, exec, "an executable graph")
  SINTER_LIVE(graphs, graph, "a graph")
  bool same =
      std::equal(exec->operations.begin(), exec->operations.end(), graph->operations.begin(),
                 graph->operations.end(), [](const Operation &a, const Operation &b) {
                   return a.kind == b.kind && a.function == b.function && a.cluster == b.cluster;
                 });
  *info = {};
  info->result = same ? 0 : 2; // The topology changed.
  if (!same)
    return Result::GraphExecUpdateFailure;
  exec->operations = graph->operations;
  return Result::Success;
}
Result cuGraphExecDestroy(GraphExec exec) {
  Call call(__func__);
  SINTER_LIVE(execs, exec, "an executable graph")
  fake().execs.erase(exec);
  delete exec;
  return Result::Success;
}
Result cuGraphDestroy(Graph graph) {
  Call call(__func__);
  SINTER_LIVE(graphs, graph, "a graph")
  fake().graphs.erase(graph);
  delete graph;
  return Result::Success;
}
Result cuGraphLaunch(GraphExec exec, Stream stream) {
  SINTER_CALL()
  SINTER_LIVE(execs, exec, "an executable graph")
  SINTER_LIVE(streams, stream, "a stream")
  if (stream->capture)
    return call.misuse("into a stream that is being captured");
  for (const Operation &operation : exec->operations)
    stream->queue.push_back(operation);
  return Result::Success;
}
}

// -- Launches: see Launches.cpp
// -------------------------------------------------------------------------

namespace sinter::hostgpu {
Result enqueueLaunch(Stream stream, Operation operation) {
  Call call("cuLaunchKernelEx");
  return call.stops() ? call.result : enqueue(call, stream, std::move(operation));
}
bool isCurrent() { return !mine.current.empty(); }
int computeCapability() { return capability().major * 10 + capability().minor; }
} // namespace sinter::hostgpu
