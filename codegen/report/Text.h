// SPDX-License-Identifier: Apache-2.0
// Text of a report: everything that comes from a user goes through escape().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::codegen::report {

/// As the text or the attribute of an HTML or SVG element. What is not UTF-8 becomes U+FFFD.
std::string escape(std::string_view text);
/// At most `most` characters, with an ellipsis where some are missing.
std::string clipped(std::string_view text, size_t most);
/// The same, of words with commas.
std::string listed(const std::vector<std::string> &words, size_t most);

/// "33.6 MB", "–" without a value.
std::string bytesText(std::optional<int64_t> bytes);
std::string flopsText(std::optional<int64_t> flops);
/// "1.24 ms"
std::string timeText(double seconds);
/// "31.2 GB/s"
std::string rateText(double perSecond, const char *unit);
/// "12.5%"
std::string percentText(double share);
/// With so many significant digits and no exponent below 1e6.
std::string numberText(double value, int digits = 3);
/// A coordinate, with one decimal at most.
std::string px(double value);

} // namespace sinter::codegen::report
