// SPDX-License-Identifier: Apache-2.0
// graph-run: runs a graph, or a library that graph-compile made of one.
#include "tools/graph-run/Compare.h"
#include "tools/support/CommandLine.h"
#include "tools/support/Inputs.h"
#include "tools/support/LoadModel.h"
#include "tools/support/Roofline.h"

#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/runtime/Report.h"
#include "sinter/runtime/Session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

using namespace sinter;
using namespace sinter::tools;

namespace {

struct RunRequest {
  std::string model, inputFile, parameterFile, outputFile, expectFile, program;
  std::vector<std::string> inputs;
  std::string target, engine = "compiled", threads = "0", seed;
  Tolerance tolerance;
  std::string traceFile, reportFile, roofline;
  bool quoteSources = false;
  std::shared_ptr<Trace> trace; ///< Null without a file for it.
  bool quiet = false, strict = false, tf32 = false, checkNan = false;
  CacheOptions cache;
};

/// By its name or its first bytes; pipes are not read, since nothing could read them again.
bool isLibrary(const std::string &path) {
  std::error_code problem;
  if (path.ends_with(".so"))
    return true;
  if (!std::filesystem::is_regular_file(path, problem))
    return false;
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, 4) && std::string_view(magic, 4) == std::string_view("\x7f"
                                                                               "ELF",
                                                                               4);
}

std::optional<uint64_t> seedOf(const RunRequest &request) {
  if (request.seed.empty())
    return std::nullopt;
  return static_cast<uint64_t>(parseNumber("--seed", request.seed));
}

constexpr int64_t reportedRuns = 10;

using Inputs = std::vector<NamedArrays::Entry>;

/// An ONNX model may fix some of the inputs, call others by another name, and have no use for yet
/// others: the list is adapted.
Executable compileOnnx(const std::string &path, const CompileOptions &options,
                       std::optional<uint64_t> seed, Inputs &inputs) {
  LoadedModel model = loadModel(path, ArrayMap(inputs.begin(), inputs.end()), seed);
  reportFixedInputs(model);
  Executable executable = compile(model.graph, options);
  std::set<std::string> drop(model.fixedInputs.begin(), model.fixedInputs.end());
  std::erase_if(inputs, [&](const auto &entry) { return drop.contains(entry.first); });
  for (auto &[name, array] : inputs)
    for (const auto &[theirs, ours] : model.renamed)
      if (name == theirs) {
        name = ours;
        break;
      }
  drop.clear();
  for (const Argument &argument : model.graph.arguments())
    drop.insert(argument.name);
  for (const std::string &name : executable.inputNames())
    drop.erase(name);
  std::erase_if(inputs, [&](const auto &entry) { return drop.contains(entry.first); });
  return executable;
}

CompileOptions optionsOf(const RunRequest &request) {
  CompileOptions options{.engine = static_cast<Engine>(
                             parseChoice("engine", request.engine, {"compiled", "interpreter"})),
                         .threads = parseNumber("--threads", request.threads),
                         .strictRounding = request.strict,
                         .tf32 = request.tf32,
                         .cache = request.cache,
                         .checkNan = request.checkNan,
                         .trace = request.trace};
  if (!request.target.empty())
    options.target = Target::parse(request.target);
  return options;
}

Executable loadExecutable(const RunRequest &request, Inputs &inputs) {
  int64_t threads = parseNumber("--threads", request.threads);
  auto engine =
      static_cast<Engine>(parseChoice("engine", request.engine, {"compiled", "interpreter"}));
  if (isLibrary(request.model)) {
    if (engine == Engine::Interpreter || !request.target.empty())
      failUsage("a compiled library takes neither --engine=interpreter nor --target");
    if (request.checkNan)
      failUsage("a compiled library checks what it was compiled to check",
                "graph-compile --check-nan");
    return loadLibrary(request.model,
                       {.program = request.program, .threads = threads, .trace = request.trace});
  }
  if (!request.program.empty())
    failUsage("--program goes with a compiled library");
  const CompileOptions options = optionsOf(request);
  if (request.model.ends_with(".onnx"))
    return compileOnnx(request.model, options, seedOf(request), inputs);
  return compile(loadModel(request.model).graph, options);
}

/// Runs the model some more, kernel by kernel, and writes a page about that.
void reportRun(const RunRequest &request, const Inputs &inputs) {
  LoadedModel model =
      loadModel(request.model, ArrayMap(inputs.begin(), inputs.end()), seedOf(request));
  const CompileOptions options = optionsOf(request);
  const auto roofs = roofsOf(request.roofline, options.target.info());
  ReportOptions report{.title = std::filesystem::path(request.model).filename().string(),
                       .runs = reportedRuns,
                       .flopsPerSecond = roofs.flopsPerSecond,
                       .bytesPerSecond = roofs.bytesPerSecond,
                       .roofSource = roofs.source,
                       .quoteSources = request.quoteSources};
  for (const auto &[name, array] : inputs) {
    std::string ours = name;
    for (const auto &[theirs, renamed] : model.renamed)
      if (name == theirs)
        ours = renamed;
    report.inputs.emplace(ours, array);
  }
  writeReport(model.graph, request.reportFile, options, report);
}

/// The named dimensions that the inputs' sizes give: what parameters with symbolic sizes need.
DimBinding dimsOf(const std::vector<Argument> &arguments, const NamedArrays &inputs) {
  DimBinding dims;
  for (const auto &[name, array] : inputs)
    for (const Argument &argument : arguments)
      if (argument.name == name && argument.shape.rank() == array.rank())
        for (int64_t i = 0; i < array.rank(); ++i)
          if (argument.shape[i].isSymbol())
            dims.emplace(argument.shape[i].str(), array.sizes()[static_cast<size_t>(i)]);
  return dims;
}

/// Every parameter must be in the file; optimizer state may start from its initial value.
void loadParameters(State &state, const Program &program, const std::string &path) {
  ArrayMap given = readArrays(path);
  for (const Argument &argument : program.arguments)
    if (argument.kind == ArgumentKind::Parameter && !given.contains(argument.name))
      throw Error("'" + path + "' lacks the parameter '" + argument.name + "'", argument.location);
  for (const auto &[name, array] : given)
    state.set(name, array); // An unknown name is an error with a 'did you mean'.
}

/// Outputs, then the variables that the call updated.
std::vector<std::pair<std::string, Array>> collect(const Executable &executable, State &state,
                                                   const ArrayMap &outputs) {
  std::vector<std::pair<std::string, Array>> results;
  for (const std::string &name : executable.outputNames())
    results.emplace_back(name, outputs.at(name));
  const Program &program = executable.program();
  for (const Result &result : program.results)
    if (result.updates >= 0) {
      const std::string &name = program.arguments.at(static_cast<size_t>(result.updates)).name;
      if (!outputs.contains(name))
        results.emplace_back(name, state.get(name));
    }
  return results;
}

std::string summary(const Array &array) {
  constexpr int64_t shortEnough = 32;
  if (array.numElements() <= shortEnough)
    return array.str();
  std::vector<double> values = array.toVector<double>();
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t nans = 0;
  for (double value : values) {
    if (std::isnan(value)) {
      ++nans;
      continue;
    }
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
  }
  char text[160];
  std::snprintf(text, sizeof text, " min %.6g, max %.6g, mean %.6g; first %.6g, %.6g, %.6g, …", low,
                high, sum / static_cast<double>(values.size() - static_cast<size_t>(nans)),
                values[0], values[1], values[2]);
  return std::string(name(array.dtype())) + Shape(array.sizes()).str() + text +
         (nans ? " " + std::to_string(nans) + " NaN" : "");
}

int compareResults(const std::vector<std::pair<std::string, Array>> &results,
                   const RunRequest &request) {
  std::vector<std::string> names;
  for (const auto &[name, array] : results)
    names.push_back(name);
  int mismatches = 0;
  for (const auto &[name, expected] : readArrays(request.expectFile)) {
    auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw Error("'" + request.expectFile + "' expects '" + name + "', which the model does not " +
                  "return" + didYouMean(name, names));
    const Array &got = results[static_cast<size_t>(found - names.begin())].second;
    if (std::string why = compare(got, expected, request.tolerance); !why.empty()) {
      std::cerr << "mismatch: " << name << ": " << why << "\n";
      ++mismatches;
    }
  }
  return static_cast<int>(mismatches ? ErrorCode::Mismatch : ErrorCode::Ok);
}

/// The files of the request that are read.
std::vector<std::string> filesOf(const RunRequest &request) {
  std::vector<std::string> files = {request.model, request.inputFile, request.parameterFile,
                                    request.expectFile};
  for (const std::string &input : request.inputs)
    if (size_t at = input.find("=@"); at != input.npos)
      files.push_back(input.substr(at + 2));
  return files;
}

int run(const RunRequest &request) {
  for (const std::string &written : {request.outputFile, request.reportFile})
    requireKept(filesOf(request), written);
  std::optional<uint64_t> seed = seedOf(request);
  Inputs given;
  if (!request.inputFile.empty())
    for (auto &[name, array] : readArrays(request.inputFile))
      given.emplace_back(name, array);
  for (const std::string &text : request.inputs)
    given.push_back(parseInput(text));
  requireReportOptions(request.reportFile, request.roofline, request.quoteSources);
  if (!request.reportFile.empty() && (isLibrary(request.model) || request.model == "-"))
    failUsage("--report is about a graph in a file");
  Executable executable = loadExecutable(request, given);
  if (!request.reportFile.empty())
    reportRun(request, given);
  NamedArrays inputs(std::move(given));
  const Program &program = executable.program();
  State state = executable.initialState(seed.value_or(0), dimsOf(program.arguments, inputs));
  if (!request.parameterFile.empty())
    loadParameters(state, program, request.parameterFile);

  std::vector<std::pair<std::string, Array>> results =
      collect(executable, state, executable.run(state, inputs));
  if (!request.quiet)
    for (const auto &[name, array] : results)
      std::cout << name << " = " << summary(array) << "\n";
  if (!request.outputFile.empty())
    writeArrays(request.outputFile, ArrayMap(results.begin(), results.end()));
  return request.expectFile.empty() ? 0 : compareResults(results, request);
}

/// run(), with the trace written whether or not it fails.
int runTraced(RunRequest &request) {
  if (request.traceFile.empty())
    return run(request);
  requireKept(filesOf(request), request.traceFile);
  request.trace = std::make_shared<Trace>();
  int code = 0;
  try {
    code = run(request);
  } catch (const Error &) {
    request.trace->write(request.traceFile);
    throw;
  }
  request.trace->write(request.traceFile);
  return code;
}

} // namespace

int main(int argc, char **argv) {
  RunRequest request;
  CLI::App app("Runs a graph, or a library made by graph-compile, once.", "graph-run");
  app.add_option("MODEL", request.model,
                 "Graph as .mlir text (- for standard input), an .onnx model, or a library")
      ->required();
  app.add_option(
         "--input", request.inputs,
         "NAME=@file.npy, NAME=@file.safetensors (its array NAME), NAME=2x2xf32=@file.bin (raw "
         "elements) or NAME=2x2xf32=1,2,3,4; an ONNX model whose sizes depend on an "
         "input takes its value as fixed, and says so")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--inputs", request.inputFile,
                 "Inputs by name, from an .npz or .safetensors file");
  app.add_option(
      "--params", request.parameterFile,
      "Parameters and state by name, from an .npz or .safetensors file; else they are drawn");
  app.add_option(
      "--seed", request.seed,
      "Seed of drawn parameters (default: 0), and of the random numbers of an ONNX model");
  app.add_option("--outputs", request.outputFile,
                 "Write outputs and updated variables to this file: .safetensors, else .npz");
  app.add_option("--expect", request.expectFile,
                 "Compare with this .npz or .safetensors file; exit code 6 on a mismatch");
  app.add_option("--rtol", request.tolerance.rtol, "Relative tolerance (default: by dtype)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--atol", request.tolerance.atol, "Absolute tolerance (default: by dtype)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--engine", request.engine, "compiled|interpreter (default: compiled)");
  app.add_option("--target", request.target,
                 "cpu[:native|x86-64|x86-64-v2|x86-64-v3|x86-64-v4] or cuda, the GPU that is here "
                 "(default: cpu)");
  app.add_flag("--strict", request.strict,
               "Round f16 and bf16 after every op, also inside of fused kernels");
  app.add_flag(
      "--tf32", request.tf32,
      "GPU: let tensor cores multiply f32 matrices, operands rounded to 10 bits of fraction");
  app.add_flag("--check-nan", request.checkNan,
               "Stop at the first NaN or infinity, and name the op and line that made it");
  app.add_option("--threads", request.threads, "Threads (default: all)");
  app.add_option("--program", request.program, "Which program of a library that holds several");
  app.add_option("--trace", request.traceFile,
                 "Write what compiling and running spend their time on, as JSON for "
                 "ui.perfetto.dev; a library's run is one event");
  app.add_option("--report", request.reportFile,
                 "Write a page about the program with the time of every kernel (median of 10 more "
                 "runs), one .html file");
  app.add_option("--roofline", request.roofline, rooflineHelp());
  app.add_flag("--quote-sources", request.quoteSources,
               "--report: show the lines of the files that the graph's locations name");
  addCacheOptions(app, request.cache);
  app.add_flag("-q,--quiet", request.quiet, "Do not print the results");
  app.footer(
      "Exit codes: 0 ok, 1 errors in graph or data, 2 usage, 3 file access, 4 unsupported, 5 "
      "device, 6 mismatch,\n7 limit, 70 internal.");
  return runTool(app, argc, argv, [&] { return runTraced(request); });
}
