// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/Differ.h"

#include <algorithm>

namespace sinter::fuzz {

std::vector<DimBinding> bindings(bool symbolic) {
  if (!symbolic)
    return {{}};
  return {{{"N", 33}, {"M", 5}}, {{"N", 6}, {"M", 33}}, {{"N", 1}, {"M", 2}}, {{"N", 0}, {"M", 1}}};
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
    ArrayMap got = executable.run(inputs), want = reference.run(inputs);
    for (size_t p = 0; p < plans.size(); ++p)
      for (int step : plans[p].outputs) {
        std::string name = prefixOf(p) + "o" + std::to_string(step);
        std::string wrong =
            compare(plans[p].steps[static_cast<size_t>(step)].info, got.at(name), want.at(name));
        if (wrong.empty())
          continue;
        differences.push_back({p, step, dims, wrong});
        break;
      }
  }
  return differences;
}

/// The same; what is thrown becomes a difference.
std::vector<Difference> tryPlan(const Plan &plan, const Options &options) {
  try {
    return findDifferences({plan}, options);
  } catch (const Error &error) {
    return {{.what = std::string("threw: ") + error.what()}};
  }
}

/// Keeps the kind of failure: a wrong value does not turn into an exception while it is made
/// smaller.
bool stillFails(const Plan &plan, const Options &options, bool threw) {
  std::vector<Difference> differences = tryPlan(plan, options);
  return !differences.empty() && (differences.front().step < 0) == threw;
}

/// The values of all steps at one binding.
std::vector<std::optional<Array>> valuesOf(Plan plan, const DimBinding &dims) {
  std::vector<std::optional<Array>> values(plan.steps.size());
  plan.outputs = neededSteps(plan);
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
  auto report = [&](const Plan &plan, const Difference &difference) {
    reports.push_back("seed " + std::to_string(plan.seed) + (plan.symbolic ? " symbolic" : "") +
                      (plan.continuous ? " with gradients" : "") + ", value " +
                      std::to_string(difference.step) + ", " + str(difference.dims) + ": " +
                      difference.what);
  };
  try {
    std::vector<Difference> differences = findDifferences(plans, options);
    std::vector<size_t> seen;
    for (const Difference &difference : differences) {
      if (std::find(seen.begin(), seen.end(), difference.plan) != seen.end())
        continue;
      seen.push_back(difference.plan);
      report(plans[difference.plan], difference);
    }
  } catch (const Error &error) {
    for (const Plan &plan : plans)
      for (const Difference &difference : tryPlan(plan, options)) {
        report(plan, difference);
        break;
      }
    if (reports.empty())
      reports.push_back(std::string("only together, from seed ") +
                        std::to_string(plans.front().seed) + ": " + error.what());
  }
  return reports;
}

std::string minimize(Plan plan, const Options &options) {
  std::vector<Difference> differences = tryPlan(plan, options);
  if (differences.empty())
    return "does not fail alone";
  bool threw = differences.front().step < 0;
  int budget = 300;
  auto attempt = [&](const Plan &smaller) {
    if (budget-- <= 0 || !stillFails(smaller, options, threw))
      return false;
    plan = smaller;
    return true;
  };
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
  differences = tryPlan(plan, options);
  std::string text = differences.empty()
                         ? ""
                         : str(differences.front().dims) + ": " + differences.front().what + "\n";
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
