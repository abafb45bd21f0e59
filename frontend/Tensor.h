// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Ops.h"
#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Shape.h"

#include <memory>
#include <source_location>
#include <string>
#include <type_traits>
#include <variant>

#pragma GCC visibility push(default)
namespace sinter {

class GraphImpl;

/// A value of a graph: symbolic, immutable, cheap to copy. Its methods are those of TensorOps
/// (generated: one for every operator and composite), so that calls chain:
/// x.matmul(w).relu().sum().
///
/// An invalid call throws Error(User) at once, with the caller's file and line.
class Tensor : public TensorOps {
public:
  /// No value; only good for assigning to.
  Tensor() = default;

  bool defined() const { return graph != nullptr; }
  DType dtype(std::source_location loc = std::source_location::current()) const;
  Shape shape(std::source_location loc = std::source_location::current()) const;
  int64_t rank(std::source_location loc = std::source_location::current()) const;
  /// One size; negative axes count from the last.
  DimExpr size(int64_t axis, std::source_location loc = std::source_location::current()) const;
  /// Where it was made.
  SourceLoc location() const;
  /// "f32[N, 784]"
  std::string str() const;
  /// True when both are the same value of the same graph (== would be ambiguous: see equal()).
  bool isSame(const Tensor &other) const { return graph == other.graph && value == other.value; }

private:
  friend class GraphImpl;
  Tensor(std::shared_ptr<GraphImpl> graph, void *value) : graph(std::move(graph)), value(value) {}
  std::shared_ptr<GraphImpl> graph;
  void *value = nullptr;
};

/// What an operator takes: a tensor, or a number that takes on the dtype of the other operands (a
/// fraction does not become an integer). It remembers the line on which it was written.
class Operand {
public:
  using Number = std::variant<bool, int64_t, uint64_t, double>;

  Operand(const Tensor &tensor, std::source_location loc = std::source_location::current())
      : content(tensor), loc(loc) {}
  template <typename T>
  requires std::is_arithmetic_v<T>
  Operand(T value, std::source_location loc = std::source_location::current())
      : content(toNumber(value)), loc(loc) {}

  bool isTensor() const { return std::holds_alternative<Tensor>(content); }
  const Tensor &tensor() const { return std::get<Tensor>(content); }
  const Number &number() const { return std::get<Number>(content); }
  const std::source_location &location() const { return loc; }

private:
  template <typename T> static Number toNumber(T value) {
    if constexpr (std::is_same_v<T, bool>)
      return value;
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<double>(value);
    else if (std::is_unsigned_v<T> && sizeof(T) == 8 && static_cast<int64_t>(value) < 0)
      return static_cast<uint64_t>(value); // too large for any dtype but u64
    else
      return static_cast<int64_t>(value);
  }
  std::variant<Tensor, Number> content;
  std::source_location loc;
};

// Operators, with NumPy's broadcasting. == is not among them: equal(a, b) gives the elementwise
// result.
Tensor operator+(const Operand &a, const Operand &b);
Tensor operator-(const Operand &a, const Operand &b);
Tensor operator*(const Operand &a, const Operand &b);
Tensor operator/(const Operand &a, const Operand &b);
Tensor operator-(const Operand &x);
Tensor operator<(const Operand &a, const Operand &b);
Tensor operator<=(const Operand &a, const Operand &b);
Tensor operator>(const Operand &a, const Operand &b);
Tensor operator>=(const Operand &a, const Operand &b);
Tensor operator&&(const Operand &a, const Operand &b);
Tensor operator||(const Operand &a, const Operand &b);
Tensor operator!(const Operand &x);

/// x = x + y and so on: the handle then names the new value.
inline Tensor &operator+=(Tensor &x, const Operand &y) { return x = Operand(x, y.location()) + y; }
inline Tensor &operator-=(Tensor &x, const Operand &y) { return x = Operand(x, y.location()) - y; }
inline Tensor &operator*=(Tensor &x, const Operand &y) { return x = Operand(x, y.location()) * y; }
inline Tensor &operator/=(Tensor &x, const Operand &y) { return x = Operand(x, y.location()) / y; }

/// While it lives, every op made in the graph of `tensor` carries the location and the name given
/// here, and so do errors. A function made of other ops opens one, so that they point at its
/// caller:
///
///   Tensor swish(const Tensor &x, std::source_location loc = std::source_location::current()) {
///     Scope scope(x, "swish", loc);
///     return x * x.sigmoid();
///   }
///
/// Of nested scopes the outermost gives the location.
class Scope {
public:
  Scope(const Tensor &tensor, std::string_view name,
        std::source_location loc = std::source_location::current());
  ~Scope();
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;

private:
  std::shared_ptr<GraphImpl> graph;
};

} // namespace sinter
#pragma GCC visibility pop
