// SPDX-License-Identifier: Apache-2.0
// One row or more per op with an index map. The oracles are written element by element from the
// definitions.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

using Index = std::vector<int64_t>;

namespace {

const DimExpr n = dim("N");

/// An oracle that computes each element of a result whose sizes follow from the operands.
Oracle perElement(std::function<Index(const std::vector<Ref> &)> sizesOf,
                  std::function<Real(const std::vector<Ref> &, const Index &)> element) {
  return [=](const std::vector<Ref> &x) {
    Ref out(sizesOf(x));
    forEachIndex(out.sizes, [&](const Index &i) { out.at(i) = element(x, i); });
    return out;
  };
}

Index without(Index sizes, const Index &axes) {
  Index rest;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) == axes.end())
      rest.push_back(sizes[i]);
  return rest;
}

/// Folds the elements along `axes`, from `start`.
Oracle reduction(Index axes, Real start, std::function<Real(Real, Real)> combine) {
  return [=](const std::vector<Ref> &x) {
    Ref out(without(x[0].sizes, axes));
    std::fill(out.values.begin(), out.values.end(), start);
    out.magnitude.assign(out.values.size(), 0);
    forEachIndex(x[0].sizes, [&](const Index &i) {
      size_t to = out.offset(without(i, axes));
      out.values[to] = combine(out.values[to], x[0].at(i));
      out.magnitude[to] += std::fabs(x[0].at(i));
    });
    for (int64_t axis : axes)
      out.reductionLength *= std::max<int64_t>(1, x[0].sizes[static_cast<size_t>(axis)]);
    return out;
  };
}

Real larger(Real a, Real b) { return a != a ? a : b != b ? b : std::max(a, b); }
Real smaller(Real a, Real b) { return a != a ? a : b != b ? b : std::min(a, b); }

/// A row per way of choosing axes: rows, columns, everything, the middle one.
void addReductions(std::vector<Row> &rows, const std::string &name, const std::string &op,
                   Input input, std::vector<DType> dtypes,
                   Tensor (*graph)(const Tensor &, const Axes &, bool, std::source_location),
                   Real start, Real (*combine)(Real, Real), double ulps, Derivative derivative) {
  struct Choice {
    std::string suffix;
    Index axes;
    std::vector<Case> cases;
  };
  const std::vector<Choice> choices = {
      {"Rows",
       {1},
       {{{{1, 1}}},
        {{{5, 7}}},
        {{{3, 64}}},
        {{{2, 1031}}},
        {{{4, 0}}},
        {{{0, 4}}},
        {{{n, 9}}},
        {{{3, n}}},
        {.shapes = {{6, 37}}, .transposed = true}}},
      {"Columns",
       {0},
       {{{{7, 5}}}, {{{64, 3}}}, {{{257, 33}}}, {{{0, 4}}}, {{{n, 9}}}, {{{3, n}}}}},
      {"All", {0, 1}, {{{{1, 1}}}, {{{5, 7}}}, {{{41, 53}}}, {{{0, 4}}}, {{{n, 9}}}}},
      {"Middle", {1}, {{{{3, 5, 7}}}, {{{2, 16, 8}}}, {{{n, 5, 2}}}}},
      {"Outer", {0, 2}, {{{{3, 5, 7}}}, {{{2, 16, 8}}}, {{{4, n, 3}}}}},
      {"None", {}, {{{{3, 5}}}, {{{}}}}},
  };
  for (const Choice &choice : choices) {
    Row row = structural(
        name + choice.suffix, {input}, choice.cases,
        [=](Graph &, const Tensors &t) {
          return graph(t[0], Axes(choice.axes), false, std::source_location::current());
        },
        reduction(choice.axes, start, combine));
    row.op = op;
    row.dtypes = dtypes;
    row.ulps = ulps;
    row.derivative = derivative;
    rows.push_back(std::move(row));
  }
}

struct Contraction {
  std::string name;
  DotDims dims;
  std::vector<Case> cases;
};

Oracle contraction(DotDims dims) {
  return [=](const std::vector<Ref> &x) {
    const Ref &a = x[0], &b = x[1];
    auto freeOf = [](const Ref &r, const Index &batch, const Index &contract) {
      Index used = batch;
      used.insert(used.end(), contract.begin(), contract.end());
      Index rest;
      for (size_t i = 0; i < r.sizes.size(); ++i)
        if (std::find(used.begin(), used.end(), static_cast<int64_t>(i)) == used.end())
          rest.push_back(static_cast<int64_t>(i));
      return rest;
    };
    Index aFree = freeOf(a, dims.lhsBatch, dims.lhsContract),
          bFree = freeOf(b, dims.rhsBatch, dims.rhsContract);
    Index sizes, inner;
    for (int64_t d : dims.lhsBatch)
      sizes.push_back(a.sizes[static_cast<size_t>(d)]);
    for (int64_t d : aFree)
      sizes.push_back(a.sizes[static_cast<size_t>(d)]);
    for (int64_t d : bFree)
      sizes.push_back(b.sizes[static_cast<size_t>(d)]);
    Ref out(sizes);
    out.magnitude.assign(out.values.size(), 0);
    for (int64_t d : dims.lhsContract) {
      inner.push_back(a.sizes[static_cast<size_t>(d)]);
      out.reductionLength *= std::max<int64_t>(1, inner.back());
    }
    forEachIndex(sizes, [&](const Index &i) {
      Index p(a.sizes.size()), q(b.sizes.size());
      size_t next = 0;
      for (size_t k = 0; k < dims.lhsBatch.size(); ++k, ++next)
        p[static_cast<size_t>(dims.lhsBatch[k])] = q[static_cast<size_t>(dims.rhsBatch[k])] =
            i[next];
      for (int64_t d : aFree)
        p[static_cast<size_t>(d)] = i[next++];
      for (int64_t d : bFree)
        q[static_cast<size_t>(d)] = i[next++];
      size_t to = out.offset(i);
      forEachIndex(inner, [&](const Index &c) {
        for (size_t k = 0; k < c.size(); ++k)
          p[static_cast<size_t>(dims.lhsContract[k])] =
              q[static_cast<size_t>(dims.rhsContract[k])] = c[k];
        Real term = a.at(p) * b.at(q);
        out.values[to] += term;
        out.magnitude[to] += std::fabs(term);
      });
    });
    return out;
  };
}

void addContractions(std::vector<Row> &rows) {
  const std::vector<Contraction> contractions = {
      {"matrix",
       {{}, {}, {1}, {0}},
       {{{{1, 1}, {1, 1}}},
        {{{3, 4}, {4, 5}}},
        {{{17, 31}, {31, 13}}},
        {{{64, 64}, {64, 64}}},
        {{{7, 0}, {0, 3}}},
        {{{0, 4}, {4, 2}}},
        {{{n, 8}, {8, 6}}},
        {{{3, n}, {n, 5}}},
        {{{33, 1}, {1, 129}}},
        {{{130, 67}, {67, 35}}},
        {.shapes = {{9, 5}, {5, 11}}, .transposed = true}}},
      {"bothContractLast",
       {{}, {}, {1}, {1}},
       {{{{3, 4}, {5, 4}}}, {{{n, 16}, {7, 16}}}, {{{20, 33}, {18, 33}}}}},
      {"bothContractFirst",
       {{}, {}, {0}, {0}},
       {{{{4, 3}, {4, 5}}}, {{{n, 16}, {n, 7}}}, {{{33, 20}, {33, 18}}}}},
      {"inner", {{}, {}, {0}, {0}}, {{{{1}, {1}}}, {{{37}, {37}}}, {{{0}, {0}}}, {{{n}, {n}}}}},
      {"outer", {{}, {}, {}, {}}, {{{{3}, {5}}}, {{{n}, {4}}}, {{{}, {6}}}}},
      {"matrixVector",
       {{}, {}, {1}, {0}},
       {{{{5, 7}, {7}}}, {{{n, 7}, {7}}}, {{{65, 130}, {130}}}}},
      {"batched",
       {{0}, {0}, {2}, {1}},
       {{{{2, 3, 4}, {2, 4, 5}}}, {{{n, 3, 4}, {n, 4, 5}}}, {{{3, 17, 9}, {3, 9, 21}}}}},
      {"batchedLast", {{2}, {1}, {0}, {0}}, {{{{4, 3, 2}, {4, 2, 5}}}, {{{6, n, 3}, {6, 3, 2}}}}},
      {"twoContracted",
       {{}, {}, {1, 2}, {0, 1}},
       {{{{3, 4, 5}, {4, 5, 2}}}, {{{n, 2, 3}, {2, 3, 4}}}}},
      {"twoContractedCrossed", {{}, {}, {0, 2}, {2, 0}}, {{{{4, 3, 5}, {5, 2, 4}}}}},
      {"twoBatches",
       {{0, 1}, {0, 1}, {3}, {2}},
       {{{{2, 3, 4, 5}, {2, 3, 5, 6}}}, {{{2, n, 3, 4}, {2, n, 4, 2}}}}},
  };
  for (const Contraction &c : contractions) {
    Row row = structural(
        "dot_" + c.name, {Ints(-9, 9), Ints(-9, 9)}, c.cases,
        [=](Graph &, const Tensors &t) { return t[0].dotGeneral(t[1], c.dims); },
        contraction(c.dims));
    row.op = "dot_general";
    row.dtypes = numbers;
    row.derivative = Derivative::Second;
    rows.push_back(std::move(row));
  }
}

void addCreation(std::vector<Row> &rows) {
  rows.push_back(structural(
                     "constant", {In(-4, 4)}, {{{{2, 3}}}},
                     [](Graph &g, const Tensors &t) {
                       return t[0] +
                              cast(g.constant(Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3})),
                                   t[0].dtype());
                     },
                     perElement([](auto &x) { return x[0].sizes; },
                                [](auto &x, const Index &i) {
                                  return x[0].at(i) + Real(3 * i[0] + i[1] + 1);
                                }))
                     .on(numbers));
  rows.push_back(structural(
                     "constantLarge", {In(-4, 4)}, {{{{100, 9}}}},
                     [](Graph &g, const Tensors &t) {
                       std::vector<int64_t> values(900);
                       for (size_t i = 0; i < values.size(); ++i)
                         values[i] = static_cast<int64_t>(i) - 400;
                       return t[0] + cast(g.constant(Array::from(values, {100, 9})), t[0].dtype());
                     },
                     perElement([](auto &x) { return x[0].sizes; },
                                [](auto &x, const Index &i) {
                                  return x[0].at(i) + Real(9 * i[0] + i[1] - 400);
                                }))
                     .on(numbers)
                     .of("constant")
                     .within(8, 500));
  for (bool flag : {false, true})
    rows.push_back(structural(
                       flag ? "constantBool" : "full", {Mask()}, {{{{}}}, {{{5}}}, {{{n, 3}}}},
                       [flag](Graph &g, const Tensors &t) {
                         return flag ? t[0] || g.constant(Array::scalar(true))
                                     : where(t[0], g.full(f32, t[0].shape(), 2.5), 7.0);
                       },
                       perElement([](auto &x) { return x[0].sizes; },
                                  [flag](auto &x, const Index &i) {
                                    return flag ? Real(1) : x[0].at(i) != 0 ? Real(2.5) : Real(7);
                                  }))
                       .on(bools)
                       .of(flag ? "constant" : "full"));
  for (int64_t axis : {0, 1})
    rows.push_back(structural(
                       "iota" + std::to_string(axis), {In(-4, 4)},
                       {{{{5, 7}}}, {{{n, 3}}}, {{{0, 2}}}, {{{3, 70}}}},
                       [axis](Graph &g, const Tensors &t) {
                         return t[0] + g.iota(t[0].dtype(), t[0].shape(), axis);
                       },
                       perElement([](auto &x) { return x[0].sizes; },
                                  [axis](auto &x, const Index &i) {
                                    return x[0].at(i) + Real(i[static_cast<size_t>(axis)]);
                                  }))
                       .on(numbers)
                       .of("iota")
                       .within(4, 100));
  rows.push_back(structural(
                     "dim_value", {In(-4, 4)}, {{{{n, 3}}}, {{{n}}}},
                     [](Graph &g, const Tensors &t) {
                       return t[0] + g.dimValue(t[0].dtype(), n * DimExpr(2) + DimExpr(1));
                     },
                     perElement([](auto &x) { return x[0].sizes; },
                                [](auto &x, const Index &i) {
                                  return x[0].at(i) + Real(2 * x[0].sizes[0] + 1);
                                }))
                     .on(numbers)
                     .within(4, 100));
}

void addShapeOps(std::vector<Row> &rows) {
  rows.push_back(structural(
                     "broadcast", {In(-4, 4)}, {{{{3, 1}}}, {{{1, 4}}}, {{{1}}}, {{{}}}, {{{4}}}},
                     [](Graph &, const Tensors &t) {
                       return broadcastTo(t[0], {2, 3, 4});
                     },
                     perElement(
                         [](auto &) {
                           return Index{2, 3, 4};
                         },
                         [](auto &x, const Index &i) {
                           Index from(i.end() - static_cast<long>(x[0].sizes.size()), i.end());
                           for (size_t k = 0; k < from.size(); ++k)
                             if (x[0].sizes[k] == 1)
                               from[k] = 0;
                           return x[0].at(from);
                         }))
                     .on(everything)
                     .smooth());
  rows.push_back(structural(
                     "broadcastRows", {In(-4, 4)}, {{{{n}}}, {{{5}}}, {{{0}}}},
                     [](Graph &, const Tensors &t) {
                       return broadcastTo(expandDims(t[0], 1), {t[0].size(0), 6});
                     },
                     perElement(
                         [](auto &x) {
                           return Index{x[0].sizes[0], 6};
                         },
                         [](auto &x, const Index &i) { return x[0].at({i[0]}); }))
                     .on(everything)
                     .of("broadcast")
                     .smooth());
  rows.push_back(structural(
                     "reshape", {In(-4, 4)},
                     {{{{6, 4}}}, {{{2, 3, 4}}}, {{{24}}}, {{{n, 4, 3}}}, {{{0, 2}}}},
                     [](Graph &, const Tensors &t) {
                       return reshape(t[0], {-1, 4}) + 0;
                     },
                     [](const std::vector<Ref> &x) {
                       Ref out({static_cast<int64_t>(x[0].values.size() / 4), 4});
                       out.values = x[0].values;
                       return out;
                     })
                     .on(numbers)
                     .smooth());
  rows.push_back(structural(
                     "transpose", {In(-4, 4)},
                     {{{{3, 5}}}, {{{64, 64}}}, {{{n, 7}}}, {{{1, 9}}}, {{{0, 3}}}, {{{37, 70}}}},
                     [](Graph &, const Tensors &t) { return transpose(t[0]); },
                     perElement(
                         [](auto &x) {
                           return Index{x[0].sizes[1], x[0].sizes[0]};
                         },
                         [](auto &x, const Index &i) {
                           return x[0].at({i[1], i[0]});
                         }))
                     .on(everything)
                     .smooth());
  rows.push_back(structural(
                     "transposeThree", {In(-4, 4)}, {{{{3, 5, 7}}}, {{{n, 4, 2}}}, {{{2, 33, 17}}}},
                     [](Graph &, const Tensors &t) {
                       return transpose(t[0], {2, 0, 1});
                     },
                     perElement(
                         [](auto &x) {
                           return Index{x[0].sizes[2], x[0].sizes[0], x[0].sizes[1]};
                         },
                         [](auto &x, const Index &i) {
                           return x[0].at({i[1], i[2], i[0]});
                         }))
                     .on(everything)
                     .of("transpose")
                     .smooth());
  rows.push_back(structural(
                     "slice", {In(-4, 4)}, {{{{9, 5}}}, {{{40, 4}}}},
                     [](Graph &, const Tensors &t) {
                       return slices(t[0], {2, 1}, {9, 4}, {3, 1});
                     },
                     perElement(
                         [](auto &) {
                           return Index{3, 3};
                         },
                         [](auto &x, const Index &i) {
                           return x[0].at({2 + 3 * i[0], 1 + i[1]});
                         }))
                     .on(everything)
                     .smooth());
  rows.push_back(structural(
                     "sliceSymbolic", {In(-4, 4)}, {{{{n, 4}}}, {{{7, 4}}}, {{{1, 4}}}},
                     [](Graph &, const Tensors &t) { return slice(t[0], 0, 0, t[0].size(0), 2); },
                     perElement(
                         [](auto &x) {
                           return Index{(x[0].sizes[0] + 1) / 2, 4};
                         },
                         [](auto &x, const Index &i) {
                           return x[0].at({2 * i[0], i[1]});
                         }))
                     .on(everything)
                     .of("slice")
                     .smooth());
  rows.push_back(structural(
                     "sliceEmpty", {In(-4, 4)}, {{{{3, 4}}}},
                     [](Graph &, const Tensors &t) { return slice(t[0], 1, 2, 2); },
                     perElement(
                         [](auto &) {
                           return Index{3, 0};
                         },
                         [](auto &, const Index &) { return Real(0); }))
                     .on(everything)
                     .of("slice"));
  for (int64_t axis : {0, 1}) {
    auto at = static_cast<size_t>(axis);
    rows.push_back(structural(
                       "concat" + std::to_string(axis), {In(-4, 4), In(-4, 4)},
                       axis == 0 ? std::vector<Case>{{{{3, 5}, {2, 5}}},
                                                     {{{n, 3}, {4, 3}}},
                                                     {{{0, 2}, {3, 2}}},
                                                     {{{n, 2}, {n, 2}}}}
                                 : std::vector<Case>{{{{3, 5}, {3, 2}}},
                                                     {{{n, 3}, {n, 1}}},
                                                     {{{2, 0}, {2, 3}}},
                                                     {{{5, n}, {5, 3}}}},
                       [axis](Graph &, const Tensors &t) {
                         return concat({t[0], t[1], t[0]}, axis);
                       },
                       perElement(
                           [at](auto &x) {
                             Index sizes = x[0].sizes;
                             sizes[at] = 2 * sizes[at] + x[1].sizes[at];
                             return sizes;
                           },
                           [at](auto &x, Index i) {
                             int64_t first = x[0].sizes[at], second = x[1].sizes[at];
                             if (i[at] < first)
                               return x[0].at(i);
                             i[at] -= first;
                             if (i[at] < second)
                               return x[1].at(i);
                             i[at] -= second;
                             return x[0].at(i);
                           }))
                       .on(everything)
                       .of("concat")
                       .smooth());
  }
  rows.push_back(structural(
                     "pad", {In(-4, 4)}, {{{{3, 5}}}, {{{n, 5}}}, {{{0, 5}}}, {{{30, 40}}}},
                     [](Graph &, const Tensors &t) {
                       return pad(t[0], {2, 0}, {1, 3}, 3);
                     },
                     perElement(
                         [](auto &x) {
                           return Index{x[0].sizes[0] + 3, x[0].sizes[1] + 3};
                         },
                         [](auto &x, const Index &i) {
                           bool inside =
                               i[0] >= 2 && i[0] < 2 + x[0].sizes[0] && i[1] < x[0].sizes[1];
                           return inside ? x[0].at({i[0] - 2, i[1]}) : Real(3);
                         }))
                     .on(numbers)
                     .smooth());
}

void addIndexing(std::vector<Row> &rows) {
  for (DType labels : indices) {
    std::string suffix = labels == i32 ? "" : "I64";
    rows.push_back(structural(
                       "gather_rows" + suffix, {In(-4, 4), Labels(labels, 5)},
                       {{{{5, 3}, {7}}},
                        {{{5, 64}, {n}}},
                        {{{5}, {2, 3}}},
                        {{{5, 2, 3}, {4}}},
                        {{{5, 2}, {0}}},
                        {{{5, 4}, {}}}},
                       [](Graph &, const Tensors &t) { return gatherRows(t[0], t[1]); },
                       perElement(
                           [](auto &x) {
                             Index sizes = x[1].sizes;
                             sizes.insert(sizes.end(), x[0].sizes.begin() + 1, x[0].sizes.end());
                             return sizes;
                           },
                           [](auto &x, const Index &i) {
                             auto rank = static_cast<long>(x[1].sizes.size());
                             Index from = {
                                 static_cast<int64_t>(x[1].at(Index(i.begin(), i.begin() + rank)))};
                             from.insert(from.end(), i.begin() + rank, i.end());
                             return x[0].at(from);
                           }))
                       .on(everything)
                       .of("gather_rows")
                       .smooth());
    rows.push_back(structural(
                       "scatter_add_rows" + suffix, {Labels(labels, 5), In(-4, 4)},
                       {{{{7}, {7, 3}}},
                        {{{n}, {n, 4}}},
                        {{{2, 3}, {2, 3, 2}}},
                        {{{40}, {40}}},
                        {{{0}, {0, 3}}},
                        {{{}, {4}}}},
                       [](Graph &, const Tensors &t) { return scatterAddRows(t[0], t[1], 6); },
                       [](const std::vector<Ref> &x) {
                         auto rank = static_cast<long>(x[0].sizes.size());
                         Index sizes = {6};
                         sizes.insert(sizes.end(), x[1].sizes.begin() + rank, x[1].sizes.end());
                         Ref out(sizes);
                         out.magnitude.assign(out.values.size(), 0);
                         out.reductionLength = static_cast<int64_t>(x[0].values.size());
                         forEachIndex(x[1].sizes, [&](const Index &i) {
                           Index to = {
                               static_cast<int64_t>(x[0].at(Index(i.begin(), i.begin() + rank)))};
                           to.insert(to.end(), i.begin() + rank, i.end());
                           out.at(to) += x[1].at(i);
                           out.magnitude[out.offset(to)] += std::fabs(x[1].at(i));
                         });
                         return out;
                       })
                       .on(numbers)
                       .of("scatter_add_rows")
                       .smooth());
    rows.push_back(
        structural(
            "pick" + suffix, {In(-4, 4), Labels(labels, 5)},
            {{{{7, 5}, {7}}}, {{{n, 5}, {n}}}, {{{2, 3, 5}, {2, 3}}}, {{{5}, {}}}, {{{0, 5}, {0}}}},
            [](Graph &, const Tensors &t) { return pick(t[0], t[1]); },
            perElement([](auto &x) { return x[1].sizes; },
                       [](auto &x, Index i) {
                         i.push_back(static_cast<int64_t>(x[1].at(i)));
                         return x[0].at(i);
                       }))
            .on(everything)
            .of("pick")
            .smooth());
  }
  for (int64_t axis : {0, 1}) {
    auto at = static_cast<size_t>(axis);
    rows.push_back(structural(
                       "argmax" + std::to_string(axis), {Ints(-3, 3)},
                       {{{{3, 5}}}, {{{1, 1}}}, {{{4, 100}}}, {{{100, 4}}}, {{{2, 70}}}},
                       [axis](Graph &, const Tensors &t) { return argmax(t[0], axis); },
                       perElement([axis](auto &x) { return without(x[0].sizes, {axis}); },
                                  [at](auto &x, Index i) {
                                    i.insert(i.begin() + static_cast<long>(at), 0);
                                    Index best = i;
                                    for (; i[at] < x[0].sizes[at]; ++i[at])
                                      if (x[0].at(i) > x[0].at(best))
                                        best = i;
                                    return Real(best[at]);
                                  }))
                       .on(numbers)
                       .of("argmax"));
  }
}

} // namespace

std::vector<Row> structuralRows() {
  std::vector<Row> rows;
  addCreation(rows);
  addShapeOps(rows);
  addReductions(
      rows, "sum", "reduce_sum", Wide(), numbers, sum, 0, [](Real a, Real b) { return a + b; }, 4,
      Derivative::Second);
  addReductions(
      rows, "prod", "reduce_prod", In(0.9, 1.1), floats, prod, 1,
      [](Real a, Real b) { return a * b; }, 8, Derivative::Second);
  addReductions(
      rows, "prodIntegers", "reduce_prod", Ints(-1, 1), ints, prod, 1,
      [](Real a, Real b) { return a * b; }, 0, Derivative::None);
  addReductions(rows, "max", "reduce_max", Wide(), numbers, max, -INFINITY, larger, 0,
                Derivative::Second);
  addReductions(rows, "min", "reduce_min", Wide(), numbers, min, INFINITY, smaller, 0,
                Derivative::Second);
  addContractions(rows);
  addIndexing(rows);
  return rows;
}

} // namespace sinter::ops
