// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Measure.h"

#include "tools/fused-bench/Check.h"
#include "tools/fused-bench/FirstStep.h"
#include "tools/fused-bench/Prepare.h"
#include "tools/fused-bench/Traffic.h"
#include "tools/support/CommandLine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>

namespace sinter::tools {
namespace {

double cpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

} // namespace

Bench::Bench(const MeasureOptions &options)
    : options(options),
      device(std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = options.threads}})),
      probes(*device) {}

Measurement Bench::measure(const CaseRow &row) {
  switch (row.kind) {
  case CaseKind::ColdCompile:
    return measureColdCompile(row);
  case CaseKind::FirstStepCold:
    return measureFirstStep(row, options, /*warm=*/false);
  case CaseKind::FirstStepWarm:
    return measureFirstStep(row, options, /*warm=*/true);
  case CaseKind::EmptyCall:
    return measureEmptyCall(row);
  case CaseKind::Kernel:
    break;
  }
  return measureKernel(row);
}

Measurement Bench::measureKernel(const CaseRow &row) {
  Model model = row.make(row.rows);
  model.winograd &= options.winograd;
  BoundCase fused = prepare(model, device);
  const Program &program = fused.executable.program();

  codegen::ProgramCosts costs = codegen::costsOf(program, device->workers());
  Measurement result{.name = row.name,
                     .target = program.target,
                     .threads = device->workers(),
                     .compileMs = fused.compileMs,
                     .flops = model.flops};
  result.bytesMoved = number(costs.bytesMoved);
  result.bytesNeeded = number(costs.bytesNeeded);
  result.peakBytes = number(costs.peakBytes);
  result.kernels = costs.launches;
  CheckResult check = checkAgainstInterpreter(row, fused.executable, fused.inputs);
  result.maxError = check.maxError;
  result.interpreterMs = check.interpreterMs;
  result.checkedSmaller = row.check.kind == CheckRow::Kind::SmallerInstance;

  constexpr double enough = 4e-3;
  std::optional<BoundCase> unfused;
  int64_t unfusedCalls = 0;
  if (options.unfused) {
    unfused.emplace(prepare(model, device, {"fuse"}, &fused.inputs));
    unfusedCalls = callsPerSample(unfused->call, enough);
  }
  int64_t calls = callsPerSample(fused.call, enough);

  const Traffic traffic = trafficOf(program, costs);
  auto probe = [&] {
    double bytes = probes.transferSeconds(traffic);
    double flops =
        model.flops > 0 ? model.leastFlops / probes.flopsPerSecond(model.multipliesBf16) : 0;
    result.limitIsFlops = flops > bytes;
    return std::max(bytes, flops);
  };

  // A sample stands between two probes and is held against the better one. One that beats it, or
  // that did not get the processors it needs, shows that the machine was disturbed: it is taken
  // again, some times.
  std::vector<double> times, rooflines, gains;
  int64_t mostSamples = 3 * options.runs;
  double before = probe();
  std::vector<double> all;
  for (; result.samples < mostSamples && static_cast<int64_t>(times.size()) < options.runs;
       ++result.samples) {
    double cpu = cpuSeconds();
    double own = timeCalls(fused.call, calls);
    double share =
        (cpuSeconds() - cpu) / (own * static_cast<double>((calls + 1) * device->workers()));
    all.push_back(own);
    double after = probe();
    double limit = std::min(before, after);
    before = after;
    double gain = unfused ? timeCalls(unfused->call, unfusedCalls) / own : 0;
    if (limit > own) {
      ++result.rejected;
      continue;
    }
    // The last attempts take what they get.
    constexpr double enoughShare = 0.85;
    if (share < enoughShare && own > 2e-4 && result.starved < options.runs) {
      ++result.starved;
      continue;
    }
    times.push_back(own);
    rooflines.push_back(limit / own);
    gains.push_back(gain);
  }
  result.ms = median(times.empty() ? all : times) * 1e3;
  if (!times.empty()) {
    result.roofline = median(rooflines);
    result.limitMs = *result.roofline * result.ms;
    if (unfused)
      result.vsUnfused = median(gains);
  }
  if (!times.empty() && result.rejected <= result.samples / 2)
    return result;
  // Not figures to trust: without a limit.
  result.roofline.reset();
  result.limitMs.reset();
  return result;
}

Measurement Bench::measureEmptyCall(const CaseRow &row) {
  BoundCase bound = prepare(row.make(row.rows), device);
  const Program &program = bound.executable.program();
  codegen::ProgramCosts costs = codegen::costsOf(program, device->workers());
  Measurement result{.name = row.name,
                     .target = program.target,
                     .threads = device->workers(),
                     .compileMs = bound.compileMs};
  result.bytesMoved = number(costs.bytesMoved);
  result.bytesNeeded = number(costs.bytesNeeded);
  result.peakBytes = number(costs.peakBytes);
  result.kernels = costs.launches;
  result.maxError = checkAgainstInterpreter(row, bound.executable, bound.inputs).maxError;
  constexpr int64_t calls = 1000000;
  timeCalls(bound.call, calls / 10);
  std::vector<double> times;
  for (int64_t i = 0; i < std::clamp<int64_t>(options.runs, 1, 5); ++i)
    times.push_back(timeCalls(bound.call, calls));
  result.samples = static_cast<int64_t>(times.size());
  result.ms = median(times) * 1e3;
  return result;
}

// -- Cold compile ---------------------------------------------------------------------------------

int runColdCompile(const std::string &name) {
  for (const CaseRow &row : caseTable())
    if (row.name == name) {
      Model model = row.make(row.rows);
      Stopwatch watch;
      Executable executable = compile(model.graph);
      std::printf("%.6f %zu\n", watch.seconds() * 1e3, executable.program().kernels.size());
      return 0;
    }
  failUsage("unknown case '" + name + "'");
}

Measurement Bench::measureColdCompile(const CaseRow &row) {
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string quoted = "'";
  for (char c : self)
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  std::string command = quoted + "' --internal-cold-compile=" + row.name;
  Measurement result{.name = row.name, .target = "cpu:native", .threads = device->workers()};
  std::vector<double> times;
  for (int64_t i = 0; i < std::clamp<int64_t>(options.runs, 1, 9); ++i) {
    FILE *child = popen(command.c_str(), "r");
    double ms = 0;
    long kernels = 0;
    bool good = child && std::fscanf(child, "%lf %ld", &ms, &kernels) == 2;
    if (!child || pclose(child) != 0 || !good)
      throw Error({.kind = ErrorKind::Internal, .op = row.name}, "the child process failed");
    times.push_back(ms);
    result.kernels = kernels;
  }
  result.samples = static_cast<int64_t>(times.size());
  result.ms = result.compileMs = median(times);
  return result;
}

} // namespace sinter::tools
