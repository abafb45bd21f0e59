// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/SizeInference.h"

#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/DimDegree.h"

#include <algorithm>
#include <limits>

namespace sinter {

std::string describe(const Argument &argument) {
  switch (argument.kind) {
  case ArgumentKind::Placeholder:
    return "input '" + argument.name + "'";
  case ArgumentKind::Parameter:
    return "parameter '" + argument.name + "'";
  case ArgumentKind::State:
    break;
  }
  return "state variable '" + argument.name + "'";
}

std::string outputName(const Result &result, size_t index) {
  return result.name.empty() ? "output" + std::to_string(index) : result.name;
}

std::string describe(const Result &result, size_t index) {
  return "output '" + outputName(result, index) + "'";
}

/// An axis whose size is an expression of dimensions that were not all known yet.
struct SizeInference::Pending {
  const Place *place;
  const Array *array;
  size_t axis;
};

struct SizeInference::Values {
  struct Source {
    const Place *place = nullptr;
    size_t axis = 0;
  };
  std::vector<int64_t> sizes; ///< Negative: not known yet.
  std::vector<Source> sources;
  std::vector<Pending> pending;
};

SizeInference::SizeInference(const Program &program) {
  for (const std::string &dim : program.dims)
    if (dim != workersSymbol)
      numberOf(dim);
  for (const Argument &argument : program.arguments)
    arguments.push_back(
        makePlace(describe(argument), argument.dtype, argument.shape, argument.location));
  size_t output = 0;
  for (const Result &result : program.results) {
    size_t index = result.updates < 0 ? output++ : output;
    results.push_back(
        makePlace(describe(result, index), result.dtype, result.shape, result.location));
  }
}

int SizeInference::numberOf(const std::string &symbol) {
  auto it = std::find(names.begin(), names.end(), symbol);
  if (it == names.end())
    it = names.insert(names.end(), symbol);
  return static_cast<int>(it - names.begin());
}

SizeInference::Place SizeInference::makePlace(std::string what, DType dtype, const Shape &shape,
                                              const SourceLoc &location) {
  Place place{std::move(what), dtype, shape, location, {}};
  for (const DimExpr &dim : shape) {
    Axis axis;
    if (std::optional<int64_t> constant = dim.constant()) {
      axis.constant = *constant;
    } else if (dim.isSymbol()) {
      axis.symbol = numberOf(dim.str());
    } else {
      axis.composite = dim;
      std::set<std::string> symbols;
      dim.collectSymbols(symbols);
      for (const std::string &symbol : symbols)
        axis.symbols.push_back(numberOf(symbol));
    }
    place.axes.push_back(std::move(axis));
  }
  return place;
}

DimBinding SizeInference::binding(const std::vector<int64_t> &values) const {
  DimBinding result;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] >= 0)
      result[names[i]] = values[i];
  return result;
}

void SizeInference::throwSize(const Place &place, const Array &array, size_t axis,
                              const std::string &expected) const {
  throw Error({.kind = ErrorKind::User,
               .op = "call",
               .shapes = {Shape(array.sizes()), place.shape},
               .location = place.location},
              place.what + " has size " + std::to_string(array.sizes()[axis]) + " in axis " +
                  std::to_string(axis) + ", not " + expected);
}

void SizeInference::check(const Place &place, const Array &array, Values &values) const {
  if (array.dtype() != place.dtype)
    throw Error({.kind = ErrorKind::User,
                 .op = "call",
                 .location = place.location,
                 .hint = "Array::cast() converts"},
                place.what + " is " + std::string(name(array.dtype())) + ", not " +
                    std::string(name(place.dtype)));
  if (array.rank() != place.shape.rank())
    throw Error({.kind = ErrorKind::User,
                 .op = "call",
                 .shapes = {Shape(array.sizes()), place.shape},
                 .location = place.location},
                place.what + " has rank " + std::to_string(array.rank()) + " (" +
                    Shape(array.sizes()).str() + "), not " + std::to_string(place.shape.rank()) +
                    " (" + place.shape.str() + ")");
  for (size_t i = 0; i < place.axes.size(); ++i) {
    const Axis &axis = place.axes[i];
    const int64_t size = array.sizes()[i];
    if (axis.constant >= 0) {
      if (size != axis.constant)
        throwSize(place, array, i, std::to_string(axis.constant));
    } else if (axis.symbol < 0) {
      values.pending.push_back({&place, &array, i});
    } else if (int64_t &known = values.sizes[axis.symbol]; known < 0) {
      known = size;
      values.sources[axis.symbol] = {&place, i};
    } else if (known != size) {
      const Values::Source &source = values.sources[axis.symbol];
      throw Error({.kind = ErrorKind::User, .op = "call", .location = place.location},
                  "dimension '" + names[axis.symbol] + "' is " + std::to_string(known) + " in " +
                      source.place->what + " (axis " + std::to_string(source.axis) + ") but " +
                      std::to_string(size) + " in " + place.what + " (axis " + std::to_string(i) +
                      ")");
    }
  }
}

/// Checks a composite size whose dimensions are known, or solves for the only unknown one where the
/// size is linear in it. A guess solves where it is not, as if it were: only a value that fits and
/// whose neighbours do not is taken, and nothing is wrong with a size that this does not find.
/// False when it can do neither yet. Sizes.c of the libraries' support has the same rules.
bool SizeInference::settle(const Pending &pending, Values &values, Rule rule) const {
  const Axis &axis = pending.place->axes[pending.axis];
  const int64_t size = pending.array->sizes()[pending.axis];
  int unknown = -1;
  for (int symbol : axis.symbols)
    if (values.sizes[symbol] < 0) {
      if (unknown >= 0)
        return false;
      unknown = symbol;
    }
  DimBinding known = binding(values.sizes);
  if (unknown < 0) {
    if (axis.composite.evaluate(known) != size) {
      std::string expected = axis.composite.str();
      if (std::optional<int64_t> value = axis.composite.evaluate(known))
        expected += " = " + std::to_string(*value);
      throwSize(*pending.place, *pending.array, pending.axis, expected);
    }
    return true;
  }
  const bool isLinear = degreeIn(axis.composite, names[unknown]) == 1;
  if (!isLinear && rule == Rule::Certain)
    return false;
  auto at = [&](int64_t value) {
    known[names[unknown]] = value;
    return value < 0 ? std::nullopt : axis.composite.evaluate(known);
  };
  std::optional<int64_t> zero = at(0), one = at(1);
  int64_t slope = 0, rest = 0;
  if (!zero || !one || __builtin_sub_overflow(*one, *zero, &slope) || slope == 0)
    return false;
  constexpr int64_t least = std::numeric_limits<int64_t>::min();
  bool fits = !__builtin_sub_overflow(size, *zero, &rest) && (rest != least || slope != -1);
  const int64_t candidate = fits ? rest / slope : -1;
  fits = at(candidate) == size;
  if (!fits) {
    if (isLinear)
      throwSize(*pending.place, *pending.array, pending.axis, axis.composite.str());
    return false;
  }
  if (!isLinear && (at(candidate - 1) == size || at(checkedAdd(candidate, 1).value_or(-1)) == size))
    return false;
  values.sizes[unknown] = candidate;
  values.sources[unknown] = {pending.place, pending.axis};
  return true;
}

std::vector<int64_t> SizeInference::infer(const std::vector<Array> &argumentArrays,
                                          const std::vector<const Array *> &resultArrays) const {
  Values values;
  values.sizes.assign(names.size(), -1);
  values.sources.resize(names.size());
  for (size_t i = 0; i < arguments.size(); ++i)
    check(arguments[i], argumentArrays[i], values);
  for (size_t i = 0; i < results.size(); ++i)
    if (resultArrays[i])
      check(results[i], *resultArrays[i], values);

  auto settled = [&](const Pending &pending) { return settle(pending, values, Rule::Certain); };
  auto guessOne = [&] {
    auto found =
        std::find_if(values.pending.begin(), values.pending.end(),
                     [&](const Pending &pending) { return settle(pending, values, Rule::Guess); });
    if (found == values.pending.end())
      return false;
    values.pending.erase(found);
    return true;
  };
  while (std::erase_if(values.pending, settled) != 0 || guessOne())
    ;
  for (size_t i = 0; i < names.size(); ++i)
    if (values.sizes[i] < 0)
      throw Error({.kind = ErrorKind::User, .op = "call"},
                  "the size of dimension '" + names[i] +
                      "' does not follow from the arrays of this call");
  return std::move(values.sizes);
}

} // namespace sinter
