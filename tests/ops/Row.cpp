// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/Row.h"

namespace sinter::ops {

Ref::Ref(std::vector<int64_t> dims) : sizes(std::move(dims)) {
  size_t count = 1;
  for (int64_t size : sizes)
    count *= static_cast<size_t>(size);
  values.assign(count, Real(0));
}

size_t Ref::offset(const std::vector<int64_t> &index) const {
  size_t result = 0;
  for (size_t i = 0; i < sizes.size(); ++i)
    result = result * static_cast<size_t>(sizes[i]) + static_cast<size_t>(index[i]);
  return result;
}

void forEachIndex(const std::vector<int64_t> &sizes,
                  const std::function<void(const std::vector<int64_t> &)> &fn) {
  for (int64_t size : sizes)
    if (size == 0)
      return;
  std::vector<int64_t> index(sizes.size(), 0);
  while (true) {
    fn(index);
    size_t axis = sizes.size();
    while (axis > 0 && ++index[axis - 1] == sizes[axis - 1])
      index[--axis] = 0;
    if (axis == 0)
      return;
  }
}

std::vector<Case> unaryCases() {
  DimExpr n = dim("N");
  return {{{{}}},
          {{{0}}},
          {{{1}}},
          {{{7}}},
          {{{13, 5}}},
          {{{64}}},
          {{{1031}}},
          {{{3, 0, 2}}},
          {{{4, 8, 16}}},
          {{{n}}},
          {{{n, 3}}},
          {.shapes = {{17, 6}}, .transposed = true},
          {.shapes = {{n, 5, 3}}, .transposed = true}};
}

std::vector<Case> binaryCases() {
  DimExpr n = dim("N");
  return {{{{}, {}}},
          {{{0}, {0}}},
          {{{1}, {7}}},
          {{{13, 5}, {13, 5}}},
          {{{64}, {64}}},
          {{{5, 1}, {1, 7}}},
          {{{}, {6}}},
          {{{2, 3, 11}, {3, 1}}},
          {{{n, 4}, {4}}},
          {{{n}, {1}}},
          {.shapes = {{17, 6}, {17, 6}}, .transposed = true},
          {.shapes = {{19, n}, {19, 1}}, .transposed = true}};
}

static std::vector<Case> ternaryCases() {
  DimExpr n = dim("N");
  return {{{{}, {}, {}}},
          {{{0}, {0}, {}}},
          {{{13, 5}, {13, 5}, {13, 5}}},
          {{{64}, {64}, {64}}},
          {{{5, 1}, {1, 7}, {1}}},
          {{{n, 4}, {n, 4}, {4}}},
          {.shapes = {{17, 6}, {17, 6}, {17, 6}}, .transposed = true}};
}

RowBuilder elementwise(std::string name, std::vector<Input> inputs, GraphFunction graph,
                       ElementFunction element) {
  RowBuilder builder;
  builder.row.op = name;
  builder.row.name = std::move(name);
  builder.row.dtypes = floats;
  builder.row.cases = inputs.size() == 1   ? unaryCases()
                      : inputs.size() == 2 ? binaryCases()
                                           : ternaryCases();
  builder.row.inputs = std::move(inputs);
  builder.row.graph = std::move(graph);
  builder.row.element = std::move(element);
  builder.row.special = true;
  return builder;
}

RowBuilder structural(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                      GraphFunction graph, Oracle oracle) {
  RowBuilder builder;
  builder.row.op = name;
  builder.row.name = std::move(name);
  builder.row.dtypes = floats;
  builder.row.inputs = std::move(inputs);
  builder.row.cases = std::move(cases);
  builder.row.graph = std::move(graph);
  builder.row.oracle = std::move(oracle);
  return builder;
}

RowBuilder composite(std::string name, std::vector<Input> inputs, std::vector<Case> cases,
                     GraphFunction graph, Oracle oracle) {
  return structural(std::move(name), std::move(inputs), std::move(cases), std::move(graph),
                    std::move(oracle))
      .of("")
      .on(wideFloats);
}

const std::vector<Row> &table() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all = elementwiseRows();
    for (const auto &more :
         {mathRows(), structuralRows(), indexRows(), compositeRows(), nnRows(), nnLayerRows(),
          activationRows(), arrangeRows(), attentionRows(), lossRows(), statisticsRows()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

} // namespace sinter::ops
