// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <cstdint>
#include <vector>

namespace sinter {

/// Copies between a strided array and contiguous memory of the same shape; planned once, so that
/// running it neither allocates nor looks anything up.
class CopyPlan {
public:
  CopyPlan() = default;
  /// For arrays with the layout of `strided`.
  explicit CopyPlan(const Array &strided);
  void gather(const void *strided, void *contiguous) const;
  void scatter(const void *contiguous, void *strided) const;

private:
  struct Axis {
    int64_t size;
    int64_t stride; ///< Bytes.
  };
  template <bool Gather> void walk(size_t axis, char *strided, char *&contiguous) const;

  std::vector<Axis> axes; ///< Outermost first, size-1 axes dropped, mergeable ones merged.
  int64_t runBytes = 0;   ///< Contiguous innermost run; 0 when the array is empty.
};

/// Whether an element of one array shares a byte with an element of the other. Exact for arrays of
/// up to 65,536 contiguous runs; beyond that overlapping address ranges count.
bool sharesMemory(const Array &a, const Array &b);

} // namespace sinter
