// SPDX-License-Identifier: Apache-2.0
// Internal: what the derivative rules of structural ops are made of.
#pragma once

#include "sinter/ir/Ops.h"
#include "sinter/ir/TensorExpr.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

namespace sinter::ir::rules {

using namespace mlir;
using tensor::Expr;

inline SmallVector<int64_t> range(int64_t begin, int64_t end) {
  return llvm::to_vector(llvm::seq<int64_t>(begin, end));
}

/// The numbers below `rank` that are not in `dims`, increasing.
inline SmallVector<int64_t> others(ArrayRef<int64_t> dims, int64_t rank) {
  SmallVector<int64_t> rest;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(dims, i))
      rest.push_back(i);
  return rest;
}

inline bool isFloatTensor(Value value) { return isFloat(tensorType(value).getDType()); }

inline Expr transpose(Expr x, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, x.type().getRank())))
    return x;
  return x.build<TransposeOp>(x.value(), permutation);
}

inline Expr reshape(Expr x, TensorType type) {
  return x.type() == type ? x : x.build<ReshapeOp>(type, x.value());
}

inline Expr broadcast(Expr x, TensorType like, ArrayRef<int64_t> dimensions) {
  return x.build<BroadcastOp>(like.withElementType(x.type().getElementType()), x.value(),
                              dimensions);
}

inline Expr reduceSum(Expr x, ArrayRef<int64_t> axes) {
  return axes.empty() ? x : x.build<ReduceSumOp>(x.value(), axes);
}

inline ArrayAttr sizes(Builder &builder, ArrayRef<DimExpr> values) {
  return toAttribute(builder.getContext(),
                     Shape(std::vector<DimExpr>(values.begin(), values.end())));
}

/// Puts a reduced tensor back along the axes that it lost in `like`.
inline Expr spread(Expr reduced, TensorType like, ArrayRef<int64_t> axes) {
  return broadcast(reduced, like, others(axes, like.getRank()));
}

/// Ties, and all NaN when there is one, share the gradient equally.
inline Expr extremumGradient(Expr x, Expr y, Expr dy, ArrayRef<int64_t> axes) {
  TensorType type = x.type();
  Expr chosen = x == spread(y, type, axes) || x != x;
  Expr count = reduceSum(select(chosen, x.like(1), zeroLike(x)), axes);
  return select(chosen, spread(dy / count, type, axes), zeroLike(x));
}

/// The product of all but one element is P / x, where P is the product of the non-zero ones. Around
/// zeros the terms below have the right value without a division by zero, and the right derivative:
/// `zeros` is the sum of the elements that are zero, so it is 0 but changes with them.
inline Expr productGradient(Expr x, Expr dy, ArrayRef<int64_t> axes) {
  TensorType type = x.type();
  Expr isZero = x == 0.0;
  Expr zero = zeroLike(x);
  Expr safe = select(isZero, x.like(1), x);
  Expr product = spread(x.build<ReduceProdOp>(safe.value(), axes), type, axes);
  Expr count = spread(reduceSum(select(isZero, x.like(1), zero), axes), type, axes);
  Expr zeros = spread(reduceSum(select(isZero, x, zero), axes), type, axes);
  Expr none = count == 0.0, one = count == 1.0, two = count == 2.0;
  Expr atZero = select(one, product, select(two, (zeros - x) * product, zero));
  Expr quotient = product / safe;
  Expr elsewhere = select(none, quotient, select(one, zeros * quotient, zero));
  return spread(dy, type, axes) * select(isZero, atZero, elsewhere);
}

} // namespace sinter::ir::rules
