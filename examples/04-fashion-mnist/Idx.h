// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sinter/sinter.h>

#include <filesystem>

namespace examples {

/// The first `limit` items of a gzipped IDX file of bytes: [n, rows * columns] for images, [n] for
/// labels. Throws Error(FileAccess) when it cannot be read, Error(Diagnostics) when it is not such
/// a file.
struct IdxFile {
  std::vector<int64_t> sizes;
  std::vector<uint8_t> bytes;
};
IdxFile readIdx(const std::filesystem::path &path, int64_t limit);

struct Images {
  sinter::Array pixels; ///< f32 [n, 784], mean 0 and deviation 1 over the training set
  sinter::Array labels; ///< i32 [n]
  int64_t count() const { return labels.numElements(); }
};
/// `prefix` is "train" or "t10k"; `limit` < 0 takes all.
Images readImages(const std::filesystem::path &folder, const std::string &prefix, int64_t limit);

} // namespace examples
