// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/CacheOptions.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// One environment variable that Sinter reads: an integer, or where `most` is 0 a path.
struct EnvironmentSwitch {
  std::string_view name;
  std::string_view doc;
  int64_t least;
  int64_t most;
};

/// Every environment variable of Sinter; of others it reads only XDG_CACHE_HOME and HOME, to find the
/// user's cache folder.
std::span<const EnvironmentSwitch> environmentTable();

/// The value of a variable in the table, nullopt when unset or empty. Throws Error(User, Usage)
/// when it is not an integer within the variable's bounds.
std::optional<int64_t> environmentInteger(std::string_view name);

/// The value of a path of the table, nullopt when unset or empty. Programs that run with the rights of
/// another user ignore it.
std::optional<std::filesystem::path> environmentPath(std::string_view name);

/// The options with everything that is unset filled in from the environment. Off where no folder is
/// left: without HOME, or with the rights of another user.
CacheOptions resolveCache(CacheOptions options);

/// CPUs this process may run on: the affinity mask, bounded by the cgroup's CPU quota. At least 1.
int64_t availableCpus();

} // namespace sinter
#pragma GCC visibility pop
