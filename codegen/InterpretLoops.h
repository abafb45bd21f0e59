// SPDX-License-Identifier: Apache-2.0
// Internal: what the interpreter's loops are made of.
#pragma once

#include "sinter/codegen/Interpretation.h"

#include "llvm/ADT/STLExtras.h"

#include <limits>
#include <type_traits>
#include <vector>

namespace sinter::codegen::loops {

using namespace mlir;
using Index = std::vector<int64_t>;

inline Index rowMajorStrides(const Index &sizes) {
  Index strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

inline int64_t product(const Index &sizes) {
  int64_t result = 1;
  for (int64_t size : sizes)
    result *= size;
  return result;
}

inline int64_t offsetOf(const Index &index, const Index &strides) {
  int64_t offset = 0;
  for (size_t i = 0; i < index.size(); ++i)
    offset += index[i] * strides[i];
  return offset;
}

/// Calls fn(index, number) for every index below `sizes`, in row-major order.
template <typename Fn> void forEachIndex(const Index &sizes, Fn fn) {
  Index index(sizes.size(), 0);
  for (int64_t n = 0, count = product(sizes); n < count; ++n) {
    fn(static_cast<const Index &>(index), n);
    for (size_t i = sizes.size(); i-- > 0;) {
      if (++index[i] < sizes[i])
        break;
      index[i] = 0;
    }
  }
}

/// Offsets of all elements of a sub-space, in row-major order.
inline Index offsets(const Index &sizes, const Index &strides) {
  Index result;
  forEachIndex(sizes,
               [&](const Index &index, int64_t) { result.push_back(offsetOf(index, strides)); });
  return result;
}

inline Index select(const Index &values, ArrayRef<int64_t> positions) {
  Index result;
  for (int64_t i : positions)
    result.push_back(values[static_cast<size_t>(i)]);
  return result;
}

inline SmallVector<int64_t> others(ArrayRef<int64_t> dims, int64_t rank) {
  SmallVector<int64_t> rest;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(dims, i))
      rest.push_back(i);
  return rest;
}

/// out[n] = in[sourceOf(index of n)] for every element of `out`.
template <typename Fn> void gatherInto(const Array &out, const Array &in, Fn sourceOf) {
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T *to = out.as<T>();
    const T *from = in.as<T>();
    forEachIndex(out.sizes(),
                 [&](const Index &index, int64_t n) { to[n] = from[sourceOf(index)]; });
  });
}

/// An index read from data; out of range it is an error of `op`.
inline int64_t checkedIndex(Operation *op, const Array &indices, int64_t n, int64_t bound) {
  int64_t value =
      indices.dtype() == i32 ? int64_t{indices.as<int32_t>()[n]} : indices.as<int64_t>()[n];
  if (value < 0 || value >= bound)
    Interpretation::fail(op, "index " + std::to_string(value) + " is not in [0, " +
                                 std::to_string(bound) + ")");
  return value;
}

/// Sums of floats have a wider significand than their elements, those of integers wrap.
template <typename T>
using Accumulator = std::conditional_t<std::is_same_v<T, double>, long double,
                                       std::conditional_t<isFloatElement<T>, double, uint64_t>>;

/// The neutral element of max (sign -1) or min (sign +1).
template <typename T> T extreme(int sign) {
  using Limits = std::numeric_limits<T>;
  if constexpr (isFloatElement<T>)
    return sign < 0 ? static_cast<T>(-Limits::infinity()) : Limits::infinity();
  else
    return sign < 0 ? Limits::lowest() : Limits::max();
}

} // namespace sinter::codegen::loops

namespace sinter::codegen {

/// Attaches a file's `interpretOp` overloads to its ops: `attach<Loops, OpTys...>(context)`, where
/// Loops::run calls interpretOp.
template <typename Loops, typename OpTy>
struct LoopModel : InterpretableOpInterface::ExternalModel<LoopModel<Loops, OpTy>, OpTy> {
  void interpret(mlir::Operation *op, Interpretation &state) const {
    Loops::run(mlir::cast<OpTy>(op), state);
  }
};
template <typename Loops, typename... OpTys> void attachLoops(mlir::MLIRContext &context) {
  (OpTys::template attachInterface<LoopModel<Loops, OpTys>>(context), ...);
}
void attachIndexInterpretations(mlir::MLIRContext &context);
void attachAttentionInterpretations(mlir::MLIRContext &context);
void attachWindowInterpretations(mlir::MLIRContext &context);

} // namespace sinter::codegen
