// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx/Suite.h"

#include "tools/support/Json.h"

#include <algorithm>
#include <cstdio>

namespace sinter::onnxsuite {
namespace {

/// The size of the result is data, so that the importer evaluates these.
constexpr std::string_view dataSized[] = {"Compress", "NonMaxSuppression", "NonZero", "Unique"};

struct Counts {
  int64_t by[4] = {};
  /// Of those that pass: an input became a constant at import, because a size depends on it; of
  /// these: the operator is one of dataSized.
  int64_t fixed = 0, fixedDataSized = 0;

  void add(const Case &which, const Outcome &outcome) {
    ++by[static_cast<int>(outcome.status)];
    if (outcome.status != Status::Pass || outcome.fixedInputs.empty())
      return;
    ++fixed;
    fixedDataSized +=
        std::find(std::begin(dataSized), std::end(dataSized), which.op) != std::end(dataSized);
  }
  int64_t total() const { return by[0] + by[1] + by[2] + by[3]; }
  double rate() const {
    return total() == 0 ? 0 : 100.0 * static_cast<double>(by[0]) / static_cast<double>(total());
  }
};

/// Each class holds those before it.
struct ClassCounts {
  Counts core, wide, all;
};

ClassCounts countClasses(const Report &report) {
  ClassCounts counts;
  for (size_t i = 0; i < report.cases.size(); ++i) {
    auto add = [&](Counts &to) { to.add(report.cases[i], report.outcomes[i]); };
    if (report.cases[i].kind == Class::Core)
      add(counts.core);
    if (report.cases[i].kind != Class::Other)
      add(counts.wide);
    add(counts.all);
  }
  return counts;
}

std::map<std::string, Counts> countOperators(const Report &report) {
  std::map<std::string, Counts> operators;
  for (size_t i = 0; i < report.cases.size(); ++i)
    operators[report.cases[i].op].add(report.cases[i], report.outcomes[i]);
  return operators;
}

double medianCompileMs(const Report &report) {
  std::vector<double> times;
  for (const Outcome &outcome : report.outcomes)
    if (outcome.compileMs >= 0)
      times.push_back(outcome.compileMs);
  if (times.empty())
    return -1;
  auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void write(tools::JsonWriter &json, const std::string &key, const Counts &counts) {
  json.key(key).beginObject();
  for (int i = 0; i < 4; ++i)
    json.member(statusNames[i], counts.by[i]);
  json.member("fixed", counts.fixed).member("fixed_data_sized", counts.fixedDataSized);
  json.endObject();
}

template <typename... Args> std::string format(const char *pattern, Args... args) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, args...);
  return buffer;
}

std::string firstLine(const std::string &text) { return text.substr(0, text.find('\n')); }

} // namespace

std::string Report::json() const {
  ClassCounts counts = countClasses(*this);
  tools::JsonWriter json;
  json.beginObject();
  write(json, "core", counts.core);
  write(json, "wide", counts.wide);
  write(json, "all", counts.all);
  double median = medianCompileMs(*this);
  json.key("compile_ms_median");
  if (median < 0)
    json.null();
  else
    json.value(median);
  json.key("operators").beginObject();
  for (const auto &[op, byStatus] : countOperators(*this))
    write(json, op, byStatus);
  json.endObject();
  json.key("not_passed").beginArray();
  for (size_t i = 0; i < cases.size(); ++i) {
    if (outcomes[i].status == Status::Pass)
      continue;
    json.beginObject();
    json.member("case", cases[i].name);
    json.member("status", statusNames[static_cast<int>(outcomes[i].status)]);
    json.member("message", outcomes[i].message);
    json.endObject();
  }
  json.endArray().endObject();
  return json.str() + "\n";
}

std::string Report::text() const {
  std::string text;
  for (size_t i = 0; i < cases.size(); ++i)
    if (outcomes[i].status != Status::Pass)
      text += format("%-12s ", statusNames[static_cast<int>(outcomes[i].status)]) + cases[i].name +
              ": " + firstLine(outcomes[i].message) +
              (expected.contains(cases[i].name) ? " (expected)" : "") + "\n";
  text += format("\n%-28s %6s %6s %12s %6s\n", "operator", "pass", "wrong", "unsupported", "crash");
  for (const auto &[op, counts] : countOperators(*this))
    if (counts.by[0] != counts.total())
      text += format("%-28s %6ld %6ld %12ld %6ld\n", op.c_str(), counts.by[0], counts.by[1],
                     counts.by[2], counts.by[3]);
  ClassCounts counts = countClasses(*this);
  text += format("\n%-28s %6s %6s %12s %6s %8s %7s %8s\n", "class", "pass", "wrong", "unsupported",
                 "crash", "rate", "fixed*", "sized**");
  for (const auto &[name, of] : {std::pair("core", counts.core), std::pair("wide", counts.wide),
                                 std::pair("all", counts.all)})
    text += format("%-28s %6ld %6ld %12ld %6ld %7.1f%% %7ld %8ld\n", name, of.by[0], of.by[1],
                   of.by[2], of.by[3], of.rate(), of.fixed, of.fixedDataSized);
  text += "* pass, with an input that became a constant at import, because a size depends on it\n"
          "** of these, with an operator whose result's size is data, evaluated at import\n";
  text += format("\nimport and compilation: median %.1f ms\n", medianCompileMs(*this));
  return text;
}

std::vector<std::string> Report::problems() const {
  std::vector<std::string> problems;
  for (size_t i = 0; i < cases.size(); ++i) {
    Status status = outcomes[i].status;
    bool isExpected = expected.contains(cases[i].name);
    if (status == Status::Pass && isExpected)
      problems.push_back(cases[i].name + " passes, but is in the list of expected failures");
    if ((status == Status::Wrong || status == Status::Crash) && !isExpected)
      problems.push_back(cases[i].name + ": " + statusNames[static_cast<int>(status)] + ": " +
                         firstLine(outcomes[i].message));
  }
  return problems;
}

} // namespace sinter::onnxsuite
