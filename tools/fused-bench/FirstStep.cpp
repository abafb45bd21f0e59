// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/FirstStep.h"

#include "tools/fused-bench/Prepare.h"
#include "tools/support/CommandLine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace sinter::tools {
namespace {

namespace fs = std::filesystem;

int64_t nanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{1000000000} * time.tv_sec + time.tv_nsec;
}

/// A folder for a cache, removed with all that is in it.
class CacheFolder {
public:
  CacheFolder() {
    std::string name = (fs::temp_directory_path() / "sinter-bench-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::FileAccess},
                  "cannot create a folder in '" + fs::temp_directory_path().string() + "'");
    path = name;
  }
  ~CacheFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  CacheFolder(const CacheFolder &) = delete;
  CacheFolder &operator=(const CacheFolder &) = delete;
  void clear() const { fs::remove_all(path / "cache"); }

  fs::path path;
};

std::string quoted(const std::string &text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

struct FirstStep {
  double ms = 0, compileMs = 0, output = 0;
  long kernels = 0;
};

FirstStep inChild(const CaseRow &row, const CacheFolder &cache) {
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  const std::string folder = (cache.path / "cache").string();
  FirstStep step;
  // The shell is replaced at once; what it takes is part of the figure.
  const std::string command =
      "exec " + quoted(self) + " --internal-first-step=" +
      quoted(std::string(row.name) + ":" + std::to_string(nanoseconds()) + ":" + folder);
  FILE *child = popen(command.c_str(), "r");
  const bool good = child && std::fscanf(child, "%lf %lf %ld %lf", &step.ms, &step.compileMs,
                                         &step.kernels, &step.output) == 4;
  if (!child || pclose(child) != 0 || !good)
    throw Error({.kind = ErrorKind::Internal, .op = row.name}, "the child process failed");
  return step;
}

} // namespace

int runFirstStep(const std::string &request) {
  const size_t first = request.find(':');
  const size_t second = first == std::string::npos ? first : request.find(':', first + 1);
  if (second == std::string::npos)
    failUsage("--internal-first-step needs CASE:NANOSECONDS:FOLDER");
  const std::string name = request.substr(0, first);
  const int64_t start = parseNumber("start", request.substr(first + 1, second - first - 1));
  for (const CaseRow &row : caseTable())
    if (row.name == name) {
      Model model = row.make(row.rows);
      const int64_t built = nanoseconds();
      Executable executable =
          compile(model.graph, {.cache = {.enabled = true, .folder = request.substr(second + 1)}});
      const int64_t compiled = nanoseconds();
      State state(executable.program().arguments, stateSeed);
      std::vector<NamedArrays::Entry> inputs =
          makeInputs(*executable.device(), executable.program(), model.ranges);
      BoundCall step = executable.bind(state, NamedArrays(inputs));
      step();
      const double output = step.outputs()[0].item();
      const int64_t done = nanoseconds();
      std::printf("%.6f %.6f %zu %.17g\n", static_cast<double>(done - start) * 1e-6,
                  static_cast<double>(compiled - built) * 1e-6, executable.program().kernels.size(),
                  output);
      return 0;
    }
  failUsage("unknown case '" + name + "'");
}

Measurement measureFirstStep(const CaseRow &row, const MeasureOptions &options, bool warm) {
  CacheFolder cache;
  std::vector<FirstStep> steps;
  const double expected = inChild(row, cache).output; // Fills the cache, and the memory of files.
  for (int64_t i = 0; i < std::clamp<int64_t>(options.runs, 1, 15); ++i) {
    if (!warm)
      cache.clear();
    steps.push_back(inChild(row, cache));
    if (steps.back().output != expected)
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::Mismatch, .op = row.name},
                  "the first step has another result than in the process before");
  }
  std::sort(steps.begin(), steps.end(),
            [](const FirstStep &a, const FirstStep &b) { return a.ms < b.ms; });
  const FirstStep &median = steps[steps.size() / 2];
  Measurement result{.name = row.name, .target = "cpu:native", .threads = options.threads};
  result.ms = median.ms;
  result.compileMs = median.compileMs;
  result.kernels = median.kernels;
  result.samples = static_cast<int64_t>(steps.size());
  return result;
}

} // namespace sinter::tools
