// SPDX-License-Identifier: Apache-2.0
// Statistics, tests over axes, creation, and linear algebra of small matrices.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

namespace {

using Index = std::vector<int64_t>;

const DimExpr n = dim("N");

/// One value per row along the last axis, the same for every operand.
Oracle perRow(std::function<Real(const std::vector<const Real *> &rows, int64_t count)> fn) {
  return [=](const std::vector<Ref> &x) {
    Ref out(Index(x[0].sizes.begin(), x[0].sizes.end() - 1));
    auto count = static_cast<size_t>(x[0].sizes.back());
    for (size_t i = 0; i < out.values.size(); ++i) {
      std::vector<const Real *> rows;
      for (const Ref &operand : x)
        rows.push_back(operand.values.data() + i * count);
      out.values[i] = fn(rows, static_cast<int64_t>(count));
    }
    return out;
  };
}

std::vector<Case> rowCases() { return {{{{3, 5}}}, {{{2, 3, 17}}}, {{{n, 10}}}}; }
std::vector<Case> pairCases() { return {{{{3, 5}, {3, 5}}}, {{{n, 10}, {n, 10}}}}; }

Row normRow(std::string name, double p) {
  Row row = composite(
                std::move(name), {In(0.25, 4)}, rowCases(),
                [=](Graph &, const Tensors &t) { return norm(t[0] * -1, p, -1); },
                perRow([=](auto &rows, int64_t count) {
                  Real sum = 0;
                  for (int64_t i = 0; i < count; ++i) {
                    if (std::isinf(p))
                      sum = std::max(sum, std::fabs(rows[0][i]));
                    else
                      sum +=
                          p == 0 ? Real(rows[0][i] != 0) : std::pow(std::fabs(rows[0][i]), Real(p));
                  }
                  return std::isinf(p) || p == 0 ? sum : std::pow(sum, 1 / Real(p));
                }))
                .within(24)
                .smooth();
  if (p == 0) // It counts.
    row.derivative = Derivative::None;
  return row;
}

std::vector<Row> statistics() {
  std::vector<Row> rows;
  rows.push_back(composite(
                     "stdDev", {In(-4, 4)}, rowCases(),
                     [](Graph &, const Tensors &t) { return stdDev(t[0], -1, false, 1); },
                     perRow([](auto &rows, int64_t count) {
                       Real sum = 0, squares = 0;
                       for (int64_t i = 0; i < count; ++i)
                         sum += rows[0][i] / Real(count);
                       for (int64_t i = 0; i < count; ++i)
                         squares += (rows[0][i] - sum) * (rows[0][i] - sum);
                       return std::sqrt(squares / Real(count - 1));
                     }))
                     .on(floats)
                     .within(32)
                     .smooth());
  rows.push_back(normRow("norm0", 0));
  rows.back().derivative = Derivative::None; // It counts.
  rows.push_back(normRow("norm1", 1));
  rows.push_back(normRow("norm2", 2));
  rows.push_back(normRow("norm3", 3));
  rows.push_back(normRow("normHalf", 0.5));
  rows.push_back(normRow("normInfinity", INFINITY));
  rows.push_back(composite(
                     "sumOfSquares", {In(-4, 4)}, rowCases(),
                     [](Graph &, const Tensors &t) { return sumOfSquares(t[0], -1); },
                     perRow([](auto &rows, int64_t count) {
                       Real sum = 0;
                       for (int64_t i = 0; i < count; ++i)
                         sum += rows[0][i] * rows[0][i];
                       return sum;
                     }))
                     .within(16)
                     .smooth());
  rows.push_back(composite(
                     "cosineSimilarity", {In(0.5, 4), In(-4, -0.5)}, pairCases(),
                     [](Graph &, const Tensors &t) { return cosineSimilarity(t[0], t[1]); },
                     perRow([](auto &rows, int64_t count) {
                       Real dot = 0, a = 0, b = 0;
                       for (int64_t i = 0; i < count; ++i) {
                         dot += rows[0][i] * rows[1][i];
                         a += rows[0][i] * rows[0][i];
                         b += rows[1][i] * rows[1][i];
                       }
                       return dot / std::sqrt(a * b);
                     }))
                     .within(32)
                     .smooth());
  rows.push_back(composite(
                     "lerp", {In(-4, 4), In(-4, 4), In(0, 1, {0.5})},
                     {{{{3, 5}, {5}, {3, 1}}}, {{{n}, {n}, {}}}},
                     [](Graph &, const Tensors &t) { return lerp(t[0], t[1], t[2]); },
                     [](const std::vector<Ref> &x) {
                       Ref out = x[0];
                       forEachIndex(out.sizes, [&](const Index &at) {
                         bool matrix = at.size() == 2;
                         Real a = x[0].at(at), b = matrix ? x[1].at({at[1]}) : x[1].at(at);
                         Real weight = matrix ? x[2].at({at[0], 0}) : x[2].at({});
                         out.at(at) = a + weight * (b - a);
                       });
                       return out;
                     })
                     .within(8, 16)
                     .smooth());
  // Where all elements are equal, or zero, the roots have no gradient of infinity times zero.
  rows.push_back(composite(
                     "rootsAtZero", {In(1, 2)}, {{{{6}}}},
                     [](Graph &, const Tensors &t) {
                       Tensor zero = t[0] * 0;
                       Tensors results;
                       for (const Tensor &y :
                            {stdDev(zero), norm(zero), norm(zero, 1), norm(zero, 3),
                             norm(zero, 0.5), norm(zero, INFINITY), cosineSimilarity(zero, t[0])}) {
                         results.push_back(y.broadcastTo({6}));
                         // The slope of the cosine is that of its numerator, over epsilons.
                         results.push_back(gradients(y, {zero})[0]);
                       }
                       results.pop_back();
                       return stack(results);
                     },
                     [](const std::vector<Ref> &) {
                       return Ref({13, 6});
                     })
                     .anyZero());
  return rows;
}

// -- Tests ----------------------------------------------------------------------------------------

/// any, all and countNonzero side by side; of nothing as well.
std::vector<Row> tests() {
  std::vector<Row> rows;
  for (bool isBool : {false, true})
    rows.push_back(
        structural(
            isBool ? "testsOfBool" : "testsOfNumbers", {Ints(0, 1)},
            {{{{40, 3}}}, {{{2, 0}}}, {{{n, 2}}}},
            [=](Graph &, const Tensors &t) {
              Tensor x = isBool ? t[0].cast(boolean) : t[0];
              return stack({any(x, -1).cast(i64), all(x, -1).cast(i64), countNonzero(x, -1)});
            },
            [](const std::vector<Ref> &x) {
              Ref out({3, x[0].sizes[0]});
              for (int64_t i = 0; i < x[0].sizes[0]; ++i) {
                int64_t count = 0;
                for (int64_t j = 0; j < x[0].sizes[1]; ++j)
                  count += x[0].at({i, j}) != 0;
                out.at({0, i}) = count > 0;
                out.at({1, i}) = count == x[0].sizes[1];
                out.at({2, i}) = Real(count);
              }
              return out;
            })
            .of("")
            .on(isBool ? std::vector{i32} : std::vector{i32, i64, u8}));
  rows.push_back(composite(
      "isClose", {In(0, 1)}, {{{{8}}}},
      [](Graph &graph, const Tensors &t) {
        constexpr double inf = INFINITY;
        DType dtype = t[0].dtype();
        auto constant = [&](const std::vector<double> &values) {
          return graph.constant(Array::from(values).cast(dtype)) + t[0] * 0;
        };
        Tensor a = constant({1, 1, 0, inf, inf, NAN, 1000, -2});
        Tensor b = constant({1.0001, 1.1, 0.0005, inf, -inf, NAN, inf, 2});
        return isClose(a, b, 0.001, 0.001).cast(i32);
      },
      [](const std::vector<Ref> &) {
        Ref out({8});
        out.values = {1, 0, 1, 1, 0, 0, 0, 0};
        return out;
      }));
  return rows;
}

// -- Creation -------------------------------------------------------------------------------------

std::vector<Row> creation() {
  std::vector<Row> rows;
  for (int64_t offset : {0, 1, -2})
    rows.push_back(composite(
        "eyeAndTri" + std::string(offset == 0  ? ""
                                  : offset > 0 ? "Above"
                                               : "Below"),
        {In(0, 1)}, {{{{4, 6}}}, {{{n, 3}}}},
        [=](Graph &graph, const Tensors &t) {
          Shape shape = t[0].shape();
          DType dtype = t[0].dtype();
          return stack({graph.eye(dtype, shape[0], shape[1], offset),
                        graph.tri(dtype, shape[0], shape[1], offset)}) +
                 t[0] * 0;
        },
        [=](const std::vector<Ref> &x) {
          Ref out({2, x[0].sizes[0], x[0].sizes[1]});
          forEachIndex(x[0].sizes, [&](const Index &at) {
            out.at({0, at[0], at[1]}) = at[1] - at[0] == offset;
            out.at({1, at[0], at[1]}) = at[1] - at[0] <= offset;
          });
          return out;
        }));
  rows.push_back(composite(
                     "linspace", {In(0, 1)}, {{{{7}}}, {{{n}}}, {{{1}}}},
                     [](Graph &graph, const Tensors &t) {
                       return graph.linspace(t[0].dtype(), -1.5, 4, t[0].size(0)) + t[0] * 0;
                     },
                     [](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       int64_t count = x[0].sizes[0];
                       for (int64_t i = 0; i < count; ++i)
                         out.at({i}) = Real(-1.5) +
                                       Real(5.5) * Real(i) / Real(std::max<int64_t>(count - 1, 1));
                       return out;
                     })
                     .within(2, 8));
  return rows;
}

// -- Linear algebra -------------------------------------------------------------------------------

/// Laplace's expansion: shares nothing with elimination.
Real determinant(const std::vector<std::vector<Real>> &m) {
  if (m.empty())
    return 1;
  Real sum = 0;
  for (size_t column = 0; column < m.size(); ++column) {
    std::vector<std::vector<Real>> minor;
    for (size_t i = 1; i < m.size(); ++i) {
      minor.push_back(m[i]);
      minor.back().erase(minor.back().begin() + static_cast<long>(column));
    }
    sum += (column % 2 == 0 ? 1 : -1) * m[0][column] * determinant(minor);
  }
  return sum;
}

std::vector<std::vector<Real>> matrixOf(const Ref &x, int64_t batch) {
  auto size = static_cast<size_t>(x.sizes.back());
  std::vector<std::vector<Real>> m(size, std::vector<Real>(size));
  for (size_t i = 0; i < size * size; ++i)
    m[i / size][i % size] = x.values[static_cast<size_t>(batch) * size * size + i];
  return m;
}

std::vector<Row> linearAlgebra() {
  std::vector<Row> rows;
  rows.push_back(composite(
                     "det", {In(-2, 2)}, {{{{4, 4}}}, {{{n, 3, 3}}}, {{{5, 1, 1}}}, {{{2, 2}}}},
                     [](Graph &, const Tensors &t) { return det(t[0]); },
                     [](const std::vector<Ref> &x) {
                       bool single = x[0].sizes.size() == 2;
                       Ref out(single ? Index{} : Index{x[0].sizes[0]});
                       for (size_t i = 0; i < out.values.size(); ++i)
                         out.values[i] = determinant(matrixOf(x[0], static_cast<int64_t>(i)));
                       return out;
                     })
                     .within(16, 256)
                     .once());
  // A zero where the first pivot would be, and a singular matrix.
  rows.push_back(
      composite(
          "detPivots", {In(0, 0)}, {{{{3, 3, 3}}}},
          [](Graph &graph, const Tensors &t) {
            std::vector<double> m = {0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 2, 3, 2, 4,
                                     6, 1, 0, 1, 0, 0, 2, 0, 3, 1, 4, 1, 1};
            return det(t[0] + graph.constant(Array::from(m, {3, 3, 3}).cast(t[0].dtype())));
          },
          [](const std::vector<Ref> &) {
            Ref out({3});
            out.values = {-1, 0, -24};
            return out;
          })
          .anyZero());
  // x . inverse(x) is the unit matrix, for matrices far from singular.
  auto regular = [](const Tensor &x, Graph &graph) {
    return x + 6 * graph.eye(x.dtype(), x.size(-2), x.size(-1)).flip(-1);
  };
  rows.push_back(composite(
                     "inverse", {In(-1, 1)}, {{{{4, 4}}}, {{{n, 3, 3}}}},
                     [=](Graph &graph, const Tensors &t) {
                       Tensor m = regular(t[0], graph);
                       return concat({m.matmul(inverse(m)), inverse(m).matmul(m)}, -1);
                     },
                     [](const std::vector<Ref> &x) {
                       Index sizes = x[0].sizes;
                       int64_t size = sizes.back();
                       sizes.back() *= 2;
                       Ref out(sizes);
                       forEachIndex(sizes, [&](const Index &at) {
                         out.at(at) = at.back() % size == at[at.size() - 2];
                       });
                       return out;
                     })
                     .within(16, 16)
                     .anyZero());
  rows.push_back(composite(
                     "inverseOf2", {In(-1, 1)}, {{{{n, 2, 2}}}},
                     [=](Graph &graph, const Tensors &t) { return inverse(regular(t[0], graph)); },
                     [](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       for (int64_t i = 0; i < x[0].sizes[0]; ++i) {
                         Real a = x[0].at({i, 0, 0}), b = x[0].at({i, 0, 1}) + 6,
                              c = x[0].at({i, 1, 0}) + 6, d = x[0].at({i, 1, 1});
                         Real factor = 1 / (a * d - b * c);
                         out.at({i, 0, 0}) = d * factor;
                         out.at({i, 0, 1}) = -b * factor;
                         out.at({i, 1, 0}) = -c * factor;
                         out.at({i, 1, 1}) = a * factor;
                       }
                       return out;
                     })
                     .within(32, 4)
                     .smooth());
  rows.push_back(composite(
                     "solve", {In(-1, 1), In(-2, 2)},
                     {{{{4, 4}, {4, 3}}}, {{{n, 3, 3}, {n, 3, 1}}}},
                     [=](Graph &graph, const Tensors &t) {
                       Tensor m = regular(t[0], graph);
                       return solve(m, m.matmul(t[1]));
                     },
                     [](const std::vector<Ref> &x) { return x[1]; })
                     .within(32, 64)
                     .once());
  auto lowerOf = [](const Ref &x, int64_t b, int64_t i, int64_t j) {
    Real value = x.sizes.size() == 2 ? x.at({i, j}) : x.at({b, i, j});
    return i < j ? Real(0) : i == j ? value + 3 : value;
  };
  auto lower = [](const Tensor &x, Graph &graph) {
    return tril(x) + 3 * graph.eye(x.dtype(), x.size(-2), x.size(-1));
  };
  rows.push_back(composite(
                     "cholesky", {In(-1, 1)}, {{{{4, 4}}}, {{{n, 3, 3}}}},
                     [=](Graph &graph, const Tensors &t) {
                       Tensor l = lower(t[0], graph);
                       // The upper triangle is not read.
                       return cholesky(tril(l.matmul(swapAxes(l, -1, -2))));
                     },
                     [=](const std::vector<Ref> &x) {
                       Ref out(x[0].sizes);
                       forEachIndex(out.sizes, [&](const Index &at) {
                         out.at(at) = lowerOf(x[0], at[0], at[at.size() - 2], at.back());
                       });
                       return out;
                     })
                     .within(32, 64)
                     .anyZero()
                     .once());
  for (bool isLower : {true, false})
    rows.push_back(composite(
                       isLower ? "triangularSolve" : "triangularSolveUpper", {In(-1, 1), In(-2, 2)},
                       {{{{4, 4}, {4, 3}}}, {{{n, 3, 3}, {n, 3, 2}}}},
                       [=](Graph &graph, const Tensors &t) {
                         Tensor l = lower(t[0], graph);
                         Tensor m = isLower ? l : swapAxes(l, -1, -2);
                         // What the other triangle holds is not read.
                         Tensor other = isLower ? triu(t[0], 1) : tril(t[0], -1);
                         return triangularSolve(m + other, m.matmul(t[1]), isLower);
                       },
                       [](const std::vector<Ref> &x) { return x[1]; })
                       .within(32, 64)
                       .once());
  return rows;
}

} // namespace

std::vector<Row> statisticsRows() {
  std::vector<Row> rows;
  for (auto &more : {statistics(), tests(), creation(), linearAlgebra()})
    rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

} // namespace sinter::ops
