// SPDX-License-Identifier: Apache-2.0
// The op table: what a row is. A row states one operator three times: as the graph a user would
// write, as an oracle in extended precision that shares no code with Sinter, and as the domain it
// is tried on.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Philox.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace sinter::ops {

/// Holds every f64 and every i64 exactly.
using Real = long double;

/// A value of an oracle.
struct Ref {
  std::vector<int64_t> sizes;
  std::vector<Real> values;
  /// The sum of the absolute values that went into an element; empty: the values' own.
  std::vector<Real> magnitude = {};
  /// How many elements were combined into one.
  int64_t reductionLength = 1;

  Ref() = default;
  explicit Ref(std::vector<int64_t> sizes);
  Real &at(const std::vector<int64_t> &index) { return values[offset(index)]; }
  Real at(const std::vector<int64_t> &index) const { return values[offset(index)]; }
  size_t offset(const std::vector<int64_t> &index) const;
};

/// Calls fn for every index below `sizes`, in row-major order.
void forEachIndex(const std::vector<int64_t> &sizes,
                  const std::function<void(const std::vector<int64_t> &)> &fn);

/// What one input of a row is drawn from.
struct Input {
  double low = -4, high = 4; ///< For floats.
  int64_t intLow = -100, intHigh = 100;
  std::vector<double> kinks = {};  ///< Floats stay 1/64 away from these.
  std::optional<DType> dtype = {}; ///< Instead of the dtype that the row is expanded for.
};
inline Input In(double low, double high) { return {.low = low, .high = high}; }
inline Input In(double low, double high, std::vector<double> kinks) {
  return {.low = low, .high = high, .kinks = std::move(kinks)};
}
inline Input Ints(int64_t low, int64_t high) { return {.intLow = low, .intHigh = high}; }
inline Input Wide() { return {.intLow = INT32_MIN, .intHigh = INT32_MAX}; }
/// Labels below `bound`.
inline Input Labels(DType dtype, int64_t bound) {
  return {.intLow = 0, .intHigh = bound - 1, .dtype = dtype};
}
inline Input Mask() { return {.intLow = 0, .intHigh = 1, .dtype = boolean}; }

/// One set of shapes a row is tried on.
struct Case {
  std::vector<Shape> shapes;
  /// Inputs come in reversed axes and are transposed in the graph, and the arrays have strides.
  bool transposed = false;
};

using Tensors = std::vector<Tensor>;
using GraphFunction = std::function<Tensor(Graph &, const Tensors &)>;
using ElementFunction = std::function<Real(const std::vector<Real> &)>;
using Oracle = std::function<Ref(const std::vector<Ref> &)>;

/// How far a row's derivatives are checked.
enum class Derivative { None, First, Second };

struct Row {
  std::string name; ///< Of the row.
  std::string op;   ///< Mnemonic of the registered op that the row is for; empty: a composite.
  std::vector<DType> dtypes;
  std::vector<Input> inputs;
  std::vector<Case> cases;
  GraphFunction graph;
  ElementFunction element = nullptr; ///< Either this, over operands that broadcast,
  Oracle oracle = nullptr;           ///< or this.
  Derivative derivative = Derivative::None;
  /// Elementwise rows over floats are also tried on zeros, infinities, NaN, subnormals, …
  bool special = false;
  bool signedZero = true; ///< Whether the sign of a zero is defined.
  double ulps = 4;        ///< Of the result, or of `magnitude` times sqrt(reductionLength).
  double absolute = 0;    ///< In units of the dtype's epsilon.
};

// Groups of dtypes. The narrow and unsigned ones (see isNarrow) are tried on fewer cases.
inline const std::vector<DType> floats = {f32, f64, f16, bf16};
inline const std::vector<DType> ints = {i32, i64, i8, i16, u8, u16, u32, u64};
inline const std::vector<DType> indices = {i32, i64};
inline const std::vector<DType> numbers = {f32, f64, i32, i64, f16, bf16,
                                           i8,  i16, u8,  u16, u32, u64};
inline const std::vector<DType> everything(std::begin(allDTypes), std::end(allDTypes));
inline const std::vector<DType> bools = {boolean};
/// Where an oracle's steps or its accuracy ask for 32 bits.
inline const std::vector<DType> wideFloats = {f32, f64};
inline const std::vector<DType> wideNumbers = {f32, f64, i32, i64};

inline bool isNarrow(DType dtype) {
  return dtype != boolean && (isUnsigned(dtype) || byteSize(dtype) < 4);
}

std::vector<Case> unaryCases();
std::vector<Case> binaryCases();

// Chained setters, so that a row reads as one line.
struct RowBuilder {
  Row row;
  RowBuilder on(std::vector<DType> dtypes) && {
    row.dtypes = std::move(dtypes);
    return std::move(*this);
  }
  RowBuilder smooth() && {
    row.derivative = Derivative::Second;
    return std::move(*this);
  }
  RowBuilder once() && {
    row.derivative = Derivative::First;
    return std::move(*this);
  }
  RowBuilder plain() && {
    row.special = false;
    return std::move(*this);
  }
  RowBuilder anyZero() && {
    row.signedZero = false;
    return std::move(*this);
  }
  RowBuilder within(double ulps, double absolute = 0) && {
    row.ulps = ulps;
    row.absolute = absolute;
    return std::move(*this);
  }
  RowBuilder of(std::string op) && {
    row.op = std::move(op);
    return std::move(*this);
  }
  operator Row() && { return std::move(row); }
};

RowBuilder elementwise(std::string name, std::vector<Input> inputs, GraphFunction graph,
                       ElementFunction element);
RowBuilder structural(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                      GraphFunction graph, Oracle oracle);
/// A row of a function made of operators, for the floats of 32 bits and more.
RowBuilder composite(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                     GraphFunction graph, Oracle oracle);

/// OP(sin, sin(x), std::sin(x), In(-4, 4)): a name, a graph, an oracle, a domain.
#define OP(name, graphExpr, oracleExpr, ...)                                                       \
  elementwise(                                                                                     \
      #name, {__VA_ARGS__},                                                                        \
      [](Graph &, const Tensors &t) {                                                              \
        [[maybe_unused]] const Tensor &x = t[0];                                                   \
        return graphExpr;                                                                          \
      },                                                                                           \
      [](const std::vector<Real> &v) -> Real {                                                     \
        [[maybe_unused]] Real x = v[0];                                                            \
        return oracleExpr;                                                                         \
      })
/// The same for two operands, a and b.
#define OP2(name, graphExpr, oracleExpr, ...)                                                      \
  elementwise(                                                                                     \
      #name, {__VA_ARGS__},                                                                        \
      [](Graph &, const Tensors &t) {                                                              \
        [[maybe_unused]] const Tensor &a = t[0], &b = t[1];                                        \
        return graphExpr;                                                                          \
      },                                                                                           \
      [](const std::vector<Real> &v) -> Real {                                                     \
        [[maybe_unused]] Real a = v[0], b = v[1];                                                  \
        return oracleExpr;                                                                         \
      })

std::vector<Row> elementwiseRows();
std::vector<Row> mathRows();
std::vector<Row> structuralRows();
std::vector<Row> indexRows();
std::vector<Row> compositeRows();
std::vector<Row> nnRows();
std::vector<Row> activationRows();
std::vector<Row> arrangeRows();
std::vector<Row> attentionRows();
std::vector<Row> lossRows();
std::vector<Row> statisticsRows();
std::vector<Row> nnLayerRows();
/// All of them.
const std::vector<Row> &table();

} // namespace sinter::ops
