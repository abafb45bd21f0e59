// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/CheckNan.h"

#include "tools/fused-bench/Prepare.h"
#include "tools/fused-bench/Traffic.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

namespace sinter::tools {
namespace {

/// Seconds per call; of one thread the time on its processor, which no other process adds to.
double secondsOf(BoundCall &call, int64_t times, bool isAlone) {
  if (!isAlone)
    return timeCalls(call, times);
  call();
  auto now = [] {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  for (int64_t i = 0; i < times; ++i)
    call();
  return (now() - start) / static_cast<double>(times);
}

/// After as many calls of each.
void requireSameResults(const CaseRow &row, BoundCase &plain, BoundCase &checked) {
  auto require = [&](const std::string &what, const Array &a, const Array &b) {
    if (std::memcmp(a.data(), b.data(), static_cast<size_t>(a.numBytes())) != 0)
      throw Error({.code = ErrorCode::Mismatch},
                  std::string(row.name) + ": with checks, " + what + " has other bits");
  };
  for (size_t i = 0; i < plain.call.outputs().size(); ++i)
    require("output " + std::to_string(i), plain.call.outputs()[i], checked.call.outputs()[i]);
  for (const std::string &name : plain.state.names())
    require("'" + name + "'", plain.state.get(name), checked.state.get(name));
}

} // namespace

int measureCheckNan(const std::vector<CaseRow> &cases, const CheckNanOptions &options) {
  auto device = std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = options.threads}});
  const bool isAlone = device->workers() == 1;
  std::printf("%-38s %10s %10s %9s %10s %10s\n", "case", "ms", "checked", "overhead", "compile",
              "checked");
  for (const CaseRow &row : cases) {
    if (!row.make)
      continue; // It calls no program.
    Model model = row.make(row.rows);
    CompileOptions compileOptions{.winograd = model.winograd && options.winograd, .device = device};
    BoundCase plain = prepare(model, compileOptions);
    compileOptions.checkNan = true;
    BoundCase checked = prepare(model, compileOptions, &plain.inputs);
    plain.call();
    checked.call();
    requireSameResults(row, plain, checked);
    const int64_t calls = callsPerSample(plain.call, 10e-3);
    std::vector<std::pair<double, double>> pairs; // Without and with checks.
    for (int64_t i = 0; i < options.runs; ++i) {
      const bool first = i % 2 == 0; // Neither is always the one after.
      double a = secondsOf(first ? plain.call : checked.call, calls, isAlone),
             b = secondsOf(first ? checked.call : plain.call, calls, isAlone);
      pairs.push_back(first ? std::pair(a, b) : std::pair(b, a));
    }
    // What other processes disturb is slow: the faster half counts.
    std::sort(pairs.begin(), pairs.end(),
              [](const auto &p, const auto &q) { return p.first + p.second < q.first + q.second; });
    pairs.resize((pairs.size() + 1) / 2);
    std::vector<double> ratios, alone, together;
    for (auto [without, with] : pairs) {
      ratios.push_back(with / without);
      alone.push_back(without);
      together.push_back(with);
    }
    std::printf("%-38s %10.4f %10.4f %+8.1f%% %10.1f %10.1f\n", std::string(row.name).c_str(),
                median(alone) * 1e3, median(together) * 1e3, (median(ratios) - 1) * 100,
                plain.compileMs, checked.compileMs);
    std::fflush(stdout);
  }
  return 0;
}

} // namespace sinter::tools
