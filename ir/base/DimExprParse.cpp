// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <charconv>

namespace sinter {
namespace {

/// Recursive descent. Every rule returns nullopt on malformed text; two signs in a
/// row are malformed.
///   sum     ::= ["-"] product (("+" | "-") product)*
///   product ::= factor ("*" factor)*
///   factor  ::= ["-"] (integer | name | function "(" sum "," sum ")" | "(" sum ")")
class Parser {
public:
  explicit Parser(std::string_view text) : text(text) {}

  std::optional<DimExpr> parseAll() {
    std::optional<DimExpr> result = parseSum();
    if (!result || peek() != '\0')
      return std::nullopt;
    return result;
  }

private:
  static constexpr int maxNesting = 128;

  char peek() {
    while (position < text.size() && (text[position] == ' ' || text[position] == '\t'))
      ++position;
    return position < text.size() ? text[position] : '\0';
  }
  bool accept(char c) {
    if (peek() != c)
      return false;
    ++position;
    return true;
  }

  std::optional<DimExpr> parseSum() {
    std::optional<DimExpr> result = parseProduct(accept('-'));
    while (result) {
      bool negative = peek() == '-';
      if (!negative && peek() != '+')
        break;
      ++position;
      std::optional<DimExpr> next = parseProduct(negative);
      if (!next)
        return std::nullopt;
      result = *result + *next;
    }
    return result;
  }

  std::optional<DimExpr> parseProduct(bool negative) {
    std::optional<DimExpr> result = parseFactor(negative);
    while (result && accept('*')) {
      std::optional<DimExpr> next = parseFactor(false);
      if (!next)
        return std::nullopt;
      result = *result * *next;
    }
    return result;
  }

  /// The sign belongs to the first factor, so that the smallest integer can be read.
  std::optional<DimExpr> parseFactor(bool negative) {
    char c = peek();
    if (c == '-' && !negative) {
      ++position;
      return parseFactor(true);
    }
    if (c >= '0' && c <= '9')
      return parseInteger(negative);
    std::optional<DimExpr> result = c == '(' ? parseParenthesized() : parseNamed();
    if (result && negative)
      return DimExpr(-1) * *result;
    return result;
  }

  std::optional<DimExpr> parseInteger(bool negative) {
    const char *begin = text.data() + position, *end = text.data() + text.size();
    uint64_t magnitude = 0;
    auto [next, error] = std::from_chars(begin, end, magnitude);
    constexpr uint64_t limit = uint64_t{1} << 63;
    if (error != std::errc{} || magnitude > limit || (magnitude == limit && !negative))
      return std::nullopt;
    position += static_cast<size_t>(next - begin);
    return DimExpr(static_cast<int64_t>(negative ? 0 - magnitude : magnitude));
  }

  std::optional<DimExpr> parseParenthesized() {
    if (!accept('(') || ++nesting > maxNesting)
      return std::nullopt;
    std::optional<DimExpr> result = parseSum();
    --nesting;
    if (!accept(')'))
      return std::nullopt;
    return result;
  }

  std::optional<DimExpr> parseNamed() {
    size_t length = text.find_first_of("+-*(), \t", position);
    length = std::min(length, text.size()) - position;
    std::string_view name = text.substr(position, length);
    if (!DimExpr::isValidName(name))
      return std::nullopt;
    position += length;
    if (peek() != '(')
      return DimExpr::symbol(std::string(name));
    return parseCall(name);
  }

  std::optional<DimExpr> parseCall(std::string_view name) {
    if (!accept('(') || ++nesting > maxNesting)
      return std::nullopt;
    std::optional<DimExpr> a = parseSum();
    if (!a || !accept(','))
      return std::nullopt;
    std::optional<DimExpr> b = parseSum();
    --nesting;
    if (!b || !accept(')'))
      return std::nullopt;
    if (name == "floordiv")
      return floorDiv(*a, *b);
    if (name == "ceildiv")
      return ceilDiv(*a, *b);
    if (name == "max")
      return max(*a, *b);
    return std::nullopt;
  }

  std::string_view text;
  size_t position = 0;
  int nesting = 0;
};

} // namespace

bool DimExpr::isValidName(std::string_view name) {
  auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
  };
  if (name.empty() || !letter(name[0]))
    return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::optional<DimExpr> DimExpr::parse(std::string_view text) {
  constexpr size_t maxLength = 4096; // No canonical text is longer.
  if (text.size() > maxLength)
    return std::nullopt;
  try {
    return Parser(text).parseAll();
  } catch (const Error &) { // Overflow, division by zero, too large.
    return std::nullopt;
  }
}

} // namespace sinter
