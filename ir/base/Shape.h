// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DimExpr.h"

#include <initializer_list>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The sizes of a tensor, outermost first; rank 0 is a scalar.
class Shape {
public:
  Shape() = default;
  Shape(std::initializer_list<DimExpr> dims) : dims(dims) {}
  explicit Shape(std::vector<DimExpr> dims) : dims(std::move(dims)) {}
  explicit Shape(const std::vector<int64_t> &sizes) : dims(sizes.begin(), sizes.end()) {}

  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  const DimExpr &operator[](int64_t i) const { return dims[static_cast<size_t>(i)]; }
  DimExpr &operator[](int64_t i) { return dims[static_cast<size_t>(i)]; }
  auto begin() const { return dims.begin(); }
  auto end() const { return dims.end(); }
  void push_back(DimExpr dim) { dims.push_back(std::move(dim)); }
  const std::vector<DimExpr> &vector() const { return dims; }

  bool isStatic() const;
  /// The product of the sizes (1 for a scalar).
  DimExpr numElements() const;
  /// Concrete sizes, or nullopt when a dimension is unbound, negative or overflows.
  std::optional<std::vector<int64_t>> evaluate(const DimBinding &binding) const;
  /// "[N, 784]"
  std::string str() const;

  friend bool operator==(const Shape &a, const Shape &b) { return a.dims == b.dims; }
  friend bool operator!=(const Shape &a, const Shape &b) { return !(a == b); }

private:
  std::vector<DimExpr> dims;
};

/// A named dimension, e.g. dim("N"). Throws Error(User) on an invalid name.
DimExpr dim(std::string name);

} // namespace sinter
#pragma GCC visibility pop
