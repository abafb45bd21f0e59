// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Check.h"
#include "tests/ops/Values.h"

#include <algorithm>
#include <map>
#include <optional>

namespace sinter::ops {

namespace {

/// What one call gives for one case.
using Numbers = std::vector<Real>;

Numbers numbersOf(const Array &array) {
  Numbers numbers;
  for (int64_t i = 0; i < array.numElements(); ++i)
    numbers.push_back(loadReal(array, static_cast<size_t>(i)));
  return numbers;
}

/// A sum of products and how large its terms are.
struct Inner {
  Real sum = 0, magnitude = 0;
  void add(const Numbers &a, const Numbers &b) {
    for (size_t i = 0; i < a.size(); ++i) {
      sum += a[i] * b[i];
      magnitude += std::fabs(a[i] * b[i]);
    }
  }
};

/// Which derivatives of a row are tried.
struct Plan {
  bool differences = false; ///< Against differences; needs f64 throughout.
  bool second = false;      ///< Gradients of gradients.
  bool allModes = false;    ///< The other three nestings.
};

/// One case in one dtype: its part of the graph, its inputs and its checks. Names of inputs and
/// outputs begin with both.
class DerivativeCase {
public:
  DerivativeCase(const Row &row, DType dtype, Graph &graph, size_t c, Plan wanted,
                 const ForwardMode &jvp)
      : row(row), dtype(dtype), prefix(std::string(name(dtype)) + "_c" + std::to_string(c) + "_"),
        plan(wanted) {
    const Case &one = row.cases[c];
    Tensors tensors, xs, vs;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      DType type = dtypeOf(row.inputs[k], dtype);
      tensors.push_back(input(graph, "x" + std::to_string(k), row.inputs[k], type, one.shapes[k]));
      if (!isFloat(type))
        continue;
      isF64 = isF64 && type == f64;
      xs.push_back(tensors.back());
      moving.push_back(std::to_string(k));
      vs.push_back(input(graph, "v" + std::to_string(k), In(-1, 1), type, one.shapes[k]));
    }
    Tensor y = row.graph(graph, tensors);
    isF64 = isF64 && y.dtype() == f64;
    plan.differences = plan.differences && isF64;
    plan.second = plan.second && isF64;
    Tensor u = input(graph, "u", In(-1, 1), y.dtype(), y.shape());
    output(graph, "y", y);
    Tensors g = gradients({y}, xs, {u}), t = jvp({y}, xs, vs);
    output(graph, "g", g);
    output(graph, "t", t[0]);
    if (plan.second)
      output(graph, "rr", gradients(g, xs, vs));
    if (plan.second && plan.allModes) {
      output(graph, "fr", jvp(g, xs, vs));
      output(graph, "rf", gradients(t, xs, {u}));
      output(graph, "ff", jvp(t, xs, vs)[0]);
    }
  }

  void drawInputs(const RandomStream &random, uint64_t &next, ArrayMap &inputs) const {
    for (auto [name, input, type, shape] : drawn) {
      if (type == f16 && input.low < 8 && input.high > -8) { // exp(80) is too much for it.
        input.low = std::max(input.low, -8.0);
        input.high = std::min(input.high, 8.0);
      }
      Array array(type, *shape.evaluate({{"N", 5}}));
      for (size_t i = 0; i < static_cast<size_t>(array.numElements()); ++i)
        storeReal(array, i, draw(input, type, random, next++));
      inputs[name] = array;
    }
  }

  /// Every x by `step` times its direction.
  void move(ArrayMap &inputs, Real step) const {
    for (const std::string &k : moving) {
      Array x = inputs.at(prefix + "x" + k).clone();
      const Array &v = inputs.at(prefix + "v" + k);
      for (size_t i = 0; i < static_cast<size_t>(x.numElements()); ++i)
        storeReal(x, i, loadReal(x, i) + step * loadReal(v, i));
      inputs[prefix + "x" + k] = x;
    }
  }

  void check(const ArrayMap &inputs, const ArrayMap &at, Failures &failures) const {
    Inner forward, reverse;
    forward.add(of(at, "t"), of(inputs, "u"));
    for (const std::string &k : moving)
      reverse.add(of(at, "g" + place(k)), of(inputs, "v" + k));
    // Terms may cancel inside of a derivative, where nobody sees how large they were.
    Real tolerance = 32 * limitsOf(dtype).epsilon * (forward.magnitude + reverse.magnitude + 1);
    if (!(std::fabs(forward.sum - reverse.sum) <= tolerance))
      failures.push_back(where() + "<Jv, u> = " + str(forward.sum) +
                         ", <v, J'u> = " + str(reverse.sum) + " with tolerance " + str(tolerance));
    if (!plan.second || !plan.allModes)
      return;
    Inner twice, along;
    twice.add(of(at, "ff"), of(inputs, "u"));
    for (const std::string &k : moving) {
      const std::string i = place(k);
      alike("jvp of gradients", of(at, "fr" + i), of(at, "rr" + i), failures);
      alike("gradients of jvp", of(at, "rf" + i), of(at, "rr" + i), failures);
      along.add(of(at, "rr" + i), of(inputs, "v" + k));
    }
    alike("<jvp of jvp, u>", {twice.sum}, {along.sum}, failures);
  }

  DType ofDType() const { return dtype; }
  bool hasDifferences() const { return plan.differences; }

  void checkDifferences(const ArrayMap &at, const ArrayMap &plus, const ArrayMap &minus, Real h,
                        Failures &failures) const {
    auto slopes = [&](const std::string &name) {
      Numbers p = of(plus, name), m = of(minus, name);
      for (size_t i = 0; i < p.size(); ++i)
        p[i] = p[i] == m[i] ? 0 : (p[i] - m[i]) / (2 * h); // equal: also where infinite
      return p;
    };
    alike("jvp against differences", of(at, "t"), slopes("y"), failures);
    if (plan.second)
      for (const std::string &k : moving)
        alike("second derivative against differences", of(at, "rr" + place(k)),
              slopes("g" + place(k)), failures);
  }

private:
  struct Drawn {
    std::string name;
    Input input;
    DType dtype;
    Shape shape;
  };

  std::string where() const { return row.name + " " + prefix + ": "; }
  /// The number of an input among those that move.
  std::string place(const std::string &k) const {
    return std::to_string(std::find(moving.begin(), moving.end(), k) - moving.begin());
  }
  Numbers of(const ArrayMap &arrays, const std::string &name) const {
    return numbersOf(arrays.at(prefix + name));
  }

  /// Central differences in f64 are good for 1e-8 or so; the absolute part is for their noise.
  void alike(const std::string &what, const Numbers &got, const Numbers &want,
             Failures &failures) const {
    Real largest = 0;
    for (Real value : want)
      largest = std::max(largest, std::fabs(value));
    for (size_t i = 0; i < want.size(); ++i)
      if (!(std::fabs(got[i] - want[i]) <= 1e-5 + 1e-5 * std::fabs(want[i]) + 1e-7 * largest)) {
        failures.push_back(where() + what + ": element " + std::to_string(i) + ": got " +
                           str(got[i]) + ", want " + str(want[i]));
        return;
      }
  }

  Tensor input(Graph &graph, const std::string &name, const Input &input, DType type,
               const Shape &shape) {
    drawn.push_back({prefix + name, input, type, shape});
    return graph.placeholder(prefix + name, type, shape);
  }
  void output(Graph &graph, const std::string &name, const Tensor &value) {
    graph.output(prefix + name, value);
  }
  void output(Graph &graph, const std::string &name, const Tensors &values) {
    for (size_t i = 0; i < values.size(); ++i)
      output(graph, name + std::to_string(i), values[i]);
  }

  const Row &row;
  DType dtype;
  std::string prefix;
  Plan plan;
  bool isF64 = true;
  std::vector<Drawn> drawn;
  std::vector<std::string> moving; ///< Numbers of the float inputs.
};

/// Derivatives of large tensors add up in compile time.
bool isSmall(const Case &one) {
  for (const Shape &shape : one.shapes)
    if (shape.numElements().evaluate({{"N", 5}}).value_or(0) > 2000)
      return false;
  return !one.transposed;
}

/// The interpreter tries everything; what compiled code may get wrong does not depend on how a
/// derivative came about, so a few cases of the other nestings and dtypes are enough.
std::vector<size_t> casesFor(const Row &row, DType dtype, Engine engine) {
  std::vector<size_t> cases;
  for (size_t c = 0; c < row.cases.size(); ++c)
    if (isSmall(row.cases[c]))
      cases.push_back(c);
  size_t most = engine == Engine::Interpreter ? cases.size()
                : dtype == f64                ? 3
                : dtype == f32                ? 2
                                              : 1;
  if (cases.size() > most)
    cases.erase(cases.begin(), cases.end() - static_cast<long>(most));
  return cases;
}

Failures derivativesOf(const Row &row, const std::vector<DType> &dtypes, Engine engine,
                       const ForwardMode &forward, const Target &target) {
  Failures failures;
  Graph graph;
  std::vector<DerivativeCase> cases;
  for (DType dtype : dtypes) {
    Plan plan{.differences = dtype == f64,
              .second = dtype == f64 && row.derivative == Derivative::Second,
              .allModes = engine == Engine::Interpreter};
    for (size_t c : casesFor(row, dtype, engine))
      cases.emplace_back(row, dtype, graph, c, plan, forward);
  }
  Executable executable = compile(graph, {.target = target, .engine = engine});
  ArrayMap inputs;
  std::map<DType, uint64_t> next;
  for (const DerivativeCase &one : cases)
    one.drawInputs(RandomStream(23, row.name), next[one.ofDType()], inputs);
  ArrayMap here = executable.run(inputs);
  for (const DerivativeCase &one : cases)
    one.check(inputs, here, failures);
  if (std::none_of(cases.begin(), cases.end(), [](auto &one) { return one.hasDifferences(); }))
    return failures;
  const Real h = 1e-6;
  auto shifted = [&](Real step) {
    ArrayMap moved = inputs;
    for (const DerivativeCase &one : cases)
      one.move(moved, step);
    return executable.run(moved);
  };
  ArrayMap plus = shifted(h), minus = shifted(-h);
  for (const DerivativeCase &one : cases)
    if (one.hasDifferences())
      one.checkDifferences(here, plus, minus, h, failures);
  return failures;
}

} // namespace

std::vector<DType> derivativeDTypes(const Row &row) {
  std::vector<DType> dtypes = {f64};
  for (DType dtype : row.dtypes)
    if (isFloat(dtype) && dtype != f64)
      dtypes.push_back(dtype);
  return dtypes;
}

Tensors forwardMode(const Tensors &ys, const Tensors &xs, const Tensors &tangents) {
  return jvp(ys, xs, tangents);
}

Failures checkDerivatives(const Row &row, const std::vector<DType> &dtypes, Engine engine,
                          const ForwardMode &forward, const Target &target) {
  try {
    return derivativesOf(row, dtypes, engine, forward, target);
  } catch (const Error &error) {
    std::string names;
    for (DType dtype : dtypes)
      names += " " + std::string(name(dtype));
    return {row.name + names + " derivatives threw: " + error.what()};
  }
}

Failures checkDerivatives(const Row &row, DType dtype, Engine engine, const ForwardMode &forward,
                          const Target &target) {
  return checkDerivatives(row, std::vector<DType>{dtype}, engine, forward, target);
}

} // namespace sinter::ops
