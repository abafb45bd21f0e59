// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Report.h"

#include <cstdio>

namespace sinter::tools {
namespace {

template <typename... Args> std::string print(const char *format, Args... args) {
  char buffer[160];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

std::string time(double ms) {
  if (ms < 1e-2)
    return print("%9.3f us", ms * 1e3);
  return print("%9.3f ms", ms);
}

std::string bytes(const std::optional<int64_t> &count) {
  if (!count)
    return "       -";
  auto value = static_cast<double>(*count);
  return value >= 1e6   ? print("%6.1f M", value / 1e6)
         : value >= 1e3 ? print("%6.1f k", value / 1e3)
                        : print("%6.0f B", value);
}

} // namespace

std::string tableHeader(const TableColumns &columns) {
  std::string text = print("%-28s %12s %12s %9s", "case", "time", "limit", "of limit");
  if (columns.unfused)
    text += print(" %10s", "vs unfused");
  if (columns.interpreter)
    text += print(" %12s %9s", "interpreter", "vs interp");
  if (columns.roofline)
    text += print(" %6s %8s %8s", "bound", "GB/s", "GF/s");
  return text + print(" %8s %8s %7s %8s %11s %9s", "moved", "needed", "kernels", "peak", "compile",
                      "max error");
}

std::string tableRow(const Measurement &m, const TableColumns &columns) {
  std::string text = print("%-28s %s ", m.name.c_str(), time(m.ms).c_str());
  text += m.limitMs ? time(*m.limitMs) : "           -";
  text += m.roofline ? print(" %8.1f%%", *m.roofline * 100) : "         -";
  if (columns.unfused)
    text += m.vsUnfused ? print(" %9.2fx", *m.vsUnfused) : "          -";
  if (columns.interpreter)
    text += m.interpreterMs
                ? " " + time(*m.interpreterMs) + print(" %8.0fx", *m.interpreterMs / m.ms)
                : "            -         -";
  if (columns.roofline) {
    bool hasBytes = m.roofline && m.bytesNeeded;
    text += print(" %6s", !hasBytes ? "-" : m.limitIsFlops ? "flops" : "bytes");
    text +=
        hasBytes ? print(" %8.1f", static_cast<double>(*m.bytesNeeded) / m.ms / 1e6) : "        -";
    text += m.flops > 0 && m.roofline ? print(" %8.1f", m.flops / m.ms / 1e6) : "        -";
  }
  text += " " + bytes(m.bytesMoved) + " " + bytes(m.bytesNeeded);
  text += m.kernels ? print(" %7lld", static_cast<long long>(*m.kernels)) : "       -";
  text += " " + bytes(m.peakBytes) + print(" %8.1f ms", m.compileMs);
  text += m.maxError ? print(" %9.1e", *m.maxError) : "         -";
  if (m.checkedSmaller)
    text += " (of a smaller instance)";
  if (m.rejected * 2 > m.samples)
    text += "  REJECTED: faster than its probe";
  else if (m.rejected > 0)
    text += print("  (%lld of %lld samples rejected)", static_cast<long long>(m.rejected),
                  static_cast<long long>(m.samples));
  if (m.starved * 3 > m.samples)
    text += "  (busy machine)";
  return text;
}

void writeMeasurements(JsonWriter &json, const std::vector<Measurement> &measurements) {
  json.beginArray();
  for (const Measurement &m : measurements) {
    json.beginObject().member("case", m.name).member("target", m.target);
    json.member("threads", m.threads).member("ms", m.ms).member("limit_ms", m.limitMs);
    json.member("roofline", m.roofline).member("vs_unfused", m.vsUnfused);
    json.member("bytes_moved", m.bytesMoved).member("bytes_needed", m.bytesNeeded);
    json.member("kernels", m.kernels).member("peak_bytes", m.peakBytes);
    json.member("compile_ms", m.compileMs).member("max_error", m.maxError);
    json.member("interpreter_ms", m.interpreterMs);
    std::optional<double> gflops, gigabytes;
    if (m.flops > 0)
      gflops = m.flops / m.ms / 1e6;
    if (m.bytesNeeded)
      gigabytes = static_cast<double>(*m.bytesNeeded) / m.ms / 1e6;
    json.member("gflops", gflops).member("gbytes_per_s", gigabytes);
    json.member("checked_smaller", m.checkedSmaller ? 1 : 0).endObject();
  }
  json.endArray();
}

std::string jsonReport(const std::vector<Measurement> &measurements) {
  JsonWriter json;
  writeMeasurements(json, measurements);
  return json.str() + "\n";
}

} // namespace sinter::tools
