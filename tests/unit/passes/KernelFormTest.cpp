// SPDX-License-Identifier: Apache-2.0
// What analyzeKernel() decides about sets of ops: form, roles, phases, and the reasons for
// refusing.
#include "sinter/passes/KernelForm.h"
#include "sinter/passes/Passes.h"
#include "sinter/passes/StageContracts.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace sinter;
using namespace sinter::passes;

namespace {

/// The ops of a function's body as one candidate for a kernel; what it returns is needed outside.
class KernelFormTest : public ::testing::Test {
protected:
  KernelFormTest() {
    DialectRegistry registry;
    ir::registerAll(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// `body` uses the aliases !v = f32[N], !c = f32[64], !m = f32[N, 64], !w = f32[64, 64] and the
  /// arguments %x: !m, %v: !v, %c: !c, %w: !w, %i: i32[N].
  void parse(const std::string &body, const std::string &results, const std::string &types) {
    std::string text =
        "!v = !sinter.tensor<f32[N]>\n!c = !sinter.tensor<f32[64]>\n"
        "!m = !sinter.tensor<f32[N, 64]>\n!w = !sinter.tensor<f32[64, 64]>\n"
        "func.func @main(%x: !m, %v: !v, %c: !c, %w: !w, %i: !sinter.tensor<i32[N]>) -> (" +
        types + ") {\n" + body + "\nreturn " + results + " : " + types + "\n}\n";
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
  }

  std::variant<KernelAnalysis, std::string> analyze() {
    Block &block = cast<func::FuncOp>(module->getBody()->front()).getBody().front();
    ops.clear();
    for (Operation &op : block.without_terminator())
      ops.push_back(&op);
    outputs.assign(block.getTerminator()->operand_begin(), block.getTerminator()->operand_end());
    return analyzeKernel(ops, outputs);
  }

  KernelAnalysis accepted() {
    auto answer = analyze();
    if (auto *reason = std::get_if<std::string>(&answer)) {
      ADD_FAILURE() << *reason;
      return KernelAnalysis();
    }
    return std::get<KernelAnalysis>(answer);
  }

  std::string refused() {
    auto answer = analyze();
    auto *reason = std::get_if<std::string>(&answer);
    return reason ? *reason
                  : "accepted as " + stringify(std::get<KernelAnalysis>(answer).form).str();
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  llvm::SmallVector<Operation *> ops;
  llvm::SmallVector<Value> outputs;
};

const char *const dot =
    "%d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, "
    "lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !w) -> !m\n";
const char *const rowMax = "%r = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v\n";
const char *const spread = "%b = sinter.broadcast %r {dimensions = array<i64: 0>} : (!v) -> !m\n";
const char *const columnSum = "%s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !c\n";

TEST_F(KernelFormTest, ElementwiseOpsAreALoop) {
  parse("%e = sinter.exp %x : (!m) -> !m", "%e", "!m");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Loop);
  EXPECT_EQ(analysis.domain, (Shape{DimExpr::symbol("N"), 64}));
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Full);
}

TEST_F(KernelFormTest, LoopOutputsHaveOneShape) {
  parse("%e = sinter.exp %x : (!m) -> !m\n%f = sinter.exp %v : (!v) -> !v", "%e, %f", "!m, !v");
  EXPECT_EQ(refused(), "its outputs have different shapes");
}

TEST_F(KernelFormTest, TrailingReductionsAreARow) {
  parse(std::string(rowMax) + spread + "%d = sinter.sub %x, %b : (!m, !m) -> !m", "%d, %r",
        "!m, !v");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Row);
  EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{1});
  EXPECT_EQ(analysis.numPhases, 1u);
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Full);
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Kept);
  EXPECT_EQ(analysis.ready.lookup(outputs[0]), 1u);
  EXPECT_EQ(analysis.keptShape(), Shape{DimExpr::symbol("N")});
}

TEST_F(KernelFormTest, DependentReductionsHavePhases) {
  parse(std::string(rowMax) + spread +
            "%d = sinter.sub %x, %b : (!m, !m) -> !m\n"
            "%t = sinter.reduce_sum %d {axes = array<i64: 1>} : (!m) -> !v\n"
            "%u = sinter.reduce_sum %x {axes = array<i64: 1>} : (!m) -> !v",
        "%t, %u", "!v, !v");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.numPhases, 2u);
  EXPECT_EQ(analysis.phase.lookup(outputs[0].getDefiningOp()), 1u);
  EXPECT_EQ(analysis.phase.lookup(outputs[1].getDefiningOp()), 0u);
}

TEST_F(KernelFormTest, KeptValuesMayHaveSizesOfOne) {
  parse(std::string(rowMax) + "%k = sinter.reshape %r : (!v) -> !sinter.tensor<f32[N, 1]>\n"
                              "%b = sinter.broadcast %k {dimensions = array<i64: 0, 1>} : "
                              "(!sinter.tensor<f32[N, 1]>) -> !m\n"
                              "%d = sinter.sub %x, %b : (!m, !m) -> !m",
        "%d, %k", "!m, !sinter.tensor<f32[N, 1]>");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Kept);
}

// In a square matrix a row's maximum could be spread along either axis.
TEST_F(KernelFormTest, KeptValuesSpreadAlongTheirOwnAxisOnly) {
  const char *text = "%r = sinter.reduce_max %w {axes = array<i64: 1>} : (!w) -> !c\n"
                     "%b = sinter.broadcast %r {dimensions = array<i64: AXIS>} : (!c) -> !w\n"
                     "%d = sinter.sub %w, %b : (!w, !w) -> !w";
  std::string right = text, wrong = text;
  right.replace(right.find("AXIS"), 4, "0");
  wrong.replace(wrong.find("AXIS"), 4, "1");
  parse(right, "%d", "!w");
  EXPECT_EQ(accepted().form, KernelForm::Row);
  parse(wrong, "%d", "!w");
  EXPECT_EQ(refused(), "it moves elements of a value that is computed in the kernel");
}

TEST_F(KernelFormTest, LeadingReductionsAreAReduce) {
  parse(std::string(columnSum) + "%u = sinter.sub %c, %s : (!c, !c) -> !c", "%u", "!c");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Reduce);
  EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{0});
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Kept);
}

TEST_F(KernelFormTest, RowsAndColumnsAreARow) {
  parse(std::string(rowMax) + spread + "%d = sinter.sub %x, %b : (!m, !m) -> !m\n" +
            "%s = sinter.reduce_sum %d {axes = array<i64: 0>} : (!m) -> !c\n"
            "%u = sinter.sub %c, %s : (!c, !c) -> !c",
        "%d, %u", "!m, !c");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Row);
  ASSERT_EQ(analysis.columns.size(), 1u);
  EXPECT_EQ(analysis.anchors.size(), 1u);
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Full);
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Column);
  EXPECT_EQ(analysis.reducedShape(), Shape{64});
}

TEST_F(KernelFormTest, ColumnsAreNotSpreadOverRows) {
  parse(std::string(rowMax) + columnSum +
            "%b = sinter.broadcast %s {dimensions = array<i64: 1>} : (!c) -> !m\n"
            "%d = sinter.sub %x, %b : (!m, !m) -> !m",
        "%d, %r", "!m, !v");
  EXPECT_EQ(refused(), "it moves elements of a value that is computed in the kernel");
}

TEST_F(KernelFormTest, SmallReductionsOfPairsAreInPlace) {
  const char *text = "%a = sinter.broadcast %p {dimensions = array<i64: 0, 2>} : (!p) -> !t\n"
                     "%b = sinter.broadcast %p {dimensions = array<i64: 1, 2>} : (!p) -> !t\n"
                     "%d = sinter.mul %a, %b : (!t, !t) -> !t\n"
                     "%k = sinter.reduce_sum %d {axes = array<i64: 2>} : (!t) -> !k\n"
                     "%e = sinter.exp %k : (!k) -> !k\n"
                     "%s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!k) -> !o";
  for (bool stored : {false, true}) {
    std::string results = stored ? "%s, %e : !o, !k" : "%s : !o";
    module = parseSourceString<ModuleOp>(
        "!p = !sinter.tensor<f32[512, 3]>\n!t = !sinter.tensor<f32[512, 512, 3]>\n"
        "!k = !sinter.tensor<f32[512, 512]>\n!o = !sinter.tensor<f32[512]>\n"
        "func.func @main(%p: !p) -> (" +
            std::string(stored ? "!o, !k" : "!o") + ") {\n" + text + "\nreturn " + results +
            "\n}\n",
        &context);
    ASSERT_TRUE(module);
    if (stored) {
      EXPECT_EQ(refused(), "only what follows from its reductions is written");
      continue;
    }
    KernelAnalysis analysis = accepted();
    EXPECT_EQ(analysis.form, KernelForm::Pairs);
    EXPECT_EQ(analysis.domain, (Shape{512, 512}));
    EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{1});
    EXPECT_EQ(analysis.anchors.size(), 1u);
  }
}

TEST_F(KernelFormTest, ReduceHasNoSecondPass) {
  parse(std::string(columnSum) +
            "%b = sinter.broadcast %s {dimensions = array<i64: 1>} : (!c) -> !m\n"
            "%d = sinter.sub %x, %b : (!m, !m) -> !m",
        "%d", "!m");
  EXPECT_EQ(refused(), "a second pass over the reduced tensor would be needed");
}

TEST_F(KernelFormTest, ReductionsRunOverTheSameRanges) {
  parse(std::string(rowMax) +
            "%s = sinter.reduce_sum %x {axes = array<i64: 0, 1>} : (!m) -> !sinter.tensor<f32[]>",
        "%r, %s", "!v, !sinter.tensor<f32[]>");
  EXPECT_EQ(refused(), "its reductions run over different ranges");
}

TEST_F(KernelFormTest, FewLongRowsAreSplitAsAReduce) {
  parse("%z = sinter.full 1.0 : f32 : !sinter.tensor<f32[2, 8192]>\n"
        "%t = sinter.reduce_sum %z {axes = array<i64: 1>} : (!sinter.tensor<f32[2, 8192]>) -> "
        "!sinter.tensor<f32[2]>",
        "%t", "!sinter.tensor<f32[2]>");
  EXPECT_EQ(accepted().form, KernelForm::Reduce);
}

TEST_F(KernelFormTest, ManyRowsAreNotSplit) {
  parse("%z = sinter.full 1.0 : f32 : !sinter.tensor<f32[64, 8192]>\n"
        "%t = sinter.reduce_sum %z {axes = array<i64: 1>} : (!sinter.tensor<f32[64, 8192]>) -> !c",
        "%t", "!c");
  EXPECT_EQ(accepted().form, KernelForm::Row);
}

TEST_F(KernelFormTest, ContractionTakesAnEpilogue) {
  parse(std::string(dot) + "%b = sinter.broadcast %c {dimensions = array<i64: 1>} : (!c) -> !m\n"
                           "%a = sinter.add %d, %b : (!m, !m) -> !m",
        "%a, %d", "!m, !m");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Contraction);
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Full);
}

/// What makes an operand of a product, and why not.
TEST_F(KernelFormTest, ContractionComputesCheapOperands) {
  const std::string product =
      "%d = sinter.dot_general %x, %e {lhsBatch = array<i64>, rhsBatch = array<i64>, "
      "lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!m, !w) -> !m";
  parse("%e = sinter.relu %w : (!w) -> !w\n" + product, "%d", "!m");
  EXPECT_EQ(accepted().form, KernelForm::Contraction);
  parse("%e = sinter.erf %w : (!w) -> !w\n" + product, "%d", "!m");
  EXPECT_EQ(refused(),
            "an operand of a contraction would be computed more than once, at some cost");
  parse("%e = sinter.transpose %w {permutation = array<i64: 1, 0>} : (!w) -> !w\n" + product, "%d",
        "!m");
  EXPECT_EQ(refused(), "an operand of a contraction would be read across its rows");
  // Along the rows of B, not down its columns.
  parse("%e = sinter.relu %w : (!w) -> !w\n"
        "%d = sinter.dot_general %x, %e {lhsBatch = array<i64>, rhsBatch = array<i64>, "
        "lhsContract = array<i64: 1>, rhsContract = array<i64: 1>} : (!m, !w) -> !m",
        "%d", "!m");
  EXPECT_EQ(refused(), "an operand of a contraction would be read across its rows");
}

TEST_F(KernelFormTest, ContractionWithWhatFollowsItsRows) {
  const std::string sums = "%r = sinter.reduce_max %d {axes = array<i64: 1>} : (!m) -> !v\n" +
                           std::string(spread) + "%s = sinter.sub %d, %b : (!m, !m) -> !m\n";
  parse(std::string(dot) + sums + "%t = sinter.reduce_sum %s {axes = array<i64: 1>} : (!m) -> !v", "%t, %s",
        "!v, !m");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Contraction);
  EXPECT_EQ(analysis.anchors.size(), 1u);
  EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{1});
  EXPECT_EQ(analysis.numPhases, 2u);
  EXPECT_EQ(analysis.roles.lookup(outputs[0]), Role::Kept);
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Full);
  KernelAnalysis rows = analysis.rowsBehind();
  EXPECT_EQ(rows.form, KernelForm::Row);
  EXPECT_EQ(rows.anchors.size(), 2u);
  EXPECT_EQ(rows.source, analysis.anchors.front());

  const std::string total = "%t = sinter.reduce_sum %s {axes = array<i64: 0>} : (!m) -> !c";
  parse(std::string(dot) + sums + total, "%s, %t", "!m, !c");
  analysis = accepted();
  ASSERT_EQ(analysis.columns.size(), 1u);
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Column);
}

TEST_F(KernelFormTest, ContractionsWithoutWholeRows) {
  const std::string of = "%r = sinter.reduce_sum %d {axes = array<i64: ";
  parse(std::string(dot) + of + "0>} : (!m) -> !c", "%r", "!c");
  EXPECT_EQ(refused(), "columns of a product are added up faster from memory");
  parse(std::string(dot) + of + "0, 1>} : (!m) -> !sinter.tensor<f32[]>", "%r", "!sinter.tensor<f32[]>");
  EXPECT_EQ(refused(), "its reductions do not go over the rows of its contraction");
  // A reduction of what does not follow from the product.
  parse(std::string(dot) + "%r = sinter.reduce_sum %x {axes = array<i64: 1>} : (!m) -> !v", "%d, %r", "!m, !v");
  EXPECT_EQ(refused(), "its reductions do not go over the rows of its contraction");
  // The product is as long as a name says.
  parse("%d = sinter.dot_general %x, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract "
        "= array<i64: 1>, rhsContract = array<i64: 1>} : (!m, !m) -> !sinter.tensor<f32[N, N]>\n"
        "%r = sinter.reduce_max %d {axes = array<i64: 1>} : (!sinter.tensor<f32[N, N]>) -> !v",
        "%r", "!v");
  EXPECT_EQ(refused(), "the rows of its contraction are of no known length");
}

TEST_F(KernelFormTest, ScatterTakesItsProducersAndNothingElse) {
  std::string scatter =
      "%e = sinter.exp %x : (!m) -> !m\n"
      "%t = sinter.scatter_add_rows %i, %e : (!sinter.tensor<i32[N]>, !m) -> !w\n";
  parse(scatter, "%t", "!w");
  EXPECT_EQ(accepted().form, KernelForm::Scatter);
  parse(scatter + "%n = sinter.neg %t : (!w) -> !w", "%n", "!w");
  EXPECT_EQ(refused(), "a scatter writes only its own result");
}

TEST_F(KernelFormTest, GeneralScatterTakesItsProducersAndNothingElse) {
  std::string scatter =
      "%e = sinter.exp %x : (!m) -> !m\n"
      "%b = sinter.broadcast %i {dimensions = array<i64: 0>} : (!sinter.tensor<i32[N]>) -> "
      "!sinter.tensor<i32[N, 64]>\n"
      "%t = sinter.scatter %w, %e, %b {dims = array<i64: -1, 1>, mode = \"max\"} : (!w, !m, "
      "!sinter.tensor<i32[N, 64]>) -> !w\n";
  parse(scatter, "%t", "!w");
  EXPECT_EQ(accepted().form, KernelForm::Scatter);
  parse(scatter, "%t, %e", "!w, !m");
  EXPECT_EQ(refused(), "a scatter writes only its own result");
}

TEST_F(KernelFormTest, RunningReductionsAreNoReductions) {
  std::string sums = "%s = sinter.cumsum %x {axis = 1 : i64} : (!m) -> !m\n"
                     "%p = sinter.cumprod %s {axis = 1 : i64, exclusive} : (!m) -> !m\n"
                     "%l = sinter.neg %p : (!m) -> !m\n";
  parse(sums, "%s, %l", "!m, !m");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Cumulative);
  EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{1});
  EXPECT_EQ(analysis.anchors.size(), 2u);
  EXPECT_EQ(analysis.roles.lookup(outputs[1]), Role::Full);
  parse(sums + "%q = sinter.cumsum %x {axis = 0 : i64} : (!m) -> !m", "%l, %q", "!m, !m");
  EXPECT_EQ(refused(), "its running reductions go over different ranges");
  parse(sums + rowMax, "%l, %r", "!m, !v");
  EXPECT_EQ(refused(),
            "a kernel holds one contraction, scatter or sort, or reductions of one kind");
  parse(sums + "%t = sinter.transpose %l {permutation = array<i64: 1, 0>} : (!m) -> "
               "!sinter.tensor<f32[64, N]>",
        "%t", "!sinter.tensor<f32[64, N]>");
  EXPECT_EQ(refused(), "it moves elements of a value that is computed in the kernel");
}

TEST_F(KernelFormTest, SortTakesItsProducersAndWhatFollows) {
  std::string order =
      "%e = sinter.exp %x : (!m) -> !m\n"
      "%o = sinter.argsort %e {axis = 1 : i64} : (!m) -> !sinter.tensor<i64[N, 64]>\n"
      "%f = sinter.cast %o : (!sinter.tensor<i64[N, 64]>) -> !m\n";
  parse(order, "%f", "!m");
  KernelAnalysis analysis = accepted();
  EXPECT_EQ(analysis.form, KernelForm::Sort);
  EXPECT_EQ(analysis.axes, llvm::SmallVector<int64_t>{1});
  parse(order, "%f, %e", "!m, !m");
  EXPECT_EQ(refused(), "a sort writes only what follows from it");
  parse(order + "%g = sinter.gather %x, %o {dims = array<i64: 0, -1>} : (!m, "
                "!sinter.tensor<i64[N, 64]>) -> !m",
        "%g", "!m");
  EXPECT_EQ(refused(), "it moves elements of a value that is computed in the kernel");
}

TEST_F(KernelFormTest, RowsComputeAtTheirOwnPoints) {
  parse("%e = sinter.exp %w : (!w) -> !w\n"
        "%r = sinter.reduce_max %e {axes = array<i64: 1>} : (!w) -> !c\n"
        "%t = sinter.transpose %e {permutation = array<i64: 1, 0>} : (!w) -> !w",
        "%r, %t", "!c, !w");
  EXPECT_EQ(refused(), "it reads a value that is computed point by point at other points");
}

TEST_F(KernelFormTest, DataOutsideOfKernelsIsNotPartOfOne) {
  parse("%k = sinter.constant dense<[1.0, 2.0]> : tensor<2xf32> : !sinter.tensor<f32[2]>", "%k",
        "!sinter.tensor<f32[2]>");
  EXPECT_EQ(refused(), "it cannot be part of a kernel");
}

TEST_F(KernelFormTest, FusedStageIsVerified) {
  parse(std::string(rowMax) + spread + "%d = sinter.sub %x, %b : (!m, !m) -> !m", "%d", "!m");
  ScopedDiagnosticHandler silent(&context, [](Diagnostic &) { return success(); });
  EXPECT_TRUE(succeeded(verifyDifferentiated(*module)));
  EXPECT_TRUE(failed(verifyFused(*module)));
  PassManager passes(&context);
  passes.addNestedPass<func::FuncOp>(createFuse());
  passes.addNestedPass<func::FuncOp>(createCollapseDims());
  ASSERT_TRUE(succeeded(passes.run(*module)));
  EXPECT_TRUE(succeeded(verifyFused(*module)));
}

} // namespace
