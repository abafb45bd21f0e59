// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaProgram.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/CudaCall.h"
#include "sinter/runtime/CudaFrame.h"

#include <algorithm>
#include <charconv>

namespace sinter {
namespace {

constexpr size_t keptFrames = 4;
constexpr int64_t constantAlignment = 256;

[[noreturn]] void fail(const std::string &message, const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "cuda", .hint = hint}, message);
}

/// "sm_90a": 9, 0 and 'a'.
struct Arch {
  int major = 0, minor = 0;
  bool exact = false;
};

Arch parseArch(std::string_view text) {
  Arch arch;
  int number = 0;
  std::string_view digits = text.substr(std::min<size_t>(3, text.size()));
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (!text.starts_with("sm_") || problem != std::errc())
    fail("'" + std::string(text) + "' is no architecture of a GPU");
  arch.major = number / 10;
  arch.minor = number % 10;
  arch.exact = end != digits.data() + digits.size();
  return arch;
}

std::string capabilityText(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

} // namespace

void requireCapability(std::string_view arch, int major, int minor, const std::string &deviceName) {
  const Arch wanted = parseArch(arch);
  const bool runs =
      wanted.major == major && (wanted.exact ? wanted.minor == minor : wanted.minor <= minor);
  if (!runs)
    fail("code for " + std::string(arch) + " does not run on '" + deviceName +
             "', which has compute capability " + capabilityText(major, minor),
         "--target=cuda compiles for the GPU of this machine");
}

std::string archOfCapability(int major, int minor, const std::string &deviceName) {
  // Newest first; the "a" ones have the instructions that only their generation has.
  for (const char *arch :
       {"sm_120", "sm_103", "sm_100", "sm_90a", "sm_90", "sm_89", "sm_87", "sm_86", "sm_80"}) {
    const Arch known = parseArch(arch);
    if (known.major == major && (known.exact ? known.minor == minor : known.minor <= minor))
      return arch;
  }
  fail("Sinter makes no code for '" + deviceName + "', which has compute capability " +
       capabilityText(major, minor));
}

CudaProgram::CudaProgram(std::shared_ptr<CudaContext> context,
                         std::shared_ptr<const Program> program, std::shared_ptr<Trace> trace)
    : gpu(std::move(context)), code(std::move(program)), spans(std::move(trace)) {
  gpu->requireUsable();
  requireSound();
  try {
    loadKernels();
    uploadConstants();
  } catch (...) {
    unload();
    throw;
  }
}

CudaProgram::~CudaProgram() {
  idle.clear();
  unload();
}

void CudaProgram::unload() {
  CudaContext::Current current(*gpu, CudaContext::Current::Otherwise::GoOn);
  for (driver::Module module : modules)
    if (module)
      gpu->api().moduleUnload(module);
}

void CudaProgram::throwDamaged(const std::string &what) const {
  throw Error({.kind = ErrorKind::Device, .op = "load"},
              "the program '" + code->name + "' is damaged: " + what);
}

/// Numbers that refer to something do; sizes are looked at when they are known.
void CudaProgram::requireSound() {
  auto require = [&](bool holds, const char *what) {
    if (!holds)
      throwDamaged(what);
  };
  auto within = [](int number, size_t count) {
    return number >= 0 && static_cast<size_t>(number) < count;
  };
  used.assign(code->buffers.size(), false);
  for (const Buffer &buffer : code->buffers)
    switch (buffer.kind) {
    case Buffer::Kind::Argument:
      require(within(buffer.index, code->arguments.size()), "a buffer of no argument");
      break;
    case Buffer::Kind::Result:
      require(within(buffer.index, code->results.size()), "a buffer of no result");
      break;
    case Buffer::Kind::Constant:
      require(within(buffer.index, code->constants.size()), "a buffer of no constant");
      break;
    case Buffer::Kind::Arena:
      break;
    }
  for (const Kernel &kernel : code->kernels)
    require(within(kernel.image, code->images.size()), "a kernel without code");
  for (const Step &step : code->steps) {
    if (auto *copy = std::get_if<Copy>(&step)) {
      require(within(copy->from, code->buffers.size()) && within(copy->to, code->buffers.size()),
              "a copy of no buffer");
      used[static_cast<size_t>(copy->from)] = used[static_cast<size_t>(copy->to)] = true;
      continue;
    }
    const Launch &launch = std::get<Launch>(step);
    require(within(launch.kernel, code->kernels.size()), "a launch of no kernel");
    for (int buffer : launch.buffers) {
      require(within(buffer, code->buffers.size()), "a launch with no buffer");
      used[static_cast<size_t>(buffer)] = true;
    }
    require(launch.grid.threads > 0 && launch.grid.threads <= 1024 &&
                launch.grid.threads % 32 == 0 && launch.grid.cluster >= 1 &&
                launch.grid.cluster <= 16 && launch.grid.sharedBytes >= 0 &&
                launch.grid.sharedBytes <= 1 << 20,
            "a launch that no GPU can run");
    for (const TensorMap &map : launch.grid.maps)
      require(within(map.buffer, launch.buffers.size()) && !map.sizes.empty() &&
                  map.sizes.size() <= 5 && map.strides.size() + 1 == map.sizes.size() &&
                  map.box.size() == map.sizes.size(),
              "a tensor map of the wrong form");
  }
}

void CudaProgram::loadKernels() {
  CudaContext::Current current(*gpu);
  const CudaDriver &api = gpu->api();
  for (const std::string &image : code->images) {
    driver::Result result = api.moduleLoadData(&modules.emplace_back(), image.data());
    switch (result) {
    case driver::Result::NoBinaryForGpu:
      fail("the code of '" + code->name + "' is for another GPU than '" + gpu->name() +
           "': " + api.describe(result));
    case driver::Result::InvalidImage:
    case driver::Result::UnsupportedPtxVersion:
      fail("the driver, which is of CUDA " + std::to_string(api.version() / 1000) + "." +
               std::to_string(api.version() % 1000 / 10) + ", does not take the code of '" +
               code->name + "': " + api.describe(result),
           "code made by a newer NVRTC than the driver may need a newer driver");
    default:
      gpu->check(result, "load the code of '" + code->name + "'");
    }
  }
  for (const Kernel &kernel : code->kernels) {
    driver::Function function = nullptr;
    driver::Result result = api.moduleGetFunction(
        &function, modules[static_cast<size_t>(kernel.image)], kernel.symbol.c_str());
    if (result == driver::Result::NotFound)
      throwDamaged("its code lacks '" + kernel.symbol + "'");
    gpu->check(result, "find the kernel '" + kernel.symbol + "'");
    functions.push_back(function);
  }
  const int most = gpu->attribute(driver::DeviceAttribute::MaxSharedBytesPerBlockOptin);
  std::vector<int64_t> shared(functions.size(), 0), cluster(functions.size(), 1);
  for (const Step &step : code->steps)
    if (auto *launch = std::get_if<Launch>(&step)) {
      const auto kernel = static_cast<size_t>(launch->kernel);
      if (launch->grid.sharedBytes > most)
        fail(describe(*launch) + " needs " + std::to_string(launch->grid.sharedBytes) +
             " bytes of shared memory; '" + gpu->name() + "' gives a block " +
             std::to_string(most));
      shared[kernel] = std::max(shared[kernel], launch->grid.sharedBytes);
      cluster[kernel] = std::max(cluster[kernel], launch->grid.cluster);
    }
  constexpr int64_t portableCluster = 8;
  for (size_t kernel = 0; kernel < functions.size(); ++kernel) {
    const std::string doing = "prepare the kernel '" + code->kernels[kernel].symbol + "'";
    // Static shared memory counts as well, so that the limit may be met below 48 KiB. Whatever the
    // value, a driver that loads kernels when they are first used does so now and not within a
    // graph.
    gpu->check(api.functionSetAttribute(functions[kernel],
                                        driver::FunctionAttribute::MaxDynamicSharedBytes,
                                        static_cast<int32_t>(shared[kernel])),
               doing);
    if (cluster[kernel] > portableCluster)
      gpu->check(api.functionSetAttribute(functions[kernel],
                                          driver::FunctionAttribute::NonPortableClusterAllowed, 1),
                 doing);
  }
}

void CudaProgram::uploadConstants() {
  int64_t bytes = 0;
  for (const Array &constant : code->constants) {
    constantOffsets.push_back(bytes);
    bytes += (constant.numBytes() + constantAlignment - 1) / constantAlignment * constantAlignment;
  }
  if (bytes == 0)
    return;
  constants = gpu->allocate(bytes, "the constants of '" + code->name + "'");
  for (size_t i = 0; i < code->constants.size(); ++i) {
    const Array values = code->constants[i].contiguous();
    gpu->upload(constant(static_cast<int>(i)), values.data(), values.numBytes());
  }
}

driver::DevicePointer CudaProgram::constant(int number) const {
  return constants ? constants->address() +
                         static_cast<uint64_t>(constantOffsets[static_cast<size_t>(number)])
                   : 0;
}

std::string CudaProgram::describe(const Launch &launch) const {
  constexpr size_t shown = 6;
  const Kernel &kernel = code->kernels[static_cast<size_t>(launch.kernel)];
  std::string ops;
  for (size_t i = 0; i < kernel.ops.size() && i < shown; ++i)
    ops += (i ? ", " : "") + kernel.ops[i];
  if (kernel.ops.size() > shown)
    ops += ", …";
  if (!kernel.locations.empty())
    ops += (ops.empty() ? "at " : " at ") + kernel.locations.front().str();
  return "kernel '" + kernel.symbol + "'" + (ops.empty() ? "" : " (" + ops + ")");
}

std::unique_ptr<CudaFrame> CudaProgram::takeFrame(const CallBinding &binding) {
  {
    std::lock_guard lock(mutex);
    auto it = std::find_if(idle.rbegin(), idle.rend(),
                           [&](const auto &frame) { return frame->sizes() == binding.table; });
    if (it != idle.rend()) {
      std::unique_ptr<CudaFrame> frame = std::move(*it);
      idle.erase(std::next(it).base());
      return frame;
    }
  }
  return std::make_unique<CudaFrame>(*this, binding);
}

void CudaProgram::giveFrame(std::unique_ptr<CudaFrame> frame) {
  std::unique_ptr<CudaFrame> dropped;
  if (gpu->isChecked())
    return; // Its memory is no longer fresh.
  std::lock_guard lock(mutex);
  idle.push_back(std::move(frame));
  if (idle.size() > keptFrames) {
    dropped = std::move(idle.front());
    idle.erase(idle.begin());
  }
}

void CudaProgram::reclaim() {
  std::vector<std::unique_ptr<CudaFrame>> dropped;
  std::lock_guard lock(mutex);
  std::swap(dropped, idle);
}

std::unique_ptr<DeviceCall> CudaProgram::bind(CallBinding binding) {
  gpu->requireUsable();
  return std::make_unique<CudaCall>(shared_from_this(), std::move(binding));
}

} // namespace sinter
