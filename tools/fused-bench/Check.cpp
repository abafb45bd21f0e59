// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Check.h"

#include "tools/fused-bench/Difference.h"
#include "tools/fused-bench/Prepare.h"

#include <algorithm>
#include <chrono>

namespace sinter::tools {
namespace {

// -- Comparing ------------------------------------------------------------------------------------

/// The last rows of an array whose leading size is `rows`, where the wanted shape has fewer.
Array lastRows(const Array &array, int64_t rows, const Shape &wanted, int64_t wantedRows) {
  bool perRow = array.rank() > 0 && array.sizes()[0] == rows && wanted.rank() > 0 &&
                wanted[0] == DimExpr(wantedRows);
  return perRow && rows != wantedRows ? array.slice(0, rows - wantedRows, rows) : array;
}

class Comparison {
public:
  explicit Comparison(const CaseRow &row)
      : row(row), small((row.check.make ? row.check.make : row.make)(row.check.rows)),
        reference(compile(small.graph, {.engine = Engine::Interpreter})) {}

  CheckResult lastRowsOf(const Executable &executable,
                         const std::vector<NamedArrays::Entry> &inputs) {
    auto part = [&](const Array &array, const Shape &shape) {
      return lastRows(array, row.rows, shape, row.check.rows);
    };
    std::vector<NamedArrays::Entry> rows;
    for (const auto &[name, array] : inputs)
      rows.emplace_back(name, part(array, small.graph.argument(name).shape()));
    State state(executable.program().arguments, stateSeed);
    State other(reference.program().arguments, stateSeed);
    for (const std::string &name : other.names())
      other.set(name, part(state.get(name), small.graph.argument(name).shape()).contiguous());
    ArrayMap got = executable.run(state, NamedArrays(inputs));
    ArrayMap expected = interpret(other, rows);
    for (const auto &[name, array] : expected)
      compare(part(got.at(name), Shape(array.sizes())), array);
    for (const std::string &name : other.names())
      compare(part(state.get(name), small.graph.argument(name).shape()), other.get(name));
    result.interpreterMs =
        *result.interpreterMs * static_cast<double>(row.rows) / static_cast<double>(row.check.rows);
    return result;
  }

  CheckResult ofSmallerInstance(CompileOptions options) {
    options.winograd = small.winograd;
    Executable executable = compile(small.graph, options);
    std::vector<NamedArrays::Entry> inputs =
        makeInputs(*executable.device(), executable.program(), small.ranges);
    State state(executable.program().arguments, stateSeed);
    State other(reference.program().arguments, stateSeed);
    ArrayMap got = executable.run(state, NamedArrays(inputs));
    for (const auto &[name, array] : interpret(other, inputs))
      compare(got.at(name), array);
    for (const std::string &name : other.names())
      compare(state.get(name), other.get(name));
    result.interpreterMs.reset();
    return result;
  }

private:
  ArrayMap interpret(State &state, const std::vector<NamedArrays::Entry> &inputs) {
    auto start = std::chrono::steady_clock::now();
    ArrayMap expected = reference.run(state, NamedArrays(inputs));
    std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    result.interpreterMs = time.count();
    return expected;
  }
  void compare(const Array &got, const Array &expected) {
    result.maxError = std::max(result.maxError, difference(got, expected, row.check.error));
  }

  const CaseRow &row;
  Model small;
  Executable reference;
  CheckResult result;
};

CheckResult tolerated(const CaseRow &row, CheckResult result) {
  if (!(result.maxError <= row.check.tolerance))
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Mismatch, .op = row.name},
                "the result differs from the interpreter's by " + std::to_string(result.maxError));
  return result;
}

} // namespace

CheckResult checkSmallerInstance(const CaseRow &row, const CompileOptions &options) {
  return tolerated(row, Comparison(row).ofSmallerInstance(options));
}

CheckResult checkAgainstInterpreter(const CaseRow &row, const Executable &executable,
                                    const std::vector<NamedArrays::Entry> &inputs) {
  Comparison comparison(row);
  return tolerated(row, row.check.kind == CheckRow::Kind::LastRows
                            ? comparison.lastRowsOf(executable, inputs)
                            : comparison.ofSmallerInstance({}));
}

} // namespace sinter::tools
