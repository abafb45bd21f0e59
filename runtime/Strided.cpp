// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Strided.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sinter {
namespace {

constexpr int64_t exactRuns = 65536;

using Range = std::pair<uintptr_t, uintptr_t>; // [first, second)

/// The addresses an array spans; empty for an empty array.
Range span(const Array &array) {
  auto low = reinterpret_cast<uintptr_t>(array.data());
  uintptr_t high = low;
  for (int64_t i = 0; i < array.rank(); ++i) {
    if (array.sizes()[i] == 0)
      return {low, low};
    int64_t reach = (array.sizes()[i] - 1) * array.strides()[i] * byteSize(array.dtype());
    (reach < 0 ? low : high) += static_cast<uintptr_t>(reach);
  }
  return {low, high + static_cast<uintptr_t>(byteSize(array.dtype()))};
}

bool intersect(const Range &a, const Range &b) {
  return a.first < b.second && b.first < a.second && a.first != a.second && b.first != b.second;
}

/// The contiguous runs of an array, sorted. The rows are those of the innermost axis when its
/// stride is one, else single elements. Empty when there are more than exactRuns.
std::vector<Range> runs(const Array &array) {
  int64_t bytes = byteSize(array.dtype());
  int64_t rank = array.rank();
  int64_t outer = rank;
  if (rank > 0 && array.strides()[rank - 1] == 1)
    bytes *= array.sizes()[--outer];
  int64_t count = 1;
  for (int64_t i = 0; i < outer; ++i)
    if ((count *= array.sizes()[i]) > exactRuns)
      return {};
  std::vector<Range> result{{reinterpret_cast<uintptr_t>(array.data()), 0}};
  for (int64_t axis = 0; axis < outer; ++axis) {
    std::vector<Range> next;
    next.reserve(result.size() * static_cast<size_t>(array.sizes()[axis]));
    for (const Range &range : result)
      for (int64_t i = 0; i < array.sizes()[axis]; ++i)
        next.push_back({range.first + static_cast<uintptr_t>(i * array.strides()[axis] *
                                                             byteSize(array.dtype())),
                        0});
    result = std::move(next);
  }
  for (Range &range : result)
    range.second = range.first + static_cast<uintptr_t>(bytes);
  std::sort(result.begin(), result.end());
  return result;
}

} // namespace

CopyPlan::CopyPlan(const Array &strided) {
  int64_t element = byteSize(strided.dtype());
  runBytes = element;
  for (int64_t i = 0; i < strided.rank(); ++i) {
    Axis axis{strided.sizes()[i], strided.strides()[i] * element};
    if (axis.size == 0) {
      axes.clear();
      runBytes = 0;
      return;
    }
    if (axis.size == 1)
      continue;
    if (!axes.empty() && axes.back().stride == axis.size * axis.stride)
      axes.back() = {axes.back().size * axis.size, axis.stride};
    else
      axes.push_back(axis);
  }
  if (!axes.empty() && axes.back().stride == element) {
    runBytes = axes.back().size * element;
    axes.pop_back();
  }
}

template <bool Gather> void CopyPlan::walk(size_t axis, char *strided, char *&contiguous) const {
  if (axis + 1 < axes.size()) {
    for (int64_t i = 0; i < axes[axis].size; ++i)
      walk<Gather>(axis + 1, strided + i * axes[axis].stride, contiguous);
    return;
  }
  const int64_t count = axes.empty() ? 1 : axes[axis].size;
  const int64_t stride = axes.empty() ? 0 : axes[axis].stride;
  auto copy = [&](auto bytes) {
    for (int64_t i = 0; i < count; ++i, contiguous += bytes) {
      char *element = strided + i * stride;
      std::memcpy(Gather ? contiguous : element, Gather ? element : contiguous, bytes);
    }
  };
  // Single elements are common (transposes); a constant size makes their copy one move.
  if (runBytes == 4)
    copy(std::integral_constant<size_t, 4>());
  else if (runBytes == 8)
    copy(std::integral_constant<size_t, 8>());
  else
    copy(static_cast<size_t>(runBytes));
}

void CopyPlan::gather(const void *strided, void *contiguous) const {
  char *target = static_cast<char *>(contiguous);
  if (runBytes != 0)
    walk<true>(0, static_cast<char *>(const_cast<void *>(strided)), target);
}

void CopyPlan::scatter(const void *contiguous, void *strided) const {
  char *source = static_cast<char *>(const_cast<void *>(contiguous));
  if (runBytes != 0)
    walk<false>(0, static_cast<char *>(strided), source);
}

bool sharesMemory(const Array &a, const Array &b) {
  if (!intersect(span(a), span(b)))
    return false;
  if (a.isContiguous() && b.isContiguous())
    return true;
  std::vector<Range> left = runs(a), right = runs(b);
  if (left.empty() || right.empty())
    return true;
  for (size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    if (intersect(left[i], right[j]))
      return true;
    left[i].second < right[j].second ? ++i : ++j;
  }
  return false;
}

} // namespace sinter
