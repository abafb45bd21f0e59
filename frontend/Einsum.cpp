// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Einsum.h"

#include "sinter/frontend/Arrange.h"
#include "sinter/frontend/CompositeCall.h"

#include <algorithm>
#include <map>

namespace sinter {

namespace {

/// Names of axes: letters, and capital-free codes from 0 on for the axes of "...": the last of them
/// is 0.
using Labels = std::vector<int>;

constexpr int maxEllipsis = 'A' - 1;

std::string labelName(int label) {
  return label < 'A' ? "'...'" : "'" + std::string(1, static_cast<char>(label)) + "'";
}

bool contains(const Labels &labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// An operand on the way: its axes have distinct names.
struct Term {
  Tensor tensor;
  Labels labels;

  int64_t axisOf(int label) const {
    return std::find(labels.begin(), labels.end(), label) - labels.begin();
  }
};

class Einsum {
public:
  Einsum(const CompositeCall &call, std::string_view equation, const std::vector<Tensor> &operands)
      : c(call), equation(equation) {
    for (const Tensor &operand : operands) {
      c.requireSameDType(operand, "an operand");
      shapes.push_back(operand.shape());
    }
    parse();
    for (size_t i = 0; i < operands.size(); ++i)
      terms.push_back(withDistinctLabels({operands[i], inputs[i]}));
    dropOnes();
  }

  Tensor result() {
    Term sofar = summed(terms.front(), 1);
    for (size_t i = 1; i < terms.size(); ++i)
      sofar = summed(product(sofar, summed(terms[i], i + 1, &sofar.labels), i + 1), i + 1);
    return arranged(sofar);
  }

private:
  [[noreturn]] void fail(const std::string &message, const std::string &hint = "") const {
    c.fail("in \"" + std::string(equation) + "\" " + message, shapes, hint);
  }

  // -- Reading --

  /// `ellipsis`: how many axes "..." stands for; absent where it may not occur.
  Labels parseLabels(std::string_view text, std::optional<int64_t> ellipsis) const {
    Labels labels;
    bool seen = false;
    for (size_t i = 0; i < text.size(); ++i) {
      char letter = text[i];
      if (letter == ' ')
        continue;
      if (letter == '.') {
        if (text.substr(i, 3) != "..." || seen)
          fail("'.' only occurs in '...', once per operand");
        seen = true;
        i += 2;
        for (int64_t left = ellipsis.value_or(0); left > 0; --left)
          labels.push_back(static_cast<int>(left - 1));
      } else if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
        labels.push_back(letter);
      } else {
        fail("'" + std::string(1, letter) + "' is no name of an axis", "names are letters");
      }
    }
    return labels;
  }

  void parse() {
    size_t arrow = equation.find("->");
    std::string_view left = equation.substr(0, arrow);
    for (size_t start = 0; start <= left.size();) {
      size_t end = std::min(left.find(',', start), left.size());
      parseInput(left.substr(start, end - start));
      start = end + 1;
    }
    if (inputs.size() != shapes.size())
      fail("has " + std::to_string(inputs.size()) + " operands, given are " +
           std::to_string(shapes.size()));
    if (arrow == std::string_view::npos)
      return inferOutput();
    output = parseLabels(equation.substr(arrow + 2), widest);
    for (size_t i = 0; i < output.size(); ++i) {
      if (std::count(output.begin(), output.end(), output[i]) > 1)
        fail("the output names " + labelName(output[i]) + " twice");
      if (!sizes.contains(output[i]))
        fail("the output names " + labelName(output[i]) + ", no operand does");
    }
  }

  void parseInput(std::string_view text) {
    size_t index = inputs.size();
    if (index >= shapes.size())
      fail("has more operands than the " + std::to_string(shapes.size()) + " given");
    const Shape &shape = shapes[index];
    auto named = static_cast<int64_t>(parseLabels(text, 0).size());
    bool open = text.find('.') != std::string_view::npos;
    if (open ? named > shape.rank() : named != shape.rank())
      fail("operand " + std::to_string(index) + " has " + std::to_string(named) +
           " names for rank " + std::to_string(shape.rank()));
    if (shape.rank() - named >= maxEllipsis)
      fail("'...' stands for too many axes");
    Labels labels = parseLabels(text, shape.rank() - named);
    widest = std::max(widest, shape.rank() - named);
    for (int64_t i = 0; i < shape.rank(); ++i) {
      int label = labels[static_cast<size_t>(i)];
      auto [known, isNew] = sizes.emplace(label, shape[i]);
      if (isNew || known->second == shape[i] || shape[i] == DimExpr(1))
        continue;
      if (known->second != DimExpr(1))
        fail("sizes " + known->second.str() + " and " + shape[i].str() + " of " + labelName(label) +
             " differ");
      known->second = shape[i];
    }
    inputs.push_back(std::move(labels));
  }

  void inferOutput() {
    for (int64_t left = widest; left > 0; --left)
      output.push_back(static_cast<int>(left - 1));
    Labels every;
    for (const Labels &labels : inputs)
      every.insert(every.end(), labels.begin(), labels.end());
    for (const auto &[label, size] : sizes)
      if (label >= 'A' && std::count(every.begin(), every.end(), label) == 1)
        output.push_back(label);
  }

  // -- Preparing --

  /// Takes the diagonals of names that occur twice.
  Term withDistinctLabels(Term term) const {
    for (size_t i = 0; i < term.labels.size(); ++i)
      for (size_t j = i + 1; j < term.labels.size(); ++j)
        if (term.labels[i] == term.labels[j]) {
          Shape shape = term.tensor.shape();
          auto first = static_cast<int64_t>(i), second = static_cast<int64_t>(j);
          if (shape[first] != shape[second])
            fail("sizes " + shape[first].str() + " and " + shape[second].str() + " of " +
                 labelName(term.labels[i]) + " differ");
          int label = term.labels[i];
          term.tensor = diagonal(term.tensor, 0, first, second);
          term.labels.erase(term.labels.begin() + second);
          term.labels.erase(term.labels.begin() + first);
          term.labels.push_back(label);
          return withDistinctLabels(std::move(term));
        }
    return term;
  }

  /// Axes of size 1 that broadcast along others of their name disappear.
  void dropOnes() {
    for (Term &term : terms) {
      Shape shape = term.tensor.shape(), rest;
      Labels labels;
      for (int64_t i = 0; i < shape.rank(); ++i) {
        int label = term.labels[static_cast<size_t>(i)];
        if (shape[i] == DimExpr(1) && sizes.at(label) != DimExpr(1))
          continue;
        rest.push_back(shape[i]);
        labels.push_back(label);
      }
      if (labels.size() < term.labels.size())
        term = {term.tensor.reshape(rest), labels};
    }
  }

  // -- Computing --

  /// Whether the output or an operand from `next` on names the axis.
  bool isNeeded(int label, size_t next) const {
    bool result = contains(output, label);
    for (size_t i = next; i < terms.size(); ++i)
      result |= contains(terms[i].labels, label);
    return result;
  }

  /// Sums the axes that neither `other` nor anything from `next` on names.
  Term summed(const Term &term, size_t next, const Labels *other = nullptr) const {
    std::vector<int64_t> axes;
    Labels rest;
    for (size_t i = 0; i < term.labels.size(); ++i) {
      int label = term.labels[i];
      if (isNeeded(label, next) || (other && contains(*other, label)))
        rest.push_back(label);
      else
        axes.push_back(static_cast<int64_t>(i));
    }
    return axes.empty() ? term : Term{term.tensor.sum(axes), rest};
  }

  Term product(const Term &a, const Term &b, size_t next) const {
    DotDims dims;
    Labels labels, freeOfA, freeOfB;
    for (int label : a.labels) {
      if (!contains(b.labels, label)) {
        freeOfA.push_back(label);
      } else if (isNeeded(label, next)) {
        labels.push_back(label);
        dims.lhsBatch.push_back(a.axisOf(label));
        dims.rhsBatch.push_back(b.axisOf(label));
      } else {
        dims.lhsContract.push_back(a.axisOf(label));
        dims.rhsContract.push_back(b.axisOf(label));
      }
    }
    for (int label : b.labels)
      if (!contains(a.labels, label))
        freeOfB.push_back(label);
    labels.insert(labels.end(), freeOfA.begin(), freeOfA.end());
    labels.insert(labels.end(), freeOfB.begin(), freeOfB.end());
    if (!dims.lhsContract.empty())
      return {dotGeneral(a.tensor, b.tensor, dims), labels};
    return {spread(a, labels) * spread(b, labels), labels};
  }

  /// The tensor with its axes in the order of `labels`, of size 1 where it lacks one.
  Tensor spread(const Term &term, const Labels &labels) const {
    std::vector<int64_t> order;
    Shape shape = term.tensor.shape(), result;
    for (int label : labels) {
      bool own = contains(term.labels, label);
      if (own)
        order.push_back(term.axisOf(label));
      result.push_back(own ? shape[term.axisOf(label)] : DimExpr(1));
    }
    bool inOrder = std::is_sorted(order.begin(), order.end());
    return (inOrder ? term.tensor : transpose(term.tensor, order)).reshape(result);
  }

  /// In the output's order.
  Tensor arranged(const Term &term) const {
    Shape shape;
    for (int label : output)
      shape.push_back(sizes.at(label));
    return spread(term, output).broadcastTo(shape);
  }

  const CompositeCall &c;
  std::string_view equation;
  std::vector<Shape> shapes;
  std::vector<Labels> inputs;
  Labels output;
  std::map<int, DimExpr> sizes;
  int64_t widest = 0;
  std::vector<Term> terms;
};

} // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor> &operands,
              std::source_location loc) {
  Call call{"einsum", loc};
  GraphImpl::of(operands, call);
  CompositeCall c(operands.front(), "einsum", loc);
  return Einsum(c, equation, operands).result();
}

Tensor outer(const Tensor &a, const Tensor &b, std::source_location loc) {
  CompositeCall c(a, "outer", loc);
  c.graph.value(b, c.call);
  if (c.shape.rank() != 1 || b.rank() != 1)
    c.fail("needs two vectors", {c.shape, b.shape()});
  return a.expandDims(1) * b;
}

Tensor inner(const Tensor &a, const Tensor &b, std::source_location loc) {
  CompositeCall c(a, "inner", loc);
  c.graph.value(b, c.call);
  if (c.shape.rank() == 0 || b.rank() == 0)
    c.fail("needs at least one axis each", {c.shape, b.shape()}, "multiply scalars with *");
  return dotGeneral(a, b, {.lhsContract = {-1}, .rhsContract = {-1}});
}

Tensor kron(const Tensor &a, const Tensor &b, std::source_location loc) {
  CompositeCall c(a, "kron", loc);
  c.graph.value(b, c.call);
  Shape other = b.shape();
  if (c.shape.rank() != other.rank())
    c.fail("needs equal ranks", {c.shape, other}, "add axes of size 1 with expandDims");
  Shape left, right, result;
  for (int64_t i = 0; i < c.shape.rank(); ++i) {
    left.push_back(c.shape[i]);
    left.push_back(1);
    right.push_back(1);
    right.push_back(other[i]);
    result.push_back(c.shape[i] * other[i]);
  }
  return (a.reshape(left) * b.reshape(right)).reshape(result);
}

} // namespace sinter
