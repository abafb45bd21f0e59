// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Report.h"

#include "sinter/codegen/report/Collect.h"
#include "sinter/ir/base/Philox.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/SessionImpl.h"

#include <algorithm>

namespace sinter {
namespace {

using codegen::report::Collector;

/// The named dims that the given inputs fix.
void inferDims(const std::vector<Argument> &arguments, const ArrayMap &inputs, DimBinding &dims) {
  for (const Argument &argument : arguments) {
    auto given = inputs.find(argument.name);
    if (given == inputs.end() || given->second.rank() != argument.shape.rank())
      continue;
    for (int64_t i = 0; i < argument.shape.rank(); ++i)
      if (argument.shape[i].isSymbol())
        dims.emplace(argument.shape[i].str(), given->second.sizes()[static_cast<size_t>(i)]);
  }
}

Array madeUp(const Argument &argument, const DimBinding &dims) {
  std::optional<std::vector<int64_t>> sizes = argument.shape.evaluate(dims);
  if (!sizes)
    throw Error({.kind = ErrorKind::User,
                 .op = "writeReport",
                 .shapes = {argument.shape},
                 .location = argument.location,
                 .hint = "ReportOptions::dims gives sizes to named dimensions"},
                "the sizes of input '" + argument.name + "' are not known");
  Array array(argument.dtype, *sizes);
  if (isFloat(argument.dtype))
    RandomStream(0, argument.name).fillUniform(array, 0, 1);
  return array;
}

double median(std::vector<double> values) {
  if (values.empty())
    return -1;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// How long calls and their steps take.
struct Times {
  double call = -1;
  std::map<int64_t, double> steps; ///< By number.
};

Times timesOf(const Trace &trace, int64_t from) {
  std::vector<double> calls;
  std::map<int64_t, std::vector<double>> steps;
  for (const Trace::Event &event : trace.events()) {
    if (event.category != "run" || event.begin < from)
      continue;
    const double seconds = static_cast<double>(event.length) * 1e-9;
    if (event.name == "call" && event.arguments.empty())
      calls.push_back(seconds);
    for (const auto &[name, value] : event.arguments)
      if (const auto *number = std::get_if<int64_t>(&value); number && name == "step")
        steps[*number].push_back(seconds);
  }
  Times times{median(calls), {}};
  for (auto &[number, seconds] : steps)
    times.steps[number] = median(std::move(seconds));
  return times;
}

Times measure(const Executable &executable, const Graph &graph, const ReportOptions &options,
              const DimBinding &dims, const Trace &trace) {
  constexpr int64_t warmUps = 2;
  State state(graph, 0, dims);
  std::vector<NamedArrays::Entry> inputs;
  for (const Argument &argument : executable.program().arguments) {
    if (argument.kind != ArgumentKind::Placeholder)
      continue;
    auto given = options.inputs.find(argument.name);
    inputs.emplace_back(argument.name,
                        given == options.inputs.end() ? madeUp(argument, dims) : given->second);
  }
  BoundCall call = executable.bind(state, NamedArrays(std::move(inputs)));
  for (int64_t i = 0; i < warmUps; ++i)
    call();
  const int64_t from = trace.now();
  if (std::vector<double> milliseconds = call.measure(options.runs); !milliseconds.empty())
    return {median(std::move(milliseconds)) * 1e-3, {}};
  for (int64_t i = 0; i < options.runs; ++i)
    call();
  return timesOf(trace, from);
}

} // namespace

void writeReport(const Graph &graph, const std::filesystem::path &path,
                 const CompileOptions &options, const ReportOptions &report,
                 std::source_location loc) {
  if (options.engine == Engine::Interpreter)
    throw Error({.kind = ErrorKind::User, .op = "writeReport", .location = loc},
                "a report is about compiled programs, not about the interpreter");
  if (report.runs < 0 || report.flopsPerSecond < 0 || report.bytesPerSecond < 0)
    throw Error({.kind = ErrorKind::User, .op = "writeReport", .location = loc},
                "runs and rates cannot be negative");
  codegen::report::CollectOptions collect{
      .workers = 1, .dims = report.dims, .quoteSources = report.quoteSources};
  inferDims(graph.arguments(), report.inputs, collect.dims);
  const DimBinding dims = collect.dims;
  const bool isGpu = options.target.info().kind == TargetInfo::Kind::Cuda;
  collect.workers = isGpu            ? 1
                    : options.device ? options.device->workers()
                                     : CpuDevice::shared(options.threads)->workers();
  Collector collector(collect);
  Times times;
  CompileOptions traced = options; // Its trace lives until the collector has read it.
  if (report.runs > 0) {
    if (!traced.trace)
      traced.trace = std::make_shared<Trace>();
    const Executable executable = compileWith(
        graph, traced, [&](codegen::PipelineOptions &pipeline) { collector.attach(pipeline); },
        loc);
    times = measure(executable, graph, report, dims, *traced.trace);
  } else {
    runPipelineOf(
        graph, options,
        [&](codegen::PipelineOptions &pipeline) {
          if (isGpu && pipeline.target.arch.empty())
            pipeline.stopAfter = codegen::StageId::Planned;
          collector.attach(pipeline);
        },
        loc);
  }
  codegen::report::Report page = collector.take();
  page.title = report.title.empty() ? path.stem().string() : report.title;
  page.roofs = {report.flopsPerSecond, report.bytesPerSecond, report.roofSource};
  page.callSeconds = times.call;
  page.runs = report.runs;
  if (!times.steps.empty())
    for (codegen::report::KernelEntry &kernel : page.kernels) {
      kernel.seconds = 0; // A launch over nothing takes no time.
      for (size_t step : kernel.steps)
        if (auto known = times.steps.find(static_cast<int64_t>(step)); known != times.steps.end())
          kernel.seconds += known->second;
    }
  writeFileAtomically(path, codegen::report::htmlPage(page));
}

} // namespace sinter
