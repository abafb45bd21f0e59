// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Collect.h"

#include "sinter/codegen/ProgramCosts.h"
#include "sinter/codegen/report/ArenaPlan.h"
#include "sinter/codegen/report/RegionText.h"
#include "sinter/passes/FusionCosts.h"

#include "mlir/IR/AttrTypeSubElements.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace mlir;

namespace sinter::codegen::report {

namespace {

constexpr llvm::StringLiteral nodeAttr = "sinter.node";
constexpr size_t mostSourceBytes = size_t{8} << 20;
constexpr size_t longestLine = 200;

Location tagged(Location location, int64_t number) {
  MLIRContext *context = location.getContext();
  return FusedLoc::get(
      context, {location},
      DictionaryAttr::get(context,
                          NamedAttribute(StringAttr::get(context, nodeAttr),
                                         IntegerAttr::get(IntegerType::get(context, 64), number))));
}

/// The tag at the top of a location.
std::optional<int64_t> tagOf(LocationAttr location) {
  auto fused = dyn_cast<FusedLoc>(location);
  auto entries = fused ? dyn_cast_or_null<DictionaryAttr>(fused.getMetadata()) : DictionaryAttr();
  auto number = entries ? entries.getAs<IntegerAttr>(nodeAttr) : IntegerAttr();
  return number ? std::optional<int64_t>(number.getInt()) : std::nullopt;
}

/// What the operations with this location were made of, numbers below `count`.
void collectTags(LocationAttr location, size_t count, std::set<size_t> &tags) {
  location.walk([&](LocationAttr part) {
    std::optional<int64_t> tag = tagOf(part);
    if (tag && *tag >= 0 && static_cast<size_t>(*tag) < count)
      tags.insert(static_cast<size_t>(*tag));
    return WalkResult::advance();
  });
}

/// Ops that make a value of nothing, which no picture shows.
bool isConstant(Operation &op) { return op.getNumOperands() == 0; }

GraphNode nodeOf(const Argument &argument) {
  GraphNode node;
  node.kind = argument.kind == ArgumentKind::Placeholder ? GraphNode::Kind::Input
                                                         : GraphNode::Kind::Parameter;
  node.name = argument.name;
  node.note = typeText(argument.dtype, argument.shape);
  node.detail = std::string(name(argument.kind)) + " " + argument.name + ": " + node.note +
                (argument.location.known() ? "\n" + argument.location.str() : "");
  return node;
}

/// Nodes for what the graph returns; updates only when there are few of them.
void addOutputs(func::FuncOp graph, const std::vector<Argument> &arguments, Graph &picture,
                const std::function<std::optional<size_t>(Value)> &nodeOfValue) {
  constexpr size_t mostUpdates = 6;
  std::vector<Result> results = resultsOf(graph, arguments);
  const auto updates = static_cast<size_t>(std::count_if(
      results.begin(), results.end(), [](const Result &result) { return result.updates >= 0; }));
  Operation *end = graph.getBody().front().getTerminator();
  size_t number = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const Result &result = results[i];
    if (result.updates >= 0 && updates > mostUpdates)
      continue;
    std::optional<size_t> from = nodeOfValue(end->getOperand(static_cast<unsigned>(i)));
    if (!from)
      continue;
    GraphNode node;
    node.kind = GraphNode::Kind::Output;
    node.name = result.updates >= 0
                    ? "new " + arguments.at(static_cast<size_t>(result.updates)).name
                : result.name.empty() ? "output " + std::to_string(number)
                                      : result.name;
    number += result.updates < 0;
    node.note = typeText(result.dtype, result.shape);
    node.detail = "output " + node.name + ": " + node.note;
    picture.edges.push_back({*from, picture.nodes.size(), node.note});
    picture.nodes.push_back(std::move(node));
  }
}

/// Drops arguments that nothing reads.
void dropLonelyArguments(Graph &picture) {
  std::vector<bool> used(picture.nodes.size(), false);
  for (const GraphEdge &edge : picture.edges)
    used[edge.from] = used[edge.to] = true;
  std::vector<size_t> number(picture.nodes.size(), 0);
  std::vector<GraphNode> nodes;
  for (size_t i = 0; i < picture.nodes.size(); ++i) {
    number[i] = nodes.size();
    const GraphNode::Kind kind = picture.nodes[i].kind;
    if (used[i] || (kind != GraphNode::Kind::Input && kind != GraphNode::Kind::Parameter))
      nodes.push_back(std::move(picture.nodes[i]));
  }
  picture.nodes = std::move(nodes);
  for (GraphEdge &edge : picture.edges) {
    edge.from = number[edge.from];
    edge.to = number[edge.to];
  }
}

} // namespace

void Collector::attach(PipelineOptions &pipeline) {
  pipeline.explainFusion = true;
  if (!pipeline.trace)
    pipeline.trace = &trace;
  events = pipeline.trace;
  auto before = std::move(pipeline.observe);
  pipeline.observe = [this, before](StageId stage, Compilation &compilation) {
    if (before)
      before(stage, compilation);
    observe(stage, compilation);
  };
}

void Collector::observe(StageId stage, Compilation &compilation) {
  switch (stage) {
  case StageId::Traced:
    report = {}; // Of several versions, the last is described.
    unfused.clear();
    unfusedFrom.clear();
    unfusedTo.clear();
    compilation.graph().walk([&](Operation *) { ++report.opsWritten; });
    report.opsWritten -= 2; // The function and its end.
    break;
  case StageId::Simplified:
    tag(compilation);
    break;
  case StageId::Fused:
    untag(compilation);
    break;
  case StageId::Planned:
    readPlan(compilation);
    readProgram(compilation);
    break;
  case StageId::Program:
    readProgram(compilation);
    report.isCompiled = true;
    break;
  case StageId::Differentiated:
  case StageId::Scheduled:
  case StageId::Kernels:
    break;
  }
}

void Collector::tag(Compilation &compilation) {
  func::FuncOp function = compilation.graph();
  const std::vector<Argument> arguments = argumentsOf(function);
  Graph &picture = report.before;
  llvm::DenseMap<Value, size_t> nodes;
  for (BlockArgument argument : function.getArguments()) {
    nodes[argument] = picture.nodes.size();
    picture.nodes.push_back(nodeOf(arguments.at(argument.getArgNumber())));
  }
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (isConstant(op))
      continue;
    const size_t number = picture.nodes.size();
    GraphNode node;
    node.name = op.getName().stripDialect().str();
    node.note = typeText(op.getResult(0));
    const SourceLoc line = ir::toSourceLoc(op.getLoc());
    node.detail = line.known() ? line.str() : node.name;
    for (Value operand : op.getOperands())
      if (auto from = nodes.find(operand); from != nodes.end())
        picture.edges.push_back({from->second, number, typeText(operand)});
    for (Value result : op.getResults())
      nodes[result] = number;
    op.setLoc(tagged(op.getLoc(), static_cast<int64_t>(number)));
    picture.nodes.push_back(std::move(node));
  }
  addOutputs(function, arguments, picture, [&](Value value) -> std::optional<size_t> {
    auto found = nodes.find(value);
    return found == nodes.end() ? std::nullopt : std::optional(found->second);
  });
}

void Collector::untag(Compilation &compilation) {
  func::FuncOp function = compilation.graph();
  const size_t count = report.before.nodes.size();
  std::vector<std::set<int>> holders(count);
  int kernel = 0;
  function.walk([&](ir::FusedOp fused) {
    fused.getBody().walk([&](Operation *op) {
      std::set<size_t> tags;
      collectTags(op->getLoc(), count, tags);
      for (size_t node : tags)
        holders[node].insert(kernel);
    });
    ++kernel;
  });
  for (size_t i = 0; i < count; ++i) {
    GraphNode &node = report.before.nodes[i];
    if (!holders[i].empty())
      node.kernel = *holders[i].begin();
    std::vector<std::string> in;
    for (int number : holders[i])
      in.push_back(kernelName(number));
    if (node.kind == GraphNode::Kind::Op)
      node.detail += in.empty()      ? "\nneeds no kernel"
                     : in.size() > 1 ? "\nin " + listed(in, 80)
                                     : "";
  }

  unfused = passes::unfusedEdges(function);
  auto holdersOf = [&](LocationAttr location) {
    std::set<size_t> tags;
    if (location)
      collectTags(location, count, tags);
    std::set<int> kernels;
    for (size_t node : tags)
      kernels.insert(holders[node].begin(), holders[node].end());
    return kernels;
  };
  for (const passes::UnfusedEdge &edge : unfused) {
    unfusedFrom.push_back(holdersOf(edge.fromLocation));
    unfusedTo.push_back(holdersOf(edge.toLocation));
  }

  AttrTypeReplacer replacer;
  replacer.addReplacement([](LocationAttr location) -> std::optional<Attribute> {
    if (!tagOf(location))
      return std::nullopt;
    return Attribute(cast<FusedLoc>(location).getLocations().front());
  });
  compilation.module->walk([&](Operation *op) {
    op->setLoc(cast<LocationAttr>(replacer.replace(Attribute(op->getLoc()))));
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          argument.setLoc(cast<LocationAttr>(replacer.replace(Attribute(argument.getLoc()))));
  });
}

void Collector::chooseDims(const Program &program) {
  binding = options.dims;
  report.dims.clear();
  for (const std::string &dim : program.dims) {
    if (dim == workersSymbol)
      continue;
    auto [place, isNew] = binding.emplace(dim, passes::Machine().assumedSize);
    report.dimsAreAssumed |= isNew;
    report.dims.push_back({dim, place->second});
  }
  binding[workersSymbol] = options.workers;
}

std::optional<int64_t> Collector::valueOf(const DimExpr &size) const {
  return size.evaluate(binding);
}

void Collector::readPlan(Compilation &compilation) {
  func::FuncOp function = compilation.graph();
  const Program &program = compilation.program();
  chooseDims(program);
  const std::vector<Argument> arguments = argumentsOf(function);

  // -- Names of values, in the code of kernels and in pictures --
  ValueNames names;
  llvm::DenseMap<Value, size_t> nodes;
  Graph &picture = report.after;
  for (BlockArgument argument : function.getArguments()) {
    const Argument &known = arguments.at(argument.getArgNumber());
    names[argument].text = known.name;
    nodes[argument] = picture.nodes.size();
    picture.nodes.push_back(nodeOf(known));
  }
  llvm::DenseMap<Operation *, int> numbers;
  for (Operation &op : function.getBody().front().without_terminator()) {
    auto fused = dyn_cast<ir::FusedOp>(op);
    if (!fused) { // A view, or a constant.
      Value source = op.getNumOperands() > 0 ? op.getOperand(0) : Value();
      for (Value result : op.getResults()) {
        names[result] =
            source ? names.lookup(source) : ValueName{op.getName().stripDialect().str()};
        if (auto from = source ? nodes.find(source) : nodes.end(); from != nodes.end())
          nodes[result] = size_t(from->second);
      }
      continue;
    }
    const int number = static_cast<int>(report.kernels.size());
    numbers[&op] = number;
    for (OpResult result : op.getResults())
      names[result] = {kernelName(number) + (op.getNumResults() > 1
                                                 ? "." + std::to_string(result.getResultNumber())
                                                 : ""),
                       number};
    report.kernels.push_back(describeRegion(fused, names));
    KernelEntry &kernel = report.kernels.back();
    GraphNode node;
    node.kind = GraphNode::Kind::Kernel;
    node.kernel = number;
    node.form = kernel.form;
    node.name = kernelName(number) + "  " + kernel.form;
    node.note = listed(kernel.ops, 30);
    node.detail = kernelName(number) + ": " + listed(kernel.ops, 400);
    const size_t place = picture.nodes.size();
    for (Value operand : op.getOperands())
      if (auto from = nodes.find(operand); from != nodes.end()) {
        const size_t source = from->second;
        auto same = llvm::find_if(picture.edges, [&](const GraphEdge &edge) {
          return edge.from == source && edge.to == place;
        });
        if (same == picture.edges.end())
          picture.edges.push_back({source, place, typeText(operand)});
        else
          same->label += ", " + typeText(operand);
      }
    for (Value result : op.getResults())
      nodes[result] = place;
    picture.nodes.push_back(std::move(node));
  }
  addOutputs(function, arguments, picture, [&](Value value) -> std::optional<size_t> {
    auto found = nodes.find(value);
    return found == nodes.end() ? std::nullopt : std::optional(found->second);
  });
  dropLonelyArguments(picture);
  for (GraphNode &node : report.before.nodes)
    if (node.kernel >= 0 && static_cast<size_t>(node.kernel) < report.kernels.size())
      node.form = report.kernels[static_cast<size_t>(node.kernel)].form;
  dropLonelyArguments(report.before);

  for (size_t i = 0; i < unfused.size(); ++i) {
    const passes::UnfusedEdge &edge = unfused[i];
    Split split{.producer = edge.producer,
                .consumer = edge.consumer,
                .reason = edge.reason,
                .from = edge.from,
                .to = edge.to,
                .bytes = valueOf(edge.bytes)};
    if (!unfusedFrom[i].empty())
      split.fromKernel = *unfusedFrom[i].begin();
    for (int reader : unfusedTo[i])
      if (reader != split.fromKernel) {
        split.toKernel = reader;
        break;
      }
    report.splits.push_back(std::move(split));
  }
  // What a kernel's outputs are to the caller.
  Operation *end = function.getBody().front().getTerminator();
  for (const auto &[i, result] : llvm::enumerate(resultsOf(function, arguments))) {
    auto value = dyn_cast<OpResult>(end->getOperand(static_cast<unsigned>(i)));
    auto found = value ? numbers.find(value.getOwner()) : numbers.end();
    if (found == numbers.end())
      continue;
    Operand &output =
        report.kernels[static_cast<size_t>(found->second)].outputs[value.getResultNumber()];
    output.name += " = " + (result.updates >= 0
                                ? "new " + arguments.at(static_cast<size_t>(result.updates)).name
                                : result.name);
  }

  for (const auto &launch : compilation.planned.launches)
    if (auto found = numbers.find(launch.fused); found != numbers.end())
      report.kernels[static_cast<size_t>(found->second)].steps.push_back(launch.step);
  for (KernelEntry &kernel : report.kernels)
    for (std::vector<Operand> *operands : {&kernel.inputs, &kernel.outputs})
      for (Operand &operand : *operands)
        operand.bytes = valueOf(operand.formula);
}

void Collector::readProgram(Compilation &compilation) {
  const Program &program = compilation.program();
  report.program = program.name;
  report.target = program.target.substr(0, program.target.find(','));
  report.workers = options.workers;
  const ProgramCosts costs = costsOf(program, options.workers);
  report.bytesMoved = valueOf(costs.bytesMoved);
  report.bytesNeeded = valueOf(costs.bytesNeeded);
  report.flops = valueOf(costs.flops);
  report.resultBytes = valueOf(costs.resultBytes);
  report.launches = costs.launches;
  report.copies = costs.copies;
  std::vector<int> kernelOf(program.steps.size(), -1);
  for (size_t i = 0; i < report.kernels.size(); ++i) {
    KernelEntry &kernel = report.kernels[i];
    DimExpr bytes, flops;
    for (size_t step : kernel.steps) {
      const auto &launch = std::get<Launch>(program.steps.at(step));
      kernelOf[step] = static_cast<int>(i);
      bytes += launch.bytesMoved;
      flops += launch.flops;
      if (step != kernel.steps.front())
        continue;
      kernel.symbol = program.kernels.at(static_cast<size_t>(launch.kernel)).symbol;
      kernel.extent = valueOf(launch.extent);
      kernel.grain = valueOf(launch.grain);
    }
    kernel.bytesMoved = valueOf(bytes);
    kernel.flops = valueOf(flops);
    kernel.bytesFormula = forWorkers(bytes, options.workers).isConstant() ? "" : bytes.str();
    kernel.flopsFormula = forWorkers(flops, options.workers).isConstant() ? "" : flops.str();
  }
  report.memory = arenaPlanOf(program, binding, kernelOf);
  report.variables.clear();
  DimExpr held;
  for (const Argument &argument : program.arguments) {
    const DimExpr bytes = argument.shape.numElements() * byteSize(argument.dtype);
    held += bytes;
    report.variables.push_back({argument.name, std::string(name(argument.kind)),
                                typeText(argument.dtype, argument.shape), valueOf(bytes),
                                argument.location});
  }
  report.argumentBytes = valueOf(held);
  const CacheReport &cache = compilation.cache;
  if (cache.hits + cache.misses > 0)
    report.cache = std::to_string(cache.hits) + " kernels out of the cache, " +
                   std::to_string(cache.misses) + " compiled";
}

void Collector::quote() {
  // Every line once, by file.
  std::map<std::string, std::map<unsigned, std::string>> wanted;
  auto want = [&](const SourceLoc &line) {
    if (line.known())
      wanted[line.file][line.line];
  };
  for (const KernelEntry &kernel : report.kernels)
    for (const auto &[line, count] : kernel.lines)
      want(line);
  for (auto &[name, lines] : wanted) {
    std::error_code problem;
    if (!std::filesystem::is_regular_file(name, problem) ||
        std::filesystem::file_size(name, problem) > mostSourceBytes || problem)
      continue;
    std::ifstream file(name);
    std::string text;
    for (unsigned number = 1; std::getline(file, text); ++number)
      if (auto found = lines.find(number); found != lines.end()) {
        const size_t begin = text.find_first_not_of(" \t");
        if (begin != std::string::npos)
          report.sources[name + ":" + std::to_string(number)] =
              clipped(std::string_view(text).substr(begin), longestLine);
      }
  }
}

Report Collector::take() {
  if (options.quoteSources)
    quote();
  for (const Trace::Event &event : events ? events->events() : std::vector<Trace::Event>())
    if (event.category == "compile")
      report.compileEvents.push_back(event);
  if (events)
    report.threads = events->threads();
  int64_t begin = 0, end = 0;
  for (const Trace::Event &event : report.compileEvents) {
    begin = end == 0 ? event.begin : std::min(begin, event.begin);
    end = std::max(end, event.begin + event.length);
  }
  report.compileSeconds = static_cast<double>(end - begin) * 1e-9;
  return std::move(report);
}

} // namespace sinter::codegen::report
