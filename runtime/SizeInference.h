// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sinter {

/// How a call names a graph's argument or result: "input 'x'", "parameter 'w'", "output 'y'".
std::string describe(const Argument &argument);
std::string describe(const Result &result, size_t index);
/// A result's name, or "output<index>" for a nameless one.
std::string outputName(const Result &result, size_t index);

/// Checks the arrays of a call against a Program and infers its named dimensions from their sizes.
/// Prepared once, so that a call does not walk expressions unless a size is composite.
class SizeInference {
public:
  explicit SizeInference(const Program &program);

  /// Every dimension of the program, except the number of workers.
  const std::vector<std::string> &dims() const { return names; }
  /// The dimensions' values in the order of dims(). `arguments` has one array per argument,
  /// `results` one per result or null. Throws Error(User) on a wrong dtype, rank or size, on a
  /// dimension with two values (naming both places and both values), and on one that no array
  /// determines.
  std::vector<int64_t> infer(const std::vector<Array> &arguments,
                             const std::vector<const Array *> &results) const;
  DimBinding binding(const std::vector<int64_t> &values) const;

private:
  struct Axis {
    int64_t constant = -1; ///< Or negative.
    int symbol = -1;       ///< Number in `names`, or negative.
    DimExpr composite;
    std::vector<int> symbols; ///< Those of `composite`.
  };
  struct Place {
    std::string what;
    DType dtype = f32;
    Shape shape;
    SourceLoc location;
    std::vector<Axis> axes;
  };
  struct Pending;
  struct Values;

  Place makePlace(std::string what, DType dtype, const Shape &shape, const SourceLoc &location);
  int numberOf(const std::string &symbol);
  void check(const Place &place, const Array &array, Values &values) const;
  enum class Rule { Certain, Guess };
  bool settle(const Pending &pending, Values &values, Rule rule) const;
  [[noreturn]] void throwSize(const Place &place, const Array &array, size_t axis,
                              const std::string &expected) const;

  std::vector<std::string> names;
  std::vector<Place> arguments, results;
};

} // namespace sinter
