// SPDX-License-Identifier: Apache-2.0
// graph-compile: a graph as text, or an ONNX model, in, any stage of its compilation or a library out.
#include "tools/graph-compile/Emit.h"
#include "tools/support/CommandLine.h"
#include "tools/support/Roofline.h"

#include <algorithm>

using namespace sinter;
using namespace sinter::tools;

int main(int argc, char **argv) {
  CompileRequest request;
  CLI::App app("Compiles a graph: to a library with a C header, or to the text of any stage.",
               "graph-compile");
  app.add_option("IN", request.input, "Graph as .mlir text (- for standard input), or an .onnx model")->required();
  app.add_option("-o,--output", request.output,
                 "Where the result goes; text goes to standard output by default, a library beside "
                 "its header into the current folder");
  app.add_option("--emit", request.emit, emitHelp());
  app.add_option("--stop-after", request.stopAfter, "Emit the text of this stage instead");
  app.add_option("--name", request.name,
                 "Name of the program in a library (default: that of OUT without \"lib\" and its ending)");
  app.add_option("--target", request.target,
                 "cpu[:native|x86-64|x86-64-v2|x86-64-v3|x86-64-v4|aarch64] or "
                 "cuda[:sm_80|sm_90a|sm_100a|…], which needs no GPU. Several CPUs with commas between "
                 "them make one library, which runs the last that the machine can");
  auto repeatable = [&](const char *name, std::vector<std::string> &values, const char *doc) {
    app.add_option(name, values, doc)->allow_extra_args(false)->take_all();
  };
  app.add_option("--grad", request.grad, "Add the gradient of this output, as grad.A, grad.B, …");
  app.add_option("--wrt", request.wrt, "The arguments A,B,… to differentiate in (default: all parameters)")
      ->delimiter(',');
  repeatable("--shape", request.shapes, "NAME=2x3: fix the sizes of an argument");
  repeatable("--dim", request.dims, "N=32: fix a named dimension");
  repeatable("--input", request.inputs,
             "NAME=@file.npy or NAME=2xi64=1,2: value of an ONNX model's input that sizes depend on");
  app.add_option("--seed", request.seed, "Seed of the random numbers of an ONNX model");
  app.add_option("-O", request.optLevel, "How hard machine code is optimised: -O0 to -O3")
      ->check(CLI::Range(0, 3))
      ->capture_default_str();
  app.add_flag("--strict", request.strict,
               "Round f16 and bf16 after every op, also inside of fused kernels");
  app.add_flag("--winograd", request.winograd,
               "Let 3 x 3 convolutions in f32 use Winograd's algorithm where it is faster: error "
               "about 2e-6 of the results' rms");
  app.add_flag("--tf32", request.tf32,
               "GPU: let tensor cores multiply f32 matrices, operands rounded to 10 bits of fraction");
  repeatable("--disable-pass", request.disabledPasses, "Leave out a pass, by name");
  app.add_option("--schedule", request.schedule,
                 "A file of schedules, as --emit=schedule writes them, with changes");
  addCacheOptions(app, request.cache);
  app.add_flag("--stats{text}", request.stats,
               "Print kernels, bytes, flops and planned memory; --stats=json as JSON. Alone it "
               "writes no library");
  app.add_flag("--line-info", request.lineInfo,
               "Machine code for a GPU says which lines of the graph's source it comes from");
  app.add_option("--mem-budget", request.memBudget,
                 "Refuse (exit code 7) when the planned peak is above this, e.g. 64M");
  app.add_option("--params", request.params,
                 "Values of parameters and state, .safetensors or .npz, for --embed and --emit=onnx");
  app.add_flag("--embed", request.embed,
               "The library carries the values of --params; its state starts from them");
  app.add_flag("--check-nan", request.checkNan,
               "Kernels test what they store: a call stops at the first NaN or infinity");
  app.add_option("--report", request.report,
                 "Write a page about the program, one .html file: kernels with your lines, the graph, "
                 "the memory plan, a roofline. Alone it writes no library");
  app.add_option("--roofline", request.roofline, rooflineHelp());
  app.add_flag("--quote-sources", request.quoteSources,
               "--report: show the lines of the files that the graph's locations name");
  app.add_option("--trace", request.trace,
                 "Write what the compilation spends its time on, as JSON for ui.perfetto.dev");
  app.add_option("--dump-dir", request.dumpDir, "Write the text of every stage into this folder");
  app.add_flag("--mlir-print-ir-after-all", request.printIr, "Print the IR after every pass");
  app.add_flag("--mlir-timing", request.timing, "Print how long passes and stages took");
  app.add_option("--mlir-pass-pipeline-crash-reproducer", request.crashReproducer,
                 "Where MLIR writes a reproducer when a pass fails");
  app.footer("Raw IR and the --mlir- flags are for trusted input. Exit codes: 0 ok, 1 errors in the "
             "graph, 2 usage, 3 file access,\n4 unsupported, 5 device, 6 mismatch, 7 limit, 70 "
             "internal.");
  return runTool(app, argc, argv, [&] { return compileAndEmit(request); });
}
