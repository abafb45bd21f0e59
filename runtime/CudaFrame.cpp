// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaFrame.h"
#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cstring>

namespace sinter {
namespace {

constexpr int64_t ioAlignment = 256;
constexpr int64_t statusBytes = 64;
/// Arrays up to this size are gathered in one block and copied at once.
constexpr int64_t smallBytes = int64_t{64} << 10;
constexpr int64_t mostBlocks = (int64_t{1} << 31) - 1;

static_assert(sizeof(SinterStatus) <= statusBytes);

driver::TensorMapType mapType(DType dtype) {
  if (dtype == f16)
    return driver::TensorMapType::Float16;
  if (dtype == bf16)
    return driver::TensorMapType::BFloat16;
  if (dtype == f32)
    return driver::TensorMapType::Float32;
  if (dtype == f64)
    return driver::TensorMapType::Float64;
  switch (byteSize(dtype)) {
  case 1:
    return driver::TensorMapType::UInt8;
  case 2:
    return driver::TensorMapType::UInt16;
  case 4:
    return driver::TensorMapType::Int32;
  default:
    return driver::TensorMapType::Int64;
  }
}

} // namespace

CudaFrame::CudaFrame(const CudaProgram &owner, const CallBinding &binding)
    : owner(owner), gpu(owner.context()), key(binding.table), table(binding.table),
      dims(binding.dims), arenaBytes(binding.arenaBytes) {
  if (table.empty())
    table.push_back(0);
  layOut(binding);
  CudaContext::Current current(gpu);
  check(gpu.api().streamCreate(&stream, driver::streamNonBlocking), "make a stream");
  // What lies between small results is copied with them.
  for (const Place &result : results)
    if (const int64_t rest = ioAlignment - result.bytes % ioAlignment;
        result.isSmall && rest < ioAlignment)
      check(gpu.api().memset(result.device + static_cast<uint64_t>(result.bytes), 0,
                             static_cast<size_t>(rest), stream),
            "clear memory");
}

CudaFrame::~CudaFrame() {
  CudaContext::Current current(gpu, CudaContext::Current::Otherwise::GoOn);
  const CudaDriver &api = gpu.api();
  for (driver::GraphExec graph : {exec, stepsExec})
    if (graph)
      api.graphExecDestroy(graph);
  for (driver::Event event : {start, end})
    if (event)
      api.eventDestroy(event);
  if (stream)
    api.streamDestroy(stream);
}

void CudaFrame::check(driver::Result result, const std::string &doing) const {
  if (result == driver::Result::Success)
    return;
  const auto launches =
      std::count_if(steps.begin(), steps.end(), [](const Step &step) { return step.launch; });
  gpu.check(result, doing,
            "one of the " + std::to_string(launches) + " kernels of '" + owner.program().name +
                "'");
}

int64_t CudaFrame::evaluate(const DimExpr &size, const char *what) const {
  std::optional<int64_t> value = size.evaluate(dims);
  if (!value || *value < 0)
    owner.throwDamaged(std::string("the size ") + size.str() + " of " + what + " has no value");
  return *value;
}

// -- Memory ---------------------------------------------------------------------------------------

/// One block holds small results, the status, small arguments and then what is large, so that one
/// copy brings in all that is small, and one brings it back. Pinned memory has the small ones.
void CudaFrame::layOut(const CallBinding &binding) {
  const Program &program = owner.program();
  const std::string inputs = "what goes in and out";
  const bool checked = gpu.isChecked();
  int64_t at = 0, end = 0; ///< Of the next array, and of the last one.
  auto reserve = [&](int64_t bytes) {
    int64_t place = at;
    std::optional<int64_t> last = checkedAdd(at, bytes);
    std::optional<int64_t> next = last ? checkedAdd(*last, ioAlignment - 1) : std::nullopt;
    if (!next)
      owner.throwDamaged("the arrays are too large");
    end = *last;
    at = *next / ioAlignment * ioAlignment;
    return place;
  };
  auto isSmall = [&](int64_t bytes) { return !checked && bytes <= smallBytes; };
  std::vector<int64_t> argumentAt(program.arguments.size()), resultAt(program.results.size());
  arguments.resize(argumentAt.size());
  results.resize(resultAt.size());
  auto placeAll = [&](std::vector<Place> &places, std::vector<int64_t> &offsets,
                      const std::vector<Array> &arrays, bool small, auto &&isOurs) {
    for (size_t i = 0; i < places.size(); ++i) {
      const int64_t bytes = arrays[i].numBytes();
      if (!isOurs(i) || isSmall(bytes) != small)
        continue;
      places[i].bytes = bytes;
      offsets[i] = reserve(bytes);
    }
  };
  auto isOutput = [&](size_t i) { return program.results[i].updates < 0; };
  auto isInput = [&](size_t i) { return program.arguments[i].kind == ArgumentKind::Placeholder; };
  placeAll(results, resultAt, binding.results, true, isOutput);
  const int64_t statusAt = reserve(statusBytes), outEnd = end;
  placeAll(arguments, argumentAt, binding.arguments, true, isInput);
  const int64_t inEnd = end;
  if (!checked) {
    placeAll(results, resultAt, binding.results, false, isOutput);
    placeAll(arguments, argumentAt, binding.arguments, false, isInput);
  }
  io = gpu.allocate(end, inputs);
  status = io->address() + static_cast<uint64_t>(statusAt);

  // In pinned memory what comes back lies before what goes in.
  staging = gpu.allocatePinned(outEnd + (inEnd - statusAt));
  auto *back = static_cast<char *>(staging.get()), *go = back + outEnd;
  statusRead = reinterpret_cast<SinterStatus *>(back + statusAt);
  statusZero = reinterpret_cast<SinterStatus *>(go);
  std::memset(statusZero, 0, statusBytes);
  smallIn = {go, status, inEnd - statusAt};
  smallOut = {back, io->address(), outEnd};
  auto address = [&](Place &place, int64_t offset, char *stand) {
    if (checked) {
      separate.push_back(gpu.allocate(place.bytes, inputs));
      place.device = separate.back()->address();
      return;
    }
    place.device = io->address() + static_cast<uint64_t>(offset);
    place.isSmall = isSmall(place.bytes);
    if (place.isSmall)
      place.staged = stand;
  };
  for (size_t i = 0; i < results.size(); ++i)
    if (isOutput(i)) {
      results[i].bytes = binding.results[i].numBytes();
      address(results[i], resultAt[i], back + resultAt[i]);
    }
  for (size_t i = 0; i < arguments.size(); ++i) {
    arguments[i].bytes = binding.arguments[i].numBytes();
    if (isInput(i))
      address(arguments[i], argumentAt[i], go + (argumentAt[i] - statusAt));
  }

  const std::string workspace = "the workspace of '" + program.name + "'";
  if (!checked) {
    arena = gpu.allocate(arenaBytes, workspace);
    return;
  }
  for (size_t i = 0; i < program.buffers.size(); ++i)
    if (isSeparate(i))
      separate.push_back(gpu.allocate(evaluate(program.buffers[i].bytes, "a buffer"), workspace));
}

bool CudaFrame::isSeparate(size_t buffer) const {
  return gpu.isChecked() && owner.isUsed(buffer) &&
         owner.program().buffers[buffer].kind == Buffer::Kind::Arena;
}

void CudaFrame::locateBuffers(const std::vector<driver::DevicePointer> &variables) {
  const Program &program = owner.program();
  // The blocks of arena buffers are the last of the separate ones, in order.
  size_t block = separate.size();
  for (size_t i = 0; i < program.buffers.size(); ++i)
    block -= isSeparate(i);
  buffers.assign(program.buffers.size(), {});
  auto argument = [&](size_t i) -> Located {
    return {variables[i] ? variables[i] : arguments[i].device, arguments[i].bytes};
  };
  for (size_t number = 0; number < program.buffers.size(); ++number) {
    if (!owner.isUsed(number))
      continue;
    const Buffer &buffer = program.buffers[number];
    const auto index = static_cast<size_t>(buffer.index);
    Located place = {};
    switch (buffer.kind) {
    case Buffer::Kind::Argument:
      place = argument(index);
      break;
    case Buffer::Kind::Result: {
      const int updates = program.results[index].updates;
      place = updates >= 0 ? argument(static_cast<size_t>(updates))
                           : Located{results[index].device, results[index].bytes};
      break;
    }
    case Buffer::Kind::Constant:
      place = {owner.constant(buffer.index), program.constants[index].numBytes()};
      break;
    case Buffer::Kind::Arena: {
      const int64_t offset = evaluate(buffer.offset, "an offset");
      const int64_t bytes = evaluate(buffer.bytes, "a buffer");
      std::optional<int64_t> last = checkedAdd(offset, bytes);
      if (!last || *last > arenaBytes || offset % bufferAlignment != 0)
        owner.throwDamaged("a buffer does not lie within the workspace");
      if (isSeparate(number))
        place = {separate[block++]->address(), bytes};
      else
        place = {arena->address() + static_cast<uint64_t>(offset), bytes};
      break;
    }
    }
    const int64_t bytes = evaluate(buffer.bytes, "a buffer");
    if (bytes > place.bytes)
      owner.throwDamaged("a buffer is larger than its array");
    if (bytes == 0)
      place.address = io->address(); // Never dereferenced, and not one past the end of a block.
    buffers[number] = place;
  }
}

std::vector<char> CudaFrame::download(int number) const {
  const auto at = static_cast<size_t>(number);
  if (!owner.isUsed(at))
    return {};
  std::vector<char> bytes(
      static_cast<size_t>(evaluate(owner.program().buffers.at(at).bytes, "a buffer")));
  if (!bytes.empty())
    gpu.download(bytes.data(), buffers.at(at).address, static_cast<int64_t>(bytes.size()));
  return bytes;
}

// -- Launches -------------------------------------------------------------------------------------

void CudaFrame::buildSteps() {
  steps.clear();
  for (const sinter::Step &step : owner.program().steps) {
    if (auto *copy = std::get_if<Copy>(&step)) {
      buildCopy(*copy);
      continue;
    }
    const Launch &launch = std::get<Launch>(step);
    const int64_t blocks = evaluate(launch.grid.blocks, "a grid");
    if (blocks > mostBlocks || blocks % launch.grid.cluster != 0)
      owner.throwDamaged("a grid of " + std::to_string(blocks) + " blocks in clusters of " +
                         std::to_string(launch.grid.cluster));
    if (blocks > 0)
      buildLaunch(launch, blocks);
  }
}

void CudaFrame::buildLaunch(const Launch &launch, int64_t blocks) {
  Step &step = steps.emplace_back();
  step.launch = &launch;
  step.function = owner.function(launch.kernel);
  step.config.gridX = static_cast<uint32_t>(blocks);
  step.config.blockX = static_cast<uint32_t>(launch.grid.threads);
  step.config.sharedBytes = static_cast<uint32_t>(launch.grid.sharedBytes);
  step.config.stream = stream;
  if (launch.grid.cluster > 1) {
    step.cluster.id = driver::LaunchAttribute::clusterDimension;
    step.cluster.value.clusterDim = {static_cast<uint32_t>(launch.grid.cluster), 1, 1};
    step.config.attributes = &step.cluster;
    step.config.attributeCount = 1;
  }
  for (int buffer : launch.buffers)
    step.pointers.push_back(buffers[static_cast<size_t>(buffer)].address);
  for (const TensorMap &map : launch.grid.maps)
    step.maps.push_back(encode(launch, map));
  for (driver::DevicePointer &pointer : step.pointers)
    step.parameters.push_back(&pointer);
  for (driver::EncodedTensorMap &map : step.maps)
    step.parameters.push_back(&map);
  step.parameters.push_back(table.data());
  step.parameters.push_back(&status);
}

driver::EncodedTensorMap CudaFrame::encode(const Launch &launch, const TensorMap &map) const {
  const Located &place =
      buffers[static_cast<size_t>(launch.buffers[static_cast<size_t>(map.buffer)])];
  std::vector<uint64_t> sizes, strides;
  std::vector<uint32_t> box, steps(map.sizes.size(), 1);
  // The last byte that a copy may touch must belong to the buffer.
  std::optional<int64_t> last = byteSize(map.dtype);
  for (size_t i = 0; i < map.sizes.size(); ++i) {
    const int64_t size = evaluate(map.sizes[i], "a tensor map");
    const int64_t stride =
        i == 0 ? byteSize(map.dtype) : evaluate(map.strides[i - 1], "a tensor map");
    sizes.push_back(static_cast<uint64_t>(size));
    if (i > 0)
      strides.push_back(static_cast<uint64_t>(stride));
    box.push_back(static_cast<uint32_t>(map.box[i]));
    std::optional<int64_t> reach = checkedMul(std::max<int64_t>(size - 1, 0), stride);
    last = last && reach ? checkedAdd(*last, *reach) : std::nullopt;
  }
  const bool isEmpty = std::find(sizes.begin(), sizes.end(), 0u) != sizes.end();
  driver::EncodedTensorMap encoded = {};
  if (isEmpty)
    return encoded; // Nothing is copied through it.
  if (!last || *last > place.bytes)
    owner.throwDamaged("a tensor map of " + owner.describe(launch) + " exceeds its buffer");
  using Swizzle = driver::TensorMapSwizzle;
  Swizzle swizzle = map.swizzleBytes == 128  ? Swizzle::Bytes128
                    : map.swizzleBytes == 64 ? Swizzle::Bytes64
                    : map.swizzleBytes == 32 ? Swizzle::Bytes32
                                             : Swizzle::None;
  gpu.check(gpu.api().tensorMapEncodeTiled(
                &encoded, mapType(map.dtype), static_cast<uint32_t>(sizes.size()),
                reinterpret_cast<void *>(place.address), sizes.data(), strides.data(), box.data(),
                steps.data(), driver::TensorMapInterleave::None, swizzle,
                driver::TensorMapPromotion::Bytes128, driver::TensorMapFill::Zeros),
            "describe a tensor to the copy engine for " + owner.describe(launch));
  return encoded;
}

void CudaFrame::buildCopy(const Copy &copy) {
  const Located &from = buffers[static_cast<size_t>(copy.from)];
  const Located &to = buffers[static_cast<size_t>(copy.to)];
  const int64_t bytes = evaluate(copy.bytes, "a copy");
  if (bytes > from.bytes || bytes > to.bytes)
    owner.throwDamaged("a copy exceeds its buffers");
  if (bytes == 0 || from.address == to.address)
    return;
  Step &step = steps.emplace_back();
  step.from = from.address;
  step.to = to.address;
  step.bytes = bytes;
}

// -- Running --------------------------------------------------------------------------------------

void CudaFrame::enqueueIn() {
  auto copy = [&](const CudaTransfer &transfer) {
    check(gpu.api().memcpyToDevice(transfer.device, transfer.host,
                                   static_cast<size_t>(transfer.bytes), stream),
          "copy to the GPU");
  };
  copy(smallIn);
  std::for_each(in.begin(), in.end(), copy);
}

void CudaFrame::enqueueOut() {
  auto copy = [&](const CudaTransfer &transfer) {
    check(gpu.api().memcpyToHost(transfer.host, transfer.device,
                                 static_cast<size_t>(transfer.bytes), stream),
          "copy from the GPU");
  };
  std::for_each(out.begin(), out.end(), copy);
  copy(smallOut);
}

void CudaFrame::enqueueStep(const Step &step) {
  if (!step.launch)
    return check(
        gpu.api().memcpyOnDevice(step.to, step.from, static_cast<size_t>(step.bytes), stream),
        "copy on the GPU");
  driver::Result result = gpu.api().launchKernel(
      &step.config, step.function, const_cast<void **>(step.parameters.data()), nullptr);
  if (result != driver::Result::Success)
    check(result, "launch " + owner.describe(*step.launch) + " with " +
                      std::to_string(step.config.gridX) + " blocks of " +
                      std::to_string(step.config.blockX) + " threads and " +
                      std::to_string(step.config.sharedBytes) + " bytes of shared memory");
}

/// Where kernels are checked each is waited for, so that a fault is the last one's.
void CudaFrame::enqueueSteps() {
  for (const Step &step : steps) {
    enqueueStep(step);
    if (gpu.isChecked())
      gpu.check(gpu.api().streamSynchronize(stream), "run the program",
                step.launch ? owner.describe(*step.launch) : "a copy");
  }
}

template <typename Fn> void CudaFrame::capture(driver::GraphExec &replaced, Fn &&enqueue) {
  const CudaDriver &api = gpu.api();
  check(api.streamBeginCapture(stream, driver::CaptureMode::ThreadLocal), "begin a graph");
  driver::Graph graph = nullptr;
  try {
    enqueue();
  } catch (...) {
    api.streamEndCapture(stream, &graph);
    if (graph)
      api.graphDestroy(graph);
    throw;
  }
  check(api.streamEndCapture(stream, &graph), "finish a graph");
  if (replaced) {
    driver::GraphUpdateInfo info;
    if (api.graphExecUpdate(replaced, graph, &info) != driver::Result::Success) {
      api.graphExecDestroy(replaced);
      replaced = nullptr;
    }
  }
  driver::Result result = driver::Result::Success;
  if (!replaced)
    result = api.graphInstantiate(&replaced, graph, 0);
  api.graphDestroy(graph);
  if (result != driver::Result::Success)
    replaced = nullptr;
  check(result, "make a graph of '" + owner.program().name + "'");
}

void CudaFrame::prepare(const std::vector<driver::DevicePointer> &newVariables,
                        const std::vector<CudaTransfer> &newIn,
                        const std::vector<CudaTransfer> &newOut) {
  const bool moved = !prepared || variables != newVariables;
  if (!moved && in == newIn && out == newOut)
    return;
  prepared = false;
  CudaContext::Current current(gpu);
  if (moved) {
    locateBuffers(newVariables);
    buildSteps();
    if (stepsExec)
      gpu.api().graphExecDestroy(stepsExec);
    stepsExec = nullptr;
  }
  variables = newVariables;
  in = newIn;
  out = newOut;
  if (!gpu.isChecked())
    capture(exec, [&] {
      enqueueIn();
      enqueueSteps();
      enqueueOut();
    });
  prepared = true;
}

SinterStatus CudaFrame::run() {
  CudaContext::Current current(gpu);
  if (exec) {
    check(gpu.api().graphLaunch(exec, stream), "run the program");
  } else {
    enqueueIn();
    enqueueSteps();
    enqueueOut();
  }
  check(gpu.api().streamSynchronize(stream), "run the program");
  return *statusRead;
}

std::vector<double> CudaFrame::measure(int64_t count) {
  CudaContext::Current current(gpu);
  const CudaDriver &api = gpu.api();
  if (!gpu.isChecked() && !stepsExec && !steps.empty())
    capture(stepsExec, [&] { enqueueSteps(); });
  for (driver::Event *event : {&start, &end})
    if (!*event)
      check(api.eventCreate(event, driver::eventDefault), "make an event");
  std::vector<double> milliseconds;
  for (int64_t i = 0; i < count; ++i) {
    check(api.eventRecord(start, stream), "take the time");
    if (stepsExec)
      check(api.graphLaunch(stepsExec, stream), "run the program");
    else
      enqueueSteps();
    check(api.eventRecord(end, stream), "take the time");
    check(api.eventSynchronize(end), "run the program");
    float elapsed = 0;
    check(api.eventElapsedTime(&elapsed, start, end), "take the time");
    milliseconds.push_back(elapsed);
  }
  return milliseconds;
}

} // namespace sinter
