// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "mlir/IR/PatternMatch.h"

namespace sinter::passes {

/// A rewrite rule for one op: a value that replaces the op's result, or null where the rule does
/// not apply. A rule builds nothing unless it applies; what it builds has the location of the op.
template <typename OpTy> class Rule : public mlir::OpRewritePattern<OpTy> {
public:
  using Function = mlir::Value (*)(OpTy, mlir::PatternRewriter &);
  Rule(mlir::MLIRContext *context, Function function)
      : mlir::OpRewritePattern<OpTy>(context), function(function) {}
  llvm::LogicalResult matchAndRewrite(OpTy op, mlir::PatternRewriter &rewriter) const override {
    mlir::Value replacement = function(op, rewriter);
    if (!replacement)
      return mlir::failure();
    rewriter.replaceOp(op, replacement);
    return mlir::success();
  }

private:
  Function function;
};

template <typename OpTy>
void addRule(mlir::RewritePatternSet &rules,
             mlir::Value (*function)(OpTy, mlir::PatternRewriter &)) {
  rules.add<Rule<OpTy>>(rules.getContext(), function);
}

/// The one value of all elements, when the value is a `full`; else null.
mlir::TypedAttr fullValue(mlir::Value value);

void addElementwiseRules(mlir::RewritePatternSet &rules);
void addShapeRules(mlir::RewritePatternSet &rules);
void addContractionRules(mlir::RewritePatternSet &rules);

} // namespace sinter::passes
