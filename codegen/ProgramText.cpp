// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramText.h"

#include "sinter/codegen/ProgramTextFields.h"
#include "sinter/ir/base/Error.h"

#include <set>

namespace sinter {

using namespace programtext;

namespace {

// Lines come in a fixed order only where one refers to another.
constexpr std::string_view magic = "sinter-program";

constexpr std::array<std::string_view, 3> kindNames = {"placeholder", "parameter", "state"};
constexpr std::array<std::string_view, 4> initNames = {"zeros", "constant", "uniform", "normal"};

void readRecord(Program &program, DataSizes &data, Reader &reader, std::string_view keyword) {
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
    kernel.image = static_cast<int>(reader.number(-1, INT32_MAX));
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
  } else if (!readStepRecord(program, data, reader, keyword)) {
    reader.fail("unknown record '" + std::string(keyword.substr(0, 40)) + "'");
  }
}

/// What holds between records: names are unique, sizes use declared dimensions, updates fit.
void checkConsistency(const Program &program, const DataSizes &data, bool hasSteps, size_t line) {
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
  checkSteps(program, data, hasSteps, line, requireBound);
}

} // namespace

static std::string write(const Program &program, bool hasSteps) {
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
    out.number(kernel.image).end();
  }
  if (hasSteps)
    writeSteps(out, program);
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

std::string programText(const Program &program) { return write(program, isForGpu(program)); }

CompleteProgramText completeProgramText(const Program &program) {
  return {write(program, /*hasSteps=*/true), stepData(program)};
}

static Program parse(std::string_view text, const std::string_view *data, bool isComplete) {
  Program program;
  DataSizes sizes;
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
      readRecord(program, sizes, reader, keyword);
    }
    reader.end();
  }
  if (!ended)
    malformed(line, "the text is cut off");
  checkConsistency(program, sizes, isComplete || isForGpu(program), line);
  if (data)
    readData(program, sizes, *data, line);
  return program;
}

Program parseProgramText(std::string_view text) { return parse(text, nullptr, false); }

Program parseProgram(std::string_view text, std::string_view data) {
  return parse(text, &data, false);
}

Program parseCompleteProgram(std::string_view text, std::string_view data) {
  return parse(text, &data, true);
}

} // namespace sinter
