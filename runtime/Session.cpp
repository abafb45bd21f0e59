// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Session.h"
#include "sinter/codegen/Interpreter.h"
#include "sinter/codegen/LibraryBuild.h"
#include "sinter/codegen/NonFinite.h"
#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/ProgramCache.h"
#include "sinter/codegen/ScheduleText.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/Environment.h"
#include "sinter/runtime/SessionImpl.h"

#include <mutex>

namespace sinter {
namespace {

/// Several threads may compile one graph, one after the other: what is compiled lives in the
/// graph's context, into which passes load dialects.
class Compiling {
public:
  explicit Compiling(const Graph &graph)
      : graph(GraphImpl::of(graph)), lock(this->graph->compiling) {}

private:
  std::shared_ptr<GraphImpl> graph;
  std::lock_guard<std::recursive_mutex> lock;
};

/// The function to compile; its context belongs to the graph.
mlir::OwningOpRef<mlir::ModuleOp> extractProgram(const Graph &graph, const CompileOptions &options,
                                                 std::source_location loc) {
  if (options.outputs.empty() && options.updates.empty())
    return extract(graph, graph.outputs(), graph.updates(), loc);
  return extract(graph, options.outputs, options.updates, loc);
}

codegen::PipelineOptions pipelineOptions(const CompileOptions &options) {
  if (options.optLevel < 0 || options.optLevel > 3)
    throw Error({.code = ErrorCode::Usage, .op = "compile"},
                "the level of optimisation is 0 to 3, not " + std::to_string(options.optLevel));
  codegen::PipelineOptions result;
  result.target = options.target.info();
  result.disabledPasses = options.disabledPasses;
  result.strictRounding = options.strictRounding;
  result.winograd = options.winograd;
  result.tf32 = options.tf32;
  result.optLevel = options.optLevel;
  result.schedule = options.schedule;
  result.cache = resolveCache(options.cache);
  result.nvrtc = environmentPath("SINTER_NVRTC").value_or("");
  result.lineInfo = options.lineInfo;
  result.checkNan = options.checkNan;
  result.dump = options.onStage;
  result.trace = options.trace.get();
  // The interpreter runs the graph as it was written.
  if (options.engine == Engine::Interpreter) {
    result.stopAfter = codegen::StageId::Differentiated;
    result.disabledPasses.emplace_back("attention");
  }
  return result;
}

/// A graph that the interpreter reads, with the context it lives in.
struct InterpretedGraph {
  Graph graph;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

ExecutableCode interpreted(const Graph &graph, mlir::OwningOpRef<mlir::ModuleOp> module,
                           codegen::Compilation &compilation, bool checkNan) {
  mlir::func::FuncOp function = compilation.graph();
  auto program = std::make_shared<Program>();
  program->arguments = codegen::argumentsOf(function);
  program->results = codegen::resultsOf(function, program->arguments);
  program->conditions = compilation.conditions;
  auto held = std::make_shared<InterpretedGraph>(graph, std::move(module));
  if (checkNan)
    return {
        .program = std::move(program),
        .interpreter = [held, checked = std::make_shared<codegen::CheckedInterpreter>(function)](
                           const std::vector<Array> &arguments, const DimBinding &dims) {
          return (*checked)(arguments, dims);
        }};
  return {
      .program = std::move(program),
      .interpreter = [held, function](const std::vector<Array> &arguments, const DimBinding &dims) {
        return codegen::interpret(function, arguments, dims);
      }};
}

ExecutableCode linked(codegen::ObjectProgram built, const std::shared_ptr<Trace> &trace) {
  // The code may refer to the constants where they lie.
  auto program = std::make_shared<const Program>(std::move(built.program));
  std::vector<std::string_view> objects(built.objects.begin(), built.objects.end());
  auto code = std::make_shared<const cpu::Jit>(objects);
  auto entry = code->function<SinterRun>(cpu::ProgramSymbols(program->name).run);
  std::vector<SinterKernel> kernels;
  if (trace)
    for (const Kernel &kernel : program->kernels)
      kernels.push_back(code->function<SinterKernel>(kernel.symbol));
  return {.program = std::move(program),
          .entry = entry,
          .keepAlive = std::move(code),
          .kernels = std::move(kernels),
          .trace = trace};
}

ExecutableCode compiled(codegen::Compilation &compilation, const TargetInfo &target,
                        const std::shared_ptr<Trace> &trace, codegen::ProgramCache &cache) {
  if (target.kind == TargetInfo::Kind::Cuda)
    return {.program = std::make_shared<const Program>(std::move(compilation.program())),
            .trace = trace};
  Trace::Span span(trace.get(), "compile", "link");
  codegen::ObjectProgram built = codegen::ObjectProgram::take(compilation, target);
  cache.store(built);
  return linked(std::move(built), trace);
}

/// What another process, or this one, has compiled before.
std::optional<ExecutableCode> known(codegen::ProgramCache &cache) {
  std::optional<codegen::ObjectProgram> built = cache.load();
  if (!built)
    return std::nullopt;
  try {
    return linked(std::move(*built), nullptr);
  } catch (const Error &) {
    cache.drop();
    return std::nullopt;
  }
}

/// The kernels' ops stay, to be run one by one.
ExecutableCode::Explain explainer(const Graph &graph, mlir::OwningOpRef<mlir::ModuleOp> module,
                                  const std::shared_ptr<const Program> &program,
                                  const codegen::Compilation &compilation) {
  auto held = std::make_shared<InterpretedGraph>(graph, std::move(module));
  return [held, explain = codegen::NonFiniteExplainer(program, compilation.planned.launches)](
             const SinterStatus &status, const DimBinding &dims,
             const std::function<const void *(int)> &bufferAt) {
    return explain(status, dims, bufferAt);
  };
}

cpu::LibraryForm formOf(LibraryKind kind) {
  switch (kind) {
  case LibraryKind::Object:
    return cpu::LibraryForm::Object;
  case LibraryKind::Static:
    return cpu::LibraryForm::Static;
  case LibraryKind::Shared:
    break;
  }
  return cpu::LibraryForm::Shared;
}

/// Where the executable runs. A GPU is looked for before anything is compiled.
std::shared_ptr<Device> deviceFor(const CompileOptions &options) {
  if (options.device)
    return options.device;
  const bool isForGpu =
      options.engine == Engine::Compiled && options.target.info().kind == TargetInfo::Kind::Cuda;
  if (isForGpu)
    return CudaDevice::shared();
  return CpuDevice::shared(options.threads);
}

/// A GPU's architecture is that of the device unless the target names one.
TargetInfo targetFor(const CompileOptions &options, const Device &device) {
  const TargetInfo &target = options.target.info();
  if (options.engine == Engine::Interpreter)
    return target;
  const TargetInfo own = TargetInfo::parse(device.target());
  if (own.kind != target.kind)
    throw Error({.kind = ErrorKind::Device, .op = "compile"},
                "the device '" + device.name() + "' cannot run '" + target.str() + "'");
  if (target.kind == TargetInfo::Kind::Cpu)
    target.requireRunnable();
  return target.kind == TargetInfo::Kind::Cuda && target.arch.empty() ? own : target;
}

/// Of the given device or, without one, of the GPU that is here; "cuda" where there is none.
TargetInfo gpuTarget(const std::shared_ptr<Device> &device) {
  if (device)
    return TargetInfo::parse(device->target());
  try {
    return TargetInfo::parse(CudaDevice::shared()->target());
  } catch (const Error &) {
    return TargetInfo::parse("cuda");
  }
}

} // namespace

State::State(const Graph &graph, uint64_t seed, const DimBinding &dims)
    : State(graph.arguments(), seed, dims) {}

Executable compile(const Graph &graph, const CompileOptions &options, std::source_location loc) {
  return compileWith(graph, options, nullptr, loc);
}

Executable compileWith(const Graph &graph, const CompileOptions &options,
                       const ConfigurePipeline &configure, std::source_location loc) {
  Trace::Span span(options.trace.get(), "compile", "compile");
  std::shared_ptr<Device> device = deviceFor(options);
  codegen::PipelineOptions pipeline = pipelineOptions(options);
  const TargetInfo target = pipeline.target = targetFor(options, *device);
  if (configure)
    configure(pipeline);
  Compiling alone(graph);
  mlir::OwningOpRef<mlir::ModuleOp> module = extractProgram(graph, options, loc);
  codegen::ProgramCache cache(*module, pipeline);
  if (std::optional<ExecutableCode> code = known(cache))
    return Executable(std::move(*code), std::move(device));
  codegen::Compilation compilation = codegen::runPipeline(*module, pipeline);
  ExecutableCode code = options.engine == Engine::Interpreter
                            ? interpreted(graph, std::move(module), compilation, options.checkNan)
                            : compiled(compilation, target, options.trace, cache);
  code.trace = options.trace;
  if (options.checkNan && options.engine == Engine::Compiled) {
    code.kernels.clear(); // The program's own function completes what they report.
    code.explain = explainer(graph, std::move(module), code.program, compilation);
  }
  return Executable(std::move(code), std::move(device));
}

void runPipelineOf(const Graph &graph, const CompileOptions &options,
                   const ConfigurePipeline &configure, std::source_location loc) {
  codegen::PipelineOptions pipeline = pipelineOptions(options);
  configure(pipeline);
  Compiling alone(graph);
  mlir::OwningOpRef<mlir::ModuleOp> module = extractProgram(graph, options, loc);
  codegen::runPipeline(*module, pipeline);
}

std::string scheduleText(const Graph &graph, const CompileOptions &options,
                         std::source_location loc) {
  codegen::PipelineOptions pipeline = pipelineOptions(options);
  pipeline.stopAfter = codegen::StageId::Scheduled;
  Compiling alone(graph);
  mlir::OwningOpRef<mlir::ModuleOp> module = extractProgram(graph, options, loc);
  codegen::Compilation compilation = codegen::runPipeline(*module, pipeline);
  return codegen::scheduleText(compilation.graph(), pipeline.target);
}

void compileToLibrary(const Graph &graph, const std::filesystem::path &path,
                      const CompileOptions &options, const LibraryFile &file,
                      std::source_location loc) {
  codegen::PipelineOptions pipeline = pipelineOptions(options);
  pipeline.stopAfter = codegen::StageId::Program;
  pipeline.name = file.name.empty() ? codegen::libraryName(path) : file.name;
  std::vector<TargetInfo> targets;
  for (const Target &version : file.versions)
    targets.push_back(version.info());
  if (targets.empty())
    targets.push_back(options.target.info());
  if (TargetInfo &only = targets.front(); only.kind == TargetInfo::Kind::Cuda && only.arch.empty())
    only = gpuTarget(options.device);
  codegen::requireLibraryForm(formOf(file.kind), targets.front());
  std::filesystem::path header = file.header;
  if (header.empty())
    header = std::filesystem::path(path).replace_extension(".h");
  Compiling alone(graph);
  mlir::OwningOpRef<mlir::ModuleOp> module = extractProgram(graph, options, loc);
  codegen::LibraryBuild(*module, pipeline, targets)
      .write(formOf(file.kind), path, header, file.values);
}

} // namespace sinter
