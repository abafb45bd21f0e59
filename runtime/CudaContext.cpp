// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaContext.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cstring>

namespace sinter {
namespace {

constexpr size_t keptBlocks = 64;
constexpr int64_t keptBytes = int64_t{4} << 30;
constexpr int64_t slotBytes = int64_t{4} << 20;

/// After these a context answers every call with an error.
bool isFault(driver::Result result) {
  switch (result) {
  case driver::Result::EccUncorrectable:
  case driver::Result::NvlinkUncorrectable:
  case driver::Result::IllegalAddress:
  case driver::Result::LaunchTimeout:
  case driver::Result::Assert:
  case driver::Result::HardwareStackError:
  case driver::Result::IllegalInstruction:
  case driver::Result::MisalignedAddress:
  case driver::Result::InvalidAddressSpace:
  case driver::Result::InvalidPc:
  case driver::Result::LaunchFailed:
    return true;
  default:
    return false;
  }
}

[[noreturn]] void fail(const std::string &message, const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "cuda", .hint = hint}, message);
}

} // namespace

CudaMemory::~CudaMemory() { context->release(start, size); }

CudaContext::Current::Current(const CudaContext &context, Otherwise otherwise) : context(context) {
  const driver::Result result = context.driver->contextPush(context.context);
  pushed = result == driver::Result::Success;
  if (otherwise == Otherwise::Throw)
    context.check(result, "take its context");
}
CudaContext::Current::~Current() {
  driver::Context popped = nullptr;
  if (pushed)
    context.driver->contextPop(&popped);
}

CudaContext::CudaContext(std::shared_ptr<const CudaDriver> given, const CudaContextOptions &options)
    : driver(std::move(given)), options(options) {
  int32_t count = 0;
  check(driver->deviceGetCount(&count), "count the GPUs");
  if (count < 1)
    fail("there is no GPU that the NVIDIA driver can use", "nvidia-smi lists them");
  if (options.ordinal < 0 || options.ordinal >= count)
    fail("there is no GPU number " + std::to_string(options.ordinal) + ", only 0 to " +
             std::to_string(count - 1),
         "SINTER_CUDA_DEVICE and CUDA_VISIBLE_DEVICES choose among them");
  check(driver->deviceGet(&device, options.ordinal), "open the GPU");
  char text[256] = {};
  check(driver->deviceGetName(text, sizeof text - 1, device), "ask for the GPU's name");
  deviceName = text;
  check(driver->primaryContextRetain(&context, device), "make a context on '" + deviceName + "'");
}

CudaContext::~CudaContext() {
  {
    Current current(*this, Current::Otherwise::GoOn);
    for (driver::Event event : slotFree)
      if (event)
        driver->eventDestroy(event);
    for (void *slot : slots)
      if (slot)
        driver->memFreeHost(slot);
    if (transferStream)
      driver->streamDestroy(transferStream);
    freeKept();
  }
  driver->primaryContextRelease(device);
}

int CudaContext::attribute(driver::DeviceAttribute which) const {
  int32_t value = 0;
  check(driver->deviceGetAttribute(&value, which, device), "ask for an attribute of the GPU");
  return value;
}

// -- Errors ---------------------------------------------------------------------------------------

void CudaContext::requireUsable() const {
  if (!isBroken.load(std::memory_order_acquire))
    return;
  std::lock_guard lock(mutex);
  fail("the GPU cannot be used any more in this process, because earlier " + broken,
       "what variables had only there is lost; start the process again");
}

void CudaContext::check(driver::Result result, const std::string &doing,
                        const std::string &fault) const {
  if (result == driver::Result::Success)
    return;
  requireUsable();
  const std::string description = driver->describe(result);
  if (isFault(result)) {
    std::string message = (fault.empty() ? "a kernel" : fault) + " failed: " + description;
    {
      std::lock_guard lock(mutex);
      if (broken.empty())
        broken = message;
    }
    isBroken.store(true, std::memory_order_release);
    fail(message, options.check
                      ? "compute-sanitizer says more"
                      : "SINTER_CUDA_CHECK=1 names the kernel; it cannot be used any more in "
                        "this process");
  }
  if (result == driver::Result::OutOfMemory)
    fail("out of memory on the GPU: the driver cannot " + doing);
  fail("the driver cannot " + doing + ": " + description);
}

void CudaContext::throwOutOfMemory(const std::string &what, int64_t bytes) const {
  size_t available = 0, total = 0;
  driver->memGetInfo(&available, &total);
  fail("out of memory on the GPU: " + what + " takes " + std::to_string(bytes) + " bytes; " +
           std::to_string(available) + " of " + std::to_string(total) + " are free",
       "graph-compile --stats shows the planned peak, --mem-budget bounds it");
}

// -- Memory ---------------------------------------------------------------------------------------

template <typename T>
bool CudaContext::take(Kept<T> &from, int64_t bytes, T &block, int64_t &size) {
  std::lock_guard lock(mutex);
  // Best fit, unless it would waste more than half of the block.
  constexpr int64_t page = 4096;
  auto it = from.blocks.lower_bound(bytes);
  if (it == from.blocks.end() || it->first - bytes - page > bytes)
    return false;
  size = it->first;
  block = it->second;
  from.bytes -= size;
  from.blocks.erase(it);
  return true;
}

std::shared_ptr<CudaMemory> CudaContext::allocate(int64_t wanted, const std::string &what) {
  requireUsable();
  const int64_t bytes = std::max<int64_t>(wanted, 1);
  driver::DevicePointer address = 0;
  int64_t size = bytes;
  if (take(kept, bytes, address, size))
    return std::make_shared<CudaMemory>(shared_from_this(), address, size);
  Current current(*this);
  auto attempt = [&] {
    driver::Result result = driver->memAlloc(&address, static_cast<size_t>(bytes));
    if (result != driver::Result::OutOfMemory)
      check(result, "reserve " + std::to_string(bytes) + " bytes");
    return result == driver::Result::Success;
  };
  if (!attempt()) {
    std::vector<std::weak_ptr<CudaReclaimable>> owners;
    {
      std::lock_guard lock(mutex);
      owners = reclaimable;
    }
    for (const auto &owner : owners)
      if (auto alive = owner.lock())
        alive->reclaim();
    freeKept();
    if (!attempt())
      throwOutOfMemory(what, bytes);
  }
  auto memory = std::make_shared<CudaMemory>(shared_from_this(), address, bytes);
  if (options.check) {
    std::lock_guard lock(transferMutex);
    prepareTransfers();
    check(driver->memset(address, 0xff, static_cast<size_t>(bytes), transferStream), "fill memory");
    check(driver->streamSynchronize(transferStream), "fill memory");
  }
  return memory;
}

void CudaContext::release(driver::DevicePointer address, int64_t bytes) {
  std::vector<driver::DevicePointer> excess;
  {
    std::lock_guard lock(mutex);
    if (options.check || bytes > keptBytes) {
      excess.push_back(address);
    } else {
      kept.blocks.emplace(bytes, address);
      kept.bytes += bytes;
      while (kept.blocks.size() > keptBlocks || kept.bytes > keptBytes) {
        auto largest = std::prev(kept.blocks.end());
        kept.bytes -= largest->first;
        excess.push_back(largest->second);
        kept.blocks.erase(largest);
      }
    }
  }
  if (excess.empty())
    return;
  Current current(*this, Current::Otherwise::GoOn);
  for (driver::DevicePointer block : excess)
    driver->memFree(block);
}

std::shared_ptr<void> CudaContext::allocatePinned(int64_t wanted) {
  requireUsable();
  const int64_t bytes = std::max<int64_t>(wanted, 1);
  PinnedBlock block{nullptr, bytes};
  if (!take(keptPinned, bytes, block.data, block.bytes)) {
    Current current(*this);
    auto attempt = [&] {
      return driver->memHostAlloc(&block.data, static_cast<size_t>(bytes),
                                  driver::hostAllocPortable);
    };
    driver::Result result = attempt();
    if (result == driver::Result::OutOfMemory) {
      freeKept();
      result = attempt();
    }
    if (result == driver::Result::OutOfMemory)
      fail("out of memory: cannot reserve " + std::to_string(bytes) +
           " bytes of the host's memory for copies to and from the GPU");
    check(result, "reserve " + std::to_string(bytes) + " bytes of the host's memory");
    std::lock_guard lock(mutex);
    pinned.emplace(static_cast<const char *>(block.data), bytes);
  }
  return {block.data, [owner = shared_from_this(), block](void *) { owner->releasePinned(block); }};
}

void CudaContext::releasePinned(PinnedBlock block) {
  {
    std::lock_guard lock(mutex);
    if (!options.check && keptPinned.blocks.size() < keptBlocks &&
        keptPinned.bytes + block.bytes <= keptBytes) {
      keptPinned.blocks.emplace(block.bytes, block.data);
      keptPinned.bytes += block.bytes;
      return;
    }
    pinned.erase(static_cast<const char *>(block.data));
  }
  Current current(*this, Current::Otherwise::GoOn);
  driver->memFreeHost(block.data);
}

void CudaContext::freeKept() {
  Kept<driver::DevicePointer> blocks;
  Kept<void *> pinnedBlocks;
  {
    std::lock_guard lock(mutex);
    std::swap(blocks, kept);
    std::swap(pinnedBlocks, keptPinned);
    for (const auto &[bytes, data] : pinnedBlocks.blocks)
      pinned.erase(static_cast<const char *>(data));
  }
  for (const auto &[bytes, address] : blocks.blocks)
    driver->memFree(address);
  for (const auto &[bytes, data] : pinnedBlocks.blocks)
    driver->memFreeHost(data);
}

bool CudaContext::isPinned(const void *data, int64_t bytes) const {
  std::lock_guard lock(mutex);
  const char *first = static_cast<const char *>(data);
  auto it = pinned.upper_bound(first);
  if (it == pinned.begin())
    return false;
  --it;
  return first + bytes <= it->first + it->second;
}

void CudaContext::offerReclaim(std::weak_ptr<CudaReclaimable> owner) {
  std::lock_guard lock(mutex);
  std::erase_if(reclaimable, [](const auto &old) { return old.expired(); });
  reclaimable.push_back(std::move(owner));
}

// -- Copies ---------------------------------------------------------------------------------------

void CudaContext::prepareTransfers() {
  if (transferStream)
    return;
  for (size_t i = 0; i < slots.size(); ++i) {
    // An earlier attempt may have failed halfway.
    if (!slots[i])
      check(driver->memHostAlloc(&slots[i], static_cast<size_t>(slotBytes),
                                 driver::hostAllocPortable),
            "reserve the host's memory for copies");
    if (!slotFree[i])
      check(driver->eventCreate(&slotFree[i], driver::eventDisableTiming), "make an event");
  }
  check(driver->streamCreate(&transferStream, driver::streamNonBlocking), "make a stream");
}

void CudaContext::upload(driver::DevicePointer to, const void *from, int64_t bytes) {
  requireUsable();
  if (bytes == 0)
    return;
  Current current(*this);
  std::lock_guard lock(transferMutex);
  prepareTransfers();
  const std::string doing = "copy to the GPU";
  const char *source = static_cast<const char *>(from);
  const bool direct = isPinned(from, bytes);
  if (direct)
    check(driver->memcpyToDevice(to, from, static_cast<size_t>(bytes), transferStream), doing);
  for (int64_t at = 0, turn = 0; at < bytes && !direct; at += slotBytes, ++turn) {
    const size_t slot = static_cast<size_t>(turn % 2);
    const auto part = static_cast<size_t>(std::min(slotBytes, bytes - at));
    if (turn >= 2)
      check(driver->eventSynchronize(slotFree[slot]), doing);
    std::memcpy(slots[slot], source + at, part);
    check(driver->memcpyToDevice(to + static_cast<uint64_t>(at), slots[slot], part, transferStream),
          doing);
    check(driver->eventRecord(slotFree[slot], transferStream), doing);
  }
  check(driver->streamSynchronize(transferStream), doing);
}

void CudaContext::download(void *to, driver::DevicePointer from, int64_t bytes) {
  requireUsable();
  if (bytes == 0)
    return;
  Current current(*this);
  std::lock_guard lock(transferMutex);
  prepareTransfers();
  const std::string doing = "copy from the GPU";
  char *target = static_cast<char *>(to);
  if (isPinned(to, bytes)) {
    check(driver->memcpyToHost(to, from, static_cast<size_t>(bytes), transferStream), doing);
    return check(driver->streamSynchronize(transferStream), doing);
  }
  // A part arrives in one slot while the other is emptied.
  const int64_t parts = (bytes + slotBytes - 1) / slotBytes;
  for (int64_t part = 0; part <= parts; ++part) {
    auto size = [&](int64_t number) {
      return static_cast<size_t>(std::min(slotBytes, bytes - number * slotBytes));
    };
    if (part < parts) {
      const size_t slot = static_cast<size_t>(part % 2);
      check(driver->memcpyToHost(slots[slot], from + static_cast<uint64_t>(part * slotBytes),
                                 size(part), transferStream),
            doing);
      check(driver->eventRecord(slotFree[slot], transferStream), doing);
    }
    if (part > 0) {
      const size_t slot = static_cast<size_t>((part - 1) % 2);
      check(driver->eventSynchronize(slotFree[slot]), doing);
      std::memcpy(target + (part - 1) * slotBytes, slots[slot], size(part - 1));
    }
  }
}

} // namespace sinter
