// SPDX-License-Identifier: Apache-2.0
// Runs ONNX's node tests over Sinter's importer and compiler.
#include "tests/onnx/Suite.h"

#include "tools/support/CommandLine.h"

#include <iostream>

using namespace sinter;
using namespace sinter::onnxsuite;

int main(int argc, char **argv) {
  CLI::App app("Runs the node tests of ONNX and reports how many pass.", "onnx-suite-runner");
  std::string folder, expectedFile, filter, engine = "compiled";
  RunOptions options;
  size_t sample = 0;
  bool json = false;
  double minCore = 0;
  app.add_option("FOLDER", folder,
                 "Folder of cases: NAME/model.onnx with NAME/test_data_set_*, or NAME.onnx with "
                 "NAME_output_0.pb")
      ->required();
  app.add_option("--expected-failures", expectedFile, "File of lines 'name: reason'");
  app.add_option("--filter", filter, "Only cases whose name contains this");
  app.add_option("--sample", sample, "Only so many, evenly spread");
  app.add_option("--engine", engine, "compiled|interpreter (default: compiled)");
  app.add_option("--rtol", options.rtol, "Relative tolerance (default: 1e-3)");
  app.add_option("--atol", options.atol, "Absolute tolerance (default: 1e-7)");
  app.add_option("--processes", options.processes, "Processes at a time (default: all cores)");
  app.add_option("--seconds", options.seconds, "Time limit of a case (default: 60)");
  app.add_option("--min-core", minCore, "Fail below this percentage of core cases that pass");
  app.add_flag("--json", json, "Print JSON");
  return tools::runTool(app, argc, argv, [&] {
    options.interpreter = tools::parseChoice("engine", engine, {"compiled", "interpreter"}) == 1;
    std::map<std::string, std::string> expected;
    if (!expectedFile.empty())
      expected = readExpectedFailures(expectedFile);
    std::vector<Case> cases = sampleOf(findCases(folder, filter), sample);
    if (cases.empty())
      throw Error({.code = ErrorCode::FileAccess}, "no cases in " + folder);
    std::vector<Outcome> outcomes = runCases(cases, options);
    Report report{cases, outcomes, expected};
    std::cout << (json ? report.json() : report.text());
    std::vector<std::string> problems = report.problems();
    for (const std::string &problem : problems)
      std::cerr << "error: " << problem << "\n";
    size_t core = 0, passed = 0;
    for (size_t i = 0; i < cases.size(); ++i)
      if (cases[i].kind == Class::Core) {
        ++core;
        passed += outcomes[i].status == Status::Pass;
      }
    if (static_cast<double>(passed) * 100 < minCore * static_cast<double>(core)) {
      std::cerr << "error: only " << passed << " of " << core << " core cases pass\n";
      return static_cast<int>(ErrorCode::Mismatch);
    }
    return static_cast<int>(problems.empty() ? ErrorCode::Ok : ErrorCode::Mismatch);
  });
}
