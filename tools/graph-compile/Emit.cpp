// SPDX-License-Identifier: Apache-2.0
#include "tools/graph-compile/Emit.h"

#include "tools/graph-compile/EmitOnnx.h"
#include "tools/graph-compile/Specialize.h"
#include "tools/graph-compile/Statistics.h"
#include "tools/support/CommandLine.h"
#include "tools/support/Inputs.h"
#include "tools/support/LoadModel.h"
#include "tools/support/Roofline.h"

#include "sinter/codegen/LibraryBuild.h"
#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/ScheduleText.h"
#include "sinter/codegen/cpu/CompileKernels.h"
#include "sinter/codegen/cpu/Library.h"
#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/codegen/cuda/CompileCuda.h"
#include "sinter/codegen/report/Collect.h"
#include "sinter/codegen/report/Dot.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/ir/base/FileIo.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Environment.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"

#include <unistd.h>

#include <iostream>
#include <thread>

namespace fs = std::filesystem;
using namespace sinter::codegen;

namespace sinter::tools {
namespace {

// -- What can be emitted --------------------------------------------------------------------------

enum class Form {
  StageText,
  Schedule,
  KernelLlvm,
  KernelAssembly,
  Object,
  Static,
  Shared,
  Cuda,
  Ptx,
  Cubin,
  Dot,
  Onnx,
  Nothing
};

struct EmitRow {
  std::string_view name;
  Form form;
  StageId stage; ///< The last one to run.
  std::string_view suffix = "";
};

constexpr EmitRow emitTable[] = {
    {"graph", Form::StageText, StageId::Traced},
    {"fused", Form::StageText, StageId::Fused},
    {"schedule", Form::Schedule, StageId::Scheduled},
    {"loops", Form::StageText, StageId::Kernels},
    {"llvm", Form::KernelLlvm, StageId::Kernels},
    {"asm", Form::KernelAssembly, StageId::Kernels},
    {"obj", Form::Object, StageId::Program, ".o"},
    {"static", Form::Static, StageId::Program, ".a"},
    {"lib", Form::Shared, StageId::Program, ".so"},
    {"cuda", Form::Cuda, StageId::Kernels},
    {"program", Form::StageText, StageId::Program},
    {"ptx", Form::Ptx, StageId::Kernels},
    {"cubin", Form::Cubin, StageId::Kernels, ".cubin"},
    {"dot", Form::Dot, StageId::Fused},
    {"onnx", Form::Onnx, StageId::Traced},
};

const EmitRow &emitRow(const std::string &name) {
  std::vector<std::string> names;
  for (const EmitRow &row : emitTable)
    names.emplace_back(row.name);
  parseChoice("form to emit", name, names);
  for (const EmitRow &row : emitTable)
    if (row.name == name)
      return row;
  failUsage("--emit=" + name);
}

/// What is made for a GPU only. Without a CUDA target they are for one as --target=cuda is.
bool isForGpu(Form form) {
  return form == Form::Cuda || form == Form::Ptx || form == Form::Cubin;
}

/// What is made of the loops of a CPU.
bool isForCpu(Form form) { return form == Form::KernelLlvm || form == Form::KernelAssembly; }

/// "sm_90a" of the GPU that is here; empty without one.
std::string deviceArch() {
  try {
    return TargetInfo::parse(CudaDevice::shared()->target()).arch;
  } catch (const Error &) {
    return {};
  }
}

bool isLibrary(Form form) {
  return form == Form::Object || form == Form::Static || form == Form::Shared;
}

// -- The graph ------------------------------------------------------------------------------------

void addGradients(Graph &graph, const CompileRequest &request) {
  if (request.grad.empty()) {
    if (!request.wrt.empty())
      failUsage("--wrt needs --grad=OUTPUT");
    return;
  }
  std::vector<std::string> outputs, arguments, wrt = request.wrt;
  for (const Result &result : graph.results())
    if (result.updates < 0)
      outputs.push_back(result.name);
  for (const Argument &argument : graph.arguments()) {
    arguments.push_back(argument.name);
    if (request.wrt.empty() && argument.kind == ArgumentKind::Parameter)
      wrt.push_back(argument.name);
  }
  auto require = [](const char *option, const char *what, const std::string &name,
                    const std::vector<std::string> &names) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      failUsage(std::string(option) + ": the graph has no " + what + " '" + name + "'" +
                didYouMean(name, names));
  };
  require("--grad", "output", request.grad, outputs);
  for (const std::string &name : wrt)
    require("--wrt", "argument", name, arguments);
  if (wrt.empty())
    failUsage("--grad: the graph has no parameters", "name arguments with --wrt=A,B");
  Tensor y = graph.outputNamed(request.grad);
  std::vector<Tensor> xs;
  for (const std::string &name : wrt)
    xs.push_back(graph.argument(name));
  try {
    std::vector<Tensor> gradientsOfY = gradients(y, xs);
    for (size_t i = 0; i < xs.size(); ++i)
      graph.output("grad." + wrt[i], gradientsOfY[i]);
  } catch (const Error &error) { // The call is not the user's: point at what is differentiated.
    throw Error({.kind = error.kind(),
                 .op = error.op(),
                 .shapes = error.shapes(),
                 .location = error.location().file == __FILE__ ? y.location() : error.location(),
                 .hint = error.hint()},
                error.message());
  }
}

// -- Artifacts ------------------------------------------------------------------------------------

void writeText(const std::string &path, const std::string &text) {
  if (path.empty() || path == "-")
    std::cout << text;
  else
    writeFileAtomically(path, text);
}

/// Text stages end with one newline.
std::string withNewline(std::string text) {
  if (!text.empty() && text.back() != '\n')
    text += '\n';
  return text;
}

std::string allKernels(Compilation &compilation, const TargetInfo &target, cpu::KernelText form,
                       int optLevel) {
  std::string text;
  for (auto &kernel : compilation.kernels)
    text += withNewline(cpu::kernelText(*kernel, target, form, {.level = optLevel}));
  return text;
}

/// All kernels as one program for a GPU.
std::string machineCode(const Compilation &compilation, const PipelineOptions &options, Form form) {
  cuda::requireArch(options.target);
  return cuda::compileTogether(
      compilation.planned.program, compilation.cudaKernels,
      form == Form::Ptx ? cuda::NvrtcResult::Ptx : cuda::NvrtcResult::Cubin,
      {.arch = options.target.arch, .nvrtc = options.nvrtc, .lineInfo = options.lineInfo});
}

fs::path libraryPath(const CompileRequest &request, const EmitRow &row) {
  if (request.output == "-")
    failUsage("--emit=" + std::string(row.name) + " writes a file and its header", "give -o OUT");
  if (!request.output.empty())
    return request.output;
  std::string stem = request.input == "-" ? "graph" : fs::path(request.input).stem().string();
  return stem + std::string(row.suffix);
}

cpu::LibraryForm libraryForm(Form form) {
  return form == Form::Object   ? cpu::LibraryForm::Object
         : form == Form::Static ? cpu::LibraryForm::Static
                                : cpu::LibraryForm::Shared;
}

// -- Diagnosis ------------------------------------------------------------------------------------

/// Receives the text of stages: keeps the latest, and files each under --dump-dir.
class StageDump {
public:
  explicit StageDump(std::string folder) : folder(std::move(folder)) {
    if (this->folder.empty())
      return;
    std::error_code problem;
    fs::create_directories(this->folder, problem);
    if (problem)
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::FileAccess},
                  "cannot create the folder '" + this->folder + "': " + problem.message());
  }
  void operator()(std::string_view stage, std::string_view content) {
    text = withNewline(std::string(content));
    if (folder.empty())
      return;
    std::string number = std::to_string(++count);
    std::string suffix = stage == "planned" || stage == "program" ? ".txt" : ".mlir";
    std::string file = std::string(2 - std::min<size_t>(2, number.size()), '0') + number + "-" +
                       std::string(stage) + suffix;
    writeFileAtomically(fs::path(folder) / file, text);
  }
  const std::string &latest() const { return text; }

private:
  std::string folder, text;
  int count = 0;
};

/// MLIR's own flags.
class PassDiagnosis {
public:
  explicit PassDiagnosis(const CompileRequest &request) : request(request) {
    manager.setEnabled(request.timing);
    root = manager.getRootScope();
  }
  void configure(mlir::PassManager &passes) {
    if (request.printIr)
      passes.enableIRPrinting(
          [](mlir::Pass *, mlir::Operation *) { return false; },
          [](mlir::Pass *, mlir::Operation *) { return true; }, /*printModuleScope=*/false,
          /*printAfterOnlyOnChange=*/false);
    if (request.timing)
      passes.enableTiming(root);
    if (!request.crashReproducer.empty())
      passes.enableCrashReproducerGeneration(request.crashReproducer);
  }
  void report(const Compilation &compilation) {
    if (!request.timing)
      return;
    for (const StageTime &time : compilation.times)
      std::fprintf(stderr, "%10.3f ms  %s\n", time.milliseconds, time.name.c_str());
    std::fprintf(stderr, "%10.3f ms  in all\n", compilation.milliseconds);
  }

private:
  const CompileRequest &request;
  mlir::DefaultTimingManager manager;
  mlir::TimingScope root;
};

/// Keeps the graph that broke the compiler, and says where.
[[noreturn]] void throwWithReproducer(const Error &error, const std::string &graph) {
  std::string path =
      (fs::temp_directory_path() / ("sinter-reproducer-" + std::to_string(getpid()) + ".mlir"))
          .string();
  std::string hint = "this is a bug in Sinter; the graph that shows it is in " + path;
  try {
    writeFileAtomically(path, graph);
  } catch (const Error &) {
    hint = "this is a bug in Sinter";
  }
  throw Error({.kind = error.kind(), .op = error.op(), .location = error.location(), .hint = hint},
              error.message());
}

} // namespace

std::string emitHelp() {
  std::string names;
  for (const EmitRow &row : emitTable)
    names += (names.empty() ? "" : "|") + std::string(row.name);
  return names + " (default: lib)";
}

void requireInputsKept(const CompileRequest &request, const fs::path &written) {
  requireKept({request.input, request.params, request.schedule}, written);
}

int compileAndEmit(const CompileRequest &request) {
  // -- Everything that is wrong with the command line, before any work --
  requireReportOptions(request.report, request.roofline, request.quoteSources);
  const bool describes = !request.stats.empty() || !request.report.empty();
  bool onlyStats =
      describes && request.emit.empty() && request.stopAfter.empty() && request.output.empty();
  if (!request.emit.empty() && !request.stopAfter.empty())
    failUsage("--emit and --stop-after exclude each other");
  EmitRow row = emitRow(request.emit.empty() ? "lib" : request.emit);
  if (!request.stopAfter.empty())
    row = {"stage", Form::StageText, parseStage(request.stopAfter)};
  std::vector<TargetInfo> targets = TargetInfo::parseList(request.target);
  cpu::requireVersions(targets);
  if (targets.size() > 1 && !isLibrary(row.form))
    failUsage("--emit=" + request.emit + request.stopAfter + " is for one target",
              "several make a library: --emit=obj, static or lib");
  TargetInfo &target = targets.back();
  if (isForGpu(row.form) && target.kind != TargetInfo::Kind::Cuda)
    target = TargetInfo::parse("cuda");
  const bool isCuda = target.kind == TargetInfo::Kind::Cuda;
  if (isCuda && isForCpu(row.form))
    failUsage("--emit=" + request.emit + " is for a CPU; --target=" + request.target +
              " goes with --emit=cuda, ptx, cubin and the forms that are not of one target");
  if (isLibrary(row.form) && !onlyStats)
    requireLibraryForm(libraryForm(row.form), target);
  const bool makesMachineCode =
      row.form == Form::Ptx || row.form == Form::Cubin || row.stage == StageId::Program;
  if (isCuda && makesMachineCode) {
    if (target.arch.empty())
      target.arch = deviceArch();
    if (!onlyStats)
      cuda::requireArch(target);
  }
  if (request.lineInfo && !isCuda)
    failUsage("--line-info is for a GPU");
  requirePasses(request.disabledPasses);
  StatisticsForm statsForm = StatisticsForm::Text;
  if (!request.stats.empty())
    statsForm = static_cast<StatisticsForm>(
        parseChoice("form of --stats", request.stats, {"text", "json"}));
  int64_t budget = request.memBudget.empty() ? -1 : parseBytes("--mem-budget", request.memBudget);
  bool needsPlan = describes || budget >= 0;
  if (needsPlan && row.stage < StageId::Planned)
    failUsage("--stats, --report and --mem-budget need a plan, which comes after this stage");
  fs::path library;
  if (!request.input.ends_with(".onnx") && (!request.inputs.empty() || !request.seed.empty()))
    failUsage("--input and --seed go with an ONNX model");
  // Without an architecture there is no machine code to describe.
  if (onlyStats && isCuda && target.arch.empty())
    row.stage = StageId::Planned;
  if ((isLibrary(row.form) || row.form == Form::Cubin) && !onlyStats)
    library = libraryPath(request, row);
  requireInputsKept(request, request.output);
  requireInputsKept(request, request.report);
  requireInputsKept(request, request.trace);
  if (isLibrary(row.form) && !onlyStats) {
    const fs::path header = fs::path(library).replace_extension(".h");
    requireInputsKept(request, library);
    requireInputsKept(request, header);
    requireFiles(library, header);
  }

  if (row.form != Form::Onnx && request.params.empty() == request.embed)
    failUsage(request.embed ? "--embed needs the values: --params=FILE"
                            : "--params is for values that a library carries, with --embed, or "
                              "an ONNX model");
  if (request.embed && (!isLibrary(row.form) || onlyStats))
    failUsage("--embed goes with --emit=lib, obj and static");
  const ArrayMap embedded = request.embed ? readArrays(request.params) : ArrayMap();

  // -- The graph --
  std::optional<Trace> trace;
  if (!request.trace.empty())
    trace.emplace();
  Trace *const traced = trace ? &*trace : nullptr;
  std::optional<Trace::Span> loading(std::in_place, traced, "compile", "load");
  ArrayMap values;
  for (const std::string &text : request.inputs)
    values.insert(parseInput(text));
  std::optional<uint64_t> seed;
  if (!request.seed.empty())
    seed = static_cast<uint64_t>(parseNumber("--seed", request.seed));
  LoadedModel model = loadModel(request.input, values, seed);
  reportFixedInputs(model);
  Graph &graph = model.graph;
  addGradients(graph, request);
  if (row.form == Form::Onnx) {
    loading.reset();
    {
      Trace::Span writing(traced, "compile", "write");
      emitOnnx(graph, request);
    }
    if (trace)
      trace->write(request.trace);
    return 0;
  }
  auto module = extract(graph, graph.outputs(), graph.updates());
  specialize(*module, request.dims, request.shapes);
  loading.reset();

  // -- The pipeline --
  StageDump dump(request.dumpDir);
  PassDiagnosis diagnosis(request);
  PipelineOptions options;
  options.name = !request.name.empty() ? request.name
                 : library.empty()     ? "main"
                                       : libraryName(library);
  options.target = target;
  options.stopAfter = row.stage;
  options.disabledPasses = request.disabledPasses;
  options.strictRounding = request.strict;
  options.explainFusion = describes;
  options.winograd = request.winograd;
  options.tf32 = request.tf32;
  options.optLevel = request.optLevel;
  options.cache = resolveCache(request.cache);
  options.nvrtc = environmentPath("SINTER_NVRTC").value_or("");
  options.lineInfo = request.lineInfo;
  options.trace = traced;
  auto workers = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  std::optional<report::Collector> collector;
  if (!request.report.empty()) {
    collector.emplace(
        report::CollectOptions{.workers = workers, .quoteSources = request.quoteSources});
    collector->attach(options);
  }
  options.checkNan = request.checkNan;
  if (!request.schedule.empty()) {
    options.schedule = readTextFile(request.schedule);
    options.scheduleFile = request.schedule;
  }
  if (row.form == Form::StageText || !request.dumpDir.empty())
    options.dump = [&](std::string_view stage, std::string_view text) { dump(stage, text); };
  options.configure = [&](mlir::PassManager &passes) { diagnosis.configure(passes); };
  std::optional<LibraryBuild> build;
  Compilation single;
  try {
    if (isLibrary(row.form) && row.stage == StageId::Program)
      build.emplace(*module, options, targets);
    else
      single = runPipeline(*module, options);
  } catch (const Error &error) {
    if (error.kind() == ErrorKind::Internal)
      throwWithReproducer(error, graph.str(Graph::Locations::Print));
    throw;
  }
  // Of several versions, the best is described.
  Compilation &compilation = build ? build->compilations().back() : single;
  diagnosis.report(compilation);
  const Program &program = compilation.planned.program;
  if (budget >= 0)
    requireBudget(program, workers, budget);

  // -- What was asked for --
  std::optional<Trace::Span> writing(std::in_place, traced, "compile", "write");
  switch (onlyStats ? Form::Nothing : row.form) {
  case Form::StageText:
    writeText(request.output, dump.latest());
    break;
  case Form::Schedule:
    writeText(request.output, scheduleText(single.graph(), target));
    break;
  case Form::KernelLlvm:
  case Form::KernelAssembly:
    writeText(request.output,
              allKernels(single, target,
                         row.form == Form::KernelLlvm ? cpu::KernelText::Llvm
                                                      : cpu::KernelText::Assembly,
                         request.optLevel));
    break;
  case Form::Object:
  case Form::Static:
  case Form::Shared:
    build->write(libraryForm(row.form), library, fs::path(library).replace_extension(".h"),
                 embedded);
    break;
  case Form::Cuda:
    writeText(request.output, cuda::printProgram(compilation));
    break;
  case Form::Ptx:
  case Form::Cubin:
    writeText(row.form == Form::Cubin ? library.string() : request.output,
              machineCode(compilation, options, row.form));
    break;
  case Form::Dot:
    writeText(request.output, report::dotText(compilation.graph()));
    break;
  case Form::Onnx: // Written before, from the graph.
  case Form::Nothing:
    break;
  }
  if (!request.stats.empty()) {
    bool textOnStdout =
        !onlyStats && !isLibrary(row.form) && (request.output.empty() || request.output == "-");
    (textOnStdout ? std::cerr : std::cout) << statisticsText(
        program, workers, statsForm,
        {.cache = compilation.cache,
         .unfused = passes::unfusedEdges(compilation.graph()),
         .times = compilation.times});
  }
  if (collector) {
    report::Report page = collector->take();
    page.title = request.input == "-" ? "graph" : fs::path(request.input).filename().string();
    page.roofs = roofsOf(request.roofline, target);
    writeText(request.report, report::htmlPage(page));
  }
  writing.reset();
  if (trace)
    trace->write(request.trace);
  return 0;
}

} // namespace sinter::tools
