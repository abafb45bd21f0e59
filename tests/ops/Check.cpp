// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Check.h"

#include "tests/ops/Guarded.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <sstream>

namespace sinter::ops {

namespace {

using Sizes = std::vector<int64_t>;

// -- Values ---------------------------------------------------------------------------------------

double epsilonOf(DType dtype) {
  return dtype == f32 ? std::numeric_limits<float>::epsilon()
                      : std::numeric_limits<double>::epsilon();
}

/// What an exact value becomes in an integer dtype: it wraps; the neutral elements ±inf saturate.
Real toInteger(Real value, DType dtype) {
  if (dtype == boolean)
    return value != 0;
  Real low = dtype == i32 ? Real(INT32_MIN) : Real(INT64_MIN);
  Real high = dtype == i32 ? Real(INT32_MAX) : Real(INT64_MAX);
  if (std::isinf(value))
    return value < 0 ? low : high;
  Real span = 2 * -low;
  Real rest = std::fmod(value - low, span);
  return low + (rest < 0 ? rest + span : rest);
}

void storeReal(const Array &array, size_t i, Real value) {
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    static_cast<T *>(array.data())[i] = static_cast<T>(value);
  });
}

Real loadReal(const Array &array, size_t i) {
  return dispatch(array.dtype(), [&](auto zero) -> Real {
    return static_cast<Real>(static_cast<const decltype(zero) *>(array.data())[i]);
  });
}

Real draw(const Input &input, DType dtype, const RandomStream &random, uint64_t i) {
  if (dtype == boolean)
    return Real(random.bits(i) & 1);
  if (!isFloat(dtype))
    return Real(input.intLow + static_cast<int64_t>(random.below(
                                   i, static_cast<uint64_t>(input.intHigh - input.intLow) + 1)));
  double value = input.low + (input.high - input.low) * random.uniform01(i);
  for (double kink : input.kinks)
    if (std::fabs(value - kink) < 1.0 / 64)
      value = kink + (value < kink ? -1.0 / 64 : 1.0 / 64);
  return dtype == f32 ? Real(static_cast<float>(value)) : Real(value);
}

/// Values on which implementations differ.
std::vector<Real> specialValues(DType dtype) {
  std::vector<Real> values = {0.0L,   -0.0L, 1,     -1,    0.5L,     -0.5L,     1.5L, 2.5L,
                              -2.5L,  2,     -3,    10,    -10,      88.5L,     -104, 1e-20L,
                              -1e-9L, 1e20L, 0.25L, 3.75L, INFINITY, -INFINITY, NAN};
  auto add = [&](auto zero) {
    using L = std::numeric_limits<decltype(zero)>;
    for (Real value : {Real(L::max()), Real(L::min()), Real(L::denorm_min()), Real(L::min() / 8)}) {
      values.push_back(value);
      values.push_back(-value);
    }
  };
  if (dtype == f32)
    add(float{});
  else
    add(double{});
  for (Real &value : values)
    value = dtype == f32 ? Real(static_cast<float>(value)) : Real(static_cast<double>(value));
  return values;
}

Ref elementwiseRef(const ElementFunction &element, const std::vector<Ref> &inputs) {
  Sizes sizes;
  for (const Ref &input : inputs) { // NumPy's rule
    if (input.sizes.size() > sizes.size())
      sizes.insert(sizes.begin(), input.sizes.size() - sizes.size(), 1);
    for (size_t i = 0; i < input.sizes.size(); ++i) {
      int64_t &size = sizes[sizes.size() - input.sizes.size() + i];
      size = size == 1 ? input.sizes[i] : size;
    }
  }
  Ref out(sizes);
  std::vector<Real> values(inputs.size());
  forEachIndex(sizes, [&](const Sizes &index) {
    for (size_t k = 0; k < inputs.size(); ++k) {
      const Sizes &own = inputs[k].sizes;
      Sizes from(index.end() - static_cast<long>(own.size()), index.end());
      for (size_t i = 0; i < from.size(); ++i)
        if (own[i] == 1)
          from[i] = 0;
      values[k] = inputs[k].at(from);
    }
    out.at(index) = element(values);
  });
  return out;
}

// -- Comparison -----------------------------------------------------------------------------------

std::string str(Real value) {
  std::ostringstream out;
  out.precision(17);
  out << value << (std::signbit(value) && value == 0 ? " (negative)" : "");
  return out.str();
}

/// "" when `got` is what the row allows.
std::string compareElement(const Row &row, DType dtype, Real got, Real want, Real magnitude,
                           int64_t length) {
  std::string text = "got " + str(got) + ", want " + str(want);
  if (!isFloat(dtype))
    return got == toInteger(want, dtype) ? "" : text;
  if (want != want)
    return got != got ? "" : text;
  Real largest = dtype == f32 ? Real(std::numeric_limits<float>::max())
                              : Real(std::numeric_limits<double>::max());
  Real smallest = dtype == f32 ? Real(std::numeric_limits<float>::denorm_min())
                               : Real(std::numeric_limits<double>::denorm_min());
  Real eps = epsilonOf(dtype);
  Real tolerance = row.ulps * eps * magnitude * std::sqrt(static_cast<Real>(length)) +
                   row.absolute * eps + std::max(row.ulps, 1.0) * smallest;
  if (std::fabs(want) > largest)
    want = std::copysign(Real(INFINITY), want);
  if (std::isinf(got) || std::isinf(want)) {
    bool nearOverflow = std::fabs(std::isinf(got) ? want : got) >= largest * (1 - 8 * eps);
    return got == want || (nearOverflow && std::signbit(got) == std::signbit(want)) ? "" : text;
  }
  if (want == 0 && got == 0)
    return !row.signedZero || std::signbit(want) == std::signbit(got) ? "" : text;
  return std::fabs(got - want) <= tolerance ? "" : text;
}

class Report {
public:
  explicit Report(std::string where) : where(std::move(where)) {}
  void add(const std::string &what) {
    if (count++ < 4)
      failures.push_back(where + ": " + what);
  }
  Failures take() {
    if (count > 4)
      failures.push_back(where + ": … and " + std::to_string(count - 4) + " more");
    return std::move(failures);
  }

private:
  std::string where;
  Failures failures;
  int count = 0;
};

void compare(const Row &row, const Array &got, const Ref &want, bool signs,
             const std::string &where, Failures &failures) {
  Report report(where);
  if (got.sizes() != want.sizes) {
    report.add("result " + Shape(got.sizes()).str() + ", want " + Shape(want.sizes).str());
  } else {
    Row rules = row;
    rules.signedZero = row.signedZero && signs;
    for (size_t i = 0; i < want.values.size(); ++i) {
      Real magnitude = want.magnitude.empty() ? std::fabs(want.values[i]) : want.magnitude[i];
      std::string wrong = compareElement(rules, got.dtype(), loadReal(got, i), want.values[i],
                                         magnitude, want.reductionLength);
      if (!wrong.empty())
        report.add("element " + std::to_string(i) + ": " + wrong);
    }
  }
  for (std::string &failure : report.take())
    failures.push_back(std::move(failure));
}

// -- Forward --------------------------------------------------------------------------------------

DType dtypeOf(const Input &input, DType dtype) { return input.dtype.value_or(dtype); }

/// The placeholder of an input and the tensor that the row's graph sees.
Tensor placeholder(Graph &graph, const std::string &name, DType dtype, const Shape &shape,
                   bool transposed) {
  if (!transposed)
    return graph.placeholder(name, dtype, shape);
  std::vector<DimExpr> dims(shape.vector().rbegin(), shape.vector().rend());
  return transpose(graph.placeholder(name, dtype, Shape(dims)));
}

std::string inputName(size_t caseIndex, size_t input) {
  return "c" + std::to_string(caseIndex) + "_x" + std::to_string(input);
}

std::vector<Case> withSpecials(const Row &row, DType dtype, bool &hasSpecial) {
  std::vector<Case> cases = row.cases;
  bool fits = std::all_of(row.inputs.begin(), row.inputs.end(),
                          [](const Input &input) { return !input.dtype; });
  hasSpecial = row.special && row.element && isFloat(dtype) && fits;
  if (hasSpecial) {
    auto count = static_cast<int64_t>(specialValues(dtype).size());
    Shape shape{row.inputs.size() == 1 ? count : count * count};
    cases.push_back({std::vector<Shape>(row.inputs.size(), shape)});
  }
  return cases;
}

/// One call at one N: draws inputs, runs, compares.
class ForwardCall {
public:
  ForwardCall(const Row &row, DType dtype, const std::vector<Case> &cases, bool hasSpecial,
              int64_t n)
      : row(row), dtype(dtype), cases(cases), hasSpecial(hasSpecial), n(n),
        random(17 + uint64_t(n), row.name) {}

  void run(const Executable &executable, const Graph &graph, const std::string &where,
           Failures &failures) {
    for (size_t c = 0; c < cases.size(); ++c)
      makeCase(c, graph);
    BoundCall call = executable.bind(NamedArrays(arrays), NamedArrays(outputs));
    call();
    for (size_t c = 0; c < cases.size(); ++c) {
      bool isSpecial = hasSpecial && c + 1 == cases.size();
      std::string place = where + " case " + std::to_string(c) +
                          (isSpecial ? " (special values)" : "") + ", N = " + std::to_string(n);
      compare(row, outputs[c].second, wanted[c], isSpecial, place, failures);
    }
    for (const GuardedArray &buffer : buffers)
      if (!buffer.intact())
        failures.push_back(where + ": wrote outside of a buffer at N = " + std::to_string(n));
  }

private:
  Array buffer(DType type, const Sizes &sizes) {
    // Every third buffer is misaligned, so that it is staged.
    buffers.emplace_back(type, sizes, buffers.size() % 3 == 2 ? byteSize(type) : 0);
    return buffers.back().array();
  }

  void makeCase(size_t c, const Graph &graph) {
    const Case &one = cases[c];
    bool isSpecial = hasSpecial && c + 1 == cases.size();
    std::vector<Real> special = isSpecial ? specialValues(dtype) : std::vector<Real>();
    std::vector<Ref> refs;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      DType type = dtypeOf(row.inputs[k], dtype);
      Ref ref(*one.shapes[k].evaluate({{"N", n}}));
      Array array = buffer(type, ref.sizes);
      for (size_t i = 0; i < ref.values.size(); ++i) {
        ref.values[i] = isSpecial ? special[(k == 0 ? i : i / special.size()) % special.size()]
                                  : draw(row.inputs[k], type, random, next++);
        storeReal(array, i, ref.values[i]);
      }
      arrays.push_back({inputName(c, k), one.transposed ? array.transpose() : array});
      refs.push_back(std::move(ref));
    }
    wanted.push_back(row.oracle ? row.oracle(refs) : elementwiseRef(row.element, refs));
    std::string name = "c" + std::to_string(c);
    outputs.push_back({name, buffer(graph.outputNamed(name).dtype(), wanted.back().sizes)});
  }

  const Row &row;
  DType dtype;
  const std::vector<Case> &cases;
  bool hasSpecial;
  int64_t n;
  RandomStream random;
  uint64_t next = 0;
  std::vector<GuardedArray> buffers;
  std::vector<NamedArrays::Entry> arrays, outputs;
  std::vector<Ref> wanted;
};

bool isSymbolic(const std::vector<Case> &cases) {
  for (const Case &one : cases)
    for (const Shape &shape : one.shapes)
      if (!shape.isStatic())
        return true;
  return false;
}

Failures forwardOf(const Row &row, DType dtype, const CompileOptions &options) {
  Failures failures;
  std::string where = row.name + " " + std::string(name(dtype));
  bool hasSpecial = false;
  std::vector<Case> cases = withSpecials(row, dtype, hasSpecial);
  Graph graph;
  for (size_t c = 0; c < cases.size(); ++c) {
    Tensors tensors;
    for (size_t k = 0; k < row.inputs.size(); ++k)
      tensors.push_back(placeholder(graph, inputName(c, k), dtypeOf(row.inputs[k], dtype),
                                    cases[c].shapes[k], cases[c].transposed));
    graph.output("c" + std::to_string(c), row.graph(graph, tensors));
  }
  Executable executable = compile(graph, options);
  for (int64_t n : {17, 1, 0})
    if (n == 17 || isSymbolic(cases))
      ForwardCall(row, dtype, cases, hasSpecial, n).run(executable, graph, where, failures);
  return failures;
}

// -- Gradients ------------------------------------------------------------------------------------

/// The graph of one case: y, its vjp, and the vjp of that.
class GradientCase {
public:
  GradientCase(const Row &row, Graph &graph, size_t c)
      : row(row), prefix("c" + std::to_string(c) + "_") {
    const Case &one = row.cases[c];
    Tensors tensors, xs;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      DType type = dtypeOf(row.inputs[k], f64);
      std::string name = prefix + "x" + std::to_string(k);
      Tensor x = graph.placeholder(name, type, one.shapes[k]);
      add(name, row.inputs[k], type, one.shapes[k]);
      tensors.push_back(x);
      if (isFloat(type)) {
        xs.push_back(x);
        directions.push_back(name);
      }
    }
    Tensor y = row.graph(graph, tensors);
    Tensor u = seed(graph, "u", y.shape());
    output(graph, "y", y);
    Tensors first = gradients({y}, xs, {u});
    for (size_t i = 0; i < first.size(); ++i)
      output(graph, "g" + std::to_string(i), first[i]);
    numFirst = first.size();
    if (row.derivative != Derivative::Second)
      return;
    Tensors weights;
    for (size_t i = 0; i < first.size(); ++i)
      weights.push_back(seed(graph, "w" + std::to_string(i), first[i].shape()));
    Tensors second = gradients(first, xs, weights);
    for (size_t i = 0; i < second.size(); ++i)
      output(graph, "s" + std::to_string(i), second[i]);
  }

  void drawInputs(const RandomStream &random, uint64_t &next, ArrayMap &at,
                  ArrayMap &direction) const {
    for (const auto &[name, input, type, shape] : drawn) {
      Array array(type, *shape.evaluate({{"N", 5}}));
      for (size_t i = 0; i < static_cast<size_t>(array.numElements()); ++i)
        storeReal(array, i, draw(input, type, random, next++));
      at[name] = array;
      if (std::find(directions.begin(), directions.end(), name) == directions.end())
        continue;
      Array v(f64, array.sizes());
      random.fillUniform(v, -1, 1, next);
      next += static_cast<uint64_t>(v.numElements());
      direction[name] = v;
    }
  }

  void compare(const ArrayMap &inputs, const ArrayMap &direction, const ArrayMap &at,
               const ArrayMap &plus, const ArrayMap &minus, double h, Failures &failures) const {
    auto dotOutputs = [&](const std::string &kind, const std::string &seeds, size_t count) {
      double sum = 0;
      for (size_t i = 0; i < count; ++i) {
        std::string suffix = seeds == "u" ? "" : std::to_string(i);
        std::vector<double> p = plus.at(prefix + kind + suffix).toVector<double>();
        std::vector<double> m = minus.at(prefix + kind + suffix).toVector<double>();
        std::vector<double> s = inputs.at(prefix + seeds + suffix).toVector<double>();
        for (size_t j = 0; j < s.size(); ++j)
          sum += p[j] == m[j] ? 0 : s[j] * (p[j] - m[j]) / (2 * h); // equal: also where infinite
      }
      return sum;
    };
    auto dotDirections = [&](const std::string &kind) {
      double sum = 0;
      for (size_t i = 0; i < directions.size(); ++i) {
        std::vector<double> g = at.at(prefix + kind + std::to_string(i)).toVector<double>();
        std::vector<double> v = direction.at(directions[i]).toVector<double>();
        for (size_t j = 0; j < v.size(); ++j)
          sum += g[j] * v[j];
      }
      return sum;
    };
    auto expect = [&](const char *what, double got, double want) {
      // Central differences in f64 are good for 1e-8; the absolute part is for their noise.
      if (!(std::fabs(got - want) <= 1e-5 + 1e-5 * (std::fabs(got) + std::fabs(want))))
        failures.push_back(row.name + " " + prefix + ": " + what + " " + str(got) +
                           ", finite differences " + str(want));
    };
    expect("<vjp(u), v>", dotDirections("g"), dotOutputs("y", "u", 1));
    if (row.derivative == Derivative::Second)
      expect("second derivative", dotDirections("s"), dotOutputs("g", "w", numFirst));
  }

private:
  struct Drawn {
    std::string name;
    Input input;
    DType dtype;
    Shape shape;
  };
  void add(const std::string &name, const Input &input, DType type, const Shape &shape) {
    drawn.push_back({name, input, type, shape});
  }
  Tensor seed(Graph &graph, const std::string &name, const Shape &shape) {
    add(prefix + name, In(-1, 1), f64, shape);
    return graph.placeholder(prefix + name, f64, shape);
  }
  void output(Graph &graph, const std::string &name, const Tensor &value) {
    graph.output(prefix + name, value);
  }

  const Row &row;
  std::string prefix;
  std::vector<Drawn> drawn;
  std::vector<std::string> directions;
  size_t numFirst = 0;
};

/// Finite differences cost little, but second derivatives of large tensors add up in compile time.
bool isSmall(const Case &one) {
  for (const Shape &shape : one.shapes)
    if (shape.numElements().evaluate({{"N", 5}}).value_or(0) > 2000)
      return false;
  return !one.transposed;
}

} // namespace

Failures checkForward(const Row &row, Engine engine, const Target &target) {
  Failures failures;
  for (DType dtype : row.dtypes)
    try {
      for (std::string &failure : forwardOf(row, dtype, {.target = target, .engine = engine}))
        failures.push_back(std::move(failure));
    } catch (const Error &error) {
      failures.push_back(row.name + " " + std::string(name(dtype)) + " threw: " + error.what());
    }
  return failures;
}

Failures checkGradient(const Row &row, Engine engine) {
  Failures failures;
  try {
    Graph graph;
    std::vector<GradientCase> cases;
    for (size_t c = 0; c < row.cases.size(); ++c)
      if (isSmall(row.cases[c]))
        cases.emplace_back(row, graph, c);
    Executable executable = compile(graph, {.engine = engine});
    RandomStream random(23, row.name);
    uint64_t next = 0;
    ArrayMap at, direction;
    for (const GradientCase &one : cases)
      one.drawInputs(random, next, at, direction);
    const double h = 1e-6;
    auto shifted = [&](double step) {
      ArrayMap inputs = at;
      for (const auto &[name, v] : direction) {
        Array x = at.at(name).clone();
        for (int64_t i = 0; i < x.numElements(); ++i)
          x.as<double>()[i] += step * v.as<double>()[i];
        inputs[name] = x;
      }
      return executable.run(inputs);
    };
    ArrayMap here = executable.run(at), plus = shifted(h), minus = shifted(-h);
    for (const GradientCase &one : cases)
      one.compare(at, direction, here, plus, minus, h, failures);
  } catch (const Error &error) {
    failures.push_back(row.name + " gradient threw: " + error.what());
  }
  return failures;
}

} // namespace sinter::ops
