// SPDX-License-Identifier: Apache-2.0
#include "tools/support/Roofline.h"

#include "tools/support/CommandLine.h"
#include "tools/support/Probes.h"

#include <algorithm>
#include <cmath>

namespace sinter::tools {
namespace {

/// "31.2G" as 31.2e9.
double parseRate(const std::string &text) {
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception &) {
    end = 0;
  }
  const std::string unit = text.substr(end);
  constexpr std::string_view units = "kMGT";
  double scale = 1;
  if (unit.size() == 1 && units.find(unit[0]) != std::string_view::npos)
    scale = std::pow(1e3, static_cast<double>(units.find(unit[0])) + 1);
  else if (end == 0 || !unit.empty())
    value = -1;
  if (!std::isfinite(value) || value <= 0)
    failUsage("--roofline: '" + text + "' is not a rate", "e.g. 250G");
  return value * scale;
}

/// Far beyond every cache.
constexpr int64_t probeBytes = int64_t{256} << 20;

/// "2T,60G"
codegen::report::Roofs parseRoofs(const std::string &text) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos)
    failUsage("--roofline takes FLOPS,BYTES, not '" + text + "'", "e.g. 2T,60G");
  return {parseRate(text.substr(0, comma)), parseRate(text.substr(comma + 1)), "as given"};
}

} // namespace

std::string rooflineHelp() {
  return "--report: FLOPS,BYTES per second that the machine can do, e.g. 2T,60G; none: draw no "
         "roofs (default: measured where the target is this CPU)";
}

void requireReportOptions(const std::string &report, const std::string &roofline,
                          bool quoteSources) {
  if (report.empty() && (quoteSources || !roofline.empty()))
    failUsage(std::string(quoteSources ? "--quote-sources" : "--roofline") +
              " needs --report=FILE");
  if (!roofline.empty() && roofline != "none")
    parseRoofs(roofline);
}

codegen::report::Roofs roofsOf(const std::string &text, const TargetInfo &target) {
  if (text == "none")
    return {};
  if (!text.empty())
    return parseRoofs(text);
  if (target.str() != TargetInfo::host().str())
    return {};
  std::shared_ptr<CpuDevice> device = CpuDevice::shared();
  Probes probes(*device);
  double flops = 0, seconds = INFINITY;
  for (int i = 0; i < 3; ++i) {
    flops = std::max(flops, probes.flopsPerSecond());
    seconds = std::min(seconds,
                       probes.transferSeconds({.read = probeBytes / 2, .written = probeBytes / 2}));
  }
  return {flops, static_cast<double>(probeBytes) / seconds, "measured on this machine"};
}

} // namespace sinter::tools
