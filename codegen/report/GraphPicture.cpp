// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Layout.h"
#include "sinter/codegen/report/Pictures.h"

#include <algorithm>
#include <set>

namespace sinter::codegen::report {

namespace {

constexpr double margin = 14, charWidth = 7.2, smallCharWidth = 6, lineHeight = 15;
constexpr size_t mostChars = 30;
constexpr size_t mostStubs = 3; ///< Names that are listed beside a box.

double textWidth(const std::string &text, double perChar) {
  // Bytes of characters beyond ASCII count once.
  const auto chars = std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
  return static_cast<double>(chars) * perChar;
}

std::string nodeClass(const GraphNode &node) {
  switch (node.kind) {
  case GraphNode::Kind::Input:
    return "n in";
  case GraphNode::Kind::Parameter:
    return "n par";
  case GraphNode::Kind::Output:
    return "n out";
  case GraphNode::Kind::Op:
  case GraphNode::Kind::Kernel:
    break;
  }
  return "n " + (node.form.empty() ? std::string("none") : formClass(node.form));
}

struct Lines {
  std::string name, note, extra;
};

Lines linesOf(const GraphNode &node, const std::vector<KernelEntry> &kernels) {
  Lines lines{clipped(node.name, mostChars), clipped(node.note, mostChars + 4), ""};
  if (node.kind == GraphNode::Kind::Kernel && node.kernel >= 0 &&
      static_cast<size_t>(node.kernel) < kernels.size()) {
    std::vector<std::string> types;
    for (const Operand &output : kernels[static_cast<size_t>(node.kernel)].outputs)
      types.push_back(output.type);
    lines.extra = "\xe2\x86\x92 " + listed(types, mostChars + 2);
  } else if (node.kind == GraphNode::Kind::Op) {
    lines.extra = node.kernel >= 0 ? "k" + std::to_string(node.kernel) : "";
  }
  return lines;
}

/// What a box is called where a line to it is not drawn.
std::string shortName(const GraphNode &node) {
  if (node.kind == GraphNode::Kind::Kernel)
    return "k" + std::to_string(node.kernel);
  const std::string name = clipped(node.name, 16);
  return node.kernel >= 0 && node.kind == GraphNode::Kind::Op
             ? name + " (k" + std::to_string(node.kernel) + ")"
             : name;
}

std::string cutEdgeText(const std::set<size_t> &ends, const Graph &graph) {
  std::string text;
  size_t count = 0;
  for (size_t end : ends)
    if (++count <= mostStubs)
      text += (count > 1 ? ", " : "") + shortName(graph.nodes[end]);
  return count > mostStubs ? text + " +" + std::to_string(count - mostStubs) : text;
}

std::string curve(const std::vector<Point> &points) {
  std::string path = "M" + px(points[0].x + margin) + " " + px(points[0].y + margin);
  for (size_t i = 1; i < points.size(); ++i) {
    const Point &a = points[i - 1], &b = points[i];
    const double middle = (a.y + b.y) / 2 + margin;
    path += "C" + px(a.x + margin) + " " + px(middle) + " " + px(b.x + margin) + " " + px(middle) +
            " " + px(b.x + margin) + " " + px(b.y + margin);
  }
  return path;
}

} // namespace

std::string formClass(const std::string &form) {
  std::string name = "f-";
  for (char c : form)
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  return name;
}

std::string graphPicture(const Graph &graph, const std::vector<KernelEntry> &kernels) {
  if (graph.nodes.empty())
    return "";
  std::vector<LayoutNode> boxes;
  std::vector<Lines> lines;
  for (const GraphNode &node : graph.nodes) {
    lines.push_back(linesOf(node, kernels));
    const Lines &text = lines.back();
    const bool isKernel = node.kind == GraphNode::Kind::Kernel;
    const double tag = isKernel || text.extra.empty() ? 0 : textWidth(text.extra, 6.2) + 8;
    double width =
        std::max(textWidth(text.name, charWidth) + tag, textWidth(text.note, smallCharWidth));
    if (isKernel)
      width = std::max(width, textWidth(text.extra, smallCharWidth));
    boxes.push_back(
        {.width = std::max(width + 20, 64.0),
         .height = (isKernel ? 3 : 2) * lineHeight + 10,
         .sinks = node.kind == GraphNode::Kind::Input || node.kind == GraphNode::Kind::Parameter,
         .floats = node.kind == GraphNode::Kind::Parameter});
  }
  std::vector<std::pair<size_t, size_t>> edges;
  std::vector<std::string> labels;
  for (const GraphEdge &edge : graph.edges) {
    edges.push_back({edge.from, edge.to});
    labels.push_back(edge.label);
  }
  const Layout layout = layOut(boxes, edges);
  const std::string width = px(layout.width + 2 * margin), height = px(layout.height + 2 * margin);
  std::string svg = "<svg class=\"graph\" role=\"img\" width=\"" + width + "\" height=\"" + height +
                    "\" viewBox=\"0 0 " + width + " " + height + "\">\n";

  std::vector<std::set<size_t>> leaving(graph.nodes.size()), entering(graph.nodes.size());
  for (size_t i = 0; i < edges.size(); ++i) {
    auto [from, to] = edges[i];
    if (layout.edges[i].empty()) {
      leaving[from].insert(to);
      entering[to].insert(from);
      continue;
    }
    svg += "<path class=\"e\" d=\"" + curve(layout.edges[i]) + "\"><title>" + escape(labels[i]) +
           "</title></path>\n";
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode &node = graph.nodes[i];
    const LayoutNode &box = boxes[i];
    const double left = layout.centers[i].x - box.width / 2 + margin,
                 top = layout.centers[i].y - box.height / 2 + margin;
    const bool links = node.kernel >= 0;
    if (links)
      svg += "<a href=\"#k" + std::to_string(node.kernel) + "\">";
    svg += "<g class=\"" + nodeClass(node) + "\"><title>" + escape(node.detail) +
           "</title><rect x=\"" + px(left) + "\" y=\"" + px(top) + "\" width=\"" + px(box.width) +
           "\" height=\"" + px(box.height) + "\" rx=\"" +
           (node.kind == GraphNode::Kind::Op || node.kind == GraphNode::Kind::Kernel ? "4" : "12") +
           "\"/>";
    auto line = [&](int number, const char *style, const std::string &text) {
      svg += "<text class=\"" + std::string(style) + "\" x=\"" + px(left + 10) + "\" y=\"" +
             px(top + 4 + lineHeight * number) + "\">" + escape(text) + "</text>";
    };
    line(1, "t", lines[i].name);
    line(2, "s", lines[i].note);
    if (node.kind == GraphNode::Kind::Kernel)
      line(3, "s", lines[i].extra);
    else if (!lines[i].extra.empty())
      svg += "<text class=\"k\" text-anchor=\"end\" x=\"" + px(left + box.width - 8) + "\" y=\"" +
             px(top + 4 + lineHeight) + "\">" + lines[i].extra + "</text>";
    svg += links ? "</g></a>\n" : "</g>\n";
    if (!leaving[i].empty())
      svg += "<text class=\"cut\" x=\"" + px(left + 4) + "\" y=\"" + px(top + box.height + 11) +
             "\">\xe2\x86\x93 " + escape(cutEdgeText(leaving[i], graph)) + "</text>\n";
    if (!entering[i].empty())
      svg += "<text class=\"cut\" x=\"" + px(left + 4) + "\" y=\"" + px(top - 4) +
             "\">\xe2\x86\x93 from " + escape(cutEdgeText(entering[i], graph)) + "</text>\n";
  }
  return svg + "</svg>";
}

} // namespace sinter::codegen::report
