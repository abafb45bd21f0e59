// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Check.h"

#include "tests/ops/Guarded.h"
#include "tests/ops/Values.h"

#include <algorithm>
#include <optional>

namespace sinter::ops {

namespace {

using Sizes = std::vector<int64_t>;

// -- Oracles --------------------------------------------------------------------------------------

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

/// "" when `got` is what the row allows.
std::string compareElement(const Row &row, DType dtype, Real got, Real want, Real magnitude,
                           int64_t length) {
  std::string text = "got " + str(got) + ", want " + str(want);
  if (!isFloat(dtype))
    return got == toInteger(want, dtype) ? "" : text;
  if (want != want)
    return got != got ? "" : text;
  auto [eps, largest, smallest] = limitsOf(dtype);
  Real tolerance = row.ulps * eps * magnitude * std::sqrt(static_cast<Real>(length)) +
                   row.absolute * eps + std::max(Real(row.ulps), Real(1)) * smallest;
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
  if (isNarrow(dtype) && cases.size() > 3) // What the wide dtypes have shown of shapes holds.
    cases = {cases[cases.size() / 4], cases[cases.size() / 2], cases.back()};
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

} // namespace

Failures checkForward(const Row &row, DType dtype, Engine engine, const Target &target) {
  try {
    return forwardOf(row, dtype, {.target = target, .engine = engine});
  } catch (const Error &error) {
    return {row.name + " " + std::string(name(dtype)) + " threw: " + error.what()};
  }
}

Failures checkForward(const Row &row, Engine engine, const Target &target) {
  Failures failures;
  for (DType dtype : row.dtypes)
    for (std::string &failure : checkForward(row, dtype, engine, target))
      failures.push_back(std::move(failure));
  return failures;
}

} // namespace sinter::ops
