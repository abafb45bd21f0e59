// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <map>
#include <string>

#pragma GCC visibility push(default)
namespace sinter {

/// What a .safetensors file holds.
struct SafetensorsFile {
  ArrayMap arrays;
  /// The text pairs of __metadata__.
  std::map<std::string, std::string> metadata;
};

/// Reads a .safetensors file. The header must be exactly what the format allows, its ranges must
/// tile the data, and every size agree, before anything as large as the data is allocated. Throws
/// Error(FileAccess) for the file system, Error(Diagnostics) for a malformed file, and
/// Error(Unsupported) for an element type that Sinter does not have.
SafetensorsFile readSafetensors(const std::filesystem::path &path);
/// Writes to a temporary name beside `path`, syncs, renames. Same arrays, same bytes, whatever the
/// order they were made in; without metadata they are those of the reference implementation. The
/// file has no form for a name that is not UTF-8 or is "__metadata__", and none for more than 16
/// dimensions: Error(User).
void writeSafetensors(const std::filesystem::path &path, const ArrayMap &arrays,
                      const std::map<std::string, std::string> &metadata = {});

/// A file that is nothing but the elements, row-major and little-endian. It must be exactly as long
/// as they are: Error(Diagnostics).
Array readRaw(const std::filesystem::path &path, DType dtype, std::vector<int64_t> sizes);
void writeRaw(const std::filesystem::path &path, const Array &array);

/// Named arrays in the format that the suffix says: .safetensors, else .npz.
ArrayMap readArrays(const std::filesystem::path &path);
void writeArrays(const std::filesystem::path &path, const ArrayMap &arrays);

} // namespace sinter
#pragma GCC visibility pop
