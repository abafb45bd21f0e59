// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/KernelSection.h"

#include "sinter/codegen/report/Pictures.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

namespace sinter::codegen::report {

namespace {

constexpr size_t mostCodeLines = 100, mostSplitsPerReason = 40, mostLines = 10;

/// What the bars show.
struct Shares {
  std::string what;
  std::vector<double> values; ///< Of the sum.
};

Shares sharesOf(const Report &report) {
  Shares shares;
  bool hasTimes = true;
  for (const KernelEntry &kernel : report.kernels) {
    const double seconds = secondsOf(report, kernel);
    hasTimes &= seconds >= 0;
    shares.values.push_back(seconds);
  }
  const bool isMeasured = report.callSeconds >= 0;
  shares.what = isMeasured ? "Share of time" : "Share of best time";
  if (!hasTimes) {
    shares.what = "Share of bytes";
    for (size_t i = 0; i < report.kernels.size(); ++i)
      shares.values[i] = static_cast<double>(report.kernels[i].bytesMoved.value_or(0));
  }
  double all = 0;
  for (double value : shares.values)
    all += value;
  for (double &value : shares.values)
    value = all > 0 ? value / all : 0;
  return shares;
}

std::string fact(const std::string &name, const std::string &value) {
  return "<tr><th>" + escape(name) + "</th><td class=\"w\">" + value + "</td></tr>\n";
}

/// How a kernel does beside the roofs.
std::string standing(const Report &report, const KernelEntry &kernel) {
  std::string text;
  const Roofs &roofs = report.roofs;
  const double best = bestSecondsOf(roofs, kernel);
  if (kernel.seconds > 0 && kernel.bytesMoved && kernel.flops) {
    text = timeText(kernel.seconds) + ": " +
           rateText(static_cast<double>(*kernel.bytesMoved) / kernel.seconds, "B") + ", " +
           rateText(static_cast<double>(*kernel.flops) / kernel.seconds, "FLOP");
    if (best > 0)
      text += "; the machine allows " + timeText(best) + " (" + percentText(best / kernel.seconds) +
              " of the bound)";
  } else if (best > 0) {
    text = timeText(best) + " at best";
  }
  if (best > 0) {
    const double memory = static_cast<double>(*kernel.bytesMoved) / roofs.bytesPerSecond;
    text += best == memory ? ", bound by memory" : ", bound by arithmetic";
  }
  return text;
}

std::string codeHtml(const KernelEntry &kernel) {
  size_t widest = 0;
  for (const CodeLine &line : kernel.code)
    widest = std::max(widest, std::min<size_t>(line.text.size(), 90));
  std::string html = "<pre>";
  for (size_t i = 0; i < std::min(kernel.code.size(), mostCodeLines); ++i) {
    const CodeLine &line = kernel.code[i];
    html += escape(line.text);
    if (line.line.known())
      html += std::string(2 + (line.text.size() < widest ? widest - line.text.size() : 0), ' ') +
              "<span class=\"l\">" + escape(shortLine(line.line)) + "</span>";
    html += "\n";
  }
  if (kernel.code.size() > mostCodeLines)
    html += "<span class=\"l\">and " + std::to_string(kernel.code.size() - mostCodeLines) +
            " more lines</span>\n";
  return html + "</pre>";
}

std::string operandsHtml(const std::vector<Operand> &operands) {
  std::string html;
  for (const Operand &operand : operands) {
    html += html.empty() ? "" : "<br>";
    html += (operand.kernel >= 0 ? "<a href=\"#k" + std::to_string(operand.kernel) + "\">" +
                                       escape(operand.name) + "</a>"
                                 : escape(operand.name)) +
            " <span class=\"soft\">" + escape(operand.type) + ", " + bytesText(operand.bytes) +
            "</span>";
  }
  return html.empty() ? "none" : html;
}

std::string kernelLink(int number) {
  const std::string name = "k" + std::to_string(number);
  return number >= 0 ? "<a href=\"#" + name + "\">" + name + "</a>" : "a view";
}

std::string splitsOf(const Report &report, int number) {
  std::string html;
  size_t count = 0, shown = 0;
  for (const Split &split : report.splits) {
    if (split.fromKernel != number && split.toKernel != number)
      continue;
    if (++count > 8)
      continue;
    ++shown;
    const bool isFrom = split.fromKernel == number;
    html += "<li>" + std::string(isFrom ? "to " : "from ") +
            kernelLink(isFrom ? split.toKernel : split.fromKernel) + " (" + escape(split.producer) +
            " \xe2\x86\x92 " + escape(split.consumer) + ", " + bytesText(split.bytes) +
            "): " + escape(split.reason) + "</li>\n";
  }
  if (count > shown)
    html += "<li class=\"soft\">and " + std::to_string(count - shown) + " more</li>\n";
  return html.empty() ? "" : "<h3>Why it is not larger</h3>\n<ul>" + html + "</ul>\n";
}

std::string body(const Report &report, size_t number) {
  const KernelEntry &kernel = report.kernels[number];
  std::string html = "<div class=\"body\"><div><table>\n";
  if (std::string text = standing(report, kernel); !text.empty())
    html += fact("Time", escape(text));
  std::string bytes = bytesText(kernel.bytesMoved), flops = flopsText(kernel.flops);
  if (kernel.bytesMoved && kernel.flops && *kernel.bytesMoved > 0)
    flops +=
        ", " +
        numberText(static_cast<double>(*kernel.flops) / static_cast<double>(*kernel.bytesMoved)) +
        " per byte";
  html += fact("Bytes moved",
               escape(bytes) + (kernel.bytesFormula.empty()
                                    ? ""
                                    : " = <code>" + escape(kernel.bytesFormula) + "</code>"));
  html += fact("Arithmetic",
               escape(flops) + (kernel.flopsFormula.empty()
                                    ? ""
                                    : " = <code>" + escape(kernel.flopsFormula) + "</code>"));
  std::vector<std::pair<SourceLoc, int>> byOps = kernel.lines;
  std::sort(byOps.begin(), byOps.end(), [](const auto &x, const auto &y) {
    return std::tuple(-x.second, x.first.file, x.first.line) <
           std::tuple(-y.second, y.first.file, y.first.line);
  });
  std::string lines;
  for (size_t i = 0; i < std::min(byOps.size(), mostLines); ++i) {
    const auto &[line, count] = byOps[i];
    lines += (lines.empty() ? "" : "<br>") + lineHtml(report, line) + " <span class=\"soft\">" +
             std::to_string(count) + (count == 1 ? " op" : " ops") + "</span>";
  }
  if (byOps.size() > mostLines)
    lines += "<br><span class=\"soft\">and " + std::to_string(byOps.size() - mostLines) +
             " more, see below</span>";
  if (!lines.empty())
    html += fact("Your lines", lines);
  html += fact("Reads", operandsHtml(kernel.inputs)) + fact("Writes", operandsHtml(kernel.outputs));
  std::string runs =
      "<code>" + escape(kernel.symbol) + "</code>, " +
      (kernel.steps.size() == 1 ? "step " + std::to_string(kernel.steps.front())
                                : std::to_string(kernel.steps.size()) + " launches from step " +
                                      std::to_string(kernel.steps.front()));
  if (kernel.extent && kernel.grain)
    runs += "; " + std::to_string(*kernel.extent) + " units, " + std::to_string(*kernel.grain) +
            " per chunk";
  html += fact("Runs as", runs);
  std::string schedule;
  for (const auto &[name, value] : kernel.schedule)
    schedule += (schedule.empty() ? "" : ", ") + name + " " + value;
  if (!schedule.empty())
    html += fact("Schedule", "form " + escape(kernel.form) + ", " + escape(schedule));
  return html + "</table></div>\n" + codeHtml(kernel) + splitsOf(report, static_cast<int>(number)) +
         "</div>\n";
}

std::string data(const char *name, double value) {
  char text[32];
  auto end =
      std::to_chars(text, text + sizeof text, std::max(value, 0.0), std::chars_format::general, 6)
          .ptr;
  return " data-" + std::string(name) + "=\"" + std::string(text, end) + "\"";
}

} // namespace

std::string shortLine(const SourceLoc &line) {
  const size_t slash = line.file.find_last_of('/');
  return (slash == std::string::npos ? line.file : line.file.substr(slash + 1)) + ":" +
         std::to_string(line.line);
}

std::string lineHtml(const Report &report, const SourceLoc &line) {
  std::string html = "<code>" + escape(line.file + ":" + std::to_string(line.line)) + "</code>";
  auto text = report.sources.find(line.file + ":" + std::to_string(line.line));
  if (text != report.sources.end())
    html += " <code class=\"soft\">" + escape(text->second) + "</code>";
  return html;
}

std::string kernelSection(const Report &report) {
  if (report.kernels.empty())
    return "<p>The program has no kernels.</p>\n";
  const Shares shares = sharesOf(report);
  const bool hasTimes = shares.what != "Share of bytes";
  const double most = *std::max_element(shares.values.begin(), shares.values.end());
  std::string html =
      "<p class=\"soft\">In the order in which they run. A kernel opens to its ops, your lines, "
      "what it reads and writes, and why it is not larger.</p>\n<div class=\"bar\">Sort by "
      "<button data-sort=\"n\" aria-pressed=\"true\">order</button>";
  if (hasTimes)
    html += "<button data-sort=\"time\" aria-pressed=\"false\">time</button>";
  html += "<button data-sort=\"bytes\" aria-pressed=\"false\">bytes</button>"
          "<button data-sort=\"flops\" aria-pressed=\"false\">FLOP</button>"
          "<button id=\"all\">Open all</button>"
          "<input id=\"find\" type=\"search\" placeholder=\"Filter: op, line, argument\" "
          "aria-label=\"Filter\"></div>\n";
  html += "<div class=\"head\"><span>Kernel</span><span>Form</span><span>Ops</span>"
          "<span>First line</span><span>" +
          shares.what + "</span><span class=\"r\">" +
          (!hasTimes                 ? ""
           : report.callSeconds >= 0 ? "Time"
                                     : "At best") +
          "</span><span class=\"r\">Moved</span><span class=\"r\">Arithmetic</span></div>\n"
          "<div id=\"list\">\n";
  for (size_t i = 0; i < report.kernels.size(); ++i) {
    const KernelEntry &kernel = report.kernels[i];
    const std::string name = "k" + std::to_string(i);
    const double seconds = secondsOf(report, kernel);
    html += "<details class=\"k " + formClass(kernel.form) + "\" id=\"" + name + "\"" +
            data("n", static_cast<double>(i)) + data("time", seconds) +
            data("bytes", static_cast<double>(kernel.bytesMoved.value_or(0))) +
            data("flops", static_cast<double>(kernel.flops.value_or(0))) +
            "><summary class=\"k\"><b>" + name + "</b><span>" + escape(kernel.form) +
            "</span><span class=\"ops\">" + escape(listed(kernel.ops, 110)) +
            "</span><span class=\"line\">" +
            (kernel.lines.empty() ? "" : escape(shortLine(kernel.lines.front().first))) +
            "</span><span class=\"share\"><i style=\"width:" +
            px(most > 0 ? shares.values[i] / most * 100 : 0) + "%\"></i><b>" +
            percentText(shares.values[i]) + "</b></span><span class=\"num\">" +
            (hasTimes ? timeText(seconds) : "") + "</span><span class=\"num\">" +
            bytesText(kernel.bytesMoved) + "</span><span class=\"num fl\">" +
            flopsText(kernel.flops) + "</span></summary>\n" + body(report, i) + "</details>\n";
  }
  return html + "</div>\n";
}

std::string splitSection(const Report &report) {
  if (report.splits.empty())
    return "";
  struct Reason {
    std::string text;
    int64_t bytes = 0;
    std::vector<const Split *> splits;
  };
  std::vector<Reason> reasons;
  for (const Split &split : report.splits) {
    auto known = std::find_if(reasons.begin(), reasons.end(),
                              [&](const Reason &reason) { return reason.text == split.reason; });
    if (known == reasons.end())
      known = reasons.insert(reasons.end(), {split.reason, 0, {}});
    known->bytes += split.bytes.value_or(0);
    known->splits.push_back(&split);
  }
  std::sort(reasons.begin(), reasons.end(), [](const Reason &a, const Reason &b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.text < b.text;
  });
  std::string html = "<p>Each value that one kernel stores for another costs the bytes to store "
                     "and to read it. These are the reasons, those that cost most first.</p>\n";
  for (Reason &reason : reasons) {
    std::sort(reason.splits.begin(), reason.splits.end(), [](const Split *a, const Split *b) {
      return a->bytes.value_or(0) != b->bytes.value_or(0)
                 ? a->bytes.value_or(0) > b->bytes.value_or(0)
                 : a < b;
    });
    html += "<details class=\"fold\"><summary>" + bytesText(reason.bytes) + " in " +
            std::to_string(reason.splits.size()) +
            (reason.splits.size() == 1 ? " value: " : " values: ") + escape(reason.text) +
            "</summary>\n<div class=\"scroll\"><table><tr><th class=\"r\">Bytes</th><th>From</th>"
            "<th>To</th></tr>\n";
    auto end = [&](int kernel, const std::string &op, const SourceLoc &line) {
      return "<td class=\"w\">" + kernelLink(kernel) + " " + escape(op) +
             (line.known() ? " <span class=\"soft\">" + escape(shortLine(line)) + "</span>" : "") +
             "</td>";
    };
    for (size_t i = 0; i < std::min(reason.splits.size(), mostSplitsPerReason); ++i) {
      const Split &split = *reason.splits[i];
      html += "<tr><td class=\"r\">" + bytesText(split.bytes) + "</td>" +
              end(split.fromKernel, split.producer, split.from) +
              end(split.toKernel, split.consumer, split.to) + "</tr>\n";
    }
    if (reason.splits.size() > mostSplitsPerReason)
      html += "<tr><td></td><td class=\"soft\">and " +
              std::to_string(reason.splits.size() - mostSplitsPerReason) +
              " more</td><td></td></tr>\n";
    html += "</table></div></details>\n";
  }
  return html;
}

} // namespace sinter::codegen::report
