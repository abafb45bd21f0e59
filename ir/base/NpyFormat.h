// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

namespace sinter {

/// Bytes that are read once, from front to back.
class ByteSource {
public:
  virtual ~ByteSource() = default;
  /// Exactly `count` bytes; throws when there are fewer.
  virtual void read(void *out, size_t count) = 0;
};

/// Reads an array in .npy format that takes exactly `length` bytes of `source`. `what` names it in
/// errors. Allocates only what `length` accounts for.
Array readNpyFrom(ByteSource &source, int64_t length, const std::string &what);

/// The magic, version and header of a C-order file, padded so that the data is 64-byte aligned.
std::string npyHeader(DType dtype, const std::vector<int64_t> &sizes);

/// Throws Error(Diagnostics): `what` is malformed.
[[noreturn]] void malformedFile(const std::string &what, const std::string &why);

} // namespace sinter
