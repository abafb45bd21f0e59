// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/Differ.h"

#include "tests/fuzz/Isolated.h"

#include <algorithm>
#include <deque>

namespace sinter::fuzz {

std::vector<DimBinding> bindings(bool symbolic) {
  if (!symbolic)
    return {{}};
  return {{{"N", 33}, {"M", 5}}, {{"N", 6}, {"M", 33}}, {{"N", 1}, {"M", 2}}, {{"N", 0}, {"M", 1}}};
}

ArrayMap call(const Executable &executable, const Graph &graph, const ArrayMap &inputs,
              const DimBinding &dims) {
  State state(graph, 0, dims);
  ArrayMap rest = inputs;
  for (const std::string &name : state.names()) {
    state.set(name, inputs.at(name));
    rest.erase(name);
  }
  ArrayMap results = executable.run(state, rest);
  for (const std::string &name : state.names())
    results[name] = state.get(name).clone();
  return results;
}

namespace {

std::string str(const DimBinding &dims) {
  std::string text;
  for (const auto &[name, value] : dims)
    text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
  return text.empty() ? "static sizes" : text;
}

std::string prefixOf(size_t plan) { return "g" + std::to_string(plan) + "_"; }

struct Difference {
  size_t plan = 0;
  int step = -1; ///< -1: all of it, at compile time or by an exception.
  DimBinding dims = {};
  std::string what;
};

/// At most one difference per plan and binding.
std::vector<Difference> findDifferences(const std::vector<Plan> &plans, const Options &options) {
  std::vector<Difference> differences;
  Graph graph;
  for (size_t p = 0; p < plans.size(); ++p)
    build(plans[p], graph, prefixOf(p));
  Executable executable = compile(graph, options);
  Executable reference = compile(graph, {.engine = Engine::Interpreter});
  for (const DimBinding &dims : bindings(plans.front().symbolic)) {
    ArrayMap inputs;
    for (size_t p = 0; p < plans.size(); ++p)
      drawInputs(plans[p], dims, prefixOf(p), inputs);
    ArrayMap got = call(executable, graph, inputs, dims),
             want = call(reference, graph, inputs, dims);
    for (size_t p = 0; p < plans.size(); ++p) {
      std::vector<std::pair<int, std::string>> results;
      for (int step : plans[p].outputs)
        results.push_back({step, "o" + std::to_string(step)});
      for (auto [target, value] : plans[p].updates)
        results.push_back({value, "i" + std::to_string(target)});
      for (const auto &[step, suffix] : results) {
        std::string name = prefixOf(p) + suffix;
        std::string wrong =
            compare(plans[p].steps[static_cast<size_t>(step)].info, got.at(name), want.at(name));
        if (wrong.empty())
          continue;
        differences.push_back({p, step, dims, wrong});
        break;
      }
    }
  }
  return differences;
}

enum class Failure { None, Value, Threw, Crashed };

struct Verdict {
  Failure failure = Failure::None;
  std::string text;
};

/// One plan in a process of its own.
Verdict tryPlan(const Plan &plan, const Options &options) {
  Outcome outcome =
      Isolated([&]() -> std::string {
        std::vector<Difference> differences = findDifferences({plan}, options);
        if (differences.empty())
          return "";
        const Difference &first = differences.front();
        return "value " + std::to_string(first.step) + ", " + str(first.dims) + ": " + first.what;
      }).wait();
  if (outcome.crashed)
    return {Failure::Crashed, outcome.text};
  // A plan that lost the input that gives a dim its value is not worth anything.
  if (outcome.text.empty() ||
      outcome.text.find("does not follow from the arrays") != std::string::npos)
    return {};
  return {outcome.text.starts_with("threw") ? Failure::Threw : Failure::Value, outcome.text};
}

std::string title(const Plan &plan) {
  return "seed " + std::to_string(plan.seed) + (plan.symbolic ? " symbolic" : "") +
         (plan.continuous ? " with gradients" : "");
}

/// The values of all steps at one binding.
std::vector<std::optional<Array>> valuesOf(Plan plan, const DimBinding &dims) {
  std::vector<std::optional<Array>> values(plan.steps.size());
  plan.outputs = neededSteps(plan);
  plan.updates.clear();
  try {
    Graph graph;
    build(plan, graph, "");
    ArrayMap inputs;
    drawInputs(plan, dims, "", inputs);
    ArrayMap all = compile(graph, {.engine = Engine::Interpreter}).run(inputs);
    for (int step : plan.outputs)
      values[static_cast<size_t>(step)] = all.at("o" + std::to_string(step));
  } catch (const Error &) {
  }
  return values;
}

} // namespace

std::vector<std::string> differ(const std::vector<Plan> &plans, const Options &options) {
  std::vector<std::string> reports;
  std::vector<size_t> seen;
  for (const Difference &difference : findDifferences(plans, options)) {
    if (std::find(seen.begin(), seen.end(), difference.plan) != seen.end())
      continue;
    seen.push_back(difference.plan);
    reports.push_back(title(plans[difference.plan]) + ", value " + std::to_string(difference.step) +
                      ", " + str(difference.dims) + ": " + difference.what);
  }
  return reports;
}

std::vector<std::string> differAll(const std::vector<std::vector<Plan>> &batches,
                                   const Options &options) {
  struct Running {
    const std::vector<Plan> *plans;
    Isolated process;
  };
  std::deque<Running> running;
  std::vector<std::string> reports;
  auto finish = [&] {
    const std::vector<Plan> &plans = *running.front().plans;
    Outcome outcome = running.front().process.wait();
    running.pop_front();
    if (!outcome.crashed && outcome.text.empty())
      return;
    size_t before = reports.size();
    for (const Plan &plan : plans) {
      bool isNamed = outcome.text.find(title(plan) + ", ") != std::string::npos;
      if (!isNamed && !outcome.crashed && !outcome.text.starts_with("threw"))
        continue;
      Verdict verdict = tryPlan(plan, options);
      if (verdict.failure != Failure::None)
        reports.push_back(title(plan) + ", " + verdict.text + "\n" +
                          (reports.size() < 4 ? minimize(plan, options) : ""));
    }
    if (reports.size() == before)
      reports.push_back("only together, " + title(plans.front()) +
                        " and following: " + outcome.text);
  };
  constexpr size_t maxReports = 12;
  for (const std::vector<Plan> &plans : batches) {
    if (running.size() == 2)
      finish();
    if (reports.size() >= maxReports)
      break;
    running.push_back({&plans, Isolated([&] {
                         std::string text;
                         for (const std::string &report : differ(plans, options))
                           text += report + "\n";
                         return text;
                       })});
  }
  while (!running.empty())
    finish();
  return reports;
}

std::string minimize(Plan plan, const Options &options) {
  Failure failure = tryPlan(plan, options).failure;
  if (failure == Failure::None)
    return "does not fail alone";
  int budget = 200;
  auto attempt = [&](const Plan &smaller) {
    if (budget-- <= 0 || tryPlan(smaller, options).failure != failure)
      return false;
    plan = smaller;
    return true;
  };
  for (auto [target, value] : std::map<int, int>(plan.updates)) {
    Plan smaller = plan;
    smaller.updates.erase(target);
    attempt(smaller);
  }
  // The first value that is wrong by itself.
  std::vector<int> needed = neededSteps(plan);
  for (int step : needed) {
    if (!plan.steps[static_cast<size_t>(step)].apply)
      continue;
    Plan smaller = plan;
    smaller.outputs = {step};
    if (attempt(smaller))
      break;
  }
  for (size_t i = 0; plan.outputs.size() > 1 && i < plan.outputs.size();) {
    Plan smaller = plan;
    smaller.outputs.erase(smaller.outputs.begin() + static_cast<long>(i));
    if (!attempt(smaller))
      ++i;
  }
  // Ops become inputs with the values that they had. Symbolic plans run at several sizes, so they
  // draw anew.
  std::vector<std::optional<Array>> values;
  if (!plan.symbolic)
    values = valuesOf(plan, {});
  needed = neededSteps(plan);
  for (size_t i = needed.size(); i-- > 0;) {
    int step = needed[i];
    bool isOutput = std::find(plan.outputs.begin(), plan.outputs.end(), step) != plan.outputs.end();
    if (isOutput || !plan.steps[static_cast<size_t>(step)].apply)
      continue;
    Plan smaller = plan;
    Step &one = smaller.steps[static_cast<size_t>(step)];
    one.apply = nullptr;
    one.operands.clear();
    if (!plan.symbolic)
      one.fixed = values[static_cast<size_t>(step)];
    attempt(smaller);
  }
  std::string text = tryPlan(plan, options).text + "\n";
  try {
    Graph graph;
    build(plan, graph, "");
    text += graph.str();
  } catch (const Error &error) {
    text += error.what();
  }
  return text;
}

} // namespace sinter::fuzz
