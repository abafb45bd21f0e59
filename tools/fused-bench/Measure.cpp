// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Measure.h"

#include "tools/support/CommandLine.h"
#include "tools/support/ProgramCosts.h"

#include "sinter/runtime/Session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>

namespace sinter::tools {
namespace {

constexpr uint64_t seed = 1;

class Stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

double median(std::vector<double> values) {
  if (values.empty())
    return NAN;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// -- Data -----------------------------------------------------------------------------------------

/// Smooth values of both signs around 1, without repetition; labels count up modulo 10.
Array fill(Array array, size_t number) {
  int64_t count = array.numElements();
  if (array.dtype() == i32) {
    for (int64_t i = 0; i < count; ++i)
      array.as<int32_t>()[i] = static_cast<int32_t>(i * 7 % 10);
    return array;
  }
  double step = 0.37 + 0.11 * static_cast<double>(number);
  // A rotation is much cheaper than a sine per element.
  double c = std::cos(step), s = std::sin(step), x = 1, y = 0;
  for (int64_t i = 0; i < count; ++i) {
    array.as<float>()[i] = static_cast<float>(x + 0.25 * y);
    double turned = x * c - y * s;
    y = x * s + y * c;
    x = turned;
  }
  return array;
}

/// In the device's memory, as large arrays of a program would be.
Array allocate(Device &device, const Argument &argument) {
  std::vector<int64_t> sizes = argument.shape.evaluate({}).value();
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  std::shared_ptr<void> block = device.allocate(count * byteSize(argument.dtype));
  return Array::wrap(block.get(), argument.dtype, sizes, {}, block);
}

std::vector<NamedArrays::Entry> makeInputs(Device &device, const Program &program) {
  std::vector<NamedArrays::Entry> inputs;
  for (const Argument &argument : program.arguments)
    if (argument.kind == ArgumentKind::Placeholder)
      inputs.emplace_back(argument.name, fill(allocate(device, argument), inputs.size()));
  return inputs;
}

// -- Correctness ----------------------------------------------------------------------------------

/// The largest difference, relative to the expected value or to the root mean square of all where
/// that is larger.
double maxError(const Array &got, const Array &expected) {
  if (got.sizes() != expected.sizes())
    return INFINITY;
  std::vector<double> a = got.toVector<double>(), b = expected.toVector<double>();
  double squares = 0, worst = 0;
  for (double value : b)
    squares += value * value;
  double scale = std::sqrt(squares / static_cast<double>(std::max<size_t>(b.size(), 1)));
  for (size_t i = 0; i < a.size(); ++i) {
    double error = std::fabs(a[i] - b[i]) / std::max({std::fabs(b[i]), scale, 1e-30});
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

Array lastRows(const Array &array, int64_t rows, int64_t wanted) {
  if (array.rank() == 0 || array.sizes()[0] != rows || rows == wanted)
    return array;
  return array.slice(0, rows - wanted, rows);
}

struct Check {
  double maxError = 0;
  double interpreterMs = 0; ///< For all rows.
};

/// Compares one call with the interpreter's. Inputs whose leading size is not that of the rows are
/// shared by all rows.
Check checkAgainstInterpreter(const CaseRow &row, const Executable &executable,
                              const std::vector<NamedArrays::Entry> &inputs) {
  Model small = row.make(row.checkedRows);
  Executable reference = compile(small.graph, {.engine = Engine::Interpreter});
  std::vector<NamedArrays::Entry> rows;
  for (const auto &[name, array] : inputs) {
    Shape wanted = small.graph.argument(name).shape();
    bool perRow =
        wanted.rank() > 0 && wanted[0] == DimExpr(row.checkedRows) && array.sizes()[0] == row.rows;
    rows.emplace_back(name, perRow ? lastRows(array, row.rows, row.checkedRows) : array);
  }
  State state(executable.program().arguments, seed), other(reference.program().arguments, seed);
  ArrayMap got = executable.run(state, NamedArrays(inputs));
  Stopwatch watch;
  ArrayMap expected = reference.run(other, NamedArrays(rows));
  Check check{.interpreterMs = watch.seconds() * 1e3 * static_cast<double>(row.rows) /
                               static_cast<double>(row.checkedRows)};
  double &worst = check.maxError;
  for (const auto &[name, array] : expected)
    worst = std::max(worst, maxError(lastRows(got.at(name), row.rows, row.checkedRows), array));
  for (const std::string &name : state.names())
    worst = std::max(worst, maxError(state.get(name), other.get(name)));
  return check;
}

// -- Timing ---------------------------------------------------------------------------------------

struct BoundCase {
  Executable executable;
  State state;
  BoundCall call;
  double compileMs;
};

BoundCase prepare(const Graph &graph, const std::shared_ptr<CpuDevice> &device,
                  std::vector<std::string> disabledPasses,
                  const std::vector<NamedArrays::Entry> *inputs) {
  Stopwatch watch;
  Executable executable =
      compile(graph, {.disabledPasses = std::move(disabledPasses), .device = device});
  double compileMs = watch.seconds() * 1e3;
  State state(executable.program().arguments, seed);
  std::vector<NamedArrays::Entry> own;
  if (!inputs) {
    own = makeInputs(*device, executable.program());
    inputs = &own;
  }
  BoundCall call = executable.bind(state, NamedArrays(*inputs));
  return {std::move(executable), std::move(state), std::move(call), compileMs};
}

/// Seconds per call. An untimed call first: caches hold what they can hold, as they do for the
/// probes, and the workers are awake.
double timeCalls(BoundCall &call, int64_t times) {
  call();
  Stopwatch watch;
  for (int64_t i = 0; i < times; ++i)
    call();
  return watch.seconds() / static_cast<double>(times);
}

double cpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

int64_t callsPerSample(BoundCall &call) {
  call();
  double once = std::max(timeCalls(call, 1), 1e-7);
  constexpr double enough = 4e-3;
  return std::clamp<int64_t>(static_cast<int64_t>(enough / once), 1, 1000);
}

int64_t number(const DimExpr &size) { return size.constant().value_or(0); }

} // namespace

Bench::Bench(const MeasureOptions &options)
    : options(options),
      device(std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = options.threads}})),
      probes(*device) {}

Measurement Bench::measure(const CaseRow &row) {
  switch (row.kind) {
  case CaseKind::ColdCompile:
    return measureColdCompile(row);
  case CaseKind::EmptyCall:
    return measureEmptyCall(row);
  case CaseKind::Kernel:
    break;
  }
  return measureKernel(row);
}

Measurement Bench::measureKernel(const CaseRow &row) {
  Model model = row.make(row.rows);
  // Compiled before there are inputs: its program tells which.
  BoundCase fused = prepare(model.graph, device, {}, nullptr);
  const Program &program = fused.executable.program();
  std::vector<NamedArrays::Entry> inputs = makeInputs(*device, program);
  fused.call = fused.executable.bind(fused.state, NamedArrays(inputs));

  ProgramCosts costs = costsOf(program, device->workers());
  Measurement result{.name = row.name,
                     .target = program.target,
                     .threads = device->workers(),
                     .compileMs = fused.compileMs,
                     .flops = model.flops};
  result.bytesMoved = number(costs.bytesMoved);
  result.bytesNeeded = number(costs.bytesNeeded);
  result.peakBytes = number(costs.peakBytes);
  result.kernels = costs.launches;
  Check check = checkAgainstInterpreter(row, fused.executable, inputs);
  result.maxError = check.maxError;
  result.interpreterMs = check.interpreterMs;
  constexpr double tolerated = 1e-3;
  if (!(*result.maxError <= tolerated))
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Mismatch, .op = row.name},
                "the result differs from the interpreter's by " + std::to_string(*result.maxError));

  std::optional<BoundCase> unfused;
  int64_t unfusedCalls = 0;
  if (options.unfused) {
    unfused.emplace(prepare(model.graph, device, {"fuse"}, &inputs));
    unfusedCalls = callsPerSample(unfused->call);
  }
  int64_t calls = callsPerSample(fused.call);

  int64_t writes = number(costs.resultBytes), reads = 0;
  for (const Argument &argument : program.arguments)
    reads += number(argument.shape.numElements()) * byteSize(argument.dtype);
  for (const Result &output : program.results)
    if (output.updates >= 0)
      writes += number(output.shape.numElements()) * byteSize(output.dtype);
  auto probe = [&] {
    double bytes = probes.transferSeconds(reads, writes);
    double flops = model.flops > 0 ? model.flops / probes.flopsPerSecond() : 0;
    result.limitIsFlops = flops > bytes;
    return std::max(bytes, flops);
  };

  // A sample stands between two probes and is held against their mean. One that beats it, or that
  // did not get the processors it needs, shows that the machine was disturbed: it is taken again,
  // some times.
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
    double limit = (before + after) / 2;
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
  BoundCase bound = prepare(row.make(row.rows).graph, device, {}, nullptr);
  const Program &program = bound.executable.program();
  std::vector<NamedArrays::Entry> inputs = makeInputs(*device, program);
  ProgramCosts costs = costsOf(program, device->workers());
  Measurement result{.name = row.name,
                     .target = program.target,
                     .threads = device->workers(),
                     .compileMs = bound.compileMs};
  result.bytesMoved = number(costs.bytesMoved);
  result.bytesNeeded = number(costs.bytesNeeded);
  result.peakBytes = number(costs.peakBytes);
  result.kernels = costs.launches;
  result.maxError = checkAgainstInterpreter(row, bound.executable, inputs).maxError;
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
