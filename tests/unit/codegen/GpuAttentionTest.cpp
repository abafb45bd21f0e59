// SPDX-License-Identifier: Apache-2.0
// What a GPU's attention asks for fits every GPU that there is code for, whatever its heads.
#include "sinter/codegen/Pipeline.h"
#include "sinter/frontend/Gradients.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/nn/Attention.h"

#include <gtest/gtest.h>

namespace sinter {
namespace {

/// Every GPU of compute capability 8.0 gives a block that much.
constexpr int64_t mostShared = 99 << 10;

struct Heads {
  DType dtype;
  int64_t width, valueWidth;
  bool masked;
};

Program programOf(const Heads &heads) {
  Graph g;
  const Shape keys{2, 70, heads.width}, values{2, 70, heads.valueWidth};
  Tensor q = g.placeholder("q", heads.dtype, keys), k = g.placeholder("k", heads.dtype, keys),
         v = g.placeholder("v", heads.dtype, values), d = g.placeholder("d", heads.dtype, values);
  AttentionOptions options;
  if (heads.masked)
    options.mask = g.placeholder("mask", heads.dtype, {2, 70, 70});
  Tensor y = attention(q, k, v, options);
  g.output("y", y);
  std::vector<Tensor> slopes = gradients(y, {q, k, v}, {d});
  for (size_t i = 0; i < slopes.size(); ++i)
    g.output("g" + std::to_string(i), slopes[i]);
  auto module = extract(g, g.outputs(), g.updates());
  codegen::PipelineOptions pipeline;
  pipeline.target = TargetInfo::parse("cuda:sm_80");
  pipeline.stopAfter = codegen::StageId::Kernels;
  return codegen::runPipeline(*module, pipeline).program();
}

TEST(GpuAttention, FitsForAllWidthsAndDTypes) {
  constexpr int64_t widest = 256;
  int64_t most = 0;
  for (DType dtype : {f64, f32, f16, bf16})
    for (int64_t width : {int64_t{1}, int64_t{72}, int64_t{129}, int64_t{200}, widest})
      for (int64_t valueWidth : {int64_t{1}, width, widest})
        for (bool masked : {false, true}) {
          const Program program = programOf({dtype, width, valueWidth, masked});
          int64_t attentions = 0;
          for (const Step &step : program.steps)
            if (const auto *launch = std::get_if<Launch>(&step)) {
              attentions +=
                  program.kernels[static_cast<size_t>(launch->kernel)].form == "attention";
              most = std::max(most, launch->grid.sharedBytes);
            }
          EXPECT_GE(attentions, 2) << name(dtype) << " " << width << " " << valueWidth;
          EXPECT_LE(most, mostShared) << name(dtype) << " " << width << " " << valueWidth;
        }
  EXPECT_GT(most, mostShared / 2); // Else nothing was put to the test.
}

} // namespace
} // namespace sinter
