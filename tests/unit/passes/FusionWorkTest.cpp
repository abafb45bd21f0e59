// SPDX-License-Identifier: Apache-2.0
// What fusion takes grows with the graph and no faster: pairs judged, analyses, ops looked at and
// steps of searches are counted, on graphs of several shapes and sizes.
#include "sinter/passes/Fuse.h"
#include "sinter/passes/FusionReport.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

using namespace mlir;
using namespace sinter;
using namespace sinter::passes;

namespace {

/// The text of a graph of f32[64, 256] and of f32[64], op by op.
class Text {
public:
  int elementwise(const char *op, int a, int b = -1) {
    body << "  %" << next << " = sinter." << op << " %" << a;
    if (b >= 0)
      body << ", %" << b << " : (!m, !m) -> !m\n";
    else
      body << " : (!m) -> !m\n";
    return next++;
  }
  int rowSum(int a) {
    body << "  %" << next << " = sinter.reduce_sum %" << a
         << " {axes = array<i64: 1>} : (!m) -> !v\n";
    return next++;
  }
  int spread(int a) {
    body << "  %" << next << " = sinter.broadcast %" << a
         << " {dimensions = array<i64: 0>} : (!v) -> !m\n";
    return next++;
  }
  int size() const { return next; }
  /// With `result`, of the type of matrices or of row sums, as the only output.
  std::string with(int result, bool isMatrix = true) const {
    const char *type = isMatrix ? "!m" : "!v";
    std::ostringstream text;
    text << "!m = !sinter.tensor<f32[64, 256]>\n!v = !sinter.tensor<f32[64]>\n"
         << "func.func @main(%x: !m, %y: !m) -> " << type << " {\n"
         << "  %0 = sinter.neg %x : (!m) -> !m\n  %1 = sinter.exp %y : (!m) -> !m\n"
         << body.str() << "  return %" << result << " : " << type << "\n}\n";
    return text.str();
  }

private:
  std::ostringstream body;
  int next = 2;
};

/// Elementwise ops in a row.
std::string chain(int size) {
  Text text;
  int value = 0;
  while (text.size() < size)
    value =
        text.size() % 3 == 0 ? text.elementwise("add", value, 1) : text.elementwise("tanh", value);
  return text.with(value);
}

/// Kernels of rows that could go on for ever: every one ends because it grows too large.
std::string rows(int size) {
  Text text;
  int value = 0;
  while (text.size() < size) {
    int scale = text.spread(text.rowSum(text.elementwise("exp", value)));
    value = text.elementwise("add", text.elementwise("div", value, scale), 1);
  }
  return text.with(value);
}

/// Operands are chosen at random among the last `reach` values.
std::string random(int size, int reach, unsigned seed = 7) {
  Text text;
  std::mt19937 generator(seed);
  std::vector<int> values = {0, 1};
  auto pick = [&] {
    auto far = std::min<size_t>(values.size(), static_cast<size_t>(reach));
    return values[values.size() - 1 - generator() % far];
  };
  while (text.size() < size) {
    const unsigned kind = generator() % 5;
    const int a = pick();
    values.push_back(kind == 0  ? text.spread(text.rowSum(a))
                     : kind < 3 ? text.elementwise("tanh", a)
                                : text.elementwise("add", a, pick()));
  }
  int sum = values.back(); // Nothing is to be dead: the last values are used as the others are.
  for (size_t i = values.size() - 1; i-- > values.size() / 2;)
    sum = text.elementwise("mul", sum, values[i]);
  return text.with(sum);
}

/// One value that everything reads.
std::string hub(int size) {
  Text text;
  const int all = text.elementwise("tanh", 0);
  int sum = text.rowSum(all);
  while (text.size() < size)
    sum = text.rowSum(text.elementwise("mul", text.spread(sum), all));
  return text.with(sum, /*isMatrix=*/false);
}

/// `explain`: told why kernels that exchange values are not one.
FusionWork workOn(const std::string &text, std::vector<UnfusedEdge> *explain = nullptr) {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  DialectRegistry registry;
  ir::registerAll(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return {};
  auto graph = cast<func::FuncOp>(module->getBody()->front());
  FusionWork work = fuseOps(graph, {.explain = explain != nullptr});
  if (explain)
    *explain = unfusedEdges(graph);
  return work;
}

struct Case {
  const char *name;
  std::string (*graph)(int size);
  size_t pairs, analyses, visits, steps; ///< At most, per op.
  /// Other ways between two groups are long, as they may lead through the whole graph.
  bool searchesFar = false;
};

class FusionWorkTest : public ::testing::TestWithParam<Case> {};

TEST_P(FusionWorkTest, GrowsWithTheGraph) {
  const Case &limits = GetParam();
  constexpr int small = 500, large = 2000;
  const FusionWork few = workOn(limits.graph(small)), many = workOn(limits.graph(large));
  ASSERT_GE(few.ops, size_t{small});
  ASSERT_GE(many.ops, size_t{large});
  auto check = [&](const char *what, size_t FusionWork::*count, size_t most) {
    SCOPED_TRACE(what);
    const double before = static_cast<double>(few.*count), after = static_cast<double>(many.*count);
    RecordProperty(what, static_cast<int>(many.*count / (many.ops / 100)));
    EXPECT_LE(after, static_cast<double>(most * many.ops));
    const double growth = static_cast<double>(many.ops) / static_cast<double>(few.ops);
    if (!limits.searchesFar || count != &FusionWork::steps)
      EXPECT_LE(after, (before + small / 10) * growth * 1.4);
  };
  check("pairs", &FusionWork::pairs, limits.pairs);
  check("analyses", &FusionWork::analyses, limits.analyses);
  check("visits", &FusionWork::visits, limits.visits);
  check("steps", &FusionWork::steps, limits.steps);
}

/// Pairs are only asked for once, and again where one of the two has changed: none is forgotten.
TEST(FusionTest, LeavesNothingThatShouldBeOne) {
  size_t edges = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::vector<UnfusedEdge> unfused;
    workOn(random(1000, 40, seed), &unfused);
    edges += unfused.size();
    for (const UnfusedEdge &edge : unfused)
      EXPECT_NE(edge.reason, "another kernel took in one of the two")
          << edge.producer << " for " << edge.consumer;
  }
  EXPECT_GT(edges, size_t{100});
}

INSTANTIATE_TEST_SUITE_P(
    Graphs, FusionWorkTest,
    ::testing::Values(Case{"Chain", chain, 1, 1, 1, 1}, Case{"Rows", rows, 2, 2, 20, 2},
                      Case{"Near", [](int size) { return random(size, 20); }, 3, 2, 25, 6},
                      Case{"Far", [](int size) { return random(size, 1 << 20); }, 6, 2, 10, 12,
                           true},
                      Case{"Hub", hub, 2, 2, 30, 1}),
    [](const auto &info) { return info.param.name; });

} // namespace
