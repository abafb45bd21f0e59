// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PrintCuda.h"

#include <charconv>
#include <optional>

namespace sinter::cuda {

namespace {

/// Calls use(line) with each line, which lacks its end.
template <typename Use> void forEachLine(std::string_view text, Use use) {
  while (!text.empty()) {
    size_t length = std::min(text.find('\n'), text.size());
    use(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

size_t indentOf(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool isComment(std::string_view line) { return line.substr(indentOf(line)).starts_with("//"); }

/// Takes `:NUMBER` off the end.
std::optional<unsigned> takeNumber(std::string_view &text) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return std::nullopt;
  unsigned number = 0;
  auto [end, problem] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  text = text.substr(0, colon);
  return number;
}

/// `LINE "FILE"` of a comment that ends in ` at FILE:LINE:COLUMN`.
std::optional<std::string> placeIn(std::string_view comment) {
  size_t at = comment.find(" at ");
  if (at == std::string_view::npos)
    return std::nullopt;
  std::string_view place = comment.substr(at + 4);
  if (!takeNumber(place))
    return std::nullopt;
  std::optional<unsigned> line = takeNumber(place);
  if (!line || *line == 0 || place.empty())
    return std::nullopt;
  std::string file;
  for (char c : place)
    file += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return std::to_string(*line) + " \"" + file + "\"";
}

} // namespace

std::string withoutComments(std::string_view text) {
  std::string result;
  forEachLine(text, [&](std::string_view line) {
    if (!isComment(line))
      result += line;
    result += '\n';
  });
  return result;
}

std::string withLineDirectives(std::string_view text) {
  struct Scope {
    size_t indent;
    std::string place;
  };
  std::vector<Scope> scopes; // A comment holds for what is indented as it is, or more.
  std::string result;
  forEachLine(text, [&](std::string_view line) {
    const size_t indent = indentOf(line);
    const bool comment = isComment(line);
    if (indent == line.size() || line[indent] == '#') {
      result += std::string(line) + "\n";
      return;
    }
    while (!scopes.empty() && scopes.back().indent > indent)
      scopes.pop_back();
    if (comment) {
      if (std::optional<std::string> place = placeIn(line)) {
        if (!scopes.empty() && scopes.back().indent == indent)
          scopes.pop_back();
        scopes.push_back({indent, *place});
      }
      return;
    }
    if (!scopes.empty())
      result += "#line " + scopes.back().place + "\n";
    result += std::string(line) + "\n";
  });
  return result;
}

} // namespace sinter::cuda
