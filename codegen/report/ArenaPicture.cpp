// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Pictures.h"

#include <algorithm>

namespace sinter::codegen::report {

namespace {

constexpr double axisWidth = 70, planHeight = 340, curveHeight = 90, gap = 34, top = 8;
constexpr double leastWidth = 720, usualWidth = 1100, mostWidth = 2800;
constexpr double wantedStep = 60, leastStep = 1.4;

/// A round number of bytes, about a fifth of `most`.
int64_t tickOf(int64_t most) {
  int64_t unit = 1;
  while (unit <= most / 50)
    unit *= 10;
  for (int64_t factor : {1, 2, 5, 10})
    if (most / (unit * factor) < 6)
      return std::max<int64_t>(unit * factor, 1);
  return std::max<int64_t>(unit * 10, 1);
}

std::string line(double x1, double y1, double x2, double y2, const char *style) {
  return "<path class=\"" + std::string(style) + "\" d=\"M" + px(x1) + " " + px(y1) + "L" + px(x2) +
         " " + px(y2) + "\"/>";
}

std::string label(double x, double y, const std::string &text, const char *anchor,
                  const char *style = "s") {
  return "<text class=\"" + std::string(style) + "\" x=\"" + px(x) + "\" y=\"" + px(y) +
         "\" text-anchor=\"" + anchor + "\">" + escape(text) + "</text>";
}

} // namespace

std::string arenaPicture(const ArenaPlan &plan) {
  if (!plan.isKnown || plan.blocks.empty() || plan.arenaBytes <= 0)
    return "";
  const auto count = static_cast<double>(plan.steps.size());
  const double inner =
      std::clamp(std::max(std::min(count * wantedStep, usualWidth), count * leastStep), leastWidth,
                 mostWidth) -
      axisWidth;
  const double perStep = inner / count;
  const double curveTop = top + planHeight + gap, height = curveTop + curveHeight + 22;
  const double width = axisWidth + inner + 10;
  auto xOf = [&](size_t step) { return axisWidth + perStep * static_cast<double>(step); };
  const double scale = planHeight / static_cast<double>(plan.arenaBytes);
  auto yOf = [&](int64_t bytes) { return top + planHeight - scale * static_cast<double>(bytes); };
  const double curveScale = curveHeight / static_cast<double>(plan.arenaBytes);
  auto curveY = [&](int64_t bytes) {
    return curveTop + curveHeight - curveScale * static_cast<double>(bytes);
  };
  std::string svg = "<svg class=\"chart\" role=\"img\" width=\"" + px(width) + "\" height=\"" +
                    px(height) + "\" viewBox=\"0 0 " + px(width) + " " + px(height) + "\">\n";
  const int64_t tick = tickOf(plan.arenaBytes);
  for (int64_t bytes = 0; bytes <= plan.arenaBytes; bytes += tick) {
    svg += line(axisWidth, yOf(bytes), axisWidth + inner, yOf(bytes), "grid");
    svg += label(axisWidth - 6, yOf(bytes) + 4, bytesText(bytes), "end");
  }
  // Steps below, as many as there is room for.
  const auto every = static_cast<size_t>(std::max(1.0, 42 / perStep));
  for (size_t step = 0; step < plan.steps.size(); step += every)
    svg += label(xOf(step) + perStep / 2, top + planHeight + 15, plan.steps[step], "middle");
  svg += "\n";
  // Large ones first, so that what overlaps them (in-place results) stays visible.
  std::vector<const MemoryBlock *> blocks;
  for (const MemoryBlock &block : plan.blocks)
    blocks.push_back(&block);
  std::sort(blocks.begin(), blocks.end(), [&](const MemoryBlock *a, const MemoryBlock *b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a < b;
  });
  for (const MemoryBlock *block : blocks) {
    const double x = xOf(block->first), right = xOf(block->last + 1);
    const double y = yOf(block->offset + block->bytes), bottom = yOf(block->offset);
    const double w = right - x, h = std::max(bottom - y, 0.6);
    const std::string what =
        (block->kernel >= 0 ? "k" + std::to_string(block->kernel) + " " : "") + block->name;
    svg +=
        "<g class=\"b " +
        std::string(block->isScratch ? "scratch" : "c" + std::to_string(block->kernel % 6 + 1)) +
        "\"><title>" +
        escape(what + "\n" + bytesText(block->bytes) + " at " + std::to_string(block->offset) +
               ", steps " + std::to_string(block->first) + " to " + std::to_string(block->last)) +
        "</title><rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(w) + "\" height=\"" +
        px(h) + "\"/>";
    const auto chars = static_cast<size_t>(std::max(0.0, (w - 8) / 5.9));
    if (h >= 13 && chars >= 3)
      svg += label(x + 4, y + std::min(h / 2 + 4, 14.0), clipped(what, chars), "start", "bt");
    svg += "</g>\n";
  }
  // What is in use.
  const auto peak =
      static_cast<size_t>(std::max_element(plan.live.begin(), plan.live.end()) - plan.live.begin());
  std::string area = "M" + px(axisWidth) + " " + px(curveTop + curveHeight);
  for (size_t step = 0; step < plan.live.size(); ++step)
    area += "L" + px(xOf(step)) + " " + px(curveY(plan.live[step])) + "L" + px(xOf(step + 1)) +
            " " + px(curveY(plan.live[step]));
  area += "L" + px(axisWidth + inner) + " " + px(curveTop + curveHeight) + "Z";
  svg += "<path class=\"area\" d=\"" + area + "\"/>";
  svg +=
      line(axisWidth, curveY(plan.arenaBytes), axisWidth + inner, curveY(plan.arenaBytes), "roof");
  svg += label(axisWidth - 6, curveY(plan.arenaBytes) + 4, bytesText(plan.arenaBytes), "end");
  svg += label(axisWidth - 6, curveTop + curveHeight + 4, "0", "end");
  const double peakX = xOf(peak) + perStep / 2;
  svg += line(peakX, top, peakX, curveTop + curveHeight, "peak");
  const bool isRight = peakX > axisWidth + inner / 2;
  svg += label(peakX + (isRight ? -5 : 5), curveTop + curveHeight + 16,
               "peak: " + bytesText(plan.live[peak]) + " in use at step " + std::to_string(peak) +
                   " (" + plan.steps[peak] + ")",
               isRight ? "end" : "start", "t");
  return svg + "</svg>";
}

} // namespace sinter::codegen::report
