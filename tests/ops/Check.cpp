// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Check.h"

#include "tests/ops/Guarded.h"
#include "tests/ops/Values.h"

#include <algorithm>
#include <memory>
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

/// A row in one dtype: its part of a graph. Names of inputs and outputs begin with the dtype.
class ForwardPart {
public:
  ForwardPart(const Row &row, DType dtype, Graph &graph)
      : row(row), dtype(dtype), where(row.name + " " + std::string(name(dtype))),
        cases(withSpecials(row, dtype, hasSpecial)) {
    for (size_t c = 0; c < cases.size(); ++c) {
      Tensors tensors;
      for (size_t k = 0; k < row.inputs.size(); ++k)
        tensors.push_back(placeholder(graph, inputName(c, k), dtypeOf(row.inputs[k], dtype),
                                      cases[c].shapes[k], cases[c].transposed));
      graph.output(outputName(c), row.graph(graph, tensors));
    }
  }

  std::string outputName(size_t c) const {
    return std::string(name(dtype)) + "_c" + std::to_string(c);
  }
  std::string inputName(size_t c, size_t input) const {
    return outputName(c) + "_x" + std::to_string(input);
  }
  bool isSymbolic() const {
    for (const Case &one : cases)
      for (const Shape &shape : one.shapes)
        if (!shape.isStatic())
          return true;
    return false;
  }

  const Row &row;
  const DType dtype;
  const std::string where;
  bool hasSpecial = false;
  const std::vector<Case> cases;
};

/// A part at one N: its inputs, room for its outputs, and what these must be.
class ForwardCall {
public:
  ForwardCall(const ForwardPart &part, const Graph &graph, int64_t n)
      : part(part), n(n), random(17 + uint64_t(n), part.row.name) {
    for (size_t c = 0; c < part.cases.size(); ++c)
      makeCase(c, graph);
  }

  void check(Failures &failures) const {
    for (size_t c = 0; c < part.cases.size(); ++c) {
      bool special = isSpecial(c);
      std::string place = part.where + " case " + std::to_string(c) +
                          (special ? " (special values)" : "") + ", N = " + std::to_string(n);
      compare(part.row, outputs[c].second, wanted[c], special, place, failures);
    }
    for (const GuardedArray &buffer : buffers)
      if (!buffer.intact())
        failures.push_back(part.where + ": wrote outside of a buffer at N = " + std::to_string(n));
  }

  std::vector<NamedArrays::Entry> arrays, outputs;

private:
  bool isSpecial(size_t c) const { return part.hasSpecial && c + 1 == part.cases.size(); }

  Array buffer(DType type, const Sizes &sizes) {
    // Every third buffer is misaligned, so that it is staged.
    buffers.emplace_back(type, sizes, buffers.size() % 3 == 2 ? byteSize(type) : 0);
    return buffers.back().array();
  }

  void makeCase(size_t c, const Graph &graph) {
    const Row &row = part.row;
    const Case &one = part.cases[c];
    std::vector<Real> special = isSpecial(c) ? specialValues(part.dtype) : std::vector<Real>();
    std::vector<Ref> refs;
    for (size_t k = 0; k < row.inputs.size(); ++k) {
      DType type = dtypeOf(row.inputs[k], part.dtype);
      Ref ref(*one.shapes[k].evaluate({{"N", n}}));
      Array array = buffer(type, ref.sizes);
      for (size_t i = 0; i < ref.values.size(); ++i) {
        ref.values[i] = isSpecial(c) ? special[(k == 0 ? i : i / special.size()) % special.size()]
                                     : draw(row.inputs[k], type, random, next++);
        storeReal(array, i, ref.values[i]);
      }
      arrays.push_back({part.inputName(c, k), one.transposed ? array.transpose() : array});
      refs.push_back(std::move(ref));
    }
    wanted.push_back(row.oracle ? row.oracle(refs) : elementwiseRef(row.element, refs));
    std::string name = part.outputName(c);
    outputs.push_back({name, buffer(graph.outputNamed(name).dtype(), wanted.back().sizes)});
  }

  const ForwardPart &part;
  int64_t n;
  RandomStream random;
  uint64_t next = 0;
  std::vector<GuardedArray> buffers;
  std::vector<Ref> wanted;
};

Failures forwardOf(const Row &row, const std::vector<DType> &dtypes,
                   const CompileOptions &options) {
  Failures failures;
  if (dtypes.empty())
    return failures;
  Graph graph;
  std::vector<std::unique_ptr<ForwardPart>> parts;
  for (DType dtype : dtypes)
    parts.push_back(std::make_unique<ForwardPart>(row, dtype, graph));
  bool isSymbolic =
      std::any_of(parts.begin(), parts.end(), [](const auto &part) { return part->isSymbolic(); });
  Executable executable = compile(graph, options);
  for (int64_t n : {17, 1, 0}) {
    if (n != 17 && !isSymbolic)
      continue;
    std::vector<NamedArrays::Entry> arrays, outputs;
    std::vector<ForwardCall> calls;
    for (const auto &part : parts) {
      const ForwardCall &call = calls.emplace_back(*part, graph, n);
      arrays.insert(arrays.end(), call.arrays.begin(), call.arrays.end());
      outputs.insert(outputs.end(), call.outputs.begin(), call.outputs.end());
    }
    BoundCall bound = executable.bind(NamedArrays(arrays), NamedArrays(outputs));
    bound();
    for (const ForwardCall &call : calls)
      call.check(failures);
  }
  return failures;
}

} // namespace

Failures checkForward(const Row &row, const std::vector<DType> &dtypes, Engine engine,
                      const Target &target) {
  try {
    return forwardOf(row, dtypes, {.target = target, .engine = engine});
  } catch (const Error &error) {
    std::string names;
    for (DType dtype : dtypes)
      names += " " + std::string(name(dtype));
    return {row.name + names + " threw: " + error.what()};
  }
}

Failures checkForward(const Row &row, DType dtype, Engine engine, const Target &target) {
  return checkForward(row, std::vector<DType>{dtype}, engine, target);
}

} // namespace sinter::ops
