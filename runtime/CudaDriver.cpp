// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaDriver.h"
#include "sinter/ir/base/Error.h"
#include "sinter/runtime/Environment.h"

#include <dlfcn.h>

namespace sinter {
namespace {

constexpr const char *defaultLibrary = "libcuda.so.1";

[[noreturn]] void fail(const std::string &message, const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "cuda", .hint = hint}, message);
}

std::string versionText(int32_t version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

} // namespace

std::shared_ptr<const CudaDriver> CudaDriver::load(const std::filesystem::path &given) {
  std::string library = given.string();
  if (library.empty())
    library = environmentPath("SINTER_CUDA_DRIVER").value_or(defaultLibrary).string();

  // Never closed: a driver has threads of its own.
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    fail("there is no NVIDIA driver: " +
             std::string(reason ? reason : "cannot open '" + library + "'"),
         "a GPU needs NVIDIA's driver, which has libcuda.so.1; --target=cpu runs without");
  }
  std::shared_ptr<CudaDriver> driver(new CudaDriver());
  auto find = [&](auto &member, const char *symbol) {
    member = reinterpret_cast<std::remove_reference_t<decltype(member)>>(dlsym(handle, symbol));
    return member != nullptr;
  };
  // A driver too old says its version before it lacks a function.
  if (find(driver->driverGetVersion, "cuDriverGetVersion"))
    driver->driverGetVersion(&driver->versionNumber);
  const std::string needed = "Sinter needs the driver of CUDA " + versionText(oldest) + " or newer";
  if (driver->versionNumber != 0 && driver->versionNumber < oldest)
    fail("the NVIDIA driver is too old: '" + library + "' is of CUDA " +
             versionText(driver->versionNumber),
         needed);
#define SINTER_FIND(member, symbol, parameters)                                                    \
  if (!find(driver->member, #symbol))                                                              \
    fail("the NVIDIA driver is too old: '" + library + "' lacks " #symbol, needed);
  SINTER_CUDA_ENTRY_POINTS(SINTER_FIND)
#undef SINTER_FIND

  switch (driver::Result result = driver->init(0)) {
  case driver::Result::Success:
    break;
  case driver::Result::NoDevice:
    fail("there is no GPU that the NVIDIA driver can use", "nvidia-smi lists them");
  case driver::Result::StubLibrary:
    fail("there is no NVIDIA driver: '" + library + "' is a stub that programs are linked with");
  case driver::Result::SystemDriverMismatch:
    fail("the NVIDIA driver's library does not fit its kernel module",
         "after an update of the driver the machine must be restarted");
  default:
    fail("the NVIDIA driver does not start: " + driver->describe(result));
  }
  return driver;
}

std::string CudaDriver::describe(driver::Result result) const {
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  std::string description = name ? name : "error";
  description += " (" + std::to_string(static_cast<int32_t>(result)) + ")";
  if (text)
    description += std::string(": ") + text;
  return description;
}

} // namespace sinter
