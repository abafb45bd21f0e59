// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Pipeline.h"

#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/OnThreads.h"
#include "sinter/codegen/PlanText.h"
#include "sinter/codegen/ProgramText.h"
#include "sinter/codegen/ScheduleText.h"
#include "sinter/codegen/StoreChecks.h"
#include "sinter/codegen/StrictRounding.h"
#include "sinter/codegen/cpu/CompileKernels.h"
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/codegen/cpu/ObjectCache.h"
#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/codegen/cuda/CompileCuda.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/passes/Passes.h"
#include "sinter/passes/StageContracts.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/MapVector.h"

#include <chrono>
#include <map>

using namespace mlir;

namespace sinter::codegen {

func::FuncOp Compilation::graph() { return module.lookupSymbol<func::FuncOp>("main"); }

namespace {

// -- Errors ---------------------------------------------------------------------------------------

/// Turns MLIR's diagnostics into one Error; nothing reaches stderr.
class Diagnostics {
public:
  explicit Diagnostics(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error && text.empty()) {
            text = diagnostic.str();
            location = ir::toSourceLoc(diagnostic.getLocation());
          }
          return success();
        }) {}
  [[noreturn]] void fail(std::string_view stage, ErrorKind kind) {
    throw Error({.kind = kind, .op = std::string(stage), .location = location},
                text.empty() ? "failed without a diagnostic" : text);
  }

private:
  ScopedDiagnosticHandler handler;
  std::string text;
  SourceLoc location;
};

// -- Passes ---------------------------------------------------------------------------------------

struct PassEntry {
  std::string_view name;
  StageId stage;
  /// Null: it is not for this target.
  std::unique_ptr<Pass> (*create)(const PipelineOptions &);
  /// What runs in its place when it is disabled; null: nothing.
  std::unique_ptr<Pass> (*whenDisabled)();
  /// The pass that it prepares for, without which it is left out.
  std::string_view before = {};
};

bool isGpu(const PipelineOptions &options) { return options.target.kind == TargetInfo::Kind::Cuda; }

std::unique_ptr<Pass> expandAll() {
  return passes::createExpandAttention(passes::ExpandAttentionOptions{.all = true});
}

constexpr PassEntry passTable[] = {
    {"attention", StageId::Simplified,
     [](const PipelineOptions &) { return passes::createExpandAttention(); }, expandAll},
    {"simplify", StageId::Simplified,
     [](const PipelineOptions &) { return passes::createSimplify(); }, nullptr},
    {"split-pairs", StageId::Fused,
     [](const PipelineOptions &) { return passes::createSplitPairs(); }, nullptr, "fuse"},
    {"split-rows", StageId::Fused,
     [](const PipelineOptions &options) -> std::unique_ptr<Pass> {
       if (options.checkNan) // Infinities of a tile are none of the row.
         return nullptr;
       return passes::createSplitRows(passes::SplitRowsOptions{.gpu = isGpu(options)});
     },
     nullptr, "fuse"},
    {"fuse", StageId::Fused,
     [](const PipelineOptions &options) {
       return passes::createFuse(
           passes::FuseOptions{.gpu = isGpu(options), .explain = options.explainFusion});
     },
     [] { return passes::createFuse(passes::FuseOptions{.fusion = false}); }},
    {"collapse-dims", StageId::Fused,
     [](const PipelineOptions &) { return passes::createCollapseDims(); }, nullptr},
    {"order-kernels", StageId::Fused,
     [](const PipelineOptions &) { return passes::createOrderKernels(); }, nullptr},
};

/// One event per pass.
class TracedPasses : public PassInstrumentation {
public:
  explicit TracedPasses(Trace *trace) : trace(trace) {}
  void runBeforePass(Pass *pass, Operation *) override {
    if (!pass->getArgument().empty())
      begun[pass] = trace->now();
  }
  void runAfterPass(Pass *pass, Operation *) override {
    if (auto begin = begun.find(pass); begin != begun.end())
      trace->add({.category = "compile",
                  .name = pass->getArgument().str(),
                  .thread = trace->thread(),
                  .begin = begin->second,
                  .length = trace->now() - begin->second});
  }

private:
  Trace *trace;
  std::map<Pass *, int64_t> begun; ///< There is one function, and so one thread at a time.
};

bool isDisabled(std::string_view name, const PipelineOptions &options) {
  return llvm::is_contained(options.disabledPasses, name);
}

/// Runs the table's passes of a stage, and `required` before them.
void runPasses(Compilation &compilation, const PipelineOptions &options, StageId stage,
               std::string_view stageName, std::vector<std::unique_ptr<Pass>> required) {
  PassManager manager(compilation.module->getContext());
  manager.enableVerifier(false); // The stage's own verification follows.
  if (options.configure)
    options.configure(manager);
  if (options.trace)
    manager.addInstrumentation(std::make_unique<TracedPasses>(options.trace));
  OpPassManager &functions = manager.nest<func::FuncOp>();
  for (std::unique_ptr<Pass> &pass : required)
    functions.addPass(std::move(pass));
  for (const PassEntry &pass : passTable)
    if (pass.stage == stage) {
      bool disabled = isDisabled(pass.name, options) || isDisabled(pass.before, options);
      std::unique_ptr<Pass> next;
      if (!disabled)
        next = pass.create(options);
      else if (pass.whenDisabled)
        next = pass.whenDisabled();
      if (next)
        functions.addPass(std::move(next));
    }
  Diagnostics diagnostics(compilation.module->getContext());
  if (failed(manager.run(compilation.module)))
    diagnostics.fail(stageName, ErrorKind::User);
}

// -- Stages ---------------------------------------------------------------------------------------

void traced(Compilation &compilation, const PipelineOptions &) {
  if (!compilation.graph())
    throw Error({.kind = ErrorKind::User, .op = "compile"}, "the module has no function @main");
  compilation.conditions = sizeConditionsOf(compilation.graph());
}

/// Strict results round after every op.
bool expandsAttention(const PipelineOptions &options) { return options.strictRounding; }

void differentiated(Compilation &compilation, const PipelineOptions &options) {
  std::vector<std::unique_ptr<Pass>> required;
  // Where the op would be written out again, it is better left as the user wrote it.
  if (!isDisabled("attention", options) && !expandsAttention(options))
    required.push_back(passes::createRaiseAttention());
  required.push_back(passes::createAutodiff());
  runPasses(compilation, options, StageId::Differentiated, "autodiff", std::move(required));
}

void simplified(Compilation &compilation, const PipelineOptions &options) {
  std::vector<std::unique_ptr<Pass>> required;
  if (expandsAttention(options))
    required.push_back(expandAll());
  runPasses(compilation, options, StageId::Simplified, "simplify", std::move(required));
}

void fused(Compilation &compilation, const PipelineOptions &options) {
  std::vector<std::unique_ptr<Pass>> required;
  if (options.strictRounding) {
    required.push_back(passes::createRoundResults());
    compilation.graph().walk([](Operation *op) {
      if (isa<ir::DivOp, ir::ReduceSumOp>(op))
        op->setDiscardableAttr(strictAttr, UnitAttr::get(op->getContext()));
    });
  }
  required.push_back(passes::createNormalizeContractions(
      passes::NormalizeContractionsOptions{.gpu = isGpu(options)}));
  if (options.tf32 && isGpu(options))
    compilation.graph().walk([](Operation *op) {
      if (isa<ir::DotGeneralOp, ir::ConvolutionOp>(op))
        op->setDiscardableAttr(tf32Attr, UnitAttr::get(op->getContext()));
    });
  if (options.winograd)
    compilation.graph().walk([](ir::ConvolutionOp op) {
      op->setDiscardableAttr(winogradAttr, UnitAttr::get(op.getContext()));
    });
  runPasses(compilation, options, StageId::Fused, "fuse", std::move(required));
}

void scheduled(Compilation &compilation, const PipelineOptions &options) {
  Diagnostics diagnostics(compilation.module->getContext());
  std::optional<ScheduleEdits> edits;
  if (!options.schedule.empty())
    edits.emplace(options.schedule, options.scheduleFile);
  std::vector<ir::FusedOp> kernels;
  compilation.graph().walk([&](ir::FusedOp fused) { kernels.push_back(fused); });
  compilation.analyses.reserve(kernels.size());
  for (ir::FusedOp fused : kernels) {
    auto answer = passes::analyzeKernel(fused);
    if (auto *reason = std::get_if<std::string>(&answer)) {
      fused.emitError("cannot be scheduled: ") << *reason;
      diagnostics.fail("schedule", ErrorKind::Internal);
    }
    auto &analysis = std::get<passes::KernelAnalysis>(answer);
    auto schedule = chooseSchedule(fused, analysis, options.target);
    if (failed(schedule))
      diagnostics.fail("schedule", ErrorKind::Internal);
    if (edits)
      schedule = edits->apply(fused, *schedule, options.target);
    fused.setScheduleAttr(schedule->toAttribute(fused.getContext()));
    compilation.analyses[fused] = std::move(analysis);
  }
  if (edits)
    edits->requireAllUsed();
}

void planned(Compilation &compilation, const PipelineOptions &options) {
  Diagnostics diagnostics(compilation.module->getContext());
  if (options.checkNan)
    markStoreChecks(compilation.graph());
  auto plan = buildProgram(compilation.graph(), options.target, std::move(compilation.analyses));
  if (failed(plan))
    diagnostics.fail("plan", ErrorKind::Internal);
  compilation.planned = std::move(*plan);
  compilation.program().name = options.name;
  addConditions(compilation.program(), compilation.conditions);
}

/// Kernels of launches, numbered by what they follow from: a region with its schedule, and a stage.
struct LaunchKeys {
  explicit LaunchKeys(const PlannedProgram &planned) {
    std::map<std::vector<uintptr_t>, size_t> known;
    for (const PlannedLaunch &launch : planned.launches) {
      ir::FusedOp fused = launch.fused;
      std::vector<uintptr_t> key = cpu::structureOf(fused, fused.getNameAttrName().getValue());
      key.push_back(launch.stage);
      auto [place, isNew] = known.try_emplace(std::move(key), firsts.size());
      if (isNew)
        firsts.push_back(of.size());
      of.push_back(place->second);
    }
  }

  std::vector<size_t> of;     ///< By launch.
  std::vector<size_t> firsts; ///< By key: the first launch that has it.
};

void kernels(Compilation &compilation, const PipelineOptions &options) {
  if (isGpu(options))
    return cuda::emitKernels(compilation);
  MLIRContext &context = *compilation.module->getContext();
  cpu::prepareContext(context);
  cpu::KernelFunction::Options kernelOptions;
  kernelOptions.dims = compilation.program().dims;
  kernelOptions.target = options.target;
  const PlannedProgram &planned = compilation.planned;
  auto emit = [&](size_t number, const cpu::KernelFunction::Options &how) {
    const PlannedLaunch &launch = planned.launches[number];
    return cpu::emitKernel(launch.fused, planned.plans[number], launch.stage, how);
  };
  LaunchKeys keys(planned);
  std::vector<OwningOpRef<ModuleOp>> emitted(keys.firsts.size());
  onThreads(emitted.size(), threadsFor(emitted.size(), options.threads, context),
            [&](size_t key, size_t) {
              bool namesSites = false;
              cpu::KernelFunction::Options anonymous = kernelOptions;
              anonymous.site = [&](Operation *) {
                namesSites = true;
                return 0;
              };
              OwningOpRef<ModuleOp> kernel = emit(keys.firsts[key], anonymous);
              if (!namesSites)
                emitted[key] = std::move(kernel);
            });
  // What is left names sites, which belong to one launch and are numbered in the launches' order.
  kernelOptions.site = [&](Operation *op) { return siteOf(compilation.program(), op); };
  std::vector<std::optional<size_t>> shared(emitted.size());
  llvm::MapVector<Operation *, llvm::BitVector> checked; // Results of regions that are tested.
  for (size_t number = 0; number < planned.launches.size(); ++number) {
    const PlannedLaunch &launch = planned.launches[number];
    const size_t key = keys.of[number];
    if (shared[key]) {
      compilation.kernelOf.push_back(*shared[key]);
      continue;
    }
    compilation.kernelOf.push_back(compilation.kernels.size());
    if (emitted[key]) {
      shared[key] = compilation.kernels.size();
      compilation.kernels.push_back(std::move(emitted[key]));
    } else {
      compilation.kernels.push_back(emit(number, kernelOptions));
    }
    if (ir::FusedOp fused = launch.fused; checksStores(fused))
      checked[fused] |= addStoreChecks(*compilation.kernels.back(), fused);
  }
  for (auto &[fused, outputs] : checked)
    if (!outputs.all())
      throw Error({.kind = ErrorKind::Internal, .op = "check-nan"},
                  "a result of a kernel is stored where it is not tested");
}

void cudaProgram(Compilation &compilation, const PipelineOptions &options) {
  cuda::requireArch(options.target);
  cpu::ObjectCache cache(options.cache);
  cuda::CompiledCuda compiled = cuda::compileKernels(compilation.program(), compilation.cudaKernels,
                                                     {.arch = options.target.arch,
                                                      .nvrtc = options.nvrtc,
                                                      .lineInfo = options.lineInfo,
                                                      .reproducible = options.reproducible,
                                                      .threads = options.threads,
                                                      .cache = &cache,
                                                      .trace = options.trace});
  compilation.cache = cache.report();
  Program &program = compilation.program();
  program.images = std::move(compiled.images);
  for (auto [kernel, image] : llvm::zip(program.kernels, compiled.imageOf))
    kernel.image = image;
  for (auto [name, milliseconds] : {std::pair("kernels: load NVRTC", compiled.times.load),
                                    std::pair("kernels: NVRTC", compiled.times.compile),
                                    std::pair("kernels: cache", compiled.times.cache)})
    compilation.times.push_back({name, milliseconds});
}

void program(Compilation &compilation, const PipelineOptions &options) {
  if (isGpu(options))
    return cudaProgram(compilation, options);
  std::vector<ModuleOp> modules;
  for (auto &kernel : compilation.kernels)
    modules.push_back(*kernel);
  cpu::CompileKernelsOptions compileOptions;
  compileOptions.symbolPrefix = cpu::toIdentifier(options.name) + "_kernel";
  compileOptions.object.level = options.optLevel;
  compileOptions.threads = options.threads;
  cpu::ObjectCache cache(options.cache);
  compileOptions.cache = &cache;
  compileOptions.trace = options.trace;
  cpu::CompiledKernels compiled = cpu::compileKernels(modules, options.target, compileOptions);
  compilation.cache = cache.report();
  compilation.objects = std::move(compiled.objects);
  // Launches named kernels by their own number; now equal ones share one.
  std::vector<Kernel> unique(compiled.symbols.size());
  for (auto [launch, emitted] : llvm::zip(compilation.planned.launches, compilation.kernelOf)) {
    const int number = compiled.mapping[emitted];
    auto &step = std::get<Launch>(compilation.program().steps[launch.step]);
    Kernel &kernel = unique[static_cast<size_t>(number)];
    if (kernel.symbol.empty())
      kernel = compilation.program().kernels[static_cast<size_t>(step.kernel)];
    kernel.symbol = compiled.symbols[static_cast<size_t>(number)];
    step.kernel = number;
  }
  compilation.program().kernels = std::move(unique);
  for (auto [name, milliseconds] : {std::pair("kernels: deduplicate", compiled.times.deduplicate),
                                    std::pair("kernels: lower", compiled.times.lower),
                                    std::pair("kernels: translate", compiled.times.translate),
                                    std::pair("kernels: codegen", compiled.times.codegen),
                                    std::pair("kernels: cache", compiled.times.cache)})
    compilation.times.push_back({name, milliseconds});
}

// -- The table ------------------------------------------------------------------------------------

LogicalResult noContract(ModuleOp) { return success(); }
LogicalResult verifyIr(ModuleOp module) { return verify(module); }
LogicalResult verifyDifferentiated(ModuleOp module) {
  return success(succeeded(verify(module)) && succeeded(passes::verifyDifferentiated(module)));
}
LogicalResult verifyFused(ModuleOp module) {
  return success(succeeded(verify(module)) && succeeded(passes::verifyFused(module)));
}

std::string printIr(Compilation &compilation) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  compilation.module->print(stream);
  return text;
}
std::string printPlan(Compilation &compilation) { return planText(compilation.program()); }
std::string printProgram(Compilation &compilation) { return programText(compilation.program()); }
std::string printKernels(Compilation &compilation) {
  if (!compilation.cudaKernels.empty())
    return cuda::printProgram(compilation);
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (auto [launch, number] : llvm::zip(compilation.planned.launches, compilation.kernelOf)) {
    ModuleOp kernel = *compilation.kernels[number];
    const auto &step = std::get<Launch>(compilation.program().steps[launch.step]);
    stream << "// " << compilation.program().kernels[static_cast<size_t>(step.kernel)].symbol
           << ", launch " << launch.stage << "\n";
    kernel.print(stream);
    stream << "\n";
  }
  return text;
}

struct StageRow {
  StageId id;
  std::string_view name;
  std::string_view doc;
  void (*run)(Compilation &, const PipelineOptions &);
  LogicalResult (*verify)(ModuleOp);
  std::string (*print)(Compilation &);
};

constexpr StageRow stageTable[] = {
    {StageId::Traced, "traced", "the graph as written", traced, verifyIr, printIr},
    {StageId::Differentiated, "differentiated", "gradients expanded", differentiated,
     verifyDifferentiated, printIr},
    {StageId::Simplified, "simplified", "folded, merged, without dead ops", simplified, verifyIr,
     printIr},
    {StageId::Fused, "fused", "ops grouped into kernels", fused, verifyFused, printIr},
    {StageId::Scheduled, "scheduled", "a schedule on every kernel", scheduled, noContract, printIr},
    {StageId::Planned, "planned", "buffers, offsets and launches", planned, noContract, printPlan},
    {StageId::Kernels, "kernels", "loops of vector code", kernels, noContract, printKernels},
    {StageId::Program, "program", "machine code", program, noContract, printProgram},
};

} // namespace

Compilation runPipeline(ModuleOp module, const PipelineOptions &options) {
  requirePasses(options.disabledPasses);
  Compilation compilation;
  compilation.module = module;
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  Clock::time_point start = Clock::now();
  std::string last;
  for (const StageRow &stage : stageTable) {
    Clock::time_point begin = Clock::now();
    Trace::Span span(options.trace, "compile", stage.name);
    stage.run(compilation, options);
    {
      Diagnostics diagnostics(module->getContext());
      if (failed(stage.verify(module)))
        diagnostics.fail(stage.name,
                         stage.id == StageId::Traced ? ErrorKind::User : ErrorKind::Internal);
    }
    compilation.times.push_back({std::string(stage.name), since(begin)});
    if (options.observe)
      options.observe(stage.id, compilation);
    if (options.dump) {
      std::string text = stage.print(compilation);
      if (text != last)
        options.dump(stage.name, text);
      last = std::move(text);
    }
    if (stage.id == options.stopAfter)
      break;
  }
  compilation.milliseconds = since(start);
  return compilation;
}

std::vector<std::string> stageNames() {
  std::vector<std::string> names;
  for (const StageRow &stage : stageTable)
    names.emplace_back(stage.name);
  return names;
}

std::vector<std::string> passNames() {
  std::vector<std::string> names;
  for (const PassEntry &pass : passTable)
    names.emplace_back(pass.name);
  return names;
}

StageId parseStage(std::string_view name) {
  for (const StageRow &stage : stageTable)
    if (stage.name == name)
      return stage.id;
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage},
              "unknown stage '" + std::string(name) + "'" + didYouMean(name, stageNames()));
}

void requirePasses(const std::vector<std::string> &names) {
  std::vector<std::string> known = passNames();
  for (const std::string &name : names)
    if (!llvm::is_contained(known, name))
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage},
                  "unknown pass '" + name + "'" + didYouMean(name, known));
}

} // namespace sinter::codegen
