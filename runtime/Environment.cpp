// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Environment.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace sinter {
namespace {

constexpr EnvironmentSwitch table[] = {
    {"SINTER_NUM_THREADS", "threads of the CPU pool, the caller included (default: available CPUs)",
     1, 1024},
    {"SINTER_SPIN_US", "microseconds an idle pool thread spins before it sleeps (default: 30)", 0,
     1000000},
    {"SINTER_CACHE", "0: keep no machine code between processes (default: 1)", 0, 1},
    {"SINTER_CACHE_DIR",
     "folder of the machine code that is kept (default: sinter in XDG_CACHE_HOME or ~/.cache)", 0,
     0},
    {"SINTER_CUDA_DRIVER", "the library of NVIDIA's driver (default: libcuda.so.1)", 0, 0},
    {"SINTER_NVRTC",
     "NVIDIA's run-time compiler (default: libnvrtc.so.13 or .12 where a toolkit has it)", 0, 0},
    {"SINTER_CUDA_DEVICE", "which GPU, from 0 in the driver's order (default: 0)", 0, 1023},
    {"SINTER_CUDA_CHECK",
     "1: a GPU runs one kernel at a time, every buffer in a block of its own, so that a fault or a "
     "sanitizer names the kernel (default: 0)",
     0, 1},
};

/// CPUs granted by cgroup v2's quota, or nullopt when there is none.
std::optional<int64_t> cgroupQuota() {
  std::FILE *file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (!file)
    return std::nullopt;
  long long quota = 0, period = 0;
  int fields = std::fscanf(file, "%lld %lld", &quota, &period); // "max 100000" yields no field
  std::fclose(file);
  if (fields != 2 || quota <= 0 || period <= 0)
    return std::nullopt;
  return (quota + period - 1) / period;
}

const EnvironmentSwitch *find(std::string_view name) {
  const auto *entry = std::find_if(std::begin(table), std::end(table),
                                   [&](const auto &s) { return s.name == name; });
  if (entry == std::end(table))
    throw Error({.kind = ErrorKind::Internal}, "no environment switch '" + std::string(name) + "'");
  return entry;
}

std::filesystem::path pathOf(const char *name) {
  const char *text = secure_getenv(name);
  return text ? text : "";
}

} // namespace

std::span<const EnvironmentSwitch> environmentTable() { return table; }

std::optional<int64_t> environmentInteger(std::string_view name) {
  const EnvironmentSwitch *entry = find(name);
  const char *text = std::getenv(entry->name.data());
  if (!text || !*text)
    return std::nullopt;
  std::string_view view(text);
  int64_t value = 0;
  auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < entry->least ||
      value > entry->most)
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage},
                std::string(name) + "='" + text + "' is not an integer from " +
                    std::to_string(entry->least) + " to " + std::to_string(entry->most));
  return value;
}

std::optional<std::filesystem::path> environmentPath(std::string_view name) {
  std::filesystem::path path = pathOf(find(name)->name.data());
  if (path.empty())
    return std::nullopt;
  return path;
}

CacheOptions resolveCache(CacheOptions options) {
  if (!options.enabled)
    options.enabled = environmentInteger("SINTER_CACHE").value_or(1) != 0;
  if (options.folder.empty())
    options.folder = environmentPath("SINTER_CACHE_DIR").value_or("");
  // Relative paths there are to be ignored, says the XDG specification.
  if (auto base = pathOf("XDG_CACHE_HOME"); options.folder.empty() && base.is_absolute())
    options.folder = base / "sinter";
  if (auto home = pathOf("HOME"); options.folder.empty() && home.is_absolute())
    options.folder = home / ".cache" / "sinter";
  return options;
}

int64_t availableCpus() {
  // The C++ library counts the affinity mask.
  int64_t cpus = std::max<int64_t>(1, std::thread::hardware_concurrency());
  if (std::optional<int64_t> quota = cgroupQuota())
    cpus = std::min(cpus, *quota);
  return std::max<int64_t>(1, cpus);
}

} // namespace sinter
