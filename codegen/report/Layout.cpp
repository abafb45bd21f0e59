// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>

namespace sinter::codegen::report {

namespace {

constexpr int orderSweeps = 12, placeSweeps = 16;
constexpr double pull = 0.9;    ///< Keeps the picture from drifting to the sides.
constexpr double bendWidth = 3; ///< What an edge takes up where it passes a row.

class Layouter {
public:
  Layouter(const std::vector<LayoutNode> &nodes,
           const std::vector<std::pair<size_t, size_t>> &edges, const LayoutOptions &options)
      : nodes(nodes), edges(edges), options(options) {}

  Layout run() {
    assignRows();
    addBends();
    for (int sweep = 0; sweep < orderSweeps; ++sweep)
      orderRows(sweep % 2 == 0);
    place();
    return result();
  }

private:
  /// A node, or a bend of an edge in a row that it passes.
  struct Item {
    size_t row = 0;
    double width = bendWidth, height = 0, x = 0;
    std::vector<size_t> above = {}, below = {};
  };

  void assignRows() {
    std::vector<size_t> layer(nodes.size(), 0);
    for (auto [from, to] : sorted())
      layer[to] = std::max(layer[to], layer[from] + 1);
    std::vector<bool> isGiven(nodes.size(), false);
    std::vector<std::vector<size_t>> readers(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i)
      isGiven[i] = nodes[i].sinks && !nodes[i].floats;
    for (auto [from, to] : sorted()) {
      isGiven[to] = isGiven[to] || isGiven[from];
      readers[from].push_back(to);
    }
    for (size_t i = nodes.size(); i-- > 0;) {
      const bool isLate = nodes[i].sinks || !isGiven[i];
      size_t first = std::numeric_limits<size_t>::max();
      for (size_t reader : readers[i])
        first = std::min(first, layer[reader]);
      if (isLate && !readers[i].empty() && first > 0)
        layer[i] = std::max(layer[i], first - 1);
    }
    // Layers that are too wide become several rows of about the same width.
    const size_t layers = nodes.empty() ? 0 : *std::max_element(layer.begin(), layer.end()) + 1;
    std::vector<std::vector<size_t>> members(layers);
    for (size_t i = 0; i < nodes.size(); ++i)
      members[layer[i]].push_back(i);
    items.resize(nodes.size());
    for (const std::vector<size_t> &row : members) {
      if (row.empty())
        continue;
      double all = 0;
      for (size_t i : row)
        all += nodes[i].width + options.nodeGap;
      const double most = all / std::ceil(all / options.mostWidth);
      double width = 0;
      rows.emplace_back();
      for (size_t i : row) {
        const double next = nodes[i].width + options.nodeGap;
        if (!rows.back().empty() && width + next / 2 > most) {
          rows.emplace_back();
          width = 0;
        }
        width += next;
        items[i] = {.row = rows.size() - 1, .width = nodes[i].width, .height = nodes[i].height};
        rows.back().push_back(i);
      }
    }
  }

  std::vector<std::pair<size_t, size_t>> sorted() const {
    std::vector<std::pair<size_t, size_t>> result = edges;
    std::sort(result.begin(), result.end(),
              [](const auto &a, const auto &b) { return a.second < b.second; });
    return result;
  }

  void addBends() {
    paths.resize(edges.size());
    for (size_t e = 0; e < edges.size(); ++e) {
      auto [from, to] = edges[e];
      const size_t begin = items[from].row, end = items[to].row;
      if (end <= begin || end - begin > options.longestEdge)
        continue;
      size_t last = from;
      paths[e].push_back(from);
      for (size_t row = begin + 1; row <= end; ++row) {
        size_t next = to;
        if (row < end) {
          next = items.size();
          items.push_back({});
          items.back().row = row;
          rows[row].push_back(next);
        }
        items[last].below.push_back(next);
        items[next].above.push_back(last);
        paths[e].push_back(next);
        last = next;
      }
    }
  }

  void orderRows(bool down) {
    std::vector<double> position(items.size());
    auto number = [&](const std::vector<size_t> &row) {
      for (size_t i = 0; i < row.size(); ++i)
        position[row[i]] = (static_cast<double>(i) + 0.5) / static_cast<double>(row.size());
    };
    for (const std::vector<size_t> &row : rows)
      number(row);
    for (size_t turn = 0; turn < rows.size(); ++turn) {
      std::vector<size_t> &row = rows[down ? turn : rows.size() - 1 - turn];
      std::vector<std::tuple<double, size_t, size_t>> keys; // With the place so far, for ties.
      for (size_t i : row) {
        const std::vector<size_t> &neighbours = down ? items[i].above : items[i].below;
        double sum = 0;
        for (size_t j : neighbours)
          sum += position[j];
        keys.push_back(
            {neighbours.empty() ? position[i] : sum / static_cast<double>(neighbours.size()),
             keys.size(), i});
      }
      std::sort(keys.begin(), keys.end());
      for (size_t i = 0; i < row.size(); ++i)
        row[i] = std::get<2>(keys[i]);
      number(row);
    }
  }

  /// Wanted positions, pushed apart from left to right and from right to left.
  void separate(const std::vector<size_t> &row, std::vector<double> &wanted) const {
    auto gap = [&](size_t a, size_t b) {
      const int bends = (a >= nodes.size()) + (b >= nodes.size());
      return (items[a].width + items[b].width) / 2 + options.nodeGap / (1 + bends * bends);
    };
    std::vector<double> left = wanted, right = wanted;
    for (size_t i = 1; i < row.size(); ++i)
      left[i] = std::max(left[i], left[i - 1] + gap(row[i - 1], row[i]));
    for (size_t i = row.size(); i-- > 1;)
      right[i - 1] = std::min(right[i - 1], right[i] - gap(row[i - 1], row[i]));
    for (size_t i = 0; i < row.size(); ++i)
      wanted[i] = (left[i] + right[i]) / 2;
    for (size_t i = 1; i < row.size(); ++i)
      wanted[i] = std::max(wanted[i], wanted[i - 1] + gap(row[i - 1], row[i]));
  }

  void place() {
    for (const std::vector<size_t> &row : rows) {
      std::vector<double> wanted(row.size(), 0);
      separate(row, wanted);
      for (size_t i = 0; i < row.size(); ++i)
        items[row[i]].x = wanted[i];
    }
    for (int sweep = 0; sweep < placeSweeps; ++sweep)
      for (size_t turn = 0; turn < rows.size(); ++turn) {
        const bool down = sweep % 2 == 0;
        const std::vector<size_t> &row = rows[down ? turn : rows.size() - 1 - turn];
        std::vector<double> wanted;
        for (size_t i : row) {
          double sum = 0;
          size_t count = 0;
          for (const std::vector<size_t> *side : {&items[i].above, &items[i].below})
            for (size_t j : *side) {
              sum += items[j].x;
              ++count;
            }
          wanted.push_back(pull * (count ? sum / static_cast<double>(count) : items[i].x));
        }
        separate(row, wanted);
        for (size_t i = 0; i < row.size(); ++i)
          items[row[i]].x = wanted[i];
      }
  }

  Layout result() const {
    Layout layout;
    double left = 0, right = 0;
    for (const Item &item : items) {
      left = std::min(left, item.x - item.width / 2);
      right = std::max(right, item.x + item.width / 2);
    }
    layout.width = right - left;
    std::vector<double> middle(rows.size());
    for (size_t row = 0; row < rows.size(); ++row) {
      double height = 0;
      for (size_t i : rows[row])
        height = std::max(height, items[i].height);
      middle[row] = layout.height + height / 2;
      layout.height += height + (row + 1 < rows.size() ? options.layerGap : 0);
    }
    auto center = [&](size_t i) { return Point{items[i].x - left, middle[items[i].row]}; };
    for (size_t i = 0; i < nodes.size(); ++i)
      layout.centers.push_back(center(i));
    layout.edges.resize(edges.size());
    for (size_t e = 0; e < edges.size(); ++e)
      for (size_t i : paths[e]) {
        Point point = center(i);
        if (i == edges[e].first)
          point.y += items[i].height / 2;
        else if (i == edges[e].second)
          point.y -= items[i].height / 2;
        layout.edges[e].push_back(point);
      }
    return layout;
  }

  const std::vector<LayoutNode> &nodes;
  const std::vector<std::pair<size_t, size_t>> &edges;
  const LayoutOptions &options;
  std::vector<Item> items;
  std::vector<std::vector<size_t>> rows;
  std::vector<std::vector<size_t>> paths;
};

} // namespace

Layout layOut(const std::vector<LayoutNode> &nodes,
              const std::vector<std::pair<size_t, size_t>> &edges, const LayoutOptions &options) {
  return Layouter(nodes, edges, options).run();
}

} // namespace sinter::codegen::report
