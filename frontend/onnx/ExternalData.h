// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: tensor data in files beside the model.
#pragma once

#include "sinter/ir/base/Error.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::onnx {

/// Reads files that lie in one folder or below it. A model names them, so nothing it can write
/// reaches any other file: no absolute path, no "..", no symbolic link on the way, no further hard
/// link, only regular files; all checks are made on the opened file itself.
class ExternalFolder {
public:
  /// `folder` is the caller's own path and may contain links.
  explicit ExternalFolder(std::filesystem::path folder, int64_t maxBytes)
      : folder(std::move(folder)), left(maxBytes) {}
  ~ExternalFolder();
  ExternalFolder(const ExternalFolder &) = delete;
  ExternalFolder &operator=(const ExternalFolder &) = delete;

  /// Throws unless `count` bytes from `offset` on lie in the file `location`; `count` may be that
  /// of the rest of the file when `length` is not given. Allocation comes after this check.
  void check(const std::string &location, int64_t offset, std::optional<int64_t> length,
             int64_t count);
  /// Reads what check() approved.
  void read(const std::string &location, int64_t offset, void *out, int64_t count);

private:
  struct File {
    int descriptor;
    int64_t size;
  };
  const File &open(const std::string &location);
  int openBeneath(const std::string &location);

  std::filesystem::path folder;
  int folderDescriptor = -1;
  int64_t left;
  std::map<std::string, File> files;
};

/// The parts of a relative path; empty when it is absolute, empty, or has "." or ".." in it.
std::optional<std::vector<std::string>> confinedParts(std::string_view path);

/// How a file below a folder is opened; the second way is for kernels without openat2.
enum class OpenWay { OpenAt2, PartByPart };
/// A descriptor, or -1 with errno set.
int openConfined(int folder, const std::string &path, OpenWay way);

} // namespace sinter::onnx
