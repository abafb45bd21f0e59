// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>

namespace sinter {

/// A new folder that disappears with its contents.
class TempFolder {
public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sinter-test-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw std::runtime_error("no temporary folder");
    path = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TempFolder(const TempFolder &) = delete;
  TempFolder &operator=(const TempFolder &) = delete;

  std::filesystem::path operator/(const std::string &name) const { return path / name; }
  size_t numEntries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  std::filesystem::path path;
};

/// The code of the Error that `fn` throws; Ok when it throws none.
template <typename Fn> ErrorCode codeOf(Fn &&fn) {
  try {
    fn();
  } catch (const Error &error) {
    return error.code();
  }
  return ErrorCode::Ok;
}

} // namespace sinter
