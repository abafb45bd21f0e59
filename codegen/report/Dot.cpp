// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Dot.h"

#include "sinter/codegen/BuildProgram.h"
#include "sinter/codegen/report/RegionText.h"
#include "sinter/ir/base/Utf8.h"

using namespace mlir;

namespace sinter::codegen::report {

namespace {

/// Between double quotes, without any of Graphviz's escapes but the end of a line.
std::string dotString(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const size_t length = std::max<size_t>(utf8Length(text), 1);
    const char c = text[0];
    if (c == '\n')
      result += "\\n";
    else if (utf8Length(text) == 0 || static_cast<unsigned char>(c) < 0x20)
      result += '?';
    else
      result += (c == '"' || c == '\\' ? "\\" : "") + std::string(text.substr(0, length));
    text.remove_prefix(length);
  }
  return result + "\"";
}

class DotWriter {
public:
  explicit DotWriter(func::FuncOp graph) : graph(graph), arguments(argumentsOf(graph)) {}

  std::string write() {
    text = "digraph " + dotString("graph") +
           " {\n  rankdir=TB;\n  node [shape=box, fontname=\"Helvetica\", fontsize=10];\n"
           "  edge [fontname=\"Helvetica\", fontsize=8];\n";
    for (BlockArgument argument : graph.getArguments()) {
      const Argument &known = arguments.at(argument.getArgNumber());
      const bool isInput = known.kind == ArgumentKind::Placeholder;
      if (!argument.use_empty())
        nodes[argument] =
            node("  ", known.name + "\n" + typeText(argument),
                 isInput ? ", shape=ellipse" : ", shape=ellipse, style=dashed", known.location);
    }
    for (Operation &op : graph.getBody().front().without_terminator())
      if (auto fused = dyn_cast<ir::FusedOp>(op))
        kernel(fused);
      else
        addOp("  ", op, nodes);
    Operation *end = graph.getBody().front().getTerminator();
    size_t outputs = 0;
    for (auto [i, result] : llvm::enumerate(resultsOf(graph, arguments))) {
      const std::string name = result.updates >= 0
                                   ? "new " + arguments.at(static_cast<size_t>(result.updates)).name
                               : result.name.empty() ? "output " + std::to_string(outputs)
                                                     : result.name;
      outputs += result.updates < 0;
      edge(nodes.lookup(end->getOperand(static_cast<unsigned>(i))),
           node("  ", name, ", shape=ellipse, peripheries=2", result.location),
           typeText(end->getOperand(static_cast<unsigned>(i))));
    }
    return text + edges + "}\n";
  }

private:
  using Nodes = llvm::DenseMap<Value, std::string>;

  std::string node(const std::string &indent, const std::string &label, const std::string &style,
                   const SourceLoc &line) {
    std::string name = "n" + std::to_string(count++);
    text += indent + name + " [label=" + dotString(label) + style +
            (line.known() ? ", tooltip=" + dotString(line.str()) : "") + "];\n";
    return name;
  }

  void edge(const std::string &from, const std::string &to, const std::string &type) {
    if (!from.empty())
      edges += "  " + from + " -> " + to + " [label=" + dotString(type) + "];\n";
  }

  void addOp(const std::string &indent, Operation &op, Nodes &known) {
    if (op.getNumOperands() == 0)
      return; // A constant.
    const std::string name =
        node(indent, op.getName().stripDialect().str() + "\n" + typeText(op.getResult(0)), "",
             ir::toSourceLoc(op.getLoc()));
    for (Value operand : op.getOperands())
      edge(known.lookup(operand), name, typeText(operand));
    for (Value result : op.getResults())
      known[result] = name;
  }

  void kernel(ir::FusedOp fused) {
    const std::string name = kernelName(number);
    text += "  subgraph " + dotString("cluster_" + name) +
            " {\n    label=" + dotString(name + " " + fused.getName().value_or("kernel").str()) +
            ";\n    style=rounded;\n    fontname=\"Helvetica\";\n    fontsize=11;\n";
    ++number;
    Nodes inner;
    Block &body = fused.getBody().front();
    for (auto [argument, operand] : llvm::zip(body.getArguments(), fused->getOperands()))
      inner[argument] = nodes.lookup(operand);
    const size_t before = count;
    for (Operation &op : body.without_terminator())
      addOp("    ", op, inner);
    Operation *end = body.getTerminator();
    for (auto [i, value] : llvm::enumerate(end->getOperands())) {
      // A region of constants alone still has a node.
      if (inner.lookup(value).empty())
        inner[value] = node("    ", "constant\n" + typeText(value), "", {});
      nodes[fused->getResult(static_cast<unsigned>(i))] = inner.lookup(value);
    }
    if (count == before)
      node("    ", "", ", style=invis", {});
    text += "  }\n";
  }

  func::FuncOp graph;
  std::vector<Argument> arguments;
  Nodes nodes;
  std::string text, edges;
  size_t count = 0;
  int number = 0;
};

} // namespace

std::string dotText(func::FuncOp graph) { return DotWriter(graph).write(); }

} // namespace sinter::codegen::report
