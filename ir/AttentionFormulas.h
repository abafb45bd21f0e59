// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"
#include "sinter/ir/TensorExpr.h"

#include <optional>

namespace sinter::ir {

/// Attention written in ops that hold all scores: what its higher derivatives are made of, and what
/// it becomes where no kernel computes it. Everything is f32, or f64 where the operands are.
class AttentionFormulas {
public:
  using Expr = tensor::Expr;

  template <typename OpTy>
  AttentionFormulas(OpTy op, mlir::OpBuilder &builder, mlir::Location loc)
      : AttentionFormulas(builder, loc, op.getQ(), op.getK(), op.getV(), op.getMask(),
                          op.getScale().convertToDouble(), op.getCausal()) {}
  AttentionFormulas(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value q, mlir::Value k,
                    mlir::Value v, mlir::Value mask, double scale,
                    std::optional<mlir::ArrayAttr> causal);

  /// In the type of the sums.
  Expr wide(mlir::Value value) const;
  /// A wide value as one of q's, k's or v's type.
  mlir::Value narrow(Expr value) const;

  /// scale * q . k, plus the mask, -inf where hidden.
  Expr scores() const;
  /// exp(scores - lse).
  Expr weights(mlir::Value lse) const;
  /// x [b..., L, i] times y, of k's or v's leading sizes: y [.., S, i] contracting its last axis,
  /// or y [.., i, j].
  Expr timesTransposed(Expr x, Expr y) const { return product(x, y, 1); }
  Expr times(Expr x, Expr y) const { return product(x, y, 2); }
  /// The sum over queries of x [b..., L, i] times y [b..., L, j], and over what k and v serve.
  Expr timesAcross(Expr x, Expr y) const;
  /// Sums of the rows of a matrix like the scores, and a number per row for all of them.
  Expr rowSums(Expr x) const;
  Expr alongRows(Expr x) const;
  /// The gradient of the mask from that of the scores; null for a bool mask or none.
  mlir::Value maskGradient(Expr scores) const;
  /// Tangents of the scores from those of q, k and the mask (null: zero).
  Expr scoresTangent(mlir::Value dq, mlir::Value dk, mlir::Value dmask) const;

  /// The results of attention and of its backward op.
  mlir::SmallVector<mlir::Value> attention(bool strictRows) const;
  mlir::SmallVector<mlir::Value> backward(mlir::Value lse, mlir::Value delta,
                                          mlir::Value dout) const;

  Expr q, k, v;
  double scale;

private:
  Expr product(Expr x, Expr y, int64_t fromLast) const;
  TensorType matrixType(mlir::Type elementType) const;
  Expr spreadMask(Expr value) const;

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type narrowType, wideType;
  mlir::Value mask;
  std::optional<DimExpr> causal;
  /// Leading dims that k and v have too, and those along which they are repeated.
  mlir::SmallVector<int64_t> shared, repeated;
};

/// Replaces attention or attention_backward by its formulas.
void expandAttention(mlir::Operation *op);

} // namespace sinter::ir
