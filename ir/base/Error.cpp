// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace sinter {

std::string SourceLoc::str() const {
  if (!known())
    return "<unknown>";
  std::string text = file + ":" + std::to_string(line);
  if (column != 0)
    text += ":" + std::to_string(column);
  return text;
}

static std::string describeShapes(const std::vector<Shape> &shapes) {
  if (shapes.empty())
    return "";
  std::string text = shapes.size() == 1 ? "; shape " : "; shapes ";
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (i > 0)
      text += i + 1 == shapes.size() ? " and " : ", ";
    text += shapes[i].str();
  }
  return text;
}

/// "file:line:col: error: op: message; shapes [2, 3] and [4]\n  hint: text", each part only when
/// there is one.
static std::string format(const Error::Details &details, const std::string &message) {
  std::string text;
  if (details.location.known())
    text += details.location.str() + ": ";
  text += "error: ";
  if (!details.op.empty())
    text += details.op + ": ";
  text += message + describeShapes(details.shapes);
  if (!details.hint.empty())
    text += "\n  hint: " + details.hint;
  // Names and text of others: a zero would end what(), and terminals obey the rest.
  auto isControl = [](unsigned char c) { return (c < ' ' && c != '\n' && c != '\t') || c == 127; };
  std::replace_if(text.begin(), text.end(), isControl, '?');
  return text;
}

static ErrorCode codeOf(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::User:
    return ErrorCode::Diagnostics;
  case ErrorKind::Unsupported:
    return ErrorCode::Unsupported;
  case ErrorKind::Device:
    return ErrorCode::Device;
  case ErrorKind::Internal:
    break;
  }
  return ErrorCode::Internal;
}

Error::Error(Details details, std::string message)
    : std::runtime_error(format(details, message)), info(std::move(details)),
      text(std::move(message)) {
  if (info.code == ErrorCode::Ok)
    info.code = codeOf(info.kind);
}

Error::Error(std::string message, SourceLoc location)
    : Error(Details{.location = std::move(location)}, std::move(message)) {}

/// Edit distance with transpositions of neighbours, ignoring case.
static size_t editDistance(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  size_t width = b.size() + 1;
  std::vector<size_t> before(width), previous(width), row(width);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, row);
  }
  return previous[b.size()];
}

std::string closestName(std::string_view name, const std::vector<std::string> &candidates) {
  // Nobody mistypes a name this long, and the distance is quadratic.
  constexpr size_t longest = 256;
  if (name.empty() || name.size() > longest)
    return "";
  std::string best;
  size_t bestDistance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string &candidate : candidates) {
    if (candidate.empty() || candidate.size() > longest)
      continue;
    size_t distance = editDistance(name, candidate);
    // A name that shares no letter with the candidate is no misspelling of it.
    if (distance < bestDistance && distance < std::max(name.size(), candidate.size())) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string didYouMean(std::string_view name, const std::vector<std::string> &candidates) {
  std::string best = closestName(name, candidates);
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

} // namespace sinter
