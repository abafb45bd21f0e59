// SPDX-License-Identifier: Apache-2.0
// Images, kernels and their launches, tensor maps.
#include "tests/cuda/driver/Driver.h"
#include "tests/cuda/machine/TensorMaps.h"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace sinter::driver;
using sinter::hostgpu::Driver;
using sinter::hostgpu::Machine;

namespace sinter::hostgpu {
Result enqueueLaunch(Stream stream, Operation operation);
bool isCurrent();
int computeCapability();
} // namespace sinter::hostgpu

namespace {

Driver &fake() { return Driver::instance(); }

/// Bytes of a shared object: it says so itself, as a cubin does.
size_t imageBytes(const void *image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64)
    return 0;
  return header.e_shoff + size_t{header.e_shnum} * header.e_shentsize;
}

bool runsHere(const char *arch) {
  int number = std::atoi(arch), own = sinter::hostgpu::computeCapability();
  if (arch[std::strlen(arch) - 1] == 'a')
    return number == own;
  return number / 10 == own / 10 && number <= own;
}

} // namespace

extern "C" {

Result cuModuleLoadData(Module *module, const void *image) {
  std::lock_guard lock(fake().mutex);
  if (!sinter::hostgpu::isCurrent())
    return fake().misuse(Result::InvalidHandle, __func__, "no context is current");
  size_t bytes = image ? imageBytes(image) : 0;
  if (bytes == 0)
    return Result::InvalidImage;
  auto made = std::make_unique<ModuleHandle>();
  made->file = memfd_create("cubin", MFD_CLOEXEC);
  for (size_t written = 0; written < bytes;) {
    ssize_t count = write(made->file, static_cast<const char *>(image) + written, bytes - written);
    if (count <= 0)
      return Result::OutOfMemory;
    written += static_cast<size_t>(count);
  }
  made->path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(made->file);
  made->library = dlopen(made->path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!made->library) {
    const char *reason = dlerror();
    close(made->file);
    return fake().misuse(Result::InvalidImage, __func__, reason ? reason : "?");
  }
  const auto *arch = static_cast<const char *>(dlsym(made->library, "shim_architecture"));
  if (!arch || !runsHere(arch)) {
    dlclose(made->library);
    close(made->file);
    return Result::NoBinaryForGpu;
  }
  link_map *map = nullptr;
  dlinfo(made->library, RTLD_DI_LINKMAP, &map);
  made->base = map->l_addr;
  const auto *header = static_cast<const Elf64_Ehdr *>(image);
  const auto *segments =
      reinterpret_cast<const Elf64_Phdr *>(static_cast<const char *>(image) + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i)
    made->end =
        std::max<uintptr_t>(made->end, made->base + segments[i].p_vaddr + segments[i].p_memsz);
  *module = made.release();
  fake().modules.insert(*module);
  fake().record("load");
  return Result::Success;
}

Result cuModuleUnload(Module module) {
  std::lock_guard lock(fake().mutex);
  if (!fake().modules.count(module))
    return fake().misuse(Result::InvalidHandle, __func__, "a module that is not alive");
  for (auto &[name, function] : module->functions) {
    if (fake().isPending(function.get()))
      fake().misuse(Result::InvalidHandle, __func__, "kernel " + name + " has yet to run");
    fake().functions.erase(function.get());
  }
  dlclose(module->library);
  close(module->file);
  fake().modules.erase(module);
  delete module;
  return Result::Success;
}

Result cuModuleGetFunction(Function *function, Module module, const char *name) {
  std::lock_guard lock(fake().mutex);
  if (!fake().modules.count(module))
    return fake().misuse(Result::InvalidHandle, __func__, "a module that is not alive");
  auto &known = module->functions[name];
  if (!known) {
    const auto *shim = static_cast<const ShimKernel *>(
        dlsym(module->library, (std::string("shim_") + name).c_str()));
    if (!shim) {
      module->functions.erase(name);
      return Result::NotFound;
    }
    known = std::make_unique<FunctionHandle>();
    known->name = name;
    known->module = module;
    known->kernel = {shim, module->path, module->base, module->end};
    fake().functions.insert(known.get());
  }
  *function = known.get();
  return Result::Success;
}

Result cuFuncSetAttribute(Function function, FunctionAttribute attribute, int32_t value) {
  std::lock_guard lock(fake().mutex);
  if (!fake().functions.count(function))
    return fake().misuse(Result::InvalidHandle, __func__, "a kernel that is not alive");
  const int32_t most = (sinter::hostgpu::computeCapability() >= 90 ? 227 : 163) << 10;
  switch (attribute) {
  case FunctionAttribute::MaxDynamicSharedBytes:
    if (value < 0 || value > most)
      return fake().misuse(Result::InvalidValue, __func__,
                           std::to_string(value) + " bytes of shared memory");
    function->maxDynamicShared = value;
    return Result::Success;
  case FunctionAttribute::NonPortableClusterAllowed:
    function->nonPortableCluster = value != 0;
    return Result::Success;
  }
  return fake().misuse(Result::InvalidValue, __func__, "an unknown attribute");
}

Result cuLaunchKernelEx(const LaunchConfig *config, Function function, void **parameters,
                        void **extra) {
  std::lock_guard lock(fake().mutex);
  if (!fake().functions.count(function))
    return fake().misuse(Result::InvalidHandle, __func__, "a kernel that is not alive");
  const ShimKernel &shim = *function->kernel.shim;
  auto wrong = [&](const std::string &what, Result result = Result::InvalidValue) {
    return fake().misuse(result, "cuLaunchKernelEx", function->name + ": " + what);
  };
  Operation operation{.kind = Operation::Kind::Launch};
  operation.function = function;
  operation.config = *config;
  operation.config.attributes = nullptr;
  for (uint32_t i = 0; i < config->attributeCount; ++i) {
    const LaunchAttribute &attribute = config->attributes[i];
    if (attribute.id != LaunchAttribute::clusterDimension || attribute.value.clusterDim.y != 1 ||
        attribute.value.clusterDim.z != 1)
      return wrong("an unknown attribute, or a cluster of more than one dimension");
    operation.cluster = attribute.value.clusterDim.x;
  }
  const uint64_t threads = uint64_t{config->blockX} * config->blockY * config->blockZ;
  if (config->gridX == 0 || config->gridY == 0 || config->gridZ == 0 ||
      config->gridX > 0x7fffffff || config->gridY > 65535 || config->gridZ > 65535)
    return wrong("a grid of " + std::to_string(config->gridX) + " x " +
                 std::to_string(config->gridY) + " x " + std::to_string(config->gridZ));
  if (threads == 0 || threads > 1024 || config->blockZ > 64)
    return wrong("a block of " + std::to_string(threads) + " threads");
  if (threads > static_cast<uint64_t>(shim.maxThreads))
    return wrong(std::to_string(threads) + " threads a block, but __launch_bounds__ says " +
                     std::to_string(shim.maxThreads),
                 Result::LaunchOutOfResources);
  if (operation.cluster == 0 || config->gridX % operation.cluster != 0 ||
      operation.cluster > (function->nonPortableCluster ? 16u : 8u) ||
      (operation.cluster > 1 && sinter::hostgpu::computeCapability() < 90))
    return wrong("a cluster of " + std::to_string(operation.cluster) + " blocks of " +
                     std::to_string(config->gridX),
                 Result::InvalidClusterSize);
  if (config->sharedBytes > static_cast<uint32_t>(function->maxDynamicShared))
    return wrong(std::to_string(config->sharedBytes) + " bytes of shared memory, of which " +
                 std::to_string(function->maxDynamicShared) + " are allowed");
  if (config->sharedBytes > 0 && shim.dynamicAlignment == 0)
    return wrong("dynamic shared memory, of which its program knows nothing");
  if (!parameters || extra)
    return wrong("parameters must be given as pointers");
  for (int i = 0; i < shim.parameterCount; ++i) {
    const char *bytes = static_cast<const char *>(parameters[i]);
    if (!bytes)
      return wrong("parameter " + std::to_string(i) + " of " + std::to_string(shim.parameterCount) +
                   " is missing");
    operation.parameters.emplace_back(bytes, bytes + shim.parameterBytes[i]);
    if (!shim.parameterIsPointer[i])
      continue;
    DevicePointer address;
    std::memcpy(&address, bytes, sizeof address);
    // An array of no elements may lie at the end of an allocation.
    const auto &memory = Machine::instance().global;
    if (std::string text = memory.check(address, 1);
        !text.empty() && !memory.check(address - 1, 1).empty())
      return wrong("parameter " + std::to_string(i) + ": " + text);
  }
  if (fake().records())
    fake().record("launch " + function->name + " grid " + std::to_string(config->gridX) +
                  " block " + std::to_string(threads) + " shared " +
                  std::to_string(config->sharedBytes) + " cluster " +
                  std::to_string(operation.cluster));
  return sinter::hostgpu::enqueueLaunch(config->stream, std::move(operation));
}

Result cuTensorMapEncodeTiled(EncodedTensorMap *map, TensorMapType type, uint32_t rank,
                              void *address, const uint64_t *sizes, const uint64_t *strides,
                              const uint32_t *box, const uint32_t *elementStrides,
                              TensorMapInterleave interleave, TensorMapSwizzle swizzle,
                              TensorMapPromotion, TensorMapFill fill) {
  std::lock_guard lock(fake().mutex);
  auto wrong = [&](const std::string &what) {
    return fake().misuse(Result::InvalidValue, "cuTensorMapEncodeTiled", what);
  };
  static constexpr uint32_t elementBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0)
    return wrong("the map is not aligned to 64 bytes");
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0)
    return wrong("the tensor is not aligned to 16 bytes");
  if (rank < 1 || rank > 5 || static_cast<size_t>(type) >= std::size(elementBytes))
    return wrong("rank or type");
  if (interleave != TensorMapInterleave::None || fill != TensorMapFill::Zeros)
    return wrong("interleave or fill");
  sinter::hostgpu::TensorMapCode code;
  code.address = reinterpret_cast<uintptr_t>(address);
  code.rank = rank;
  code.elementBytes = elementBytes[static_cast<size_t>(type)];
  code.swizzleBytes = swizzle == TensorMapSwizzle::None ? 0 : 16u << static_cast<int>(swizzle);
  for (uint32_t d = 0; d < rank; ++d) {
    if (sizes[d] == 0 || sizes[d] > uint64_t{1} << 32)
      return wrong("size " + std::to_string(sizes[d]) + " of dim " + std::to_string(d));
    if (d > 0 && (strides[d - 1] % 16 != 0 || strides[d - 1] >= uint64_t{1} << 40))
      return wrong("stride " + std::to_string(strides[d - 1]) + " of dim " + std::to_string(d));
    if (box[d] == 0 || box[d] > 256 || elementStrides[d] != 1)
      return wrong("box " + std::to_string(box[d]) + " of dim " + std::to_string(d));
    code.sizes[d] = sizes[d];
    code.box[d] = box[d];
    if (d > 0)
      code.strides[d - 1] = strides[d - 1];
  }
  const uint32_t inner = box[0] * code.elementBytes;
  if (inner % 16 != 0 || (code.swizzleBytes && inner > code.swizzleBytes))
    return wrong("rows of " + std::to_string(inner) + " bytes in a box");
  static_assert(sizeof code <= sizeof *map);
  std::memset(map, 0, sizeof *map);
  std::memcpy(map, &code, sizeof code);
  return Result::Success;
}
}

/// For tests of the driver itself: as if no kernel had failed.
extern "C" void sinterHostGpuForget() {
  fake().fault = Result::Success;
  fake().forgive();
}
