// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu-suite/Loaded.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>

namespace sinter::suite {

std::vector<BenchCase> chosen(const Pack &pack, const BenchOptions &options) {
  std::vector<BenchCase> cases;
  for (const BenchCase &one : options.small ? pack.smallBenches : pack.benches)
    if (one.name.find(options.filter) != std::string::npos)
      cases.push_back(one);
  if (cases.empty())
    throw Error("no program to time is called like '" + options.filter + "'");
  return cases;
}

namespace {

class Server {
public:
  Server(const Pack &pack, std::shared_ptr<CudaDevice> device, const BenchOptions &options)
      : pack(pack), device(std::move(device)), options(options) {}

  std::string answer(const std::string &command, const std::string &argument) {
    if (command == "cases")
      return cases();
    if (command == "arguments")
      return arguments(find(argument));
    if (command == "prepare")
      return prepare(find(argument));
    if (command == "sample")
      return sample();
    if (command == "save")
      return save(argument);
    throw Error("unknown command '" + command + "'");
  }

private:
  BenchCase find(const std::string &name) const {
    for (const BenchCase &one : options.small ? pack.smallBenches : pack.benches)
      if (one.name == name)
        return one;
    throw Error("unknown case '" + name + "'");
  }

  std::string cases() const {
    std::string names = "cases";
    for (const BenchCase &one : chosen(pack, options))
      names += " " + one.name;
    return names;
  }

  /// KIND:NAME:DTYPE:RANGE:SIZE,SIZE of each.
  std::string arguments(const BenchCase &one) const {
    const Executable executable = loadLibrary(pack.file(one.library + ".so"), {.device = device});
    std::string text = "arguments";
    for (const Argument &argument : executable.program().arguments) {
      const auto range = one.ranges.find(argument.name);
      text += argument.kind == ArgumentKind::Placeholder ? " input:" : " state:";
      text += argument.name + ":" + std::string(name(argument.dtype)) + ":" +
              std::to_string(range == one.ranges.end() ? 10 : range->second) + ":";
      const char *separator = "";
      for (const DimExpr &size : argument.shape.vector()) {
        text += separator + size.str();
        separator = ",";
      }
    }
    return text;
  }

  std::string prepare(const BenchCase &one) {
    current.reset(); // Its memory first.
    current.emplace(pack, one.library, one.ranges, device);
    tools::gpuSample(current->call);
    return "ready " +
           std::to_string(tools::describe(one.name, current->executable.program(), *device)
                              .kernels.value_or(0));
  }

  Loaded &prepared() {
    if (!current)
      throw Error("no case is prepared");
    return *current;
  }

  /// Milliseconds of the device, and of calls as a program makes them.
  std::string sample() {
    using Clock = std::chrono::steady_clock;
    Loaded &loaded = prepared();
    const double kernels = tools::gpuSample(loaded.call);
    constexpr int calls = 5;
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i)
      loaded.call();
    const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
    return "ms " + std::to_string(kernels) + " " + std::to_string(elapsed.count() / calls);
  }

  std::string save(const std::string &path) {
    Loaded &loaded = prepared();
    State state(loaded.executable.program().arguments, tools::stateSeed);
    ArrayMap arrays;
    for (const auto &[name, array] : loaded.inputs)
      arrays["input/" + name] = array;
    for (const std::string &name : state.names())
      arrays["state/" + name] = state.get(name).clone();
    for (const auto &[name, array] : loaded.executable.run(state, NamedArrays(loaded.inputs)))
      arrays["output/" + name] = array;
    if (loaded.executable.updatesState())
      for (const std::string &name : state.names())
        arrays["updated/" + name] = state.get(name);
    writeNpz(path, arrays);
    return "saved";
  }

  const Pack &pack;
  std::shared_ptr<CudaDevice> device;
  BenchOptions options;
  std::optional<Loaded> current;
};

} // namespace

void serve(const Pack &pack, const std::shared_ptr<CudaDevice> &device, const BenchOptions &options,
           std::istream &in, std::ostream &out) {
  Server server(pack, device, options);
  for (std::string line; std::getline(in, line) && line != "quit";) {
    const size_t space = std::min(line.find(' '), line.size());
    std::string answer;
    try {
      answer = server.answer(line.substr(0, space), line.substr(std::min(space + 1, line.size())));
    } catch (const Error &error) {
      answer = "error " + error.message();
      std::replace(answer.begin(), answer.end(), '\n', ' ');
    }
    out << answer << std::endl;
  }
}

} // namespace sinter::suite
