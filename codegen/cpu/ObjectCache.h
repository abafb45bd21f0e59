// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/ir/base/CacheOptions.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cpu {

/// Machine code of kernels in a private folder, shared by processes that run at the same time.
///
/// A file holds what one compilation stored, under one name (a hard link) per kernel. It is written
/// under a temporary name and synced before it gets these names, so a name never leads to a file
/// that is being written; a checksum over every entry finds what a disk or a crash damaged. Nothing
/// that fails here is an error: without a usable folder there are only misses, and report() says
/// why. load(), drop() and store() may be called by several threads.
class ObjectCache {
public:
  struct Entry {
    KernelKey key;
    std::string object;
    std::vector<KernelKey> others = {}; ///< Keys that lead to the object as well.
  };

  /// Opens the folder, and makes it when it is missing. Off unless options.enabled is true; the
  /// folder must not be empty then.
  explicit ObjectCache(const CacheOptions &options);
  ~ObjectCache();
  ObjectCache(const ObjectCache &) = delete;
  ObjectCache &operator=(const ObjectCache &) = delete;

  bool isOpen() const { return folder >= 0; }
  /// The object, if there is one and its checksum is right.
  std::optional<std::string> load(const KernelKey &key);
  /// Removes an entry whose object proved unusable; its load() counts as a miss.
  void drop(const KernelKey &key);
  /// Stores objects together, and removes the oldest files when there is too much.
  void store(const std::vector<Entry> &entries);
  CacheReport report() const;

private:
  bool open(const CacheOptions &options);
  std::optional<std::string> read(const KernelKey &key, bool &isDamaged);
  bool storeTogether(const std::vector<Entry> &entries);
  void prune(int64_t stored);
  void note(const std::string &notice);

  int folder = -1;
  int64_t maxBytes = 0;
  mutable std::mutex mutex;
  CacheReport counts;
};

} // namespace sinter::cpu
