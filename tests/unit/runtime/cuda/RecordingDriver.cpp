// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/cuda/RecordingDriver.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace sinter::driver;
using sinter::test::RecordedKernel;
using sinter::test::Recording;

namespace sinter::driver {

struct ContextHandle {};
struct FunctionHandle {
  std::string name;
  const RecordedKernel *kernel;
  int shared = 48 << 10;
};
struct ModuleHandle {
  std::map<std::string, FunctionHandle> functions;
};
struct Node {
  std::string text;
  std::function<Result()> run;
};
struct GraphHandle {
  std::vector<Node> nodes;
};
struct GraphExecHandle {
  std::vector<Node> nodes;
};
struct StreamHandle {
  bool capturing = false;
  std::vector<Node> captured;
};
struct EventHandle {
  bool recorded = false;
  float time = 0;
};

} // namespace sinter::driver

namespace {

/// One driver per process, as it is with the real one.
struct Driver {
  Recording recording;
  std::recursive_mutex mutex;
  ContextHandle context;
  std::map<const char *, size_t> device, pinned;
  std::map<const void *, std::string> handles; ///< Live ones.
  int retained = 0;
  float clock = 0;
};

Driver &state() {
  static Driver driver;
  return driver;
}

thread_local int depth = 0; ///< Contexts pushed on this thread.

struct Entry {
  explicit Entry(bool needsContext = true) : lock(state().mutex) {
    if (needsContext && depth == 0)
      problem("a call without a context");
  }
  static void problem(const std::string &text) { state().recording.problems.push_back(text); }
  std::lock_guard<std::recursive_mutex> lock;
};

void note(const std::string &line) { state().recording.log.push_back(line); }

template <typename T> T *make(const std::string &kind, T *handle) {
  state().handles[handle] = kind;
  ++state().recording.live[kind];
  return handle;
}
bool isLive(const void *handle, const std::string &kind) {
  auto it = state().handles.find(handle);
  if (it != state().handles.end() && it->second == kind)
    return true;
  Entry::problem("no live " + kind);
  return false;
}
template <typename T> Result destroy(T *handle, const std::string &kind) {
  if (!isLive(handle, kind))
    return Result::InvalidHandle;
  state().handles.erase(handle);
  --state().recording.live[kind];
  delete handle;
  return Result::Success;
}

bool lies(const std::map<const char *, size_t> &blocks, const void *data, size_t bytes) {
  auto *first = static_cast<const char *>(data);
  auto it = blocks.upper_bound(first);
  return it != blocks.begin() && first + bytes <= (--it)->first + it->second;
}
char *deviceData(DevicePointer pointer, size_t bytes, const char *what) {
  auto *data = reinterpret_cast<char *>(pointer);
  if (!lies(state().device, data, bytes))
    Entry::problem(std::string(what) + " of " + std::to_string(bytes) +
                   " bytes does not lie in device memory");
  return data;
}
void requirePinned(const void *data, size_t bytes) {
  if (!lies(state().pinned, data, bytes))
    Entry::problem("an asynchronous copy of memory that is not pinned");
}

/// Runs now, or becomes a node.
Result enqueue(Stream stream, const std::string &text, std::function<Result()> run) {
  if (!isLive(stream, "stream"))
    return Result::InvalidHandle;
  if (state().recording.broken)
    return Result::IllegalAddress;
  if (stream->capturing) {
    stream->captured.push_back({text, std::move(run)});
    note("node " + text);
    return Result::Success;
  }
  note(text);
  return run();
}

} // namespace

extern "C" {

Recording *recording() { return &state().recording; }

Result cuInit(uint32_t) { return state().recording.init; }
Result cuDriverGetVersion(int32_t *version) {
  *version = state().recording.version;
  return Result::Success;
}
Result cuGetErrorName(Result result, const char **name) {
  *name = result == Result::IllegalAddress   ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : result == Result::OutOfMemory    ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == Result::InvalidImage   ? "CUDA_ERROR_INVALID_IMAGE"
          : result == Result::NoBinaryForGpu ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                             : "CUDA_ERROR_OTHER";
  return Result::Success;
}
Result cuGetErrorString(Result, const char **text) {
  *text = "as recorded";
  return Result::Success;
}
Result cuDeviceGetCount(int32_t *count) {
  *count = state().recording.devices;
  return Result::Success;
}
Result cuDeviceGet(Ordinal *device, int32_t number) {
  *device = number;
  return number < state().recording.devices ? Result::Success : Result::InvalidDevice;
}
Result cuDeviceGetName(char *name, int32_t length, Ordinal) {
  std::strncpy(name, "Recorder", static_cast<size_t>(length));
  return Result::Success;
}
Result cuDeviceGetAttribute(int32_t *value, DeviceAttribute attribute, Ordinal) {
  Recording &r = state().recording;
  switch (attribute) {
  case DeviceAttribute::MultiprocessorCount:
    *value = r.multiprocessors;
    break;
  case DeviceAttribute::ComputeCapabilityMajor:
    *value = r.major;
    break;
  case DeviceAttribute::ComputeCapabilityMinor:
    *value = r.minor;
    break;
  case DeviceAttribute::MaxSharedBytesPerBlockOptin:
    *value = r.sharedBytes;
    break;
  case DeviceAttribute::L2CacheBytes:
    *value = 50 << 20;
    break;
  }
  return Result::Success;
}
Result cuDevicePrimaryCtxRetain(Context *context, Ordinal) {
  Entry entry(false);
  *context = &state().context;
  ++state().recording.live["context"];
  return Result::Success;
}
Result cuDevicePrimaryCtxRelease_v2(Ordinal) {
  Entry entry(false);
  if (--state().recording.live["context"] < 0)
    Entry::problem("a context released twice");
  if (state().recording.live["context"] == 0)
    for (const auto &[handle, kind] : state().handles)
      Entry::problem("a " + kind + " outlives the context");
  return Result::Success;
}
Result cuCtxPushCurrent_v2(Context context) {
  if (context != &state().context)
    Entry::problem("no context");
  if (state().recording.push != Result::Success)
    return state().recording.push;
  ++depth;
  return Result::Success;
}
Result cuCtxPopCurrent_v2(Context *context) {
  *context = &state().context;
  if (--depth < 0)
    Entry::problem("popped too often");
  return Result::Success;
}

Result cuMemGetInfo_v2(size_t *available, size_t *total) {
  Entry entry;
  *total = state().recording.memory;
  *available = *total - state().recording.allocated;
  return Result::Success;
}
Result cuMemAlloc_v2(DevicePointer *pointer, size_t bytes) {
  Entry entry;
  Recording &r = state().recording;
  if (r.broken)
    return Result::IllegalAddress;
  if (bytes == 0)
    return Result::InvalidValue;
  if (r.allocated + bytes > r.memory)
    return Result::OutOfMemory;
  r.allocated += bytes;
  r.mostAllocated = std::max(r.mostAllocated, r.allocated);
  auto *data = static_cast<char *>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(data, 0x7b, bytes);
  state().device[data] = bytes;
  make("memory", data);
  note("alloc " + std::to_string(bytes));
  *pointer = reinterpret_cast<DevicePointer>(data);
  return Result::Success;
}
Result cuMemFree_v2(DevicePointer pointer) {
  Entry entry;
  auto *data = reinterpret_cast<char *>(pointer);
  auto it = state().device.find(data);
  if (it == state().device.end()) {
    Entry::problem("freed what was not allocated");
    return Result::InvalidValue;
  }
  state().recording.allocated -= it->second;
  state().device.erase(it);
  state().handles.erase(data);
  --state().recording.live["memory"];
  std::free(data);
  return Result::Success;
}
Result cuMemHostAlloc(void **pointer, size_t bytes, uint32_t) {
  Entry entry;
  auto *data = static_cast<char *>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
  state().pinned[data] = bytes;
  make("pinned", data);
  note("pin " + std::to_string(bytes));
  *pointer = data;
  return Result::Success;
}
Result cuMemFreeHost(void *pointer) {
  Entry entry;
  if (state().pinned.erase(static_cast<char *>(pointer)) == 0) {
    Entry::problem("unpinned what was not pinned");
    return Result::InvalidValue;
  }
  state().handles.erase(pointer);
  --state().recording.live["pinned"];
  std::free(pointer);
  return Result::Success;
}
Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, Stream stream) {
  Entry entry;
  requirePinned(from, bytes);
  deviceData(to, bytes, "a copy");
  return enqueue(stream, "in " + std::to_string(bytes), [=] {
    requirePinned(from, bytes);
    std::memcpy(deviceData(to, bytes, "a copy"), from, bytes);
    return Result::Success;
  });
}
Result cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, Stream stream) {
  Entry entry;
  requirePinned(to, bytes);
  deviceData(from, bytes, "a copy");
  return enqueue(stream, "out " + std::to_string(bytes), [=] {
    requirePinned(to, bytes);
    std::memcpy(to, deviceData(from, bytes, "a copy"), bytes);
    return Result::Success;
  });
}
Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, Stream stream) {
  Entry entry;
  return enqueue(stream, "copy " + std::to_string(bytes), [=] {
    std::memmove(deviceData(to, bytes, "a copy"), deviceData(from, bytes, "a copy"), bytes);
    return Result::Success;
  });
}
Result cuMemsetD8Async(DevicePointer to, uint8_t value, size_t bytes, Stream stream) {
  Entry entry;
  return enqueue(stream, "set " + std::to_string(bytes), [=] {
    std::memset(deviceData(to, bytes, "a fill"), value, bytes);
    return Result::Success;
  });
}

Result cuStreamCreate(Stream *stream, uint32_t flags) {
  Entry entry;
  if (flags != streamNonBlocking)
    Entry::problem("a stream that waits for stream 0");
  *stream = make("stream", new StreamHandle());
  return Result::Success;
}
Result cuStreamDestroy_v2(Stream stream) {
  Entry entry;
  return destroy(stream, "stream");
}
Result cuStreamSynchronize(Stream stream) {
  Entry entry;
  if (!isLive(stream, "stream"))
    return Result::InvalidHandle;
  if (stream->capturing)
    Entry::problem("waits for a stream that is captured");
  note("wait");
  return state().recording.broken ? Result::IllegalAddress : Result::Success;
}
Result cuStreamBeginCapture_v2(Stream stream, CaptureMode mode) {
  Entry entry;
  if (!isLive(stream, "stream") || stream->capturing || mode != CaptureMode::ThreadLocal)
    return Result::InvalidValue;
  if (state().recording.broken)
    return Result::IllegalAddress;
  note("begin");
  stream->capturing = true;
  return Result::Success;
}
Result cuStreamEndCapture(Stream stream, Graph *graph) {
  Entry entry;
  if (!isLive(stream, "stream") || !stream->capturing)
    return Result::InvalidValue;
  note("end");
  stream->capturing = false;
  *graph = make("graph", new GraphHandle{std::move(stream->captured)});
  stream->captured.clear();
  return Result::Success;
}
Result cuEventCreate(Event *event, uint32_t) {
  Entry entry;
  *event = make("event", new EventHandle());
  return Result::Success;
}
Result cuEventDestroy_v2(Event event) {
  Entry entry;
  return destroy(event, "event");
}
Result cuEventRecord(Event event, Stream stream) {
  Entry entry;
  if (!isLive(event, "event") || !isLive(stream, "stream"))
    return Result::InvalidHandle;
  event->recorded = true;
  event->time = state().clock += 0.5f;
  return Result::Success;
}
Result cuEventSynchronize(Event event) {
  Entry entry;
  if (!isLive(event, "event") || !event->recorded)
    return Result::InvalidHandle;
  return Result::Success;
}
Result cuEventElapsedTime(float *milliseconds, Event start, Event end) {
  Entry entry;
  if (!isLive(start, "event") || !isLive(end, "event"))
    return Result::InvalidHandle;
  *milliseconds = end->time - start->time;
  return Result::Success;
}

Result cuGraphInstantiateWithFlags(GraphExec *exec, Graph graph, unsigned long long) {
  Entry entry;
  if (!isLive(graph, "graph"))
    return Result::InvalidHandle;
  note("instantiate " + std::to_string(graph->nodes.size()));
  *exec = make("exec", new GraphExecHandle{graph->nodes});
  return Result::Success;
}
Result cuGraphExecUpdate_v2(GraphExec exec, Graph graph, GraphUpdateInfo *info) {
  Entry entry;
  if (!isLive(exec, "exec") || !isLive(graph, "graph"))
    return Result::InvalidHandle;
  constexpr int32_t topologyChanged = 2;
  bool same = exec->nodes.size() == graph->nodes.size();
  auto kind = [](const Node &node) { return node.text.substr(0, node.text.find(' ')); };
  for (size_t i = 0; same && i < exec->nodes.size(); ++i)
    same = kind(exec->nodes[i]) == kind(graph->nodes[i]);
  if (!same) {
    info->result = topologyChanged;
    note("update refused");
    return Result::GraphExecUpdateFailure;
  }
  note("update");
  exec->nodes = graph->nodes;
  return Result::Success;
}
Result cuGraphExecDestroy(GraphExec exec) {
  Entry entry;
  return destroy(exec, "exec");
}
Result cuGraphDestroy(Graph graph) {
  Entry entry;
  return destroy(graph, "graph");
}
Result cuGraphLaunch(GraphExec exec, Stream stream) {
  Entry entry;
  if (!isLive(exec, "exec"))
    return Result::InvalidHandle;
  std::vector<Node> nodes = exec->nodes;
  return enqueue(stream, "graph", [nodes] {
    for (const Node &node : nodes)
      if (Result result = node.run(); result != Result::Success)
        return result;
    return Result::Success;
  });
}

Result cuModuleLoadData(Module *module, const void *image) {
  Entry entry;
  Recording &r = state().recording;
  *module = nullptr;
  if (r.load != Result::Success)
    return r.load;
  if (std::strcmp(static_cast<const char *>(image), "image") != 0)
    return Result::InvalidImage;
  *module = make("module", new ModuleHandle());
  for (const auto &[name, kernel] : r.kernels)
    (*module)->functions[name] = {name, &kernel};
  note("load");
  return Result::Success;
}
Result cuModuleGetFunction(Function *function, Module module, const char *name) {
  Entry entry;
  if (!isLive(module, "module"))
    return Result::InvalidHandle;
  auto it = module->functions.find(name);
  if (it == module->functions.end())
    return Result::NotFound;
  *function = &it->second;
  return Result::Success;
}
Result cuModuleUnload(Module module) {
  Entry entry;
  return destroy(module, "module");
}
Result cuFuncSetAttribute(Function function, FunctionAttribute attribute, int32_t value) {
  Entry entry;
  note("attribute " + function->name + " " + std::to_string(static_cast<int>(attribute)) + " " +
       std::to_string(value));
  if (attribute == FunctionAttribute::MaxDynamicSharedBytes)
    function->shared = value;
  return Result::Success;
}
Result cuLaunchKernelEx(const LaunchConfig *config, Function function, void **parameters,
                        void **extra) {
  Entry entry;
  const bool sound = state().recording.refused != function->name && config->gridX > 0 &&
                     config->blockX > 0 && config->blockX <= 1024 && !extra &&
                     config->sharedBytes <= static_cast<uint32_t>(function->shared);
  if (!sound)
    return Result::InvalidValue;
  std::string text = "launch " + function->name + " " + std::to_string(config->gridX) + "x" +
                     std::to_string(config->blockX) + " shared " +
                     std::to_string(config->sharedBytes);
  for (uint32_t i = 0; i < config->attributeCount; ++i)
    text += " cluster " + std::to_string(config->attributes[i].value.clusterDim.x);
  // A driver copies the parameters when it is called.
  auto values = std::make_shared<std::vector<std::vector<char>>>();
  for (size_t i = 0; i < function->kernel->parameterBytes.size(); ++i) {
    auto *value = static_cast<const char *>(parameters[i]);
    values->emplace_back(value, value + function->kernel->parameterBytes[i]);
    // Those of eight bytes are pointers.
    if (DevicePointer pointer = 0; values->back().size() == sizeof pointer) {
      std::memcpy(&pointer, value, sizeof pointer);
      deviceData(pointer, 1, "what a parameter points to");
    }
  }
  LaunchConfig kept = *config;
  return enqueue(config->stream, text, [=] {
    if (state().recording.faulty == function->name) {
      state().recording.broken = true;
      return Result::Success; // Noticed by whoever waits.
    }
    std::vector<void *> pointers;
    for (std::vector<char> &value : *values)
      pointers.push_back(value.data());
    function->kernel->run(kept, pointers.data());
    return Result::Success;
  });
}

Result cuTensorMapEncodeTiled(EncodedTensorMap *map, TensorMapType type, uint32_t rank,
                              void *address, const uint64_t *sizes, const uint64_t *strides,
                              const uint32_t *box, const uint32_t *elementStrides,
                              TensorMapInterleave, TensorMapSwizzle swizzle, TensorMapPromotion,
                              TensorMapFill) {
  Entry entry;
  std::string text = "map type " + std::to_string(static_cast<int>(type));
  for (uint32_t i = 0; i < rank; ++i)
    text += " " + std::to_string(sizes[i]) + "/" + std::to_string(box[i]) +
            (i ? "@" + std::to_string(strides[i - 1]) : "");
  text += " swizzle " + std::to_string(static_cast<int>(swizzle));
  note(text);
  for (uint32_t i = 0; i < rank; ++i)
    if (elementStrides[i] != 1 || (i > 0 && strides[i - 1] % 16 != 0))
      return Result::InvalidValue;
  map->opaque[0] = reinterpret_cast<uint64_t>(address);
  map->opaque[1] = sizes[0];
  return Result::Success;
}

} // extern "C"
