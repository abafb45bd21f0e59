// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#pragma GCC visibility push(default)
namespace sinter {

/// Where machine code of kernels is kept between processes.
struct CacheOptions {
  /// Unset: SINTER_CACHE (0 or 1), else on.
  std::optional<bool> enabled = std::nullopt;
  /// Empty: SINTER_CACHE_DIR, else XDG_CACHE_HOME/sinter, else ~/.cache/sinter. It must belong to
  /// the user and be writable by nobody else, or it is not used.
  std::filesystem::path folder = {};
  /// When there is more than this, what was not used for longest goes first.
  int64_t maxBytes = int64_t{512} << 20;
};

/// What the cache did during one compilation.
struct CacheReport {
  int64_t hits = 0;
  int64_t misses = 0;
  int64_t dropped = 0; ///< Entries that were damaged; they count as misses too.
  int64_t stored = 0;
  /// Why there was no cache, or why nothing could be stored. Empty: all is well, or it is off.
  std::string notice = {};
};

} // namespace sinter
#pragma GCC visibility pop
