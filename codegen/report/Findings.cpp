// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Findings.h"

#include "sinter/codegen/report/Pictures.h"

#include <algorithm>
#include <map>

namespace sinter::codegen::report {

namespace {

std::string link(size_t kernel) {
  const std::string name = "k" + std::to_string(kernel);
  return "<a href=\"#" + name + "\">" + name + "</a>";
}

std::string item(const std::string &html) { return "<li>" + html + "</li>\n"; }

/// Equal kernels together, by time, and how the time is spread over the forms.
std::string longest(const Report &report) {
  struct Group {
    double seconds = 0;
    std::vector<size_t> kernels;
  };
  std::map<std::string, Group> groups;
  std::map<std::string, double> forms;
  double all = 0;
  for (size_t i = 0; i < report.kernels.size(); ++i) {
    const KernelEntry &kernel = report.kernels[i];
    const double seconds = secondsOf(report, kernel);
    if (seconds < 0)
      return "";
    Group &group = groups[report.isCompiled ? kernel.symbol : std::to_string(i)];
    group.seconds += seconds;
    group.kernels.push_back(i);
    forms[kernel.form] += seconds;
    all += seconds;
  }
  if (all <= 0 || report.kernels.size() < 2)
    return "";
  const bool isMeasured = report.callSeconds >= 0;
  std::vector<const Group *> order;
  for (const auto &[symbol, group] : groups)
    order.push_back(&group);
  std::sort(order.begin(), order.end(), [](const Group *a, const Group *b) {
    return a->seconds != b->seconds ? a->seconds > b->seconds : a->kernels < b->kernels;
  });
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 4); ++i) {
    const Group &group = *order[i];
    text += (i ? ", " : "") + link(group.kernels.front()) +
            (group.kernels.size() > 1
                 ? " and " + std::to_string(group.kernels.size() - 1) + " equal ones"
                 : "") +
            " (" + escape(report.kernels[group.kernels.front()].form) + ") " +
            percentText(group.seconds / all);
  }
  std::vector<std::pair<double, std::string>> byForm;
  for (const auto &[form, seconds] : forms)
    byForm.push_back({seconds, form});
  std::sort(byForm.rbegin(), byForm.rend());
  std::string spread;
  for (const auto &[seconds, form] : byForm)
    spread += (spread.empty() ? "" : ", ") + escape(form) + " " + percentText(seconds / all);
  return item(std::string(isMeasured ? "Longest kernels: " : "Longest kernels, at best: ") + text +
              ".") +
         (byForm.size() > 1 ? item("By form: " + spread + ".") : "");
}

/// Measured kernels that stay furthest below the roofs, by the time lost there.
std::string lost(const Report &report) {
  std::vector<std::pair<double, size_t>> losses;
  double all = 0;
  for (size_t i = 0; i < report.kernels.size(); ++i) {
    const double best = bestSecondsOf(report.roofs, report.kernels[i]);
    if (report.kernels[i].seconds <= 0 || best < 0)
      return "";
    all += report.kernels[i].seconds;
    losses.push_back({report.kernels[i].seconds - best, i});
  }
  std::sort(losses.begin(), losses.end(), [](const auto &a, const auto &b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (losses.empty() || losses.front().first < 0.05 * all)
    return "";
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(losses.size(), 3); ++i) {
    const auto [seconds, number] = losses[i];
    if (seconds < 0.02 * all)
      break;
    const KernelEntry &kernel = report.kernels[number];
    text += (i ? ", " : "") + link(number) + " (" + timeText(kernel.seconds) + " where " +
            timeText(kernel.seconds - seconds) + " is the bound)";
  }
  return item("Most to gain below the roofs: " + text + ".");
}

std::string bounds(const Report &report) {
  size_t memory = 0, arithmetic = 0;
  for (const KernelEntry &kernel : report.kernels) {
    const double best = bestSecondsOf(report.roofs, kernel);
    if (best < 0)
      return "";
    const bool isMemory =
        static_cast<double>(*kernel.bytesMoved) / report.roofs.bytesPerSecond >= best;
    ++(isMemory ? memory : arithmetic);
  }
  return report.kernels.empty()
             ? ""
             : item(std::to_string(memory) + " of " + std::to_string(memory + arithmetic) +
                    " kernels are bound by memory, " + std::to_string(arithmetic) +
                    " by arithmetic.");
}

std::string movement(const Report &report) {
  std::map<std::string, int64_t> reasons;
  int64_t exchanged = 0;
  for (const Split &split : report.splits) {
    reasons[split.reason] += split.bytes.value_or(0);
    exchanged += split.bytes.value_or(0);
  }
  if (exchanged <= 0 || !report.bytesMoved || *report.bytesMoved <= 0)
    return "";
  const auto most =
      std::max_element(reasons.begin(), reasons.end(),
                       [](const auto &a, const auto &b) { return a.second < b.second; });
  return item(
      "Values that kernels leave for others cost " + bytesText(exchanged) + ", " +
      percentText(static_cast<double>(exchanged) / static_cast<double>(*report.bytesMoved)) +
      " of the bytes moved. Main <a href=\"#splits\">reason</a>: " + escape(most->first) + " (" +
      bytesText(most->second) + ").");
}

std::string outsideOfKernels(const Report &report) {
  if (report.callSeconds <= 0)
    return "";
  double kernels = 0;
  for (const KernelEntry &kernel : report.kernels)
    kernels += std::max(kernel.seconds, 0.0);
  const double rest = report.callSeconds - kernels;
  return rest < 0.05 * report.callSeconds
             ? ""
             : item(percentText(rest / report.callSeconds) +
                    " of a call is spent outside of kernels: copies, and starting launches.");
}

} // namespace

std::string findingsList(const Report &report) {
  const std::string items =
      longest(report) + lost(report) + bounds(report) + movement(report) + outsideOfKernels(report);
  return items.empty() ? "" : "<ul class=\"findings\">\n" + items + "</ul>\n";
}

} // namespace sinter::codegen::report
