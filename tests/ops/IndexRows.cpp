// SPDX-License-Identifier: Apache-2.0
// Rows of the ops that look up, place, order and accumulate elements. The oracles are written
// element by element from the definitions.
#include "tests/ops/Row.h"

#include <algorithm>

namespace sinter::ops {

using Index = std::vector<int64_t>;

namespace {

const DimExpr n = dim("N");
constexpr int64_t bound = 5; ///< Of all indices.

Index joined(std::initializer_list<Index> parts) {
  Index all;
  for (const Index &part : parts)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}
Index cut(const Index &index, size_t first, size_t last) {
  return Index(index.begin() + static_cast<long>(first), index.begin() + static_cast<long>(last));
}
Index with(Index index, size_t axis, int64_t value) {
  index[axis] = value;
  return index;
}

/// The index in x of each element of a frame, and the frame's sizes.
struct Lookup {
  std::function<Index(const Ref &x, const Ref &indices)> frame;
  std::function<Index(const Ref &x, const Ref &indices, const Index &)> at;
};

Lookup alongOneAxis(size_t axis) {
  return {[axis](const Ref &x, const Ref &i) {
            return joined({cut(x.sizes, 0, axis), i.sizes, cut(x.sizes, axis + 1, x.sizes.size())});
          },
          [axis](const Ref &, const Ref &i, const Index &at) {
            size_t rank = i.sizes.size();
            return joined({cut(at, 0, axis),
                           {int64_t(i.at(cut(at, axis, axis + rank)))},
                           cut(at, axis + rank, at.size())});
          }};
}

/// The indices repeat where their size is 1.
Lookup elementPerIndex(size_t axis) {
  return {[axis](const Ref &x, const Ref &i) { return with(x.sizes, axis, i.sizes[axis]); },
          [axis](const Ref &, const Ref &i, const Index &at) {
            Index from = at;
            for (size_t d = 0; d < from.size(); ++d)
              if (i.sizes[d] == 1 && d != axis)
                from[d] = 0;
            return with(at, axis, int64_t(i.at(from)));
          }};
}

Lookup manyAxes(size_t batch) {
  return {[batch](const Ref &x, const Ref &i) {
            auto depth = static_cast<size_t>(i.sizes.back());
            return joined(
                {cut(i.sizes, 0, i.sizes.size() - 1), cut(x.sizes, batch + depth, x.sizes.size())});
          },
          [batch](const Ref &, const Ref &i, const Index &at) {
            size_t rank = i.sizes.size() - 1;
            Index to = cut(at, 0, batch);
            for (int64_t k = 0; k < i.sizes.back(); ++k)
              to.push_back(int64_t(i.at(joined({cut(at, 0, rank), {k}}))));
            return joined({to, cut(at, rank, at.size())});
          }};
}

/// Whole axes, or a block whose start is moved to fit.
Lookup block(Index sizes) {
  return {[sizes](const Ref &, const Ref &) { return sizes; },
          [sizes](const Ref &x, const Ref &starts, const Index &at) {
            Index to = at;
            for (size_t d = 0; d < to.size(); ++d)
              to[d] += std::clamp<int64_t>(int64_t(starts.values[d]), 0, x.sizes[d] - sizes[d]);
            return to;
          }};
}

Oracle looked(Lookup lookup) {
  return [=](const std::vector<Ref> &x) {
    Ref out(lookup.frame(x[0], x[1]));
    forEachIndex(out.sizes, [&](const Index &i) { out.at(i) = x[0].at(lookup.at(x[0], x[1], i)); });
    return out;
  };
}

Real larger(Real a, Real b) { return a != a ? a : b != b ? b : std::max(a, b); }
Real smaller(Real a, Real b) { return a != a ? a : b != b ? b : std::min(a, b); }

struct Mode {
  ScatterMode mode;
  const char *name;
  std::vector<DType> dtypes;
  Input input;
  std::function<Real(Real, Real)> combine;
  double ulps = 4;
};

const std::vector<Mode> &modes() {
  static const std::vector<Mode> all = {
      {ScatterMode::Set, "Set", everything, Wide(), [](Real, Real b) { return b; }, 0},
      {ScatterMode::Add, "Add", numbers, Wide(), [](Real a, Real b) { return a + b; }},
      {ScatterMode::Mul,
       "Mul",
       numbers,
       {.low = 0.5, .high = 1.5, .intLow = -2, .intHigh = 2},
       [](Real a, Real b) { return a * b; },
       16},
      {ScatterMode::Max, "Max", numbers, Wide(), larger, 0},
      {ScatterMode::Min, "Min", numbers, Wide(), smaller, 0}};
  return all;
}

/// Operands: x, the indices, the updates.
Oracle placed(Lookup lookup, const Mode &mode) {
  return [=](const std::vector<Ref> &x) {
    Ref out = x[0];
    out.magnitude.clear();
    for (Real value : out.values)
      out.magnitude.push_back(std::fabs(value));
    out.reductionLength = std::max<int64_t>(1, static_cast<int64_t>(x[2].values.size()));
    forEachIndex(x[2].sizes, [&](const Index &i) {
      Index to = lookup.at(x[0], x[1], i);
      Real added = x[2].at(i);
      Real &magnitude = out.magnitude[out.offset(to)];
      out.at(to) = mode.combine(out.at(to), added);
      magnitude = mode.mode == ScatterMode::Mul ? magnitude * std::max(Real(1), std::fabs(added))
                                                : magnitude + std::fabs(added);
    });
    return out;
  };
}

// -- Looking up -----------------------------------------------------------------------------------

void addGathers(std::vector<Row> &rows) {
  rows.push_back(structural(
                     "gather", {In(-4, 4), Labels(i32, bound)},
                     {{{{5, 3}, {7}}},
                      {{{5, 64}, {n}}},
                      {{{5}, {2, 3}}},
                      {{{5, 2, 3}, {4}}},
                      {{{5, 2}, {0}}},
                      {{{5, 4}, {}}},
                      {{{5}, {1031}}},
                      {.shapes = {{5, 17}, {6}}, .transposed = true}},
                     [](Graph &, const Tensors &t) { return gather(t[0], t[1]); },
                     looked(alongOneAxis(0)))
                     .on(everything)
                     .of("gather")
                     .smooth());
  rows.push_back(structural(
                     "gatherMiddle", {In(-4, 4), Labels(i64, bound)},
                     {{{{3, 5}, {7}}},
                      {{{3, 5, 2}, {4}}},
                      {{{n, 5}, {n}}},
                      {{{1, 5, 1}, {2, 1}}},
                      {{{13, 5, 7}, {11}}},
                      {{{0, 5}, {3}}},
                      {.shapes = {{4, 5, 3}, {2, 3}}, .transposed = true}},
                     [](Graph &, const Tensors &t) { return t[0].gather(t[1], 1); },
                     looked(alongOneAxis(1)))
                     .on(everything)
                     .of("gather")
                     .smooth());
  for (size_t axis : {0, 1})
    rows.push_back(structural(
                       "takeAlong" + std::to_string(axis),
                       {In(-4, 4), Labels(axis ? i64 : i32, bound)},
                       axis ? std::vector<Case>{{{{3, 5}, {3, 2}}},
                                                {{{n, 5}, {n, 5}}},
                                                {{{17, 5}, {17, 13}}},
                                                {{{4, 5}, {1, 3}}},
                                                {{{3, 5}, {3, 0}}},
                                                {.shapes = {{7, 5}, {7, 4}}, .transposed = true}}
                            : std::vector<Case>{{{{5, 3}, {7, 3}}},
                                                {{{5, 3}, {2, 1}}},
                                                {{{5, n}, {3, n}}},
                                                {{{5, 40}, {9, 40}}},
                                                {{{5}, {6}}},
                                                {.shapes = {{5, 6}, {3, 6}}, .transposed = true}},
                       [axis](Graph &, const Tensors &t) {
                         return takeAlong(t[0], t[1], static_cast<int64_t>(axis));
                       },
                       looked(elementPerIndex(axis)))
                       .on(everything)
                       .of("gather")
                       .smooth());
  rows.push_back(structural(
                     "gatherNd", {In(-4, 4), Labels(i32, bound)},
                     {{{{5, 5, 3}, {6, 2}}},
                      {{{5, 5}, {4, 2}}},
                      {{{5, 5, 18}, {n, 2}}},
                      {{{5, 2}, {2, 3, 1}}},
                      {{{5, 5, 5}, {3}}}},
                     [](Graph &, const Tensors &t) { return gatherNd(t[0], t[1]); },
                     looked(manyAxes(0)))
                     .on(everything)
                     .of("gather")
                     .smooth());
  rows.push_back(structural(
                     "gatherNdBatch", {In(-4, 4), Labels(i64, bound)},
                     {{{{3, 5, 2}, {3, 4, 1}}}, {{{n, 5, 5}, {n, 2}}}},
                     [](Graph &, const Tensors &t) { return gatherNd(t[0], t[1], 1); },
                     looked(manyAxes(1)))
                     .on(everything)
                     .of("gather")
                     .smooth());
  Input starts{.intLow = -3, .intHigh = 9, .dtype = i64};
  rows.push_back(structural(
                     "dynamicSlice", {In(-4, 4), starts},
                     {{{{6, 8}, {2}}}, {{{4, 5}, {2}}}, {{{19, 64}, {2}}}},
                     [](Graph &, const Tensors &t) {
                       return dynamicSlice(t[0], {at(t[1], 0, 0), at(t[1], 0, 1)}, {4, 3});
                     },
                     looked(block({4, 3})))
                     .on(everything)
                     .of("gather")
                     .smooth());
}

// -- Placing --------------------------------------------------------------------------------------

void addScatters(std::vector<Row> &rows) {
  for (const Mode &mode : modes()) {
    auto add = [&](const std::string &name, Lookup lookup, std::vector<Case> cases, DType labels,
                   GraphFunction graph) {
      rows.push_back(structural(name + mode.name, {mode.input, Labels(labels, bound), mode.input},
                                std::move(cases), std::move(graph), placed(lookup, mode))
                         .on(mode.dtypes)
                         .of("scatter")
                         .within(mode.ulps)
                         .smooth());
    };
    ScatterMode how = mode.mode;
    add("scatter", alongOneAxis(0),
        {{{{5, 3}, {7}, {7, 3}}},
         {{{5}, {40}, {40}}},
         {{{5, 64}, {n}, {n, 64}}},
         {{{5, 2, 3}, {4}, {4, 2, 3}}},
         {{{5, 2}, {0}, {0, 2}}},
         {{{5, 37}, {}, {37}}},
         {.shapes = {{5, 17}, {6}, {6, 17}}, .transposed = true}},
        i32, [how](Graph &, const Tensors &t) { return scatter(t[0], t[1], t[2], 0, how); });
    add("scatterLast", alongOneAxis(1),
        {{{{3, 5}, {4}, {3, 4}}}, {{{n, 5}, {3}, {n, 3}}}, {{{70, 5}, {2}, {70, 2}}}}, i64,
        [how](Graph &, const Tensors &t) { return scatter(t[0], t[1], t[2], -1, how); });
    add("scatterAlong", elementPerIndex(0),
        {{{{5, 3}, {7, 3}, {7, 3}}},
         {{{5, 40}, {3, 40}, {3, 40}}},
         {{{5, n}, {4, n}, {4, n}}},
         {{{5, 2, 3}, {4, 2, 3}, {4, 2, 3}}}},
        i64, [how](Graph &, const Tensors &t) { return scatterAlong(t[0], t[1], t[2], 0, how); });
    add("scatterNd", manyAxes(0),
        {{{{5, 5, 3}, {6, 2}, {6, 3}}}, {{{5, 5}, {9, 2}, {9}}}, {{{5, 5, 2}, {n, 2}, {n, 2}}}},
        i32, [how](Graph &, const Tensors &t) { return scatterNd(t[0], t[1], t[2], how); });
  }
  Input starts{.intLow = -3, .intHigh = 9, .dtype = i32};
  rows.push_back(structural(
                     "dynamicUpdateSlice", {In(-4, 4), starts, In(-4, 4)},
                     {{{{6, 8}, {2}, {4, 3}}}, {{{4, 5}, {2}, {4, 3}}}, {{{19, 64}, {2}, {4, 3}}}},
                     [](Graph &, const Tensors &t) {
                       return dynamicUpdateSlice(t[0], t[2], {at(t[1], 0, 0), at(t[1], 0, 1)});
                     },
                     placed(block({4, 3}), modes().front()))
                     .on(everything)
                     .of("scatter")
                     .smooth());
}

// -- Order ----------------------------------------------------------------------------------------

/// The order of each row along an axis, by a comparison that never sees equal elements as ordered.
Index orderOf(const Ref &x, Index row, size_t axis, bool descending) {
  Index order(static_cast<size_t>(x.sizes[axis]));
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<int64_t>(i);
  for (size_t i = 1; i < order.size(); ++i) // Insertion: stable by construction.
    for (size_t j = i; j > 0; --j) {
      Real a = x.at(with(row, axis, order[j - 1])), b = x.at(with(row, axis, order[j]));
      if (descending ? !(a < b) : !(b < a))
        break;
      std::swap(order[j - 1], order[j]);
    }
  return order;
}

Oracle ordered(size_t axis, bool descending, bool wantsValues, int64_t count = -1) {
  return [=](const std::vector<Ref> &x) {
    Ref out(count < 0 ? x[0].sizes : with(x[0].sizes, axis, count));
    Index rows = with(out.sizes, axis, std::min<int64_t>(1, out.sizes[axis]));
    forEachIndex(rows, [&](const Index &row) {
      Index order = orderOf(x[0], row, axis, descending);
      for (int64_t i = 0; i < out.sizes[axis]; ++i) {
        int64_t from = order[static_cast<size_t>(i)];
        out.at(with(row, axis, i)) = wantsValues ? x[0].at(with(row, axis, from)) : Real(from);
      }
    });
    return out;
  };
}

/// With many equal elements.
Tensor coarse(const Tensor &x) { return isFloat(x.dtype()) ? floor(x) : x; }
Oracle ofCoarse(Oracle oracle) {
  return [=](std::vector<Ref> x) {
    for (Real &value : x[0].values)
      value = std::floor(value);
    return oracle(x);
  };
}

void addOrders(std::vector<Row> &rows) {
  Input input{.low = -3, .high = 3, .intLow = -3, .intHigh = 3};
  for (bool descending : {false, true}) {
    std::string suffix = descending ? "Descending" : "";
    rows.push_back(structural(
                       "argsort" + suffix, {input},
                       {{{{7}}},
                        {{{1}}},
                        {{{0}}},
                        {{{3, 0}}},
                        {{{0, 3}}},
                        {{{5, 13}}},
                        {{{n}}},
                        {{{3, n}}},
                        {{{2, 64}}},
                        {{{1200}}},
                        {.shapes = {{17, 6}}, .transposed = true}},
                       [descending](Graph &, const Tensors &t) {
                         return argsort(coarse(t[0]), -1, descending);
                       },
                       ofCoarse([=](const std::vector<Ref> &x) {
                         return ordered(x[0].sizes.size() - 1, descending, false)(x);
                       }))
                       .on(everything)
                       .of("argsort"));
    rows.push_back(structural(
                       "argsortOuter" + suffix, {input},
                       {{{{13, 5}}}, {{{n, 3}}}, {{{300, 2}}}, {{{4, 2, 3}}}, {{{1, 4}}}},
                       [descending](Graph &, const Tensors &t) {
                         return argsort(coarse(t[0]), 0, descending);
                       },
                       ofCoarse(ordered(0, descending, false)))
                       .on(everything)
                       .of("argsort"));
    rows.push_back(
        structural(
            "sort" + suffix, {Wide()}, {{{{9}}}, {{{5, 13}}}, {{{n}}}, {{{2, 300}}}, {{{0}}}},
            [descending](Graph &, const Tensors &t) { return sort(t[0], -1, descending); },
            [=](const std::vector<Ref> &x) {
              return ordered(x[0].sizes.size() - 1, descending, true)(x);
            })
            .on(everything)
            .of("gather")
            .smooth());
    rows.push_back(
        structural(
            "topK" + suffix, {Wide()}, {{{{9, 3}}}, {{{4, n}}}, {{{7, 1}}}},
            [descending](Graph &, const Tensors &t) { return topK(t[0], 4, 0, descending).values; },
            ordered(0, descending, true, 4))
            .on(numbers)
            .of("gather")
            .smooth());
  }
  rows.push_back(structural(
                     "argmin", {Ints(-3, 3)}, {{{{3, 5}}}, {{{1, 1}}}, {{{2, 70}}}},
                     [](Graph &, const Tensors &t) { return argmin(t[0], 1); },
                     [](const std::vector<Ref> &x) {
                       Ref out({x[0].sizes[0]});
                       forEachIndex(out.sizes, [&](const Index &i) {
                         out.at(i) = Real(orderOf(x[0], {i[0], 0}, 1, false)[0]);
                       });
                       return out;
                     })
                     .on(numbers)
                     .of("argmax"));
}

// -- Running reductions ---------------------------------------------------------------------------

using CumulativeFunction = Tensor (*)(const Tensor &, int64_t, const CumulativeOptions &,
                                      std::source_location);

struct Running {
  std::string name;
  CumulativeFunction graph;
  Real start;
  std::function<Real(Real, Real)> combine;
  Input input;
  std::vector<DType> dtypes;
  double ulps;
  Derivative derivative = Derivative::Second;
};

Oracle running(const Running &run, size_t axis, CumulativeOptions options) {
  return [=](const std::vector<Ref> &x) {
    Ref out(x[0].sizes);
    out.magnitude.assign(out.values.size(), 0);
    int64_t count = out.sizes[axis];
    out.reductionLength = std::max<int64_t>(1, count);
    forEachIndex(out.sizes, [&](const Index &i) {
      Real value = run.start, magnitude = 0;
      int64_t last = options.exclusive ? 1 : 0;
      int64_t from = options.reverse ? i[axis] + last : 0;
      int64_t to = options.reverse ? count : i[axis] + 1 - last;
      for (int64_t k = from; k < to; ++k) {
        Real element = x[0].at(with(i, axis, k));
        value = run.combine(value, element);
        magnitude += std::fabs(element);
      }
      out.at(i) = value;
      out.magnitude[out.offset(i)] = magnitude;
    });
    return out;
  };
}

void addRunning(std::vector<Row> &rows) {
  const std::vector<Running> all = {
      {"cumsum", cumsum, 0, [](Real a, Real b) { return a + b; }, Wide(), numbers, 4},
      {"cumprod", cumprod, 1, [](Real a, Real b) { return a * b; }, In(0.9, 1.1), floats, 8},
      {"cumprodIntegers", cumprod, 1, [](Real a, Real b) { return a * b; }, Ints(-1, 1), ints, 0,
       Derivative::None},
      {"cummax", cummax, -INFINITY, larger, Wide(), numbers, 0},
      {"cummin", cummin, INFINITY, smaller, Wide(), numbers, 0}};
  for (const Running &run : all)
    for (CumulativeOptions options : {CumulativeOptions{}, CumulativeOptions{.exclusive = true},
                                      CumulativeOptions{.reverse = true},
                                      CumulativeOptions{.exclusive = true, .reverse = true}})
      for (size_t axis : {0, 1}) {
        bool last = axis == 1;
        std::string name = run.name + (options.exclusive ? "Exclusive" : "") +
                           (options.reverse ? "Reverse" : "") + std::to_string(axis);
        Row row = structural(
                      name, {run.input},
                      last ? std::vector<Case>{{{{3, 5}}},
                                               {{{1, 1}}},
                                               {{{2, 0}}},
                                               {{{n, 67}}},
                                               {{{2, 3, 5}}},
                                               {.shapes = {{17, 6}}, .transposed = true}}
                           : std::vector<Case>{{{{7}}},
                                               {{{n}}},
                                               {{{64}}},
                                               {{{0, 3}}},
                                               {{{13, 5}}},
                                               {{{4, 2, 33}}},
                                               {{{n, 1100}}}},
                      [=](Graph &, const Tensors &t) {
                        return run.graph(t[0], static_cast<int64_t>(axis), options,
                                         std::source_location::current());
                      },
                      running(run, axis, options))
                      .on(run.dtypes)
                      .of(run.name.substr(0, run.name.find("Integers")))
                      .within(run.ulps);
        row.derivative = run.derivative;
        rows.push_back(std::move(row));
      }
}

} // namespace

std::vector<Row> indexRows() {
  std::vector<Row> rows;
  addGathers(rows);
  addScatters(rows);
  addOrders(rows);
  addRunning(rows);
  return rows;
}

} // namespace sinter::ops
