// SPDX-License-Identifier: Apache-2.0
// fused-bench: named cases, each beside its limit and its unfused self.
#include "tools/fused-bench/CheckNan.h"
#include "tools/fused-bench/FirstStep.h"
#include "tools/fused-bench/GpuBench.h"
#include "tools/fused-bench/Report.h"
#include "tools/fused-bench/Serve.h"
#include "tools/support/CommandLine.h"

#include "sinter/runtime/Target.h"

#include <cstdlib>
#include <iostream>
#include <regex>

using namespace sinter;
using namespace sinter::tools;

namespace {

struct BenchRequest {
  std::vector<std::string> cases;
  std::string filter, versus, target = "cpu:native", threads = "0", runs = "15", coldCompile, firstStep, graph;
  bool json = false, roofline = false, list = false, serve = false, noWinograd = false,
       small = false;
};

std::vector<std::string> namesOf(const std::vector<CaseRow> &table) {
  std::vector<std::string> names;
  for (const CaseRow &row : table)
    names.emplace_back(row.name);
  return names;
}

/// The cases for a CPU, then those for a GPU.
std::vector<CaseRow> allCases() {
  std::vector<CaseRow> all = caseTable();
  all.insert(all.end(), gpuCaseTable().begin(), gpuCaseTable().end());
  return all;
}

std::vector<CaseRow> chooseCases(const BenchRequest &request, const std::vector<CaseRow> &table) {
  std::vector<std::string> names = namesOf(table);
  for (const std::string &name : request.cases)
    parseChoice("case", name, names);
  std::regex filter;
  try {
    filter = std::regex(request.filter, std::regex::extended);
  } catch (const std::regex_error &error) {
    failUsage("--filter '" + request.filter + "': " + error.what());
  }
  std::vector<CaseRow> chosen;
  for (const CaseRow &row : table) {
    bool isNamed = request.cases.empty() || std::find(request.cases.begin(), request.cases.end(),
                                                      row.name) != request.cases.end();
    if (isNamed && std::regex_search(row.name, filter))
      chosen.push_back(row);
  }
  if (chosen.empty())
    failUsage("--filter '" + request.filter + "' matches no case" +
              didYouMean(request.filter, names));
  return chosen;
}

/// Measures the cases one after the other with `measure(row)`.
template <typename Measure>
int report(const BenchRequest &request, const std::vector<CaseRow> &cases, bool unfused,
           Measure measure) {
  TableColumns columns{.roofline = request.roofline,
                       .unfused = unfused,
                       .interpreter = request.versus == "interpreter"};
  if (!request.json)
    std::cout << tableHeader(columns) << "\n";
  std::vector<Measurement> measurements;
  for (const CaseRow &row : cases) {
    measurements.push_back(measure(row));
    const Measurement &last = measurements.back();
    if (!request.json)
      std::cout << tableRow(last, columns) << std::endl;
    else if (last.rejected * 2 > last.samples)
      std::cerr << "rejected: " << last.name << " was faster than its probe in " << last.rejected
                << " of " << last.samples << " samples\n";
  }
  if (request.json)
    std::cout << jsonReport(measurements);
  return 0;
}

int run(const BenchRequest &request) {
  if (!request.coldCompile.empty())
    return runColdCompile(request.coldCompile);
  if (!request.firstStep.empty())
    return runFirstStep(request.firstStep);
  if (!request.graph.empty()) {
    std::vector<CaseRow> all = allCases();
    const CaseRow &row = all[parseChoice("case", request.graph, namesOf(all))];
    Model model =
        request.small && row.check.make ? row.check.make(row.check.rows) : row.make(row.rows);
    std::cout << model.graph.str();
    return 0;
  }
  if (request.serve)
    return serve(
        {.threads = parseNumber("--threads", request.threads), .winograd = !request.noWinograd});
  if (!request.versus.empty())
    parseChoice("comparison", request.versus, {"unfused", "interpreter", "check-nan"});
  TargetInfo target = TargetInfo::parse(request.target);
  const bool isGpu = target.kind == TargetInfo::Kind::Cuda;
  if (!isGpu && target.str() != TargetInfo::host().str())
    failUsage("--target=" + request.target + " is not available in this version",
              "the bench measures cpu:native and cuda");
  std::vector<CaseRow> cases = chooseCases(request, isGpu ? gpuCaseTable() : caseTable());
  if (request.list) {
    for (const CaseRow &row : cases)
      std::cout << row.name << "  " << row.doc << "\n";
    return 0;
  }
  const int64_t runs = parseNumber("--runs", request.runs);
  if (runs < 1)
    failUsage("--runs must be at least 1");
  const bool unfused = request.json || request.versus == "unfused";
  if (isGpu) {
    // An architecture would be that of code for another device than the one that runs it.
    if (!target.arch.empty())
      failUsage("--target=" + request.target + ": the bench measures the device that is there",
                "--target=cuda");
    GpuBench bench({.runs = runs, .unfused = unfused, .small = request.small});
    return report(request, cases, unfused, [&](const CaseRow &row) { return bench.measure(row); });
  }
  if (request.versus == "check-nan")
    return measureCheckNan(cases, {.threads = parseNumber("--threads", request.threads),
                                   .runs = runs,
                                   .winograd = !request.noWinograd});
  Bench bench({.threads = parseNumber("--threads", request.threads),
               .runs = runs,
               .unfused = unfused,
               .winograd = !request.noWinograd});
  double load = 0;
  if (getloadavg(&load, 1) == 1 && load > 0.5)
    std::cerr << "note: the machine is busy (load " << load << "), figures will vary\n";
  return report(request, cases, unfused, [&](const CaseRow &row) { return bench.measure(row); });
}

} // namespace

int main(int argc, char **argv) {
  setenv("SINTER_CACHE", "0", /*overwrite=*/1); // Compile times are those of compiling.
  BenchRequest request;
  CLI::App app(
      "Measures named cases. Each is checked against the interpreter, then timed beside "
      "probes of the machine:\nits limit is the bytes it must move over the bandwidth, or "
      "its flops over the multiply-add peak, whichever is\nlonger. A sample that beats its "
      "probes is rejected.",
      "fused-bench");
  app.add_option("CASE", request.cases, "Only these cases (default: all)");
  app.add_option("--filter", request.filter, "Only cases whose name matches this expression");
  app.add_flag("--list", request.list, "Name the cases and stop");
  app.add_option("--graph", request.graph,
                 "Print the graph of this case, for graph-compile, and stop");
  app.add_flag("--json", request.json, "Print one JSON array (includes --vs=unfused)");
  app.add_flag("--roofline", request.roofline, "Also tell what bounds each case, and its speed");
  app.add_flag("--serve", request.serve,
               "Take commands from standard input: prepare CASE [direct], save FILE, sample, "
               "probe, quit");
  app.add_option("--vs", request.versus,
                 "unfused: also measure with every op as a kernel of its own; interpreter: also "
                 "tell the reference interpreter's time; check-nan: only what testing for NaNs "
                 "and infinities costs");
  app.add_option("--target,--device", request.target,
                 "cpu (default) or cuda, which has cases of its own");
  app.add_flag(
      "--small", request.small,
      "With cuda: measure the smaller instances that are compared with the interpreter, to "
      "try the bench out");
  app.add_flag("--no-winograd", request.noWinograd,
               "Compute 3 x 3 convolutions by their definition, which is the default of compile(); "
               "without it cases of 3 x 3 convolutions ask for Winograd's algorithm");
  app.add_option("--threads", request.threads, "Threads (default: all)");
  app.add_option("--runs", request.runs, "Samples per case; medians are reported (default: 15)");
  app.add_option("--internal-cold-compile", request.coldCompile)->group("");
  app.add_option("--internal-first-step", request.firstStep)->group("");
  return runTool(app, argc, argv, [&] { return run(request); });
}
