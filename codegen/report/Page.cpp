// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Findings.h"
#include "sinter/codegen/report/KernelSection.h"
#include "sinter/codegen/report/PageStyle.h"
#include "sinter/codegen/report/Pictures.h"

#include <algorithm>
#include <map>
#include <set>

namespace sinter::codegen::report {

namespace {

std::string section(const char *id, const char *heading, const std::string &content) {
  return content.empty() ? ""
                         : "<section id=\"" + std::string(id) + "\">\n<h2>" + heading + "</h2>\n" +
                               content + "</section>\n";
}

std::string scrolled(const std::string &picture, const char *name) {
  return picture.empty() ? ""
                         : "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                               std::string(name) + "\">" + picture + "</div>\n";
}

std::string tile(const std::string &name, const std::string &value, const std::string &note) {
  return "<div><dt>" + escape(name) + "</dt><dd>" + escape(value) + "<small>" + escape(note) +
         "</small></dd></div>\n";
}

std::string tiles(const Report &report) {
  std::string html = "<dl class=\"tiles\">\n";
  html += tile("Kernels", std::to_string(report.kernels.size()),
               "of " + std::to_string(report.opsWritten) + " ops as written, in " +
                   std::to_string(report.launches) + " launches" +
                   (report.copies ? ", " + std::to_string(report.copies) + " copies" : ""));
  if (report.callSeconds >= 0)
    html +=
        tile("One call", timeText(report.callSeconds),
             "median of " + std::to_string(report.runs) + ", " + std::to_string(report.workers) +
                 (report.workers == 1 ? " thread" : " threads"));
  std::string needed;
  if (report.bytesMoved && report.bytesNeeded && *report.bytesNeeded > 0)
    needed = numberText(static_cast<double>(*report.bytesMoved) /
                        static_cast<double>(*report.bytesNeeded)) +
             " times the " + bytesText(report.bytesNeeded) + " that must move";
  html += tile("Bytes moved", bytesText(report.bytesMoved), needed);
  html += tile("Arithmetic", flopsText(report.flops),
               report.bytesMoved && report.flops && *report.bytesMoved > 0
                   ? numberText(static_cast<double>(*report.flops) /
                                static_cast<double>(*report.bytesMoved)) +
                         " FLOP per byte moved"
                   : "");
  html += tile("Workspace",
               report.memory.isKnown ? bytesText(report.memory.arenaBytes) : "depends on sizes",
               "and " + bytesText(report.resultBytes) + " of outputs");
  html += tile("Arguments", bytesText(report.argumentBytes),
               std::to_string(report.variables.size()) + " inputs, parameters and states");
  if (report.compileSeconds > 0)
    html += tile("Compilation", timeText(report.compileSeconds), report.cache);
  return html + "</dl>\n";
}

std::string legend(const Report &report) {
  std::set<std::string> forms;
  for (const KernelEntry &kernel : report.kernels)
    forms.insert(kernel.form);
  std::string html = "<div class=\"chips\">";
  for (const std::string &form : forms)
    html += "<span class=\"" + formClass(form) + "\">" + escape(form) + "</span>";
  return html + "</div>\n";
}

/// Browsers are slow with more boxes than that, and nobody reads them.
constexpr size_t mostBoxes = 5000;

std::string graphOf(const Report &report, const Graph &graph, const char *name) {
  if (graph.nodes.size() > mostBoxes)
    return "<p>These are too many for a picture; <code>--emit=dot</code> writes the graph as "
           "text.</p>\n";
  return scrolled(graphPicture(graph, report.kernels), name);
}

std::string graphs(const Report &report) {
  std::string html = legend(report);
  html += "<p class=\"soft\">Rounded boxes are inputs and outputs, dashed ones parameters and "
          "state. Lines that would cross much of the picture are named at both ends instead of "
          "drawn.</p>\n";
  html += "<details class=\"fold\" open><summary>After fusion: " +
          std::to_string(report.kernels.size()) + " kernels</summary>\n" +
          graphOf(report, report.after, "Graph of kernels") + "</details>\n";
  const auto ops =
      std::count_if(report.before.nodes.begin(), report.before.nodes.end(),
                    [](const GraphNode &node) { return node.kind == GraphNode::Kind::Op; });
  html += "<details class=\"fold\"" + std::string(ops <= 60 ? " open" : "") +
          "><summary>Before fusion: " + std::to_string(ops) +
          " simplified ops, each with the kernel that holds it (constants left out)</summary>\n" +
          graphOf(report, report.before, "Graph of ops") + "</details>\n";
  return html;
}

std::string roofline(const Report &report) {
  const std::string picture = rooflinePicture(report);
  if (picture.empty())
    return "<p>No kernel does arithmetic whose time is measured or bounded: give the machine's "
           "figures, or measure.</p>\n";
  std::string html = "<p>";
  const Roofs &roofs = report.roofs;
  if (roofs.flopsPerSecond > 0)
    html += "The machine: " + rateText(roofs.bytesPerSecond, "B") + " and " +
            rateText(roofs.flopsPerSecond, "FLOP") + ", " + escape(roofs.source) + ". ";
  html += report.callSeconds >= 0
              ? "Circles are as large as the kernel's share of the time. Below the slope a kernel "
                "has memory bandwidth left; data that stays in a cache may lie above it."
              : "Dashed circles were not measured: they lie where the roofs allow them at best.";
  return html + "</p>\n" + legend(report) + scrolled(picture, "Roofline");
}

/// What is live at the peak; values of one name and size together.
std::string peakTable(const ArenaPlan &plan, size_t peak) {
  struct Group {
    const MemoryBlock *first = nullptr;
    int64_t bytes = 0, count = 0;
    std::set<int> kernels;
  };
  std::map<std::pair<std::string, int64_t>, Group> groups;
  for (const MemoryBlock &block : plan.blocks) {
    if (block.first > peak || peak > block.last)
      continue;
    Group &group = groups[{block.name, block.bytes}];
    group.first = group.first ? group.first : &block;
    group.bytes += block.bytes;
    ++group.count;
    group.kernels.insert(block.kernel);
  }
  std::vector<Group> order;
  for (auto &[key, group] : groups)
    order.push_back(std::move(group));
  std::sort(order.begin(), order.end(), [](const Group &a, const Group &b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.first < b.first;
  });
  constexpr size_t most = 12, mostKernels = 12;
  std::string html = "<h3>In use at the peak, step " + std::to_string(peak) + " (" +
                     plan.steps[peak] +
                     ")</h3>\n<div class=\"scroll\"><table><tr><th class=\"r\">Bytes</th>"
                     "<th>Values</th><th>Written by</th></tr>\n";
  for (size_t i = 0; i < std::min(most, order.size()); ++i) {
    const Group &group = order[i];
    html += "<tr><td class=\"r\">" + bytesText(group.bytes) + "</td><td class=\"w\">" +
            (group.count > 1
                 ? std::to_string(group.count) + " of " + bytesText(group.first->bytes) + ": "
                 : "") +
            escape(group.first->name) + "</td><td class=\"w\">";
    size_t shown = 0;
    for (int number : group.kernels) {
      if (++shown > mostKernels)
        break;
      const std::string kernel = "k" + std::to_string(number);
      html += std::string(shown > 1 ? ", " : "") +
              (number >= 0 ? "<a href=\"#" + kernel + "\">" + kernel + "</a>" : "a copy");
    }
    html +=
        std::string(group.kernels.size() > mostKernels ? ", \xe2\x80\xa6" : "") + "</td></tr>\n";
  }
  if (order.size() > most)
    html += "<tr><td></td><td class=\"soft\">and " + std::to_string(order.size() - most) +
            " more</td><td></td></tr>\n";
  return html + "</table></div>\n";
}

std::string memory(const Report &report) {
  const ArenaPlan &plan = report.memory;
  if (!plan.isKnown)
    return "<p>The workspace is <code>" + escape(plan.formula) +
           "</code> bytes; its plan is drawn for given sizes.</p>\n";
  if (plan.blocks.empty())
    return "<p>The program needs no workspace.</p>\n";
  const size_t peak =
      static_cast<size_t>(std::max_element(plan.live.begin(), plan.live.end()) - plan.live.begin());
  std::string html = "<p>Every value that one kernel leaves for another, from the step that makes "
                     "it to the last that reads it (left to right), at its place in the workspace "
                     "of " +
                     bytesText(plan.arenaBytes) + ". At most " + bytesText(plan.live[peak]) +
                     " are in use at once; grey is scratch memory of one kernel.";
  if (!plan.formula.empty())
    html += " In general: <code>" + escape(plan.formula) + "</code> bytes.";
  html += "</p>\n" + scrolled(arenaPicture(plan), "Memory plan");
  return html + peakTable(plan, peak);
}

std::string timeline(const Report &report) {
  const std::string picture = timelinePicture(report);
  return picture.empty() ? ""
                         : "<p>Stages, passes and kernels, thread by thread" +
                               (report.cache.empty() ? "" : "; " + escape(report.cache)) +
                               ".</p>\n" + scrolled(picture, "Compile timeline");
}

std::string arguments(const Report &report) {
  if (report.variables.empty())
    return "";
  std::string html = "<div class=\"scroll\"><table><tr><th>Name</th><th>Kind</th><th>Type</th>"
                     "<th class=\"r\">Bytes</th><th>Declared at</th></tr>\n";
  for (const Variable &variable : report.variables)
    html += "<tr><td class=\"w\">" + escape(variable.name) + "</td><td>" + variable.kind +
            "</td><td>" + escape(variable.type) + "</td><td class=\"r\">" +
            bytesText(variable.bytes) + "</td><td class=\"w\">" +
            (variable.line.known() ? escape(variable.line.str()) : "") + "</td></tr>\n";
  return html + "</table></div>\n";
}

std::string heading(const Report &report) {
  std::string html = "<header>\n<h1>" + escape(report.title) + "</h1>\n<p class=\"soft\">Program " +
                     escape(report.program) + " for " + escape(report.target);
  std::string dims;
  for (const auto &[name, value] : report.dims)
    dims += (dims.empty() ? "" : ", ") + name + " = " + std::to_string(value);
  if (!dims.empty())
    html += ". Figures are for " + escape(dims) +
            (report.dimsAreAssumed ? ", which is assumed where no size was given" : "");
  html += ".</p>\n";
  for (const std::string &note : report.notes)
    html += "<p>" + escape(note) + "</p>\n";
  return html + "</header>\n";
}

} // namespace

std::string htmlPage(const Report &report) {
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
                     "<meta name=\"referrer\" content=\"no-referrer\">\n<title>" +
                     escape(report.title) + "</title>\n<style>" + pageStyle +
                     "</style>\n</head>\n<body>\n" + heading(report);
  struct Entry {
    const char *id, *name;
    std::string html;
  };
  std::vector<Entry> entries = {
      {"summary", "Summary", ""},
      {"kernels", "Kernels", section("kernels", "Kernels", kernelSection(report))},
      {"graph", "Graph", section("graph", "Graph", graphs(report))},
      {"roofline", "Roofline", section("roofline", "Roofline", roofline(report))},
      {"memory", "Memory", section("memory", "Memory plan", memory(report))},
      {"splits", "Fusion", section("splits", "Why kernels are not one", splitSection(report))},
      {"compile", "Compilation", section("compile", "Compilation", timeline(report))},
      {"arguments", "Arguments", section("arguments", "Arguments", arguments(report))},
  };
  entries[0].html =
      "<section id=\"summary\">\n" + tiles(report) + findingsList(report) + "</section>\n";
  html += "<nav><div>";
  for (const Entry &entry : entries)
    if (!entry.html.empty())
      html += "<a href=\"#" + std::string(entry.id) + "\">" + entry.name + "</a>";
  html += "</div></nav>\n<main>\n";
  for (const Entry &entry : entries)
    html += entry.html;
  return html +
         "</main>\n<footer>Written by Sinter. Bytes and FLOP are what the compiler counts: "
         "inputs and outputs of a kernel once each, and what its ops do.</footer>\n<script>" +
         pageScript + "</script>\n</body>\n</html>\n";
}

} // namespace sinter::codegen::report
