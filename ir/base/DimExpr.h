// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// Values of named dimensions.
using DimBinding = std::map<std::string, int64_t, std::less<>>;

/// A size: a normalised expression over named dimensions, each a non-negative integer.
///
/// Normal form: a sum of terms, each an integer coefficient times a sorted product of atoms; an
/// atom is a symbol, floorDiv(a, b), ceilDiv(a, b) or max(a, b) with normalised operands. Two
/// expressions are equal when their normal forms are, and str() prints that form, so the text is an
/// identity: parse(e.str()) == e. Constants fold. Immutable; copies are cheap.
class DimExpr {
public:
  DimExpr(int64_t value = 0);
  /// `name` must satisfy isValidName(); anything else throws Error(User).
  static DimExpr symbol(std::string name);
  /// [A-Za-z_$][A-Za-z0-9_$]*
  static bool isValidName(std::string_view name);
  /// Accepts what str() prints: integers, names, + - * ( ), floordiv(a, b), ceildiv(a, b), max(a,
  /// b). Bounded in depth and length; nullopt on anything malformed or overflowing.
  static std::optional<DimExpr> parse(std::string_view text);

  bool isConstant() const;
  std::optional<int64_t> constant() const;
  /// True when the expression is a single symbol.
  bool isSymbol() const;
  std::string str() const;
  void collectSymbols(std::set<std::string> &symbols) const;
  /// Checked: nullopt when a symbol is missing, on overflow, or on division by zero.
  std::optional<int64_t> evaluate(const DimBinding &binding) const;
  DimExpr substitute(const std::map<std::string, DimExpr, std::less<>> &values) const;
  /// The exact quotient when every term divides evenly (e.g. (6*N*M) / (2*N)), else nullopt.
  std::optional<DimExpr> dividedExactlyBy(const DimExpr &divisor) const;

  friend DimExpr operator+(const DimExpr &a, const DimExpr &b);
  friend DimExpr operator-(const DimExpr &a, const DimExpr &b);
  friend DimExpr operator*(const DimExpr &a, const DimExpr &b);
  friend DimExpr floorDiv(const DimExpr &a, const DimExpr &b);
  friend DimExpr ceilDiv(const DimExpr &a, const DimExpr &b);
  friend DimExpr max(const DimExpr &a, const DimExpr &b);
  DimExpr &operator+=(const DimExpr &other) { return *this = *this + other; }
  DimExpr &operator*=(const DimExpr &other) { return *this = *this * other; }
  friend bool operator==(const DimExpr &a, const DimExpr &b);
  friend bool operator!=(const DimExpr &a, const DimExpr &b) { return !(a == b); }
  friend bool operator<(const DimExpr &a, const DimExpr &b); ///< A total order of normal forms.

  /// How to rebuild the expression in another language (IR, C text): fold() walks the normal form.
  template <typename T> struct Folder {
    std::function<T(int64_t)> constant;
    std::function<T(const std::string &)> symbol;
    std::function<T(T, T)> add, mul, floorDiv, ceilDiv, max;
  };
  template <typename T> T fold(const Folder<T> &folder) const;

private:
  struct Node;
  enum class AtomKind : uint8_t { Symbol, FloorDiv, CeilDiv, Max };
  struct Atom;
  struct Term;
  struct Algebra; ///< The rules of the normal form (DimExpr.cpp).
  explicit DimExpr(std::shared_ptr<const Node> node) : node(std::move(node)) {}
  std::shared_ptr<const Node> node; ///< Null for 0.
};

} // namespace sinter
#pragma GCC visibility pop

#include "sinter/ir/base/DimExprDetail.h"
