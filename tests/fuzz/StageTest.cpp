// SPDX-License-Identifier: Apache-2.0
// Random graphs, interpreted after every stage of the pipeline: what the passes make of a graph
// means the same.
#include "sinter/codegen/Interpreter.h"
#include "sinter/codegen/Pipeline.h"
#include "sinter/frontend/GraphImpl.h"
#include "tests/fuzz/RandomGraph.h"

#include <gtest/gtest.h>

namespace sinter::fuzz {
namespace {

using codegen::StageId;

/// The outputs after the given stage.
std::vector<Array> interpretAfter(const Graph &graph, StageId stage, const ArrayMap &inputs) {
  auto module = extract(graph, graph.outputs(), {});
  codegen::PipelineOptions options;
  options.stopAfter = stage;
  codegen::Compilation compilation = codegen::runPipeline(*module, options);
  mlir::func::FuncOp function = compilation.graph();
  std::vector<Array> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    arguments.push_back(
        inputs.at(function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr).str()));
  return codegen::interpret(function, arguments);
}

class StageTest : public testing::TestWithParam<StageId> {};

TEST_P(StageTest, MeansTheSame) {
  for (uint64_t seed = 40'000; seed < 40'090; ++seed) {
    Plan plan =
        generate(seed, {.symbolic = seed % 3 == 2, .gradients = seed % 4 == 3, .maxOps = 40});
    plan.updates.clear();
    Graph graph;
    build(plan, graph, "");
    for (int64_t n : {13, 0}) {
      ArrayMap inputs;
      drawInputs(plan, {{"N", n}, {"M", 6}}, "", inputs);
      std::vector<Array> want = interpretAfter(graph, StageId::Differentiated, inputs);
      std::vector<Array> got = interpretAfter(graph, GetParam(), inputs);
      ASSERT_EQ(got.size(), plan.outputs.size());
      for (size_t i = 0; i < plan.outputs.size(); ++i) {
        const Info &info = plan.steps[static_cast<size_t>(plan.outputs[i])].info;
        EXPECT_EQ(compare(info, got[i], want[i]), "") << "seed " << seed << " N " << n << "\n"
                                                      << graph.str();
      }
      if (HasFailure() || !plan.symbolic)
        break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, StageTest,
                         testing::Values(StageId::Simplified, StageId::Fused, StageId::Scheduled,
                                         StageId::Planned),
                         [](const auto &info) {
                           return codegen::stageNames()[static_cast<size_t>(info.param)];
                         });

} // namespace
} // namespace sinter::fuzz
