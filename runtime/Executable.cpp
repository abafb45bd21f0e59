// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/CheckedMath.h"
#include "sinter/runtime/ExecutableImpl.h"
#include "sinter/runtime/Strided.h"

#include <algorithm>

namespace sinter {
namespace {

constexpr size_t keptPlans = 8;

[[noreturn]] void fail(const std::string &message, const SourceLoc &location = {},
                       std::string hint = "") {
  throw Error(
      {.kind = ErrorKind::User, .op = "call", .location = location, .hint = std::move(hint)},
      message);
}

std::string list(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "'" : ", '") + name + "'";
  return text.empty() ? "none" : text;
}

std::vector<std::string> inputNamesOf(const Program &program) {
  std::vector<std::string> names;
  for (const Argument &argument : program.arguments)
    if (argument.kind == ArgumentKind::Placeholder)
      names.push_back(argument.name);
  return names;
}

std::vector<std::string> outputNamesOf(const Program &program) {
  std::vector<std::string> names;
  for (const Result &result : program.results)
    if (result.updates < 0)
      names.push_back(outputName(result, names.size()));
  return names;
}

ArrayMap byName(const Program &program, std::vector<Array> arrays) {
  std::vector<std::string> names = outputNamesOf(program);
  ArrayMap map;
  for (size_t i = 0; i < names.size(); ++i)
    map.emplace(names[i], std::move(arrays[i]));
  return map;
}

} // namespace

Executable::Impl::Impl(ExecutableCode given, std::shared_ptr<Device> device)
    : code(std::move(given)), device(std::move(device)), sizes(*code.program) {
  if (!code.interpreter)
    loaded =
        this->device->load({code.program, code.entry, code.keepAlive, code.kernels, code.trace});
  if (code.explain)
    passedOn.emplace(*code.program);
  for (const Argument &argument : code.program->arguments)
    hasVariables |= argument.kind != ArgumentKind::Placeholder;
  for (const Result &result : code.program->results)
    hasUpdates |= result.updates >= 0;
}

std::vector<Array> Executable::Impl::findArguments(const State *state,
                                                   const NamedArrays &inputs) const {
  const Program &program = *code.program;
  if (hasVariables && !state)
    fail("this graph has parameters or state variables, so a call needs a State");
  std::vector<const Array *> found(program.arguments.size(), nullptr);
  for (const auto &[name, array] : inputs) {
    auto it = std::find_if(program.arguments.begin(), program.arguments.end(),
                           [&name = name](const Argument &a) { return a.name == name; });
    if (it == program.arguments.end()) {
      std::vector<std::string> names = inputNamesOf(program);
      fail("there is no input '" + name + "'" + didYouMean(name, names), {},
           "only what the outputs need is an input: " + list(names));
    }
    if (it->kind != ArgumentKind::Placeholder)
      fail("'" + name + "' is not an input; its value belongs to the State", it->location,
           "State::set() changes it");
    const Array *&slot = found[static_cast<size_t>(it - program.arguments.begin())];
    if (slot)
      fail("input '" + name + "' is given twice", it->location);
    slot = &array;
  }
  std::vector<Array> arrays;
  arrays.reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const Argument &argument = program.arguments[i];
    if (argument.kind == ArgumentKind::Placeholder) {
      if (!found[i])
        fail(describe(argument) + " is missing", argument.location);
      arrays.push_back(*found[i]);
      continue;
    }
    const ArrayMap &variables = state->storage()->arrays;
    auto it = variables.find(argument.name);
    if (it == variables.end())
      fail("the State has no " + describe(argument), argument.location,
           "make the State after the graph is complete, or State::add() the new variables");
    arrays.push_back(it->second);
  }
  return arrays;
}

std::vector<const Array *> Executable::Impl::findResults(const NamedArrays &outputs) const {
  const Program &program = *code.program;
  std::vector<const Array *> found(program.results.size(), nullptr);
  if (outputs.empty())
    return found;
  std::vector<std::string> names = outputNamesOf(program);
  for (const auto &[name, array] : outputs) {
    auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end())
      fail("there is no output '" + name + "'" + didYouMean(name, names), {},
           "outputs: " + list(names));
    // The output's number among all results.
    auto left = it - names.begin();
    size_t index = 0;
    while (program.results[index].updates >= 0 || left-- > 0)
      ++index;
    if (found[index])
      fail("output '" + name + "' is given twice", program.results[index].location);
    found[index] = &array;
  }
  return found;
}

std::shared_ptr<const SizePlan> Executable::Impl::planFor(std::vector<int64_t> dims) const {
  {
    std::lock_guard lock(mutex);
    auto it = std::find_if(plans.begin(), plans.end(), [&](auto &p) { return p->dims == dims; });
    if (it != plans.end()) {
      std::rotate(plans.begin(), it, it + 1);
      return plans.front();
    }
  }
  const Program &program = *code.program;
  auto plan = std::make_shared<SizePlan>();
  DimBinding binding = sizes.binding(dims);
  plan->dims = std::move(dims);
  auto describeBinding = [&] {
    std::string text;
    for (const auto &[name, value] : binding)
      if (name != workersSymbol)
        text += (text.empty() ? " for " : ", ") + name + " = " + std::to_string(value);
    return text;
  };
  checkConditions(program, binding);
  size_t output = 0;
  for (const Result &result : program.results) {
    std::optional<std::vector<int64_t>> resultSizes = result.shape.evaluate(binding);
    if (!resultSizes)
      throw Error({.kind = ErrorKind::User,
                   .op = "call",
                   .shapes = {result.shape},
                   .location = result.location},
                  "the shape " + result.shape.str() + " of " + describe(result, output) +
                      " has a negative or too large size" + describeBinding());
    output += result.updates < 0;
    plan->resultSizes.push_back(std::move(*resultSizes));
  }
  if (loaded) {
    plan->table = evaluateTable(program, binding, device->workers());
    binding[workersSymbol] = device->workers();
    std::optional<int64_t> bytes = program.arenaBytes.evaluate(binding);
    if (!bytes || *bytes < 0)
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::Limit, .op = "call"},
                  "the workspace is too large" + describeBinding());
    plan->arenaBytes = *bytes;
    plan->binding = std::move(binding);
  }
  std::lock_guard lock(mutex);
  plans.insert(plans.begin(), plan);
  if (plans.size() > keptPlans)
    plans.pop_back();
  return plan;
}

Array Executable::Impl::allocate(DType dtype, const std::vector<int64_t> &sizes) const {
  std::optional<int64_t> bytes = byteSize(dtype);
  for (int64_t size : sizes)
    bytes = bytes ? checkedMul(*bytes, size) : std::nullopt;
  if (!bytes)
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Limit, .shapes = {Shape(sizes)}},
                "an output is too large");
  std::shared_ptr<void> memory = device->allocate(*bytes);
  void *data = memory.get();
  return Array::wrap(data, dtype, sizes, {}, std::move(memory));
}

/// Variables never share memory with each other; what the caller gives may share it with anything.
void Executable::Impl::requireDisjoint(const std::vector<Array> &arguments,
                                       const std::vector<Array> &results,
                                       const std::vector<const Array *> &given) const {
  const Program &program = *code.program;
  auto describeResult = [&](size_t index) {
    const Result &result = program.results[index];
    if (result.updates >= 0)
      return describe(program.arguments[static_cast<size_t>(result.updates)]);
    auto before = std::count_if(program.results.begin(), program.results.begin() + index,
                                [](const Result &r) { return r.updates < 0; });
    return describe(result, static_cast<size_t>(before));
  };
  for (size_t i = 0; i < results.size(); ++i) {
    const bool update = program.results[i].updates >= 0;
    if (!update && !given[i])
      continue;
    for (size_t j = 0; j < arguments.size(); ++j) {
      const Argument &argument = program.arguments[j];
      if (update && argument.kind != ArgumentKind::Placeholder)
        continue;
      if (sharesMemory(results[i], arguments[j]))
        fail(describeResult(i) + ", which the call writes, shares memory with " +
                 describe(argument),
             argument.location);
    }
    for (size_t j = 0; j < i && !update; ++j)
      if (given[j] && sharesMemory(results[i], results[j]))
        fail(describeResult(i) + " shares memory with " + describeResult(j) +
             "; the call writes both");
  }
}

BoundCall Executable::Impl::bind(const std::shared_ptr<const Impl> &self, State *state,
                                 const NamedArrays &inputs, const NamedArrays &outputs) const {
  const Program &program = *code.program;
  auto call = std::make_unique<BoundCall::Impl>();
  call->executable = self;
  if (hasVariables)
    call->state = state ? state->storage() : nullptr;
  call->arguments = findArguments(state, inputs);
  std::vector<const Array *> given = findResults(outputs);
  call->plan = planFor(sizes.infer(call->arguments, given));

  call->results.reserve(program.results.size());
  for (size_t i = 0; i < program.results.size(); ++i) {
    const Result &result = program.results[i];
    if (result.updates >= 0) {
      call->results.push_back(call->arguments[static_cast<size_t>(result.updates)]);
      continue;
    }
    call->results.push_back(given[i] ? *given[i]
                                     : allocate(result.dtype, call->plan->resultSizes[i]));
    call->outputs.push_back(call->results.back());
  }
  requireDisjoint(call->arguments, call->results, given);
  if (loaded)
    call->call = loaded->bind({.table = call->plan->table,
                               .dims = call->plan->binding,
                               .arenaBytes = call->plan->arenaBytes,
                               .arguments = call->arguments,
                               .results = call->results,
                               .state = call->state});
  return BoundCall(std::move(call));
}

Executable::Executable(ExecutableCode code, std::shared_ptr<Device> device)
    : impl(std::make_shared<Impl>(std::move(code), std::move(device))) {}

/// A call of a moved Executable or State is a mistake like others, and no crash.
static const std::shared_ptr<const Executable::Impl> &
held(const std::shared_ptr<const Executable::Impl> &impl) {
  if (!impl)
    throw Error({.kind = ErrorKind::User, .op = "call"},
                "this Executable is empty: it was moved from");
  return impl;
}

BoundCall Executable::bind(State &state, const NamedArrays &inputs,
                           const NamedArrays &outputs) const {
  if (!state.storage())
    throw Error({.kind = ErrorKind::User, .op = "call"}, "this State is empty: it was moved from");
  return held(impl)->bind(impl, &state, inputs, outputs);
}
BoundCall Executable::bind(const NamedArrays &inputs, const NamedArrays &outputs) const {
  return held(impl)->bind(impl, nullptr, inputs, outputs);
}

std::vector<Array> Executable::operator()(State &state, const NamedArrays &inputs) const {
  BoundCall call = bind(state, inputs);
  call();
  return call.outputs();
}
std::vector<Array> Executable::operator()(const NamedArrays &inputs) const {
  BoundCall call = bind(inputs);
  call();
  return call.outputs();
}
ArrayMap Executable::run(State &state, const NamedArrays &inputs) const {
  return byName(program(), (*this)(state, inputs));
}
ArrayMap Executable::run(const NamedArrays &inputs) const {
  return byName(program(), (*this)(inputs));
}

State Executable::initialState(uint64_t seed, const DimBinding &dims) const {
  const ArrayMap &values = held(impl)->code.values;
  std::vector<Argument> arguments = program().arguments;
  for (Argument &argument : arguments)
    if (values.contains(argument.name))
      argument.init = {}; // Not drawn first.
  State state(arguments, seed, dims);
  for (const auto &[name, value] : values)
    state.set(name, value);
  return state;
}

const Program &Executable::program() const { return *held(impl)->code.program; }
std::vector<std::string> Executable::inputNames() const { return inputNamesOf(program()); }
std::vector<std::string> Executable::outputNames() const { return outputNamesOf(program()); }
bool Executable::updatesState() const { return held(impl)->hasUpdates; }
const std::shared_ptr<Device> &Executable::device() const { return held(impl)->device; }

} // namespace sinter
