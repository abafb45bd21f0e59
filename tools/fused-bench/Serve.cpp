// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Serve.h"

#include "tools/fused-bench/Prepare.h"
#include "tools/support/Probes.h"
#include "tools/support/CommandLine.h"
#include "sinter/codegen/ProgramCosts.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

namespace sinter::tools {
namespace {

class Server {
public:
  explicit Server(const ServeOptions &options)
      : device(std::make_shared<CpuDevice>(CpuDeviceOptions{.pool = {.threads = options.threads}})),
        probes(*device), winograd(options.winograd) {}

  std::string answer(const std::string &command, const std::string &argument) {
    if (command == "prepare")
      return prepareCase(argument);
    if (command == "save")
      return save(argument);
    if (command == "sample")
      return print("ns %.3f", timeCalls(prepared().call, calls) * 1e9);
    if (command == "probe")
      return probe();
    failUsage("unknown command '" + command + "'");
  }

private:
  template <typename... Args> static std::string print(const char *format, Args... args) {
    char buffer[160];
    std::snprintf(buffer, sizeof buffer, format, args...);
    return buffer;
  }

  BoundCase &prepared() {
    if (!current)
      failUsage("no case is prepared");
    return *current;
  }

  std::string prepareCase(const std::string &argument) {
    current.reset(); // its memory first
    size_t space = std::min(argument.find(' '), argument.size());
    std::string name = argument.substr(0, space), way = argument.substr(space);
    if (!way.empty() && way != " direct")
      failUsage("'direct' or nothing may follow the case, not '" + way.substr(1) + "'");
    const std::vector<CaseRow> &table = caseTable();
    auto row = std::find_if(table.begin(), table.end(),
                            [&](const CaseRow &candidate) { return name == candidate.name; });
    if (row == table.end())
      failUsage("unknown case '" + name + "'");
    Model model = row->make(row->rows);
    model.winograd &= winograd && way.empty();
    constants = model.constants;
    current.emplace(prepare(model, device));
    constexpr double enough = 8e-3;
    calls = callsPerSample(current->call, enough);
    codegen::ProgramCosts costs = codegen::costsOf(current->executable.program(), device->workers());
    return print("ready %lld %.3f %lld", static_cast<long long>(calls), current->compileMs,
                 static_cast<long long>(costs.launches));
  }

  std::string save(const std::string &path) {
    BoundCase &bound = prepared();
    State state(bound.executable.program().arguments, stateSeed);
    ArrayMap arrays;
    for (const auto &[name, array] : bound.inputs)
      arrays["input/" + name] = array;
    for (const auto &[name, array] : constants)
      arrays["constant/" + name] = array;
    for (const std::string &name : state.names())
      arrays["state/" + name] = state.get(name).clone();
    for (const auto &[name, array] : bound.executable.run(state, NamedArrays(bound.inputs)))
      arrays["output/" + name] = array;
    if (bound.executable.updatesState())
      for (const std::string &name : state.names())
        arrays["updated/" + name] = state.get(name);
    writeNpz(path, arrays);
    return "saved";
  }

  std::string probe() {
    // Twice the size of large caches, once read and once written.
    constexpr int64_t copied = 64 << 20;
    double seconds = probes.transferSeconds({.read = copied, .written = copied});
    return print("probe %.6g %.6g", probes.flopsPerSecond(),
                 2 * static_cast<double>(copied) / seconds);
  }

  std::shared_ptr<CpuDevice> device;
  Probes probes;
  std::optional<BoundCase> current;
  ArrayMap constants;
  bool winograd;
  int64_t calls = 1;
};

} // namespace

int serve(const ServeOptions &options) {
  Server server(options);
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    size_t space = std::min(line.find(' '), line.size());
    std::string argument = line.substr(std::min(space + 1, line.size()));
    std::string answer;
    try {
      answer = server.answer(line.substr(0, space), argument);
    } catch (const Error &error) {
      answer = std::string("error ") + error.what();
      std::replace(answer.begin(), answer.end(), '\n', ' ');
    }
    std::cout << answer << std::endl;
  }
  return 0;
}

} // namespace sinter::tools
