// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sinter {

/// One environment variable that Sinter reads.
struct EnvironmentSwitch {
  std::string_view name;
  std::string_view doc;
  int64_t least;
  int64_t most;
};

/// Every environment variable the runtime reads; there are no others.
std::span<const EnvironmentSwitch> environmentTable();

/// The value of a variable in the table, nullopt when unset or empty. Throws Error(User, Usage)
/// when it is not an integer within the variable's bounds.
std::optional<int64_t> environmentInteger(std::string_view name);

/// CPUs this process may run on: the affinity mask, bounded by the cgroup's CPU quota. At least 1.
int64_t availableCpus();

} // namespace sinter
