// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::programtext {

// One record per line: a keyword, then fields separated by single spaces. Names and expressions are
// quoted.

class Writer {
public:
  Writer &keyword(std::string_view word) {
    text += word;
    return *this;
  }
  Writer &word(std::string_view value) {
    text += ' ';
    text += value;
    return *this;
  }
  Writer &number(int64_t value) { return word(std::to_string(value)); }
  Writer &real(double value) {
    std::array<char, 64> buffer;
    auto end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::hex).ptr;
    return word(std::string_view(buffer.data(), static_cast<size_t>(end - buffer.data())));
  }
  Writer &quoted(std::string_view value) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += " \"";
    for (char c : value) {
      auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7f || c == '"' || c == '\\') {
        text += "\\";
        text += digits[byte >> 4];
        text += digits[byte & 15];
      } else {
        text += c;
      }
    }
    text += '"';
    return *this;
  }
  Writer &shape(const Shape &shape) {
    number(shape.rank());
    for (const DimExpr &dim : shape)
      quoted(dim.str());
    return *this;
  }
  Writer &location(const SourceLoc &loc) {
    return quoted(loc.file).number(loc.line).number(loc.column);
  }
  void end() { text += '\n'; }
  std::string take() { return std::move(text); }

private:
  std::string text;
};

[[noreturn]] inline void malformed(size_t line, const std::string &what) {
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Diagnostics},
              "malformed program description, line " + std::to_string(line) + ": " + what);
}

/// Reads the fields of one line.
class Reader {
public:
  Reader(std::string_view rest, size_t line) : rest(rest), line(line) {}

  [[noreturn]] void fail(const std::string &what) const { malformed(line, what); }

  std::string_view word() {
    if (!isFirst) {
      if (rest.empty() || rest.front() != ' ')
        fail("a field is missing");
      rest.remove_prefix(1);
    }
    isFirst = false;
    std::string_view value = rest.substr(0, rest.find(' '));
    if (value.empty())
      fail("an empty field");
    rest.remove_prefix(value.size());
    return value;
  }

  int64_t number(int64_t low, int64_t high) {
    std::string_view field = word();
    int64_t value = 0;
    auto [end, problem] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (problem != std::errc() || end != field.data() + field.size() || value < low || value > high)
      fail("'" + std::string(field) + "' is no number in range");
    return value;
  }

  double real() {
    std::string_view field = word();
    double value = 0;
    auto [end, problem] =
        std::from_chars(field.data(), field.data() + field.size(), value, std::chars_format::hex);
    if (problem != std::errc() || end != field.data() + field.size())
      fail("'" + std::string(field) + "' is no hexadecimal float");
    return value;
  }

  std::string quoted() {
    if (rest.substr(0, 2) != " \"")
      fail("a quoted field is missing");
    rest.remove_prefix(2);
    std::string value;
    while (true) {
      if (rest.empty())
        fail("an unterminated string");
      char c = rest.front();
      rest.remove_prefix(1);
      if (c == '"')
        return value;
      if (c == '\\') {
        unsigned code = 0;
        if (rest.size() < 2 ||
            std::from_chars(rest.data(), rest.data() + 2, code, 16).ptr != rest.data() + 2)
          fail("a bad escape");
        c = static_cast<char>(code);
        rest.remove_prefix(2);
      }
      value += c;
    }
  }

  DimExpr expression() {
    std::string text = quoted();
    std::optional<DimExpr> value = DimExpr::parse(text);
    if (!value)
      fail("'" + text + "' is no size expression");
    return *value;
  }

  Shape shape() {
    Shape shape;
    for (int64_t rank = number(0, 64); rank > 0; --rank)
      shape.push_back(expression());
    return shape;
  }

  DType dtype() {
    std::string_view text = word();
    std::optional<DType> value = parseDType(text);
    if (!value)
      fail("'" + std::string(text) + "' is no dtype");
    return *value;
  }

  template <size_t N> size_t oneOf(const std::array<std::string_view, N> &names) {
    std::string_view text = word();
    auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end())
      fail("unknown word '" + std::string(text) + "'");
    return static_cast<size_t>(found - names.begin());
  }

  SourceLoc location() {
    std::string file = quoted();
    auto line = static_cast<unsigned>(number(0, UINT32_MAX));
    auto column = static_cast<unsigned>(number(0, UINT32_MAX));
    return {std::move(file), line, column};
  }

  void end() const {
    if (!rest.empty())
      fail("unexpected text '" + std::string(rest.substr(0, 40)) + "'");
  }

private:
  std::string_view rest;
  size_t line;
  bool isFirst = true;
};

// -- What a GPU needs besides: buffers, steps, and what the data behind the text holds ------------

/// Whose text has steps though not asked for.
bool isForGpu(const Program &program);
/// ProgramText.cpp's part of a program with steps.
void writeSteps(Writer &out, const Program &program);
std::string stepData(const Program &program);

/// The sizes of images and constants, which follow the text as bytes.
struct DataSizes {
  std::vector<int64_t> images;
  struct Constant {
    DType dtype;
    std::vector<int64_t> sizes;
    int64_t bytes;
  };
  std::vector<Constant> constants;
};

/// Reads a record that writeSteps() wrote; false for another keyword.
bool readStepRecord(Program &program, DataSizes &data, Reader &reader, std::string_view keyword);
/// What holds between those records and the others; without `expected` there must be none.
/// `requireBound` takes every size.
void checkSteps(const Program &program, const DataSizes &data, bool expected, size_t line,
                const std::function<void(const DimExpr &)> &requireBound);
/// Fills in images and constants.
void readData(Program &program, const DataSizes &sizes, std::string_view data, size_t line);

} // namespace sinter::programtext
