// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Text.h"

#include "sinter/ir/base/Utf8.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sinter::codegen::report {

namespace {

constexpr const char *replacement = "\xef\xbf\xbd";
constexpr const char *ellipsis = "\xe2\x80\xa6";
constexpr const char *none = "\xe2\x80\x93";

/// With this many digits after the point, whatever the language: printf writes a comma in some.
std::string fixed(double value, int digits) {
  char text[330]; // The largest double, and 9 digits.
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr;
  return {text, end};
}

/// 33600000 as "33.6 M".
std::string scaled(double value) {
  constexpr const char *prefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t step = 0;
  while (std::abs(value) >= 999.5 && step + 1 < std::size(prefixes)) {
    value /= 1000;
    ++step;
  }
  return numberText(value) + " " + prefixes[step];
}

} // namespace

std::string escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8Length(text);
    const char c = text[0];
    const bool isControl = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
    if (length == 0 || isControl || c == 0x7f)
      result += replacement;
    else if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (c == '\'')
      result += "&#39;";
    else
      result += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

std::string clipped(std::string_view text, size_t most) {
  size_t at = 0, count = 0;
  while (at < text.size() && count + 1 < most) {
    at += std::max<size_t>(utf8Length(text.substr(at)), 1);
    ++count;
  }
  if (at >= text.size())
    return std::string(text);
  const size_t last = std::max<size_t>(utf8Length(text.substr(at)), 1);
  return at + last >= text.size() ? std::string(text) : std::string(text.substr(0, at)) + ellipsis;
}

std::string listed(const std::vector<std::string> &words, size_t most) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : ", ") + word;
  return clipped(text, most);
}

std::string numberText(double value, int digits) {
  if (!std::isfinite(value))
    return none;
  if (value == 0)
    return "0";
  const int whole = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;
  std::string result = fixed(value, std::clamp(digits - whole, 0, 9));
  if (result.find('.') != std::string::npos) {
    result.erase(result.find_last_not_of('0') + 1);
    if (result.back() == '.')
      result.pop_back();
  }
  return result;
}

std::string bytesText(std::optional<int64_t> bytes) {
  return bytes ? scaled(static_cast<double>(*bytes)) + "B" : none;
}

std::string flopsText(std::optional<int64_t> flops) {
  return flops ? scaled(static_cast<double>(*flops)) + "FLOP" : none;
}

std::string timeText(double seconds) {
  if (seconds > 0 && seconds < 1e-9)
    return "< 1 ns";
  const auto [scale, unit] = seconds >= 1      ? std::pair(1.0, " s")
                             : seconds >= 1e-3 ? std::pair(1e3, " ms")
                             : seconds >= 1e-6 ? std::pair(1e6, " \xc2\xb5s")
                                               : std::pair(1e9, " ns");
  return numberText(seconds * scale) + unit;
}

std::string rateText(double perSecond, const char *unit) {
  return std::isfinite(perSecond) ? scaled(perSecond) + unit + "/s" : none;
}

std::string percentText(double share) {
  if (share > 0 && share < 0.0005)
    return "< 0.1%";
  return fixed(share * 100, share >= 0.0995 ? 0 : 1) + "%";
}

std::string px(double value) {
  std::string result = fixed(value, 1);
  if (result.ends_with(".0"))
    result.erase(result.size() - 2);
  return result == "-0" ? "0" : result;
}

} // namespace sinter::codegen::report
