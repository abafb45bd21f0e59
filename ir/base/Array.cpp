// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Array.h"

#include "sinter/ir/base/CheckedMath.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <sys/mman.h>

namespace sinter {

static constexpr size_t alignment = 64;

/// Checks sizes that come from outside: none negative, and strides and bytes fit in 64 bits even
/// when an axis is empty.
static int64_t requireBytes(DType dtype, const std::vector<int64_t> &sizes) {
  std::optional<int64_t> bytes = byteSize(dtype);
  bool empty = false;
  for (int64_t size : sizes) {
    if (size < 0)
      throw Error({.shapes = {Shape(sizes)}}, "an array size must not be negative");
    empty |= size == 0;
    if (bytes)
      bytes = checkedMul(*bytes, std::max<int64_t>(size, 1));
  }
  if (!bytes)
    throw Error({.code = ErrorCode::Limit, .shapes = {Shape(sizes)}},
                "the array is too large: its bytes overflow 64 bits");
  return empty ? 0 : *bytes;
}

static std::vector<int64_t> rowMajorStrides(const std::vector<int64_t> &sizes) {
  std::vector<int64_t> strides(sizes.size());
  int64_t step = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= std::max<int64_t>(sizes[axis], 1);
  }
  return strides;
}

/// Null when there is not enough memory. Large blocks come from the system as huge pages, which are
/// zeroed when they are first touched.
static std::shared_ptr<void> allocateZeroed(size_t bytes) {
  constexpr size_t hugePage = size_t{2} << 20, large = size_t{4} << 20;
  void *memory = nullptr;
  if (bytes < large) {
    // An empty array still has an address of its own.
    if (posix_memalign(&memory, alignment, std::max<size_t>(bytes, 1)) != 0)
      return nullptr;
    std::memset(memory, 0, bytes);
    return std::shared_ptr<void>(memory, std::free);
  }
  size_t mapped = bytes + hugePage;
  memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return nullptr;
  madvise(memory, mapped, MADV_HUGEPAGE); // A wish: small pages work as well.
  std::shared_ptr<void> owner(memory, [mapped](void *start) { munmap(start, mapped); });
  auto address = (reinterpret_cast<uintptr_t>(memory) + hugePage - 1) & ~(hugePage - 1);
  return std::shared_ptr<void>(owner, reinterpret_cast<void *>(address));
}

Array::Array() : Array(f32, {}) {}

Array::Array(DType dtype, std::vector<int64_t> sizes) : type(dtype), dims(std::move(sizes)) {
  size_t bytes = static_cast<size_t>(requireBytes(type, dims));
  storage = allocateZeroed(bytes);
  if (!storage)
    throw Error({.code = ErrorCode::Limit, .shapes = {Shape(dims)}},
                "cannot allocate " + std::to_string(bytes) + " bytes for an array");
  origin = storage.get();
  steps = rowMajorStrides(dims);
}

Array Array::wrap(void *data, DType dtype, std::vector<int64_t> sizes, std::vector<int64_t> strides,
                  std::shared_ptr<void> keepAlive) {
  int64_t bytes = requireBytes(dtype, sizes);
  if (strides.empty())
    strides = rowMajorStrides(sizes);
  if (strides.size() != sizes.size())
    throw Error({.shapes = {Shape(sizes)}},
                "an array needs one stride per axis, not " + std::to_string(strides.size()));
  if (bytes != 0 && !data)
    throw Error({.shapes = {Shape(sizes)}}, "a null pointer cannot hold an array");
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(byteSize(dtype)) != 0)
    throw Error({.shapes = {Shape(sizes)}},
                "the memory of an array must be aligned to its elements");
  // No element may lie further away than 64 bits can say, on either side.
  std::optional<int64_t> reach = 0;
  for (size_t axis = 0; axis < sizes.size() && reach; ++axis) {
    std::optional<int64_t> span = checkedMul(strides[axis], std::max<int64_t>(sizes[axis], 1));
    if (span)
      span = checkedMul(*span, (*span < 0 ? -1 : 1) * byteSize(dtype));
    reach = span ? checkedAdd(*reach, *span) : std::nullopt;
  }
  if (!reach)
    throw Error({.code = ErrorCode::Limit, .shapes = {Shape(sizes)}},
                "the strides of an array overflow 64 bits");
  Array array;
  array.storage = std::move(keepAlive);
  array.origin = data;
  array.type = dtype;
  array.dims = std::move(sizes);
  array.steps = std::move(strides);
  return array;
}

int64_t Array::numElements() const {
  int64_t count = 1;
  for (int64_t size : dims)
    if (size == 0)
      return 0;
    else
      count *= size;
  return count;
}

bool Array::isContiguous() const {
  if (numElements() == 0)
    return true;
  int64_t step = 1;
  for (size_t axis = dims.size(); axis-- > 0;) {
    if (dims[axis] != 1 && steps[axis] != step)
      return false;
    step *= dims[axis];
  }
  return true;
}

void Array::requireDType(DType wanted) const {
  if (type != wanted)
    throw Error("the array holds " + std::string(name(type)) + ", not " +
                std::string(name(wanted)));
}

void Array::requireAxis(int64_t axis) const {
  if (axis < 0 || axis >= rank())
    throw Error({.shapes = {Shape(dims)}}, "axis " + std::to_string(axis) + " does not exist");
}

const void *Array::elementAt(const std::vector<int64_t> &index) const {
  if (index.size() != dims.size())
    throw Error({.op = "at", .shapes = {Shape(dims)}}, std::to_string(index.size()) +
                                                           " indices for an array of rank " +
                                                           std::to_string(rank()));
  int64_t offset = 0;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (index[axis] < 0 || index[axis] >= dims[axis])
      throw Error({.op = "at", .shapes = {Shape(dims)}}, "index " + std::to_string(index[axis]) +
                                                             " is out of range along axis " +
                                                             std::to_string(axis));
    offset += index[axis] * steps[axis];
  }
  return static_cast<const char *>(origin) + offset * byteSize(type);
}

Array Array::transpose(const std::vector<int64_t> &permutation) const {
  std::vector<bool> seen(dims.size(), false);
  bool valid = permutation.size() == dims.size();
  for (size_t i = 0; valid && i < permutation.size(); ++i) {
    valid = permutation[i] >= 0 && permutation[i] < rank() &&
            !seen[static_cast<size_t>(permutation[i])];
    if (valid)
      seen[static_cast<size_t>(permutation[i])] = true;
  }
  if (!valid)
    throw Error({.op = "transpose",
                 .shapes = {Shape(dims)},
                 .hint = "a permutation names every axis from 0 to rank-1 once"},
                Shape(permutation).str() + " is not a permutation of the axes");
  Array view = *this;
  for (size_t i = 0; i < permutation.size(); ++i) {
    view.dims[i] = dims[static_cast<size_t>(permutation[i])];
    view.steps[i] = steps[static_cast<size_t>(permutation[i])];
  }
  return view;
}

Array Array::transpose() const {
  Array view = *this;
  std::reverse(view.dims.begin(), view.dims.end());
  std::reverse(view.steps.begin(), view.steps.end());
  return view;
}

Array Array::slice(int64_t axis, int64_t start, int64_t limit, int64_t step) const {
  requireAxis(axis);
  size_t i = static_cast<size_t>(axis);
  if (start < 0 || start > limit || limit > dims[i] || step < 1)
    throw Error({.op = "slice",
                 .shapes = {Shape(dims)},
                 .hint = "0 <= start <= limit <= size and step >= 1"},
                "start " + std::to_string(start) + ", limit " + std::to_string(limit) + ", step " +
                    std::to_string(step) + " do not fit axis " + std::to_string(axis));
  Array view = *this;
  int64_t extent = limit - start;
  view.dims[i] = extent / step + (extent % step != 0 ? 1 : 0);
  // An empty view keeps the origin, which may be the only address that is valid.
  if (view.numElements() > 0)
    view.origin = static_cast<char *>(origin) + start * steps[i] * byteSize(type);
  // With a single element left the step may be anything; multiplying could overflow.
  if (view.dims[i] > 1)
    view.steps[i] = steps[i] * step;
  return view;
}

Array Array::select(int64_t axis, int64_t index) const {
  requireAxis(axis);
  if (index < 0 || index >= dims[static_cast<size_t>(axis)])
    throw Error({.op = "select", .shapes = {Shape(dims)}}, "index " + std::to_string(index) +
                                                               " is out of range along axis " +
                                                               std::to_string(axis));
  Array view = slice(axis, index, index + 1);
  view.dims.erase(view.dims.begin() + axis);
  view.steps.erase(view.steps.begin() + axis);
  return view;
}

Array Array::reshape(std::vector<int64_t> sizes) const {
  auto refuse = [&](const char *what) {
    // Shape() prints -1 as it was written.
    throw Error({.op = "reshape", .shapes = {Shape(dims), Shape(sizes)}}, what);
  };
  int64_t *inferred = nullptr;
  std::optional<int64_t> known = 1;
  for (int64_t &size : sizes) {
    if (size == -1) {
      if (inferred)
        refuse("only one size may be -1");
      inferred = &size;
      continue;
    }
    if (size < 0)
      refuse("a size must not be negative");
    if (known)
      known = checkedMul(*known, size);
  }
  if (inferred && known && *known != 0 && numElements() % *known == 0)
    *inferred = numElements() / *known;
  else if (inferred)
    refuse("the size of -1 cannot be inferred");
  else if (!known || *known != numElements())
    refuse("the numbers of elements differ");
  requireBytes(type, sizes);
  Array result = contiguous();
  result.dims = std::move(sizes);
  result.steps = rowMajorStrides(result.dims);
  return result;
}

Array Array::contiguous() const {
  if (!isContiguous())
    return clone();
  Array result = *this;
  result.steps = rowMajorStrides(dims);
  return result;
}

Array Array::clone() const {
  Array copy(type, dims);
  copy.copyFrom(*this);
  return copy;
}

/// The bytes a view can touch, as [first, last) addresses.
static std::pair<uintptr_t, uintptr_t> addressRange(const Array &array) {
  intptr_t low = 0, high = 0, width = byteSize(array.dtype());
  for (size_t axis = 0; axis < array.sizes().size(); ++axis) {
    intptr_t span = (array.sizes()[axis] - 1) * array.strides()[axis] * width;
    (span < 0 ? low : high) += span;
  }
  auto origin = reinterpret_cast<uintptr_t>(array.data());
  return {origin + static_cast<uintptr_t>(low), origin + static_cast<uintptr_t>(high + width)};
}

/// Copies axes [axis, …) of two views of equal sizes; `block` trailing axes are contiguous in both
/// and hold `blockBytes` together.
static void copyAxes(char *to, const Array &target, const char *from, const Array &source,
                     size_t axis, size_t blockAxis, size_t blockBytes) {
  if (axis == blockAxis) {
    std::memcpy(to, from, blockBytes);
    return;
  }
  int64_t width = byteSize(target.dtype());
  for (int64_t i = 0; i < target.sizes()[axis]; ++i)
    copyAxes(to + i * target.strides()[axis] * width, target,
             from + i * source.strides()[axis] * width, source, axis + 1, blockAxis, blockBytes);
}

void Array::copyFrom(const Array &source) const {
  if (source.dims != dims)
    throw Error({.op = "copyFrom", .shapes = {Shape(dims), Shape(source.dims)}},
                "the sizes of both arrays must be equal");
  source.requireDType(type);
  if (numElements() == 0)
    return;
  auto [low, high] = addressRange(*this);
  auto [sourceLow, sourceHigh] = addressRange(source);
  if (low < sourceHigh && sourceLow < high) {
    if (origin == source.origin && steps == source.steps)
      return;
    copyFrom(source.clone()); // Overlapping views: read everything before writing.
    return;
  }
  size_t blockAxis = dims.size();
  int64_t block = 1;
  while (blockAxis > 0 && (dims[blockAxis - 1] == 1 ||
                           (steps[blockAxis - 1] == block && source.steps[blockAxis - 1] == block)))
    block *= dims[--blockAxis];
  copyAxes(static_cast<char *>(origin), *this, static_cast<const char *>(source.origin), source, 0,
           blockAxis, static_cast<size_t>(block * byteSize(type)));
}

/// A plain loop for each pair of dtypes; whatever else cast() does would be there as often.
template <typename To, typename From>
static void convertElements(const char *from, void *to, int64_t count) {
  auto *out = static_cast<To *>(to);
  for (int64_t i = 0; i < count; ++i)
    out[i] = convertElement<To>(loadElement<From>(from + i * sizeof(From)));
}

Array Array::cast(DType wanted) const {
  if (wanted == type)
    return *this;
  Array result(wanted, dims);
  Array source = contiguous();
  dispatch(wanted, [&](auto to) {
    dispatch(type, [&](auto from) {
      convertElements<decltype(to), decltype(from)>(static_cast<const char *>(source.origin),
                                                    result.origin, source.numElements());
    });
  });
  return result;
}

void Array::fill(double value) const {
  dispatch(type, [&](auto zero) {
    auto converted = convertElement<decltype(zero)>(value);
    // The elements of a mutable view: forEachElement only promises not to write itself.
    forEachElement([&](const void *element) {
      *static_cast<decltype(zero) *>(const_cast<void *>(element)) = converted;
    });
  });
}

static void printValues(std::ostream &out, const Array &array) {
  if (array.rank() == 0) {
    dispatch(array.dtype(), [&](auto zero) {
      auto value = loadElement<decltype(zero)>(array.data());
      if constexpr (std::is_same_v<decltype(value), bool>)
        out << (value ? "true" : "false");
      else
        out << +value; // A byte is a number, not a character.
    });
    return;
  }
  out << "[";
  for (int64_t i = 0; i < array.sizes()[0]; ++i) {
    if (i > 0)
      out << ", ";
    printValues(out, array.select(0, i));
  }
  out << "]";
}

std::string Array::str() const {
  constexpr int64_t shortArray = 32;
  std::ostringstream out;
  out << name(type) << Shape(dims).str();
  if (numElements() > 0 && numElements() <= shortArray) {
    out << " = ";
    printValues(out, *this);
  }
  return out.str();
}

} // namespace sinter
