// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Optim.h"

#include "Expect.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace sinter;

static Graph trainingStep() {
  Graph g;
  DimExpr n = dim("N");
  Tensor x = g.placeholder("x", f32, {n, 8});
  Tensor y = g.placeholder("y", i32, {n});
  Tensor w = g.parameter("w", f32, {8, 3}, init::kaimingNormal());
  Tensor b = g.parameter("b", f32, {3}, init::constant(0.1));
  Tensor h = layerNorm(x.linear(w, b).gelu(), g.ones(f32, {3}), g.zeros(f32, {3}));
  Tensor loss = softmaxCrossEntropy(h, y).mean();
  g.output("loss", loss);
  g.output("shifted", h.slice(0, 1, n).pad({2, 0}, {0, 1}, 1.5));
  g.update(optim::adamW().updates({w, b}, gradients(loss, {w, b})));
  return g;
}

TEST(GraphTextTest, RoundTrips) {
  Graph g = trainingStep();
  for (auto locations : {Graph::Locations::Omit, Graph::Locations::Print}) {
    std::string text = g.str(locations);
    Graph again = Graph::parse(text, "again.mlir");
    EXPECT_EQ(again.str(locations), text);
    EXPECT_EQ(again.arguments().size(), g.arguments().size());
    EXPECT_EQ(again.results().size(), g.results().size());
  }
}

TEST(GraphTextTest, KeepsWhatArgumentsAre) {
  Graph g = trainingStep();
  Graph again = Graph::parse(g.str(Graph::Locations::Print));
  for (size_t i = 0; i < g.arguments().size(); ++i) {
    Argument a = g.arguments()[i], b = again.arguments()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.init, b.init);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_EQ(a.location, b.location);
  }
}

TEST(GraphTextTest, AnyDimNameRoundTrips) {
  Graph g;
  for (const char *name : {"N", "f32", "i64", "true", "dense", "loc", "max", "floordiv", "_", "$a",
                           "x0", "tensor", "none", "index", "affine_map", "return", "N1x2"})
    g.output("out." + std::string(name),
             g.placeholder(name, f32, {dim(name), 2 * dim(name) + 1, max(dim(name), 3)}) + 1);
  EXPECT_EQ(Graph::parse(g.str()).str(), g.str());
}

TEST(GraphTextTest, LargeConstantsRoundTrip) {
  Graph g;
  Array data(f64, {300});
  data.fill(0.1);
  g.output("c", g.constant(data) + g.constant(Array(boolean, {5000})).cast(f64).sum());
  EXPECT_EQ(Graph::parse(g.str()).str(), g.str());
}

TEST(GraphTextTest, NamesAreGivenWhereMissing) {
  Graph g = Graph::parse(R"(
    func.func @main(%x: !sinter.tensor<f32[N]>, %y: !sinter.tensor<f32[N]> {sinter.name = "y"})
        -> (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]> {sinter.name = "sum"}) {
      %0 = sinter.add %x, %y : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
      return %x, %0 : !sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>
    })");
  EXPECT_EQ(g.arguments()[0].name, "arg0");
  EXPECT_EQ(g.arguments()[1].name, "y");
  EXPECT_EQ(g.results()[0].name, "result0");
  EXPECT_EQ(g.results()[1].name, "sum");
  // It can be built upon.
  EXPECT_EQ((g.argument("y") + g.outputNamed("sum")).str(), "f32[N]");
}

TEST(GraphTextTest, OpsKnowTheLineOfTheText) {
  Graph g =
      Graph::parse("func.func @main(%x: !sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]> {\n"
                   "  %0 = sinter.exp %x : (!sinter.tensor<f32[2]>) -> !sinter.tensor<f32[2]>\n"
                   "  return %0 : !sinter.tensor<f32[2]>\n}",
                   "model.mlir");
  EXPECT_EQ(g.outputs()[0].location().file, "model.mlir");
  EXPECT_EQ(g.outputs()[0].location().line, 2u);
}

namespace {
struct Malformed {
  const char *text;
  unsigned line;
  const char *message;
};
} // namespace

static const Malformed malformed[] = {
    {"", 1, "holds no graph"},
    {"nonsense", 1, "unknown"},
    {"func.func @main(", 1, "expected"},
    {"\nfunc.func @main(%a: f32) { return }", 2, "arguments are tensors"},
    {"func.func @main(%a: !sinter.tensor<f33[2]>) { return }", 1, ""},
    {"func.func @main(%a: !sinter.tensor<i4[2]>) { return }", 1, "f32, f64"},
    {"func.func @main(%a: !sinter.tensor<f32[-1]>) { return }", 1, "negative"},
    {"func.func @main(%a: !sinter.tensor<f32[\"N +\"]>) { return }", 1, "not a size expression"},
    {"func.func @main(%a: !sinter.tensor<f32[4611686018427387904, 4]>) { return }", 1, "too large"},
    {"func.func @main(%a: !sinter.tensor<f32[99999999999999999999]>) { return }", 1, ""},
    {"func.func @other() { return }", 1, "call it @main"},
    {"func.func private @main()", 1, "no body"},
    {"func.func @main() { return }\nfunc.func @second() { return }", 2, "one function"},
    {"func.func @main() {\n  %0 = sinter.frobnicate\n  return }", 2, ""},
    {"func.func @main() {\n  %0 = foo.bar\n  return }", 2, ""},
    {"func.func @main() {\n  %c = arith.constant 1 : i32\n  return }", 2, "no operator of a graph"},
    {"func.func @main(%a: !sinter.tensor<i32[2]>) {\n  %0 = sinter.exp %a : "
     "(!sinter.tensor<i32[2]>) -> "
     "!sinter.tensor<i32[2]>\n  return }",
     2, "must be f16, bf16, f32 or f64"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>, %b: !sinter.tensor<f32[3]>) {\n  %0 = sinter.add "
     "%a, %b : "
     "(!sinter.tensor<f32[2]>, !sinter.tensor<f32[3]>) -> !sinter.tensor<f32[2]>\n  return }",
     2, ""},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.kind = \"placeholdr\"}) { return }", 1,
     "did you mean 'placeholder'"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.kind = 3}) { return }", 1,
     "must be a string"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.nme = \"a\"}) { return }", 1,
     "did you mean 'sinter.name'"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.name = \"a b\"}) { return }", 1,
     "invalid name"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.name = \"a\"},\n  %b: "
     "!sinter.tensor<f32[2]> "
     "{sinter.name = \"a\"}) { return }",
     2, "already has"},
    {"func.func @main(%a: !sinter.tensor<f32[N]> {sinter.kind = \"parameter\"}) { return }", 1,
     "constant sizes"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.kind = \"parameter\", sinter.init = 1}) { "
     "return }",
     1, "needs a kind"},
    {"func.func @main(%a: !sinter.tensor<f32[2]> {sinter.kind = \"parameter\", sinter.init = {kind "
     "= "
     "\"normal\", a = 1}}) { return }",
     1, "must be a float"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>) -> (!sinter.tensor<f32[2]> {sinter.updates = "
     "\"b\"}) {\n"
     "  return %a : !sinter.tensor<f32[2]> }",
     2, "no argument 'b'"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>) -> (!sinter.tensor<f32[2]> {sinter.updates = "
     "\"arg0\"}) {\n"
     "  return %a : !sinter.tensor<f32[2]> }",
     2, "cannot be updated"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>) -> (!sinter.tensor<f32[2]> {sinter.nam = "
     "\"b\"}) {\n  return %a : !sinter.tensor<f32[2]> }",
     2, "did you mean 'sinter.name'"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>) -> (!sinter.tensor<f32[2]> {sinter.name = 3}) "
     "{\n  return %a : !sinter.tensor<f32[2]> }",
     2, "must be a string"},
    // Notes that passes make and derivatives do not know.
    {"func.func @main(%a: !sinter.tensor<f32[2, 8]>, %i: !sinter.tensor<i32[2]>) {\n"
     "  %0 = sinter.pick %a, %i {sinter.pick_tile = 4 : i64} : (!sinter.tensor<f32[2, 8]>, "
     "!sinter.tensor<i32[2]>) -> !sinter.tensor<f32[2]>\n  return }",
     2, "'sinter.pick' has no attribute 'sinter.pick_tile'"},
    {"func.func @main(%a: !sinter.tensor<f32[2, 2, 8]>, %i: !sinter.tensor<i32[2, 2]>) {\n"
     "  %0 = sinter.pick %a, %i {sinter.pick_in_tiles} : (!sinter.tensor<f32[2, 2, 8]>, "
     "!sinter.tensor<i32[2, 2]>) -> !sinter.tensor<f32[2, 2]>\n  return }",
     2, "'sinter.pick' has no attribute 'sinter.pick_in_tiles'"},
    {"func.func @main(%a: !sinter.tensor<f32[2]>) {\n  cf.br ^next\n^next:\n  return }", 1,
     "one block"},
    {"func.func @main() {\n  %0 = sinter.constant dense<[1.0, 2.0]> : tensor<2xf32> : <f32[3]>\n  "
     "return }",
     2, ""},
};

TEST(GraphTextTest, NothingBehindTheTextIsRead) {
  std::string_view longer = "func.func @main() { return }garbage";
  EXPECT_EQ(Graph::parse(longer.substr(0, longer.size() - 7)).numOps(), 0);
  // Without a terminator on the heap, where AddressSanitizer watches.
  std::string_view cut = "func.func @main(%x: !sinter.tensor<f32[N]> {sinter";
  std::vector<char> bytes(cut.begin(), cut.end());
  EXPECT_THROW(Graph::parse(std::string_view(bytes.data(), bytes.size())), Error);
}

TEST(GraphTextTest, MalformedTextNamesFileAndLine) {
  for (const Malformed &row : malformed) {
    SCOPED_TRACE(row.text);
    std::optional<Error> error = errorOf([&] { Graph::parse(row.text, "bad.mlir"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::User);
    EXPECT_EQ(error->code(), ErrorCode::Diagnostics) << error->what();
    EXPECT_EQ(error->location().file, "bad.mlir") << error->what();
    EXPECT_EQ(error->location().line, row.line) << error->what();
    EXPECT_NE(std::string(error->what()).find(row.message), std::string::npos) << error->what();
  }
}

TEST(GraphTextTest, KernelsKeepTheNotesOfPasses) {
  // As --stop-after=fused prints them.
  Graph g = Graph::parse(
      "func.func @main(%a: !sinter.tensor<f32[2, 8]>, %i: !sinter.tensor<i32[2]>)\n"
      "    -> (!sinter.tensor<f32[2]> {sinter.name = \"y\"}) {\n"
      "  %0 = sinter.fused \"pick\" (%b = %a : !sinter.tensor<f32[2, 8]>,\n"
      "      %j = %i : !sinter.tensor<i32[2]>) -> (!sinter.tensor<f32[2]>) {\n"
      "    %1 = sinter.pick %b, %j {sinter.pick_tile = 4 : i64} : (!sinter.tensor<f32[2, 8]>,\n"
      "        !sinter.tensor<i32[2]>) -> !sinter.tensor<f32[2]>\n"
      "    sinter.yield %1 : !sinter.tensor<f32[2]>\n  }\n"
      "  return %0 : !sinter.tensor<f32[2]>\n}");
  EXPECT_NE(g.str().find("sinter.pick_tile = 4"), std::string::npos);
}

TEST(GraphTextTest, DeepNestingIsRefused) {
  for (const char *open : {"[", "(", "{a = ", "tuple<"}) {
    std::string text = "func.func @main() attributes {x = ";
    for (int i = 0; i < 100000; ++i)
      text += open;
    std::optional<Error> error = errorOf([&] { Graph::parse(text, "deep.mlir"); });
    ASSERT_TRUE(error);
    EXPECT_NE(std::string(error->what()).find("nest deeper"), std::string::npos) << error->what();
  }
}

TEST(GraphTextTest, EveryPrefixOfATextIsHandled) {
  std::string text = trainingStep().str();
  for (size_t length = 0; length + 3 < text.size(); length += 97)
    EXPECT_THROW(Graph::parse(text.substr(0, length)), Error) << length;
}

TEST(GraphTextTest, LoadsFiles) {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("sinter-graph-text-" + std::to_string(::getpid()) + ".mlir");
  Graph g = trainingStep();
  std::ofstream(path) << g.str();
  EXPECT_EQ(Graph::load(path).str(), g.str());
  std::filesystem::remove(path);
  std::optional<Error> error = errorOf([&] { Graph::load(path); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::FileAccess);
}
