// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Program.h"

namespace sinter {

static std::string describe(const DimBinding &binding) {
  std::string text;
  for (const auto &[name, value] : binding)
    text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
  return text;
}

void checkConditions(const Program &program, const DimBinding &binding) {
  for (const Condition &condition : program.conditions)
    if (condition.value.evaluate(binding).value_or(0) < 0)
      throw Error({.op = condition.site.op, .location = condition.site.location},
                  "needs that " + condition.site.what + ", which does not hold" +
                      (binding.empty() ? "" : " for " + describe(binding)));
}

std::vector<int64_t> evaluateTable(const Program &program, const DimBinding &binding,
                                   int64_t workers) {
  if (workers < 1)
    throw Error("a program needs at least one worker, not " + std::to_string(workers));
  DimBinding all = binding;
  all.insert_or_assign(workersSymbol, workers);

  std::vector<int64_t> table;
  table.reserve(program.dims.size() + program.table.size());
  for (const std::string &name : program.dims) {
    auto found = all.find(name);
    if (found == all.end())
      throw Error("dimension '" + name + "' has no value");
    if (found->second < 0)
      throw Error("dimension '" + name + "' is negative: " + std::to_string(found->second));
    table.push_back(found->second);
  }
  for (const DimExpr &entry : program.table) {
    std::optional<int64_t> value = entry.evaluate(all);
    if (!value) {
      std::set<std::string> symbols;
      entry.collectSymbols(symbols);
      for (const std::string &symbol : symbols)
        if (!all.contains(symbol))
          throw Error("dimension '" + symbol + "' has no value");
      throw Error({.code = ErrorCode::Limit},
                  "the size " + entry.str() + " overflows or divides by zero for " + describe(all));
    }
    if (*value < 0)
      throw Error("the size " + entry.str() + " is " + std::to_string(*value) + " for " +
                  describe(binding));
    table.push_back(*value);
  }
  return table;
}

} // namespace sinter
