// SPDX-License-Identifier: Apache-2.0
// One neuron, tanh(w*x + b), and the gradient of its output: every stage from the graph to machine
// code.
#include "../common/Options.h"

#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/cpu/CompileKernels.h"
#include "sinter/frontend/GraphImpl.h"

using namespace sinter;

static void show(std::string_view title, std::string_view text) {
  std::cout << "\n==== " << title << " ====\n" << text << "\n";
}

static int run(int argc, char **argv) {
  std::string only, target = "cpu";
  examples::Options options(
      "01-one-neuron",
      "Prints tanh(w*x + b) and its gradient at every stage: traced, differentiated, simplified,\n"
      "fused, scheduled, planned, kernels, program, assembly.");
  options.add("stage", only, "print this stage only");
  options.add("target", target, "what runs it: cpu, or cuda for a GPU");
  if (!options.parse(argc, argv))
    return 0;
  if (!only.empty() && only != "assembly")
    codegen::parseStage(only);

  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N")});
  Tensor w = g.parameter("w", f32, {}, init::constant(0.5));
  Tensor b = g.parameter("b", f32, {}, init::zeros());
  Tensor y = tanh(w * x + b);
  g.output("y", y);
  g.output("dx", gradients(y.sum(), {x})[0]);

  // compile() does the following in one go; here each stage is shown as it completes.
  auto module = extract(g, g.outputs(), g.updates());
  codegen::PipelineOptions pipeline;
  pipeline.target = Target::parse(target).info();
  pipeline.dump = [&](std::string_view stage, std::string_view text) {
    if (only.empty() || only == stage)
      show(stage, text);
  };
  codegen::Compilation compilation = codegen::runPipeline(*module, pipeline);
  if (only.empty() || only == "assembly")
    for (auto &kernel : compilation.kernels)
      show("assembly", cpu::kernelText(*kernel, pipeline.target, cpu::KernelText::Assembly));

  Executable run = compile(g, {.target = Target::parse(target)});
  State state(g);
  ArrayMap result = run.run(state, {{"x", Array::from<float>({-2, -1, 0, 1, 2})}});
  std::cout << "\ny  = " << result.at("y").str() << "\ndx = " << result.at("dx").str() << "\n";
  return 0;
}

int main(int argc, char **argv) {
  return examples::guarded([&] { return run(argc, argv); });
}
