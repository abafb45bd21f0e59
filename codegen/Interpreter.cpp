// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Interpreter.h"

#include "sinter/codegen/Interpretation.h"

#include "llvm/ADT/STLExtras.h"

#include <optional>
#include <set>

using namespace mlir;

#include "sinter/codegen/Interpretable.cpp.inc"

namespace sinter::codegen {

using ir::Scalar;
using ir::TensorType;

// -- Values and sizes -----------------------------------------------------------------------------

void Interpretation::fail(Operation *op, const std::string &message, ErrorKind kind) {
  throw Error({.kind = kind,
               .op = op->getName().stripDialect().str(),
               .location = ir::toSourceLoc(op->getLoc())},
              message);
}

const Array &Interpretation::get(Value value) const {
  auto found = arrays.find(value);
  if (found == arrays.end())
    throw Error({.kind = ErrorKind::Internal}, "the interpreter met a value before its definition");
  return found->second;
}

void Interpretation::set(Value value, Array array) { arrays[value] = std::move(array); }

int64_t Interpretation::size(Operation *op, const DimExpr &expression) const {
  std::optional<int64_t> value = expression.evaluate(dims);
  if (!value)
    fail(op, "the size " + expression.str() + " has no value in this call");
  return *value;
}

std::vector<int64_t> Interpretation::sizes(Operation *op, TensorType type) const {
  std::vector<int64_t> result;
  for (const DimExpr &dim : type.getShape()) {
    int64_t value = size(op, dim);
    if (value < 0)
      fail(op, "the size " + dim.str() + " is " + std::to_string(value) + " in this call");
    result.push_back(value);
  }
  return result;
}

Array Interpretation::make(Operation *op, TensorType type) const {
  return Array(type.getDType(), sizes(op, type));
}

// -- Walking --------------------------------------------------------------------------------------

static Scalar load(const Array &array, int64_t i) {
  return dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T value = array.as<T>()[i];
    if constexpr (isFloatElement<T>)
      return Scalar(static_cast<double>(value));
    else if constexpr (std::is_unsigned_v<T> && !std::is_same_v<T, bool>)
      return Scalar(static_cast<uint64_t>(value));
    else
      return Scalar(static_cast<int64_t>(value));
  });
}

/// Rounds to the dtype; integers wrap.
static void store(const Array &array, int64_t i, const Scalar &value) {
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    array.as<T>()[i] = value.as<T>();
  });
}

void Interpretation::runElementwise(ir::ElementwiseOpInterface op) {
  Array out = make(op, cast<TensorType>(op->getResult(0).getType()));
  SmallVector<const Array *> inputs;
  for (Value operand : op->getOperands())
    inputs.push_back(&get(operand));
  SmallVector<Scalar> scalars(inputs.size());
  for (int64_t i = 0, n = out.numElements(); i < n; ++i) {
    for (auto [scalar, input] : llvm::zip_equal(scalars, inputs))
      scalar = load(*input, i);
    store(out, i, op.evaluate(scalars));
  }
  set(op->getResult(0), std::move(out));
}

std::vector<Array> Interpretation::run(Block &block) {
  // A value is dropped after its last use, so that a long graph needs little memory.
  llvm::DenseMap<Value, int64_t> usesLeft;
  for (Operation &op : block)
    for (Value operand : op.getOperands())
      ++usesLeft[operand];
  for (Operation &op : block.without_terminator()) {
    if (auto conditional = dyn_cast<ir::SizeConditionsOpInterface>(op))
      for (const ir::SizeCondition &condition : conditional.getSizeConditions())
        if (size(&op, condition.value) < 0)
          fail(&op, "needs that " + condition.what + ", which does not hold in this call");
    if (auto elementwise = dyn_cast<ir::ElementwiseOpInterface>(op))
      runElementwise(elementwise);
    else if (auto interpretable = dyn_cast<InterpretableOpInterface>(op))
      interpretable.interpret(*this);
    else
      fail(&op, "the interpreter does not know this op", ErrorKind::Internal);
    if (afterOp)
      afterOp(&op);
    for (Value operand : op.getOperands())
      if (--usesLeft[operand] == 0)
        drop(operand);
    for (Value result : op.getResults())
      if (!usesLeft.contains(result))
        drop(result);
  }
  std::vector<Array> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(get(value));
  return results;
}

// -- Named dims -----------------------------------------------------------------------------------

namespace {

/// Finds the values of named dims from sizes that are known.
class DimSolver {
public:
  explicit DimSolver(DimBinding known) : dims(std::move(known)) {}

  void equate(const DimExpr &expression, int64_t value, std::string where, SourceLoc location) {
    equations.push_back({expression, value, std::move(where), std::move(location)});
  }

  /// Solves what has one unknown until nothing changes; then every equation must hold.
  DimBinding solve() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const Equation &equation : equations)
        changed |= solveOne(equation);
    }
    for (const Equation &equation : equations) {
      std::optional<int64_t> found = equation.expression.evaluate(dims);
      if (found != equation.value)
        throw Error(
            {.op = "call", .location = equation.location},
            equation.where + " is " + std::to_string(equation.value) + ", not " +
                equation.expression.str() +
                (found ? " = " + std::to_string(*found) : std::string(" with unknown dims")));
    }
    return dims;
  }

private:
  struct Equation {
    DimExpr expression;
    int64_t value;
    std::string where;
    SourceLoc location;
  };

  bool solveOne(const Equation &equation) {
    std::set<std::string> symbols;
    equation.expression.collectSymbols(symbols);
    std::erase_if(symbols, [&](const std::string &name) { return dims.contains(name); });
    if (symbols.size() != 1)
      return false;
    const std::string &name = *symbols.begin();
    auto at = [&](int64_t value) {
      DimBinding guess = dims;
      guess[name] = value;
      return equation.expression.evaluate(guess);
    };
    std::optional<int64_t> zero = at(0), one = at(1);
    if (!zero || !one || *zero == *one)
      return false;
    int64_t value = (equation.value - *zero) / (*one - *zero);
    if (value < 0 || at(value) != equation.value)
      return false; // not linear, or a contradiction, which the final check names
    dims[name] = value;
    return true;
  }

  DimBinding dims;
  std::vector<Equation> equations;
};

std::string describeArgument(func::FuncOp graph, unsigned i) {
  if (auto name = graph.getArgAttrOfType<StringAttr>(i, ir::nameAttr))
    return "input '" + name.str() + "'";
  return "argument " + std::to_string(i);
}

/// Checks the arrays against the arguments and infers the named dims.
DimBinding bindDims(func::FuncOp graph, const std::vector<Array> &arguments,
                    const DimBinding &known) {
  if (arguments.size() != graph.getNumArguments())
    throw Error({.op = "call"}, "the graph has " + std::to_string(graph.getNumArguments()) +
                                    " arguments, not " + std::to_string(arguments.size()));
  DimSolver solver(known);
  for (auto [argument, array] : llvm::zip_equal(graph.getArguments(), arguments)) {
    auto type = dyn_cast<TensorType>(argument.getType());
    std::string where = describeArgument(graph, argument.getArgNumber());
    SourceLoc location = ir::toSourceLoc(argument.getLoc());
    if (!type)
      throw Error({.kind = ErrorKind::Internal, .op = "call"}, where + " is not a tensor");
    if (array.dtype() != type.getDType())
      throw Error({.op = "call", .location = location},
                  where + " is " + std::string(name(array.dtype())) + ", not " +
                      std::string(name(type.getDType())));
    if (array.rank() != type.getRank())
      throw Error(
          {.op = "call", .shapes = {Shape(array.sizes()), type.getShape()}, .location = location},
          where + " has rank " + std::to_string(array.rank()) + ", not " +
              std::to_string(type.getRank()));
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      solver.equate(type.getDim(axis), array.sizes()[static_cast<size_t>(axis)],
                    "the size of " + where + " in axis " + std::to_string(axis), location);
  }
  return solver.solve();
}

} // namespace

std::vector<Array>
interpret(func::FuncOp graph, const std::vector<Array> &arguments, const DimBinding &known,
          const std::function<void(mlir::Operation *, const Interpretation &)> &afterOp) {
  if (!llvm::hasSingleElement(graph.getBody()))
    throw Error({.kind = ErrorKind::Internal}, "a graph has one block");
  attachInterpretations(*graph.getContext());
  Interpretation state(bindDims(graph, arguments, known));
  for (auto [argument, array] : llvm::zip_equal(graph.getArguments(), arguments))
    state.set(argument, array.contiguous());
  if (afterOp)
    state.afterOp = [&](Operation *op) { afterOp(op, state); };
  std::vector<Array> results = state.run(graph.getBody().front());
  // Callers own what they get: no result shares storage with an argument or another result.
  for (Array &result : results)
    result = result.clone();
  return results;
}

bool isInterpretable(MLIRContext &context, OperationName op) {
  attachInterpretations(context);
  return op.hasInterface<ir::ElementwiseOpInterface>() ||
         op.hasInterface<InterpretableOpInterface>();
}

} // namespace sinter::codegen
