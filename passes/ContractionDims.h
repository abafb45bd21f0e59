// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace sinter::passes {

/// The dims of an operand of a contraction that are in neither list, increasing.
inline llvm::SmallVector<int64_t> freeDims(int64_t rank, llvm::ArrayRef<int64_t> batch,
                                           llvm::ArrayRef<int64_t> contract) {
  llvm::SmallVector<int64_t> dims;
  for (int64_t d = 0; d < rank; ++d)
    if (!llvm::is_contained(batch, d) && !llvm::is_contained(contract, d))
      dims.push_back(d);
  return dims;
}

/// Whether dims of a row-major tensor, in this order, flatten to one size and stride. Dims of size
/// 1 do not matter; the others must follow each other in memory.
inline bool evenlySpaced(const Shape &shape, llvm::ArrayRef<int64_t> dims) {
  std::optional<int64_t> previous;
  for (int64_t d : dims) {
    if (shape[d].constant() == 1)
      continue;
    if (previous && d < *previous)
      return false;
    for (int64_t between = previous.value_or(d) + 1; between < d; ++between)
      if (shape[between].constant() != 1)
        return false;
    previous = d;
  }
  return true;
}

/// The dtype in which products are summed. Integers wrap, so that width and sign do not matter.
inline DType sumDType(DType dtype) {
  if (isFloat(dtype))
    return dtype == f64 ? f64 : f32;
  return byteSize(dtype) == 8 ? i64 : i32;
}

} // namespace sinter::passes
