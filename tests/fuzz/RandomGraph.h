// SPDX-License-Identifier: Apache-2.0
// Random graphs that two engines must agree on.
//
// While it generates, the generator bounds each value and its rounding error. Two kinds of values
// come out: *exact* ones (small multiples of a power of two, made by ops that cannot round), on
// which every order of evaluation gives the same bits, so that comparisons, rounding and argmax may
// follow; and the others, for which the bound on the error is the tolerance. An op whose result
// would get out of bounds is not made.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Philox.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sinter::fuzz {

using Tensors = std::vector<Tensor>;

/// What is known of a value.
struct Info {
  DType dtype = f32;
  Shape shape;
  double bound = 2;  ///< Of |value|, when the named dims are at most GeneratorOptions::maxDim.
  double error = 0;  ///< Absolute; 0 and `exact` go together.
  bool exact = true; ///< A multiple of 2^-fraction whose numerator fits the significand.
  int fraction = 0;
  bool terminal = false; ///< Never an operand: it may be infinite, or its error is not known.
  bool gradient = false; ///< Compared relative to its largest element.
  std::set<int> inputs;  ///< Inputs of which it is a differentiable function.
};

/// One value: an input, or an op on earlier values.
struct Step {
  std::vector<int> operands;
  std::function<Tensor(Graph &, const Tensors &)> apply = nullptr; ///< Null: an input.
  Info info;
  double low = -2, high = 2;       ///< Inputs: the range.
  std::optional<Array> fixed = {}; ///< Inputs: the data (minimised graphs).
};

/// A random graph as data.
struct Plan {
  uint64_t seed = 0;
  bool symbolic = false;   ///< Some sizes are N or M.
  bool continuous = false; ///< Floats are no round numbers, so no ties; gradients may be taken.
  bool smooth = false;     ///< No kinks either: rounding in f32 would choose the side at random.
  std::vector<Step> steps;
  std::vector<int> outputs;
  std::map<int, int>
      updates; ///< Inputs that are state variables, and the values that replace them.
  int numOps = 0;
};

struct GeneratorOptions {
  bool symbolic = false;
  bool gradients = false;
  int minOps = 5, maxOps = 60;
  int64_t maxDim = 33; ///< The largest value of a named dim.
  int64_t maxElements = 4000;
};

/// The same seed and options give the same plan.
Plan generate(uint64_t seed, const GeneratorOptions &options);

/// Adds the plan to a graph. Placeholders and state variables are called PREFIXi<step>, outputs
/// PREFIXo<step>.
void build(const Plan &plan, Graph &graph, const std::string &prefix);

/// Data for the plan's inputs at one binding of the named dims.
void drawInputs(const Plan &plan, const DimBinding &dims, const std::string &prefix,
                ArrayMap &inputs);

/// "" when two engines agree on a value as far as they must.
std::string compare(const Info &info, const Array &got, const Array &want);

/// Ops that the outputs need, in order.
std::vector<int> neededSteps(const Plan &plan);

} // namespace sinter::fuzz
