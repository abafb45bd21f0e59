// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Functions.h"
#include "sinter/frontend/Gradients.h"
#include "sinter/frontend/Init.h"
#include "sinter/ir/base/Array.h"
#include "sinter/ir/base/Signature.h"

#include <filesystem>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The new value of a parameter or state after a step.
struct Update {
  Tensor target;
  Tensor value;
};
using Updates = std::vector<Update>;

/// A graph under construction: arguments, ops on them, and named outputs. Copies are handles to the
/// same graph. Building is for one thread at a time. Every mistake throws Error(User) at once, with
/// the caller's file and line.
class Graph {
public:
  Graph();
  // A moved-from handle would be empty, so moving copies.
  Graph(const Graph &) = default;
  Graph &operator=(const Graph &) = default;
  ~Graph() = default;

  // -- Arguments: names are unique, of letters, digits and _ . - / : $
  // ------------------------------

  /// An input that is given at each call. Sizes may be symbolic: {dim("N"), 784}.
  Tensor placeholder(std::string_view name, DType dtype, const Shape &shape,
                     std::source_location loc = std::source_location::current());
  /// A trainable tensor, owned by a State.
  Tensor parameter(std::string_view name, DType dtype, const Shape &shape,
                   const Initializer &init = {},
                   std::source_location loc = std::source_location::current());
  /// A tensor that steps carry over but gradients do not train (moments, counters), owned by a
  /// State.
  Tensor state(std::string_view name, DType dtype, const Shape &shape, const Initializer &init = {},
               std::source_location loc = std::source_location::current());

  // -- Values without operands
  // ----------------------------------------------------------------------

  /// Fixed data; the array is copied.
  Tensor constant(const Array &value, std::source_location loc = std::source_location::current());
  /// Equal elements.
  Tensor full(DType dtype, const Shape &shape, const Operand &value,
              std::source_location loc = std::source_location::current());
  /// A number as a tensor of rank 0.
  Tensor scalar(DType dtype, const Operand &value,
                std::source_location loc = std::source_location::current());
  Tensor zeros(DType dtype, const Shape &shape,
               std::source_location loc = std::source_location::current());
  Tensor ones(DType dtype, const Shape &shape,
              std::source_location loc = std::source_location::current());
  /// The index along `axis`, as a number.
  Tensor iota(DType dtype, const Shape &shape, int64_t axis = 0,
              std::source_location loc = std::source_location::current());
  /// 0, 1, …, size - 1.
  Tensor arange(DType dtype, const DimExpr &size,
                std::source_location loc = std::source_location::current());
  /// `count` numbers from start to stop, both included, at equal distances.
  Tensor linspace(DType dtype, double start, double stop, const DimExpr &count,
                  std::source_location loc = std::source_location::current());
  /// A matrix of 1 on the diagonal `offset` above the main one, else 0.
  Tensor eye(DType dtype, const DimExpr &rows, const DimExpr &columns, int64_t offset = 0,
             std::source_location loc = std::source_location::current());
  /// A matrix of 1 up to the diagonal `offset` above the main one, else 0.
  Tensor tri(DType dtype, const DimExpr &rows, const DimExpr &columns, int64_t offset = 0,
             std::source_location loc = std::source_location::current());
  /// The value of a size, as a scalar: known when the program runs.
  Tensor dimValue(DType dtype, const DimExpr &size,
                  std::source_location loc = std::source_location::current());

  // -- Results
  // --------------------------------------------------------------------------------------

  /// Gives a value a name under which programs return it.
  void output(std::string_view name, const Tensor &value,
              std::source_location loc = std::source_location::current());
  /// Records that a step replaces `target` by `value`: both are part of the text form.
  void update(const Tensor &target, const Tensor &value,
              std::source_location loc = std::source_location::current());
  void update(const Updates &updates, std::source_location loc = std::source_location::current());

  // -- Looking at it
  // --------------------------------------------------------------------------------

  std::vector<Argument> arguments() const;
  /// The named outputs, then the updates (whose name is empty).
  std::vector<Result> results() const;
  /// The argument or output of that name; throws with a 'did you mean'.
  Tensor argument(std::string_view name,
                  std::source_location loc = std::source_location::current()) const;
  Tensor outputNamed(std::string_view name,
                     std::source_location loc = std::source_location::current()) const;
  std::vector<Tensor> outputs() const;
  Updates updates() const;
  int64_t numOps() const;

  // -- Text (the dialect in docs/operators.md)
  // ------------------------------------------------------

  /// Whether the text tells where each op comes from.
  enum class Locations { Omit, Print };
  std::string str(Locations locations = Locations::Omit) const;
  /// Reads what str() prints: a module with one function @main. Malformed or invalid text throws
  /// Error(User) with `filename`, line and column.
  static Graph parse(std::string_view text, std::string_view filename = "<text>");
  /// Reads a file, or standard input for "-".
  static Graph load(const std::filesystem::path &path);

private:
  friend class GraphImpl;
  explicit Graph(std::shared_ptr<GraphImpl> impl) : impl(std::move(impl)) {}
  std::shared_ptr<GraphImpl> impl;
};

} // namespace sinter
#pragma GCC visibility pop
