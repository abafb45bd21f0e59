// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramText.h"

#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

namespace sinter {

namespace {

// One record per line: a keyword, then fields separated by single spaces. Names and expressions are
// quoted. Lines come in a fixed order only where one refers to another.
constexpr std::string_view magic = "sinter-program";

constexpr std::array<std::string_view, 3> kindNames = {"placeholder", "parameter", "state"};
constexpr std::array<std::string_view, 4> initNames = {"zeros", "constant", "uniform", "normal"};

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

[[noreturn]] void malformed(size_t line, const std::string &what) {
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

void readRecord(Program &program, Reader &reader, std::string_view keyword) {
  if (keyword == "name") {
    program.name = reader.quoted();
  } else if (keyword == "target") {
    program.target = reader.quoted();
  } else if (keyword == "nodes") {
    program.nodes = static_cast<int>(reader.number(0, INT32_MAX));
  } else if (keyword == "dim") {
    program.dims.push_back(reader.quoted());
    if (!DimExpr::isValidName(program.dims.back()))
      reader.fail("'" + program.dims.back() + "' is no name of a dimension");
  } else if (keyword == "table") {
    program.table.push_back(reader.expression());
  } else if (keyword == "arena") {
    program.arenaBytes = reader.expression();
  } else if (keyword == "argument") {
    Argument &argument = program.arguments.emplace_back();
    argument.name = reader.quoted();
    argument.kind = static_cast<ArgumentKind>(reader.oneOf(kindNames));
    argument.dtype = reader.dtype();
    argument.shape = reader.shape();
    argument.init.kind = static_cast<InitSpec::Kind>(reader.oneOf(initNames));
    argument.init.a = reader.real();
    argument.init.b = reader.real();
    argument.location = reader.location();
  } else if (keyword == "result") {
    Result &result = program.results.emplace_back();
    result.name = reader.quoted();
    result.dtype = reader.dtype();
    result.shape = reader.shape();
    result.updates = static_cast<int>(reader.number(-1, INT32_MAX));
    result.location = reader.location();
  } else if (keyword == "kernel") {
    Kernel &kernel = program.kernels.emplace_back();
    kernel.symbol = reader.quoted();
    kernel.form = reader.quoted();
    for (int64_t count = reader.number(0, INT32_MAX); count > 0; --count)
      kernel.ops.push_back(reader.quoted());
    for (int64_t count = reader.number(0, INT32_MAX); count > 0; --count)
      kernel.locations.push_back(reader.location());
  } else if (keyword == "site") {
    Site &site = program.sites.emplace_back();
    site.op = reader.quoted();
    site.what = reader.quoted();
    site.location = reader.location();
  } else if (keyword == "condition") {
    Condition &condition = program.conditions.emplace_back();
    condition.value = reader.expression();
    condition.site.op = reader.quoted();
    condition.site.what = reader.quoted();
    condition.site.location = reader.location();
  } else {
    reader.fail("unknown record '" + std::string(keyword.substr(0, 40)) + "'");
  }
}

/// What holds between records: names are unique, sizes use declared dimensions, updates fit.
void checkConsistency(const Program &program, size_t line) {
  auto requireUnique = [&](std::set<std::string> &seen, const std::string &name) {
    if (!seen.insert(name).second)
      malformed(line, "'" + name + "' appears twice");
  };
  std::set<std::string> dims, arguments, results;
  for (const std::string &dim : program.dims)
    requireUnique(dims, dim);
  auto requireBound = [&](const DimExpr &expression) {
    std::set<std::string> symbols;
    expression.collectSymbols(symbols);
    for (const std::string &symbol : symbols)
      if (!dims.count(symbol) && symbol != workersSymbol)
        malformed(line, "dimension '" + symbol + "' is not declared");
  };
  auto requireShape = [&](const Shape &shape) {
    for (const DimExpr &dim : shape) {
      requireBound(dim);
      if (dim.constant().value_or(0) < 0)
        malformed(line, "a negative size");
    }
  };
  for (const DimExpr &entry : program.table)
    requireBound(entry);
  for (const Condition &condition : program.conditions)
    requireBound(condition.value);
  requireBound(program.arenaBytes);
  for (const Argument &argument : program.arguments) {
    requireUnique(arguments, argument.name);
    requireShape(argument.shape);
  }
  for (const Result &result : program.results) {
    requireShape(result.shape);
    if (result.updates < 0) {
      if (!result.name.empty()) // Outputs may lack one.
        requireUnique(results, result.name);
      continue;
    }
    if (static_cast<size_t>(result.updates) >= program.arguments.size())
      malformed(line, "an update of an argument that does not exist");
    const Argument &target = program.arguments[static_cast<size_t>(result.updates)];
    if (target.dtype != result.dtype || target.shape != result.shape)
      malformed(line, "an update of '" + target.name + "' of another type");
  }
}

} // namespace

std::string programText(const Program &program) {
  Writer out;
  out.keyword(magic).number(Program::version).end();
  out.keyword("name").quoted(program.name).end();
  out.keyword("target").quoted(program.target).end();
  out.keyword("nodes").number(program.nodes).end();
  for (const std::string &dim : program.dims)
    out.keyword("dim").quoted(dim).end();
  for (const DimExpr &entry : program.table)
    out.keyword("table").quoted(entry.str()).end();
  out.keyword("arena").quoted(program.arenaBytes.str()).end();
  for (const Argument &argument : program.arguments)
    out.keyword("argument")
        .quoted(argument.name)
        .word(kindNames[static_cast<size_t>(argument.kind)])
        .word(name(argument.dtype))
        .shape(argument.shape)
        .word(initNames[static_cast<size_t>(argument.init.kind)])
        .real(argument.init.a)
        .real(argument.init.b)
        .location(argument.location)
        .end();
  for (const Result &result : program.results)
    out.keyword("result")
        .quoted(result.name)
        .word(name(result.dtype))
        .shape(result.shape)
        .number(result.updates)
        .location(result.location)
        .end();
  for (const Kernel &kernel : program.kernels) {
    out.keyword("kernel").quoted(kernel.symbol).quoted(kernel.form);
    out.number(static_cast<int64_t>(kernel.ops.size()));
    for (const std::string &op : kernel.ops)
      out.quoted(op);
    out.number(static_cast<int64_t>(kernel.locations.size()));
    for (const SourceLoc &location : kernel.locations)
      out.location(location);
    out.end();
  }
  for (const Site &site : program.sites)
    out.keyword("site").quoted(site.op).quoted(site.what).location(site.location).end();
  for (const Condition &condition : program.conditions)
    out.keyword("condition")
        .quoted(condition.value.str())
        .quoted(condition.site.op)
        .quoted(condition.site.what)
        .location(condition.site.location)
        .end();
  out.keyword("end").end();
  return out.take();
}

Program parseProgramText(std::string_view text) {
  Program program;
  size_t line = 0;
  bool ended = false;
  while (!text.empty()) {
    ++line;
    size_t length = text.find('\n');
    if (length == std::string_view::npos)
      malformed(line, "the text is cut off");
    Reader reader(text.substr(0, length), line);
    text.remove_prefix(length + 1);
    std::string_view keyword = reader.word();
    if (line == 1) {
      if (keyword != magic)
        malformed(line, "no program description");
      if (int64_t version = reader.number(0, INT32_MAX); version != Program::version)
        malformed(line, "version " + std::to_string(version) + ", but this Sinter reads version " +
                            std::to_string(Program::version));
    } else if (keyword == "end") {
      reader.end();
      ended = true;
      if (!text.empty())
        malformed(line + 1, "text after the end");
      break;
    } else {
      readRecord(program, reader, keyword);
    }
    reader.end();
  }
  if (!ended)
    malformed(line, "the text is cut off");
  checkConsistency(program, line);
  return program;
}

} // namespace sinter
