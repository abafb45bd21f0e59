// SPDX-License-Identifier: Apache-2.0
#include "Expect.h"

using namespace sinter;

TEST(GraphTest, PlaceholderKeepsShapeAndLocation) {
  Graph g;
  unsigned line = __LINE__ + 1;
  Tensor x = g.placeholder("x", f32, {dim("N"), 784});
  EXPECT_EQ(x.dtype(), f32);
  EXPECT_EQ(x.shape(), (Shape{dim("N"), 784}));
  EXPECT_EQ(x.rank(), 2);
  EXPECT_EQ(x.size(-1), DimExpr(784));
  EXPECT_EQ(x.str(), "f32[N, 784]");
  EXPECT_EQ(x.location().file, __FILE__);
  EXPECT_EQ(x.location().line, line);
}

TEST(GraphTest, ArgumentsAreListedInOrder) {
  Graph g;
  g.placeholder("x", f64, {3});
  g.parameter("w", f32, {2, 2}, init::normal(0, 0.5));
  unsigned line = __LINE__ + 1;
  g.state("count", i64, {});
  std::vector<Argument> arguments = g.arguments();
  ASSERT_EQ(arguments.size(), 3u);
  EXPECT_EQ(arguments[0].name, "x");
  EXPECT_EQ(arguments[0].kind, ArgumentKind::Placeholder);
  EXPECT_EQ(arguments[1].kind, ArgumentKind::Parameter);
  EXPECT_EQ(arguments[1].init, (InitSpec{InitSpec::Kind::Normal, 0, 0.5}));
  EXPECT_EQ(arguments[2].kind, ArgumentKind::State);
  EXPECT_EQ(arguments[2].dtype, i64);
  EXPECT_EQ(arguments[2].location.line, line);
}

TEST(GraphTest, ResultsNameOutputsAndUpdates) {
  Graph g;
  Tensor w = g.parameter("w", f32, {4});
  g.output("twice", w * 2);
  g.update(w, w - 1);
  std::vector<Result> results = g.results();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].name, "twice");
  EXPECT_EQ(results[0].updates, -1);
  EXPECT_EQ(results[1].name, "");
  EXPECT_EQ(results[1].updates, 0);
  EXPECT_TRUE(g.updates()[0].target.isSame(w));
}

TEST(GraphTest, FindsArgumentsAndOutputsByName) {
  Graph g;
  Tensor images = g.placeholder("images", f32, {1});
  g.output("loss", images);
  EXPECT_TRUE(g.argument("images").isSame(images));
  EXPECT_TRUE(g.outputNamed("loss").isSame(images));
  EXPECT_MISTAKE("argument", "did you mean 'images'", g.argument("imagse"));
  EXPECT_MISTAKE("outputNamed", "did you mean 'loss'", g.outputNamed("los"));
}

TEST(GraphTest, CopiesAreHandlesToOneGraph) {
  Graph g;
  Graph copy = g;
  Graph moved = std::move(g);
  Tensor a = copy.placeholder("a", f32, {2});
  Tensor b = g.placeholder("b", f32, {2}); // NOLINT: a moved-from handle still works
  EXPECT_EQ(moved.arguments().size(), 2u);
  EXPECT_EQ((a + b).shape(), Shape{2});
}

TEST(GraphTest, TensorsOutliveTheHandle) {
  Tensor x;
  {
    Graph g;
    x = g.placeholder("x", f32, {2});
  }
  EXPECT_EQ((x + 1).shape(), Shape{2});
}

TEST(GraphTest, ConstantsOfEveryDtype) {
  Graph g;
  EXPECT_EQ(g.constant(Array::from<float>({1, 2, 3, 4}, {2, 2})).str(), "f32[2, 2]");
  EXPECT_EQ(g.constant(Array::scalar<double>(0.5)).str(), "f64[]");
  EXPECT_EQ(g.constant(Array::from<int32_t>({1, 2})).str(), "i32[2]");
  EXPECT_EQ(g.constant(Array::from<int64_t>({1, 2})).str(), "i64[2]");
  EXPECT_EQ(g.constant(Array(boolean, {3})).str(), "bool[3]");
  EXPECT_EQ(g.constant(Array(f32, {0, 3})).str(), "f32[0, 3]");
  EXPECT_NE(g.str().find("dense<[[1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]>"),
            std::string::npos);
}

TEST(GraphTest, ConstantsCopyStridedViewsInOrder) {
  Graph g;
  g.constant(Array::from<int32_t>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose());
  EXPECT_NE(g.str().find("dense<[[1, 4], [2, 5], [3, 6]]>"), std::string::npos) << g.str();
}

TEST(GraphTest, LargeConstantsLiveBesideTheText) {
  Graph g;
  Array data(f32, {1000});
  data.fill(1);
  g.constant(data);
  data.fill(2);
  std::string text = g.str();
  EXPECT_NE(text.find("dense_resource<constant>"), std::string::npos);
  EXPECT_NE(text.find("0000803F0000803F"), std::string::npos) << "1.0f, as it was then";
}

TEST(GraphTest, CreationOps) {
  Graph g;
  DimExpr n = dim("N");
  EXPECT_EQ(g.full(f32, {n, 2}, 0.5).str(), "f32[N, 2]");
  EXPECT_EQ(g.zeros(boolean, {2}).str(), "bool[2]");
  EXPECT_EQ(g.ones(i64, {2}).str(), "i64[2]");
  EXPECT_EQ(g.scalar(f64, 3).str(), "f64[]");
  EXPECT_EQ(g.iota(i32, {2, n}, -1).str(), "i32[2, N]");
  EXPECT_EQ(g.arange(f32, n).str(), "f32[N]");
  EXPECT_EQ(g.dimValue(i64, 2 * n + 1).str(), "i64[]");
  EXPECT_NE(g.str().find("\"2*N + 1\""), std::string::npos) << g.str();
}

TEST(GraphTest, NumbersTakeTheTensorsDtype) {
  Graph g;
  for (DType dtype : allDTypes)
    if (dtype != boolean)
      EXPECT_EQ((2 * g.placeholder("x" + std::string(name(dtype)), dtype, {3}) - 1).dtype(), dtype);
  EXPECT_EQ((g.placeholder("m", boolean, {3}) && true).dtype(), boolean);
  EXPECT_EQ((1.5f * g.argument("xf64")).dtype(), f64);
  EXPECT_EQ((uint8_t{2} + g.argument("xi32")).dtype(), i32);
}

TEST(GraphTest, NumbersMustFitTheDType) {
  Graph g;
  auto errorOf = [&](DType dtype, const Operand &number) -> std::string {
    try {
      g.full(dtype, {2}, number);
    } catch (const Error &error) {
      return error.message() + "; " + error.hint();
    }
    return "";
  };
  EXPECT_EQ(errorOf(u8, 255), "");
  EXPECT_EQ(errorOf(i8, -128), "");
  EXPECT_EQ(errorOf(u64, UINT64_MAX), "");
  EXPECT_EQ(errorOf(f16, 65504), "");
  EXPECT_EQ(errorOf(bf16, 1e38), "");
  EXPECT_EQ(errorOf(f16, INFINITY), "");
  EXPECT_EQ(errorOf(u8, 256), "the number 256 does not fit dtype u8; use i64");
  EXPECT_EQ(errorOf(u32, -1), "the number -1 does not fit dtype u32; use a signed dtype");
  EXPECT_EQ(errorOf(i16, 40000), "the number 40000 does not fit dtype i16; use i64");
  EXPECT_EQ(errorOf(i64, UINT64_MAX),
            "the number 18446744073709551615 does not fit dtype i64; only u64 holds it");
  EXPECT_EQ(errorOf(f16, 70000), "the number 70000 does not fit dtype f16; use f32");
  EXPECT_EQ(errorOf(f32, 1e39), "the number 1e+39 does not fit dtype f32; use f64");
  EXPECT_EQ(errorOf(u16, 0.5),
            "the number 0.5 does not fit dtype u16; convert the tensor, .cast(f32), or write an "
            "integer");
}

TEST(GraphTest, OperatorsCarryTheCallersLine) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {3});
  unsigned line = __LINE__ + 1;
  Tensor y = x + 1;
  EXPECT_EQ(y.location().line, line);
  line = __LINE__ + 1;
  Tensor z = x.exp().sum();
  EXPECT_EQ(z.location().line, line);
  line = __LINE__ + 1;
  y += x;
  EXPECT_EQ(y.location().line, line);
  line = __LINE__ + 1;
  y = maximum(x, 0);
  EXPECT_EQ(y.location().line, line);
  line = __LINE__ + 1;
  y = -x;
  EXPECT_EQ(y.location().line, line);
  EXPECT_EQ(y.location().file, __FILE__);
}

static Tensor gated(const Tensor &x, std::source_location loc = std::source_location::current()) {
  Scope scope(x, "gated", loc);
  return x * x.sigmoid();
}

TEST(GraphTest, ScopesPointAtTheCaller) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {3});
  unsigned line = __LINE__ + 1;
  Tensor y = gated(x);
  EXPECT_EQ(y.location().line, line);
  EXPECT_NE(g.str(Graph::Locations::Print).find("loc(\"gated\""), std::string::npos);
  EXPECT_MISTAKE("gated", "in sigmoid: operand 0 must be f16, bf16, f32 or f64",
                 gated(g.placeholder("i", i32, {3})));
  // The scope is closed again.
  EXPECT_MISTAKE("exp", "must be f16, bf16, f32 or f64", g.argument("i").exp());
}

TEST(GraphTest, NothingIsAddedByAFailedCall) {
  Graph g;
  Tensor x = g.placeholder("x", i32, {3});
  std::string before = g.str();
  EXPECT_THROW(x.exp(), Error);
  EXPECT_THROW(x.slice(0, 2, 9), Error);
  EXPECT_EQ(g.str(), before);
}

TEST(GraphTest, BuildersNeverMerge) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {3});
  EXPECT_FALSE(x.exp().isSame(x.exp()));
  EXPECT_EQ(g.numOps(), 2);
}
