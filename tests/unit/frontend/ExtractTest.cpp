// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/GraphImpl.h"

#include "Expect.h"

#include "mlir/IR/Verifier.h"

using namespace sinter;

static std::string text(const mlir::OwningOpRef<mlir::ModuleOp> &module) {
  std::string result;
  llvm::raw_string_ostream stream(result);
  mlir::ModuleOp(module.get()).print(stream);
  return result;
}

namespace {
class ExtractTest : public testing::Test {
protected:
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 3});
  Tensor unused = g.placeholder("unused", f32, {7});
  Tensor w = g.parameter("w", f32, {3, 2});
  Tensor count = g.state("count", i64, {});
  Tensor y = x.matmul(w);
  Tensor dead = y.exp();
};
} // namespace

TEST_F(ExtractTest, KeepsOnlyWhatIsNeeded) {
  auto module = extract(g, {y}, {});
  EXPECT_TRUE(mlir::succeeded(mlir::verify(*module)));
  std::string program = text(module);
  EXPECT_EQ(countOf(program, "sinter.name = \"x\""), 1);
  EXPECT_EQ(countOf(program, "sinter.name = \"w\""), 1);
  EXPECT_EQ(countOf(program, "unused"), 0);
  EXPECT_EQ(countOf(program, "count"), 0);
  EXPECT_EQ(countOf(program, "sinter.exp"), 0);
  EXPECT_EQ(countOf(program, "sinter.name = \"result0\""), 1);
}

TEST_F(ExtractTest, UpdatesFollowTheOutputs) {
  g.output("y", y);
  auto module = extract(g, {y}, {{count, count + 1}, {w, g.zeros(f32, {3, 2})}});
  EXPECT_TRUE(mlir::succeeded(mlir::verify(*module)));
  auto main = *module->getOps<mlir::func::FuncOp>().begin();
  ASSERT_EQ(main.getNumResults(), 3u);
  EXPECT_EQ(main.getResultAttrOfType<mlir::StringAttr>(0, ir::nameAttr).getValue(), "y");
  EXPECT_EQ(main.getResultAttrOfType<mlir::StringAttr>(1, ir::updatesAttr).getValue(), "count");
  EXPECT_EQ(main.getResultAttrOfType<mlir::StringAttr>(2, ir::updatesAttr).getValue(), "w");
  EXPECT_EQ(main.getNumArguments(), 3u) << "an updated argument stays, even if nothing reads it";
}

TEST_F(ExtractTest, NamesAreUnique) {
  g.output("result1", y);
  auto module = extract(g, {y, y, x}, {});
  auto main = *module->getOps<mlir::func::FuncOp>().begin();
  std::set<std::string> names;
  for (unsigned i = 0; i < 3; ++i)
    names.insert(main.getResultAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str());
  EXPECT_EQ(names.size(), 3u);
}

TEST_F(ExtractTest, LeavesTheGraphAlone) {
  std::string before = g.str(Graph::Locations::Print);
  extract(g, {y, dead}, {{count, count}});
  EXPECT_EQ(g.str(Graph::Locations::Print), before);
}

TEST_F(ExtractTest, Mistakes) {
  Graph other;
  Tensor z = other.placeholder("z", f32, {});
  EXPECT_MISTAKE("compile", "no outputs and no updates", extract(g, {}, {}));
  EXPECT_MISTAKE("compile", "different graphs", extract(g, {z}, {}));
  EXPECT_MISTAKE("compile", "empty Tensor", extract(g, {Tensor()}, {}));
  EXPECT_MISTAKE("compile", "the placeholder 'x' cannot be updated", extract(g, {}, {{x, x}}));
  EXPECT_MISTAKE("compile", "must be a parameter or state", extract(g, {}, {{y, y}}));
  EXPECT_MISTAKE("compile", "an update keeps shape and dtype", extract(g, {}, {{w, x}}));
  EXPECT_MISTAKE("compile", "'w' is updated twice", extract(g, {}, {{w, w}, {w, w}}));
}
