// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Pictures.h"

#include <algorithm>
#include <cmath>

namespace sinter::codegen::report {

namespace {

std::string text(double x, double y, const std::string &words, const char *anchor,
                 const char *style = "s") {
  return "<text class=\"" + std::string(style) + "\" x=\"" + px(x) + "\" y=\"" + px(y) +
         "\" text-anchor=\"" + anchor + "\">" + escape(words) + "</text>";
}

std::string segment(double x1, double y1, double x2, double y2, const char *style) {
  return "<path class=\"" + std::string(style) + "\" d=\"M" + px(x1) + " " + px(y1) + "L" + px(x2) +
         " " + px(y2) + "\"/>";
}

std::string openSvg(double width, double height) {
  return "<svg class=\"chart\" role=\"img\" width=\"" + px(width) + "\" height=\"" + px(height) +
         "\" viewBox=\"0 0 " + px(width) + " " + px(height) + "\">\n";
}

/// "1", "10", "100", "0.1"
std::string powerText(int exponent) { return numberText(std::pow(10.0, exponent), 1); }

} // namespace

double bestSecondsOf(const Roofs &roofs, const KernelEntry &kernel) {
  if (roofs.flopsPerSecond <= 0 || roofs.bytesPerSecond <= 0 || !kernel.bytesMoved || !kernel.flops)
    return -1;
  return std::max(static_cast<double>(*kernel.bytesMoved) / roofs.bytesPerSecond,
                  static_cast<double>(*kernel.flops) / roofs.flopsPerSecond);
}

double secondsOf(const Report &report, const KernelEntry &kernel) {
  return kernel.seconds >= 0 ? kernel.seconds : bestSecondsOf(report.roofs, kernel);
}

std::string rooflinePicture(const Report &report) {
  struct Dot {
    size_t kernel;
    double intensity, rate, seconds;
    bool isMeasured;
  };
  std::vector<Dot> dots;
  for (size_t i = 0; i < report.kernels.size(); ++i) {
    const KernelEntry &kernel = report.kernels[i];
    const double seconds = secondsOf(report, kernel);
    if (!kernel.flops || !kernel.bytesMoved || *kernel.flops <= 0 || *kernel.bytesMoved <= 0 ||
        seconds <= 0)
      continue;
    const auto flops = static_cast<double>(*kernel.flops);
    dots.push_back({i, flops / static_cast<double>(*kernel.bytesMoved), flops / seconds, seconds,
                    kernel.seconds >= 0});
  }
  if (dots.empty())
    return "";
  const Roofs &roofs = report.roofs;
  const bool hasRoofs = roofs.flopsPerSecond > 0 && roofs.bytesPerSecond > 0;
  double lowX = dots[0].intensity, highX = lowX, lowY = dots[0].rate, highY = lowY;
  for (const Dot &dot : dots) {
    lowX = std::min(lowX, dot.intensity);
    highX = std::max(highX, dot.intensity);
    lowY = std::min(lowY, dot.rate);
    highY = std::max(highY, dot.rate);
  }
  if (hasRoofs) {
    const double ridge = roofs.flopsPerSecond / roofs.bytesPerSecond;
    lowX = std::min(lowX, ridge / 4);
    highX = std::max(highX, ridge * 4);
    highY = std::max(highY, roofs.flopsPerSecond * 1.3);
  }
  const int fromX = static_cast<int>(std::floor(std::log10(lowX)));
  const int toX = std::max(static_cast<int>(std::ceil(std::log10(highX))), fromX + 1);
  // What is slower by more than that than the fastest ends at the bottom.
  const int toY = static_cast<int>(std::ceil(std::log10(highY)));
  const int fromY = std::clamp(static_cast<int>(std::floor(std::log10(lowY))), toY - 6, toY - 2);
  const double left = 78, width = 1000, height = 430, bottom = 42, top = 14;
  auto xOf = [&](double value) {
    return left + (std::log10(value) - fromX) / (toX - fromX) * (width - left - 14);
  };
  auto yOf = [&](double value) {
    const double share = (std::log10(value) - fromY) / (toY - fromY);
    return height - bottom - std::clamp(share, 0.0, 1.0) * (height - bottom - top);
  };
  std::string svg = openSvg(width, height);
  for (int power = fromX; power <= toX; ++power) {
    const double x = xOf(std::pow(10.0, power));
    svg += segment(x, top, x, height - bottom, "grid") +
           text(x, height - bottom + 16, powerText(power), "middle");
  }
  for (int power = fromY; power <= toY; ++power) {
    const double y = yOf(std::pow(10.0, power));
    svg += segment(left, y, width - 14, y, "grid") +
           text(left - 6, y + 4, rateText(std::pow(10.0, power), "FLOP"), "end");
  }
  svg += text((left + width) / 2, height - 6, "FLOP per byte moved", "middle");
  if (hasRoofs) {
    const double ridge = roofs.flopsPerSecond / roofs.bytesPerSecond;
    const double first =
        std::max(std::pow(10.0, fromX), std::pow(10.0, fromY) / roofs.bytesPerSecond);
    svg += segment(xOf(first), yOf(first * roofs.bytesPerSecond), xOf(ridge),
                   yOf(roofs.flopsPerSecond), "roof") +
           segment(xOf(ridge), yOf(roofs.flopsPerSecond), width - 14, yOf(roofs.flopsPerSecond),
                   "roof");
    svg += text(width - 16, yOf(roofs.flopsPerSecond) - 6, rateText(roofs.flopsPerSecond, "FLOP"),
                "end", "t");
    const double at = std::sqrt(first * ridge);
    svg += text(xOf(at) - 6, yOf(at * roofs.bytesPerSecond) - 8,
                rateText(roofs.bytesPerSecond, "B"), "end", "t");
  }
  svg += "\n";
  // Long ones first: short ones stay visible.
  std::sort(dots.begin(), dots.end(), [](const Dot &a, const Dot &b) {
    return a.seconds != b.seconds ? a.seconds > b.seconds : a.kernel < b.kernel;
  });
  double all = 0;
  for (const Dot &dot : dots)
    all += dot.seconds;
  std::vector<std::pair<double, double>> labelled;
  for (size_t i = 0; i < dots.size(); ++i) {
    const Dot &dot = dots[i];
    const KernelEntry &kernel = report.kernels[dot.kernel];
    const std::string name = "k" + std::to_string(dot.kernel);
    const double radius = 3.5 + 18 * std::sqrt(dot.seconds / all);
    const double x = xOf(dot.intensity), y = yOf(dot.rate);
    svg += "<a href=\"#" + name + "\"><circle class=\"dot " + formClass(kernel.form) +
           (dot.isMeasured ? "" : " best") + "\" cx=\"" + px(x) + "\" cy=\"" + px(y) + "\" r=\"" +
           px(radius) + "\"><title>" +
           escape(name + " " + kernel.name + "\n" + numberText(dot.intensity) + " FLOP/B, " +
                  rateText(dot.rate, "FLOP") + ", " + timeText(dot.seconds) +
                  (dot.isMeasured ? "" : " at best")) +
           "</title></circle></a>";
    const bool isFree = std::none_of(labelled.begin(), labelled.end(), [&](const auto &other) {
      return std::abs(other.first - x) < 32 && std::abs(other.second - y + radius) < 14;
    });
    if (labelled.size() < 12 && isFree) {
      labelled.push_back({x, y - radius});
      svg += text(x, y - radius - 4, name, "middle", "dl");
    }
    svg += "\n";
  }
  return svg + "</svg>";
}

std::string timelinePicture(const Report &report) {
  if (report.compileEvents.empty())
    return "";
  int64_t begin = report.compileEvents.front().begin, end = begin;
  for (const Trace::Event &event : report.compileEvents) {
    begin = std::min(begin, event.begin);
    end = std::max(end, event.begin + event.length);
  }
  const double left = 12, width = 1000, rowHeight = 20;
  const double scale = (width - left - 12) / static_cast<double>(std::max<int64_t>(end - begin, 1));
  // Every thread has as many rows as its events nest.
  std::string bars;
  double top = 18;
  for (const auto &[number, name] : report.threads) {
    std::vector<int64_t> open; // Ends of the events around.
    double rows = 0;
    std::string thread;
    for (const Trace::Event &event : report.compileEvents) {
      if (event.thread != number)
        continue;
      while (!open.empty() && open.back() <= event.begin)
        open.pop_back();
      const auto depth = static_cast<double>(open.size());
      open.push_back(event.begin + event.length);
      const double w = scale * static_cast<double>(event.length);
      if (w < 0.4)
        continue;
      rows = std::max(rows, depth + 1);
      const double x = left + scale * static_cast<double>(event.begin - begin);
      const double y = top + 18 + depth * rowHeight;
      thread += "<g class=\"b c" + std::to_string(static_cast<int>(depth) % 6 + 1) + "\"><title>" +
                escape(event.name + ": " + timeText(static_cast<double>(event.length) * 1e-9)) +
                "</title><rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" +
                px(std::max(w, 0.6)) + "\" height=\"" + px(rowHeight - 2) + "\"/>";
      const auto chars = static_cast<size_t>(std::max(0.0, (w - 6) / 6.0));
      if (chars >= 3)
        thread += text(x + 3, y + 13, clipped(event.name, chars), "start", "bt");
      thread += "</g>\n";
    }
    if (thread.empty())
      continue;
    bars += text(left, top + 12, name, "start", "t") + "\n" + thread;
    top += 18 + rows * rowHeight + 10;
  }
  const double height = top + 8;
  std::string svg = openSvg(width, height);
  const double seconds = static_cast<double>(end - begin) * 1e-9;
  double tick = std::pow(10.0, std::floor(std::log10(std::max(seconds, 1e-6))));
  tick *= seconds / tick < 2 ? 0.2 : seconds / tick < 5 ? 0.5 : 1;
  for (int i = 0; i * tick <= seconds; ++i) {
    const double x = left + scale * i * tick * 1e9;
    svg += segment(x, 16, x, height - 4, "grid") +
           text(x, 12, i ? timeText(i * tick) : "0", i ? "middle" : "start");
  }
  return svg + "\n" + bars + "</svg>";
}

} // namespace sinter::codegen::report
