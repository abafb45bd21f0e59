// SPDX-License-Identifier: Apache-2.0
// Folds constants, merges equal ops, removes dead ones and applies algebraic rules, until nothing
// changes.
//
// Every rule keeps every bit of the result, except these, which are exact in real arithmetic only:
// - pow(x, 2), pow(x, 3) and pow(x, 4) become products, whose rounding differs from pow's.
// - reduce_sum over dims of size 1 becomes a reshape, which keeps -0 where the sum gives +0.
// - reduce_sum of a `full` becomes value * count, rounded once.
// - x without its mean sums to zero exactly, beside a term that has a factor from it; that factor
//   moves behind the sum.
// - Constants fold in double precision with the host's functions, rounded once; a kernel's exp,
//   tanh, … of the same number may differ in the last places.
#include "sinter/passes/Passes.h"
#include "sinter/passes/SimplifyRules.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace sinter::passes {
#define GEN_PASS_DEF_SIMPLIFY
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// Merging equal ops lets rules match that did not before; more rounds than this have never been
/// needed.
constexpr int maxRounds = 4;

struct SimplifyPass : impl::SimplifyBase<SimplifyPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    addElementwiseRules(set);
    addShapeRules(set);
    addContractionRules(set);
    rules = FrozenRewritePatternSet(std::move(set));
    return success();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    // A derivative is asked for in terms of the ops that were written; merging changes it.
    if (func.walk([](GradientsOp) { return WalkResult::interrupt(); }).wasInterrupted())
      return;
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true).setRegionSimplificationLevel(
        GreedySimplifyRegionLevel::Disabled);
    DominanceInfo dominance;
    for (int round = 0; round < maxRounds; ++round) {
      // Every round leaves a correct graph, so one that has not settled is no failure.
      (void)applyPatternsGreedily(func, rules, config);
      bool merged = false;
      IRRewriter rewriter(&getContext());
      eliminateCommonSubExpressions(rewriter, dominance, func, &merged);
      if (!merged)
        break;
    }
  }

  FrozenRewritePatternSet rules;
};

} // namespace
} // namespace sinter::passes
