// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#pragma GCC visibility push(default)
namespace sinter {

/// A regular file opened for reading. Everything throws Error(FileAccess) naming the path.
class InputFile {
public:
  explicit InputFile(const std::filesystem::path &path);
  ~InputFile();
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;

  int64_t size() const { return bytes; }
  const std::filesystem::path &path() const { return name; }
  /// Reads exactly `count` bytes at `offset`.
  void read(int64_t offset, void *out, size_t count) const;

private:
  std::filesystem::path name;
  int descriptor = -1;
  int64_t bytes = 0;
};

/// Where writing to `path` would end: behind symbolic links, also those that point to nothing yet.
/// The folders on the way are as they are. Throws Error(FileAccess) where links go round.
std::filesystem::path behindLinks(std::filesystem::path path);

/// A file that is text, or the standard input for "-". What is none ends at its first zero byte,
/// and a pipe or device that has no end at 256 MiB (a file at 2 GiB): Error(User), Error(Limit).
std::string readTextFile(const std::filesystem::path &path);

/// Writes a file under a temporary name beside its target and renames it in commit(). Without a
/// commit() nothing is left behind. A target that exists and is not a regular file (a pipe, a
/// device) is written directly; through a symbolic link, the file it points to is replaced or made.
class AtomicFile {
public:
  explicit AtomicFile(const std::filesystem::path &path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  void write(const void *data, size_t count);
  /// Syncs the data and the folder's entry.
  void commit();

private:
  std::filesystem::path target;
  std::filesystem::path temporary; ///< Empty: the target is written directly.
  int descriptor = -1;
};

} // namespace sinter
#pragma GCC visibility pop
