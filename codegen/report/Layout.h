// SPDX-License-Identifier: Apache-2.0
// Drawing a graph in layers, from top to bottom.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sinter::codegen::report {

struct LayoutNode {
  double width = 0, height = 0;
  /// Is drawn just above the first node that it leads to, e.g. an input.
  bool sinks = false;
  /// So is what follows from such boxes alone, e.g. the cast of a parameter.
  bool floats = false;
};

struct LayoutOptions {
  double nodeGap = 18, layerGap = 34;
  /// Nodes of a layer beyond this go to rows of their own.
  double mostWidth = 1040;
  /// Edges that pass more rows than that are not drawn.
  size_t longestEdge = 6;
};

struct Point {
  double x = 0, y = 0;
};

struct Layout {
  std::vector<Point> centers; ///< One per node.
  /// One per edge: from the bottom of the one to the top of the other; empty where it is too long.
  std::vector<std::vector<Point>> edges;
  double width = 0, height = 0;
};

/// Sugiyama's method: layers by longest path, few crossings by barycentres, then positions close to
/// those of the neighbours. Edges lead from a lower to a higher number; time is about linear.
Layout layOut(const std::vector<LayoutNode> &nodes,
              const std::vector<std::pair<size_t, size_t>> &edges,
              const LayoutOptions &options = {});

} // namespace sinter::codegen::report
