// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Error.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// A dense n-dimensional array on the host: a view (offset, sizes, strides) over shared storage.
/// Copies share storage. transpose(), slice() and reshape() of a contiguous array copy nothing.
class Array {
public:
  /// A rank-0 f32 zero.
  Array();
  /// Zero-filled, contiguous, 64-byte aligned. Throws Error(User) on negative sizes or overflow.
  Array(DType dtype, std::vector<int64_t> sizes);
  /// A scalar.
  template <typename T> static Array scalar(T value) {
    Array array(dtypeOf<T>(), {});
    *static_cast<T *>(array.data()) = value;
    return array;
  }
  /// Copies `values` (row-major) into a new array; their number must match the sizes.
  template <typename T> static Array from(const std::vector<T> &values, std::vector<int64_t> sizes);
  /// A 1-D copy.
  template <typename T> static Array from(const std::vector<T> &values) {
    return from(values, {static_cast<int64_t>(values.size())});
  }
  /// Views the caller's memory without a copy; `keepAlive` (may be null) is held as long as the
  /// view. `strides` are in elements, may be negative or zero; empty means row-major.
  static Array wrap(void *data, DType dtype, std::vector<int64_t> sizes,
                    std::vector<int64_t> strides = {}, std::shared_ptr<void> keepAlive = nullptr);

  DType dtype() const { return type; }
  const std::vector<int64_t> &sizes() const { return dims; }
  const std::vector<int64_t> &strides() const { return steps; }
  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t numElements() const;
  int64_t numBytes() const { return numElements() * byteSize(type); }
  bool isContiguous() const;
  /// The first element.
  void *data() const { return origin; }
  /// Typed pointer to the first element; throws Error(User) when T is not the array's dtype.
  template <typename T> T *as() const {
    requireDType(dtypeOf<T>());
    return static_cast<T *>(origin);
  }
  /// One element, converted; indices are checked.
  template <typename T = double> T at(const std::vector<int64_t> &index) const;
  /// The value of an array with a single element.
  template <typename T = double> T item() const;
  /// All elements in row-major order, converted to T.
  template <typename T> std::vector<T> toVector() const;

  Array transpose(const std::vector<int64_t> &permutation) const;
  Array transpose() const; ///< Reverses the axes.
  /// Elements start, start+step, … below limit along `axis`; bounds are checked.
  Array slice(int64_t axis, int64_t start, int64_t limit, int64_t step = 1) const;
  /// One index along `axis`, which disappears.
  Array select(int64_t axis, int64_t index) const;
  /// Same elements, other sizes; copies only when the array is not contiguous. One size may be -1.
  Array reshape(std::vector<int64_t> sizes) const;
  /// A contiguous array with the same elements (itself when already contiguous).
  Array contiguous() const;
  Array clone() const;
  Array cast(DType dtype) const;
  /// Copies the elements of `source` (same sizes and dtype) into this view.
  void copyFrom(const Array &source) const;
  void fill(double value) const;

  /// "f32[2, 3]" and, for short arrays, the values.
  std::string str() const;

private:
  void requireDType(DType wanted) const;
  void requireAxis(int64_t axis) const;
  const void *elementAt(const std::vector<int64_t> &index) const;
  /// Calls fn(const void *) for every element in row-major order.
  template <typename Fn> void forEachElement(Fn &&fn) const;

  std::shared_ptr<void> storage;
  void *origin = nullptr;
  DType type = f32;
  std::vector<int64_t> dims;
  std::vector<int64_t> steps;
};

/// Named arrays.
using ArrayMap = std::map<std::string, Array, std::less<>>;

/// .npy (format 1.0–3.0, little-endian, C or Fortran order; dtypes f2 f4 f8, i1 to i8,
/// u1 to u8, b1, and V2 for bf16, as the Python package ml_dtypes writes it). Reading checks magic,
/// header, dtype, size products and the file's length before it allocates; it throws
/// Error(FileAccess) for the file system and Error(Diagnostics) for a malformed file.
Array readNpy(const std::filesystem::path &path);
/// Writes to a temporary name beside `path`, syncs, renames.
void writeNpy(const std::filesystem::path &path, const Array &array);
/// .npz: stored or deflated members. Same checks, plus a limit of 100x on decompression.
ArrayMap readNpz(const std::filesystem::path &path);
void writeNpz(const std::filesystem::path &path, const ArrayMap &arrays);

/// Writes `bytes` to a temporary name in the folder of `path`, syncs, renames over `path`.
/// Throws Error(FileAccess); leaves nothing behind on failure. "/dev/stdout" and other non-regular
/// targets are written directly.
void writeFileAtomically(const std::filesystem::path &path, std::string_view bytes);
/// The whole file; Error(FileAccess) when unreadable, Error(Limit) above `maxBytes`.
std::string readFile(const std::filesystem::path &path, int64_t maxBytes = int64_t{2} << 30);

} // namespace sinter
#pragma GCC visibility pop

#include "sinter/ir/base/ArrayDetail.h"
