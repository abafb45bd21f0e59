// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/BuildProgram.h"

#include "sinter/codegen/ContractionLayout.h"
#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/PlanMemory.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/IR/DialectResourceBlobManager.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

// -- Signature ------------------------------------------------------------------------------------

static InitSpec initOf(DictionaryAttr attribute) {
  InitSpec init;
  if (!attribute)
    return init;
  if (auto kind = attribute.getAs<StringAttr>("kind"))
    init.kind = parseInitKind(kind.getValue()).value_or(init.kind);
  if (auto a = attribute.getAs<FloatAttr>("a"))
    init.a = a.getValueAsDouble();
  if (auto b = attribute.getAs<FloatAttr>("b"))
    init.b = b.getValueAsDouble();
  return init;
}

std::vector<Argument> argumentsOf(func::FuncOp graph) {
  std::vector<Argument> arguments;
  for (BlockArgument value : graph.getArguments()) {
    unsigned number = value.getArgNumber();
    auto type = tensorType(value);
    Argument argument;
    auto name = graph.getArgAttrOfType<StringAttr>(number, nameAttr);
    argument.name = name ? name.str() : "arg" + std::to_string(number);
    if (auto kind = graph.getArgAttrOfType<StringAttr>(number, kindAttr))
      argument.kind = parseArgumentKind(kind.getValue()).value_or(ArgumentKind::Placeholder);
    argument.dtype = type.getDType();
    argument.shape = type.getShape();
    argument.init = initOf(graph.getArgAttrOfType<DictionaryAttr>(number, initAttr));
    argument.location = toSourceLoc(value.getLoc());
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

std::vector<Result> resultsOf(func::FuncOp graph, const std::vector<Argument> &arguments) {
  std::vector<Result> results;
  for (OpOperand &use : graph.getBody().front().getTerminator()->getOpOperands()) {
    auto type = tensorType(use.get());
    Result result;
    result.dtype = type.getDType();
    result.shape = type.getShape();
    result.location = toSourceLoc(use.get().getLoc());
    if (auto updates = graph.getResultAttrOfType<StringAttr>(use.getOperandNumber(), updatesAttr)) {
      auto it =
          llvm::find_if(arguments, [&](const Argument &a) { return a.name == updates.getValue(); });
      result.updates = it == arguments.end() ? -1 : static_cast<int>(it - arguments.begin());
    }
    if (result.updates < 0) {
      auto name = graph.getResultAttrOfType<StringAttr>(use.getOperandNumber(), nameAttr);
      result.name = name ? name.str() : "result" + std::to_string(use.getOperandNumber());
    }
    results.push_back(std::move(result));
  }
  return results;
}

std::map<size_t, int64_t> firstSitesOf(const PlannedProgram &planned) {
  std::map<size_t, int64_t> sites;
  for (const PlannedLaunch &launch : planned.launches)
    if (launch.firstSite >= 0)
      sites[launch.step] = launch.firstSite;
  return sites;
}

int64_t siteOf(Program &program, Operation *op) {
  Site site{op->getName().stripDialect().str(), "index", toSourceLoc(op->getLoc())};
  for (auto [number, known] : llvm::enumerate(program.sites))
    if (known.op == site.op && known.location == site.location)
      return static_cast<int64_t>(number);
  program.sites.push_back(site);
  return static_cast<int64_t>(program.sites.size()) - 1;
}

std::vector<Condition> sizeConditionsOf(func::FuncOp graph) {
  std::vector<Condition> conditions;
  std::set<std::string> known;
  graph.walk([&](SizeConditionsOpInterface op) {
    for (SizeCondition &condition : op.getSizeConditions())
      if (known.insert(condition.value.str()).second)
        conditions.push_back({condition.value,
                              {op->getName().stripDialect().str(), std::move(condition.what),
                               toSourceLoc(op->getLoc())}});
  });
  return conditions;
}

void addConditions(Program &program, const std::vector<Condition> &conditions) {
  for (const Condition &condition : conditions) {
    std::set<std::string> symbols;
    condition.value.collectSymbols(symbols);
    // A dim that no argument carries any more has no value, and nothing depends on it.
    if (!llvm::all_of(symbols,
                      [&](const std::string &s) { return llvm::is_contained(program.dims, s); }))
      continue;
    program.conditions.push_back(condition);
    if (!llvm::is_contained(program.table, condition.value))
      program.table.push_back(condition.value);
  }
}

// -- Building -------------------------------------------------------------------------------------

namespace {

Array arrayOf(ConstantOp constant) {
  auto type = tensorType(constant.getResult());
  std::vector<int64_t> sizes;
  for (const DimExpr &dim : type.getShape())
    sizes.push_back(*dim.constant());
  Array array(type.getDType(), sizes);
  ElementsAttr value = constant.getValue();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    copyConstant(constant, resource.getRawHandle().getBlob()->getData(), array);
    return array;
  }
  auto dense = cast<DenseElementsAttr>(value);
  if (type.getDType() == boolean) {
    auto *out = static_cast<uint8_t *>(array.data());
    for (bool flag : dense.getValues<bool>())
      *out++ = flag;
  } else if (dense.isSplat()) {
    auto bytes = dense.getRawData();
    for (int64_t i = 0; i < array.numElements(); ++i)
      std::memcpy(static_cast<char *>(array.data()) + i * static_cast<int64_t>(bytes.size()),
                  bytes.data(), bytes.size());
  } else {
    copyConstant(constant, dense.getRawData(), array);
  }
  return array;
}

class Builder {
public:
  Builder(func::FuncOp graph, const TargetInfo &target, KernelAnalyses analyses)
      : graph(graph), block(graph.getBody().front()), analyses(std::move(analyses)) {
    program.target = target.exactStr();
  }

  FailureOr<PlannedProgram> run() {
    program.arguments = argumentsOf(graph);
    program.results = resultsOf(graph, program.arguments);
    for (BlockArgument argument : block.getArguments())
      setBuffer(argument,
                addBuffer({Buffer::Kind::Argument, static_cast<int>(argument.getArgNumber()), 0,
                           bytesOf(argument), program.arguments[argument.getArgNumber()].name}));
    const auto kernels = static_cast<size_t>(llvm::range_size(block.getOps<FusedOp>()));
    plans.reserve(kernels + kernels / 4); // Some have several launches.
    for (Operation &op : block.without_terminator())
      if (failed(place(&op)))
        return failure();
    returnValues();
    shareAndPlan();
    collectSizes();
    return PlannedProgram{std::move(program), std::move(launches), std::move(plans)};
  }

private:
  void setBuffer(Value value, int buffer) {
    bufferOf[value] = buffer;
    valuesIn[buffer].push_back(value);
  }

  const KernelPlan &planOf(FusedOp fused) const { return plans[writers.lookup(fused).second]; }

  int addBuffer(Buffer buffer) {
    program.buffers.push_back(std::move(buffer));
    return static_cast<int>(program.buffers.size()) - 1;
  }

  LogicalResult place(Operation *op) {
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      bufferOf[constant.getResult()] =
          addBuffer({Buffer::Kind::Constant, static_cast<int>(program.constants.size()), 0,
                     bytesOf(constant.getResult()), "constant"});
      program.constants.push_back(arrayOf(constant));
      return success();
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      setBuffer(reshape.getResult(), bufferOf.lookup(reshape.getX()));
      return success();
    }
    auto fused = dyn_cast<FusedOp>(op);
    if (!fused)
      return op->emitError("is not part of a kernel");
    program.nodes += static_cast<int>(fused.getBody().front().getOperations().size()) - 1;
    auto plan = planKernel(fused, std::move(analyses.find(fused)->second));
    if (failed(plan))
      return failure();
    std::string name = fused.getName().value_or("kernel").str();
    std::vector<int> buffers;
    for (Value input : fused.getInputs())
      buffers.push_back(bufferOf.lookup(input));
    for (Value output : fused.getOutputs()) {
      setBuffer(output, addBuffer({Buffer::Kind::Arena, 0, 0, bytesOf(output), name}));
      buffers.push_back(bufferOf[output]);
    }
    for (const DimExpr &bytes : plan->workspaces)
      buffers.push_back(addBuffer({Buffer::Kind::Arena, 0, 0, bytes, name + " scratch"}));
    const int64_t firstSite = checksStores(fused) ? addStoreSites(fused) : -1;
    for (size_t stage = 0, count = plan->stages.size(); stage < count; ++stage) {
      const LaunchSize &launch = plan->stages[stage];
      Launch step;
      step.kernel = static_cast<int>(launches.size());
      step.buffers = buffers;
      step.extent = launch.extent;
      step.grain = launch.grain;
      step.grid = launch.grid;
      step.bytesMoved = stage == 0 ? plan->bytesMoved : DimExpr(0);
      step.flops = stage == 0 ? plan->flops : DimExpr(0);
      step.stage = static_cast<int>(stage);
      Kernel kernel;
      kernel.symbol = name;
      kernel.form = passes::stringify(plan->analysis.form).str();
      llvm::SmallPtrSet<const void *, 16> seen; // Locations that are one, before their texts are.
      fused.getBody().walk([&](Operation *inner) {
        if (isa<YieldOp>(inner))
          return;
        kernel.ops.push_back(inner->getName().stripDialect().str());
        if (!seen.insert(inner->getLoc().getAsOpaquePointer()).second)
          return;
        SourceLoc loc = toSourceLoc(inner->getLoc());
        if (loc.known() && !llvm::is_contained(kernel.locations, loc))
          kernel.locations.push_back(std::move(loc));
      });
      program.kernels.push_back(std::move(kernel));
      launches.push_back({fused, static_cast<unsigned>(stage), program.steps.size(), firstSite});
      if (stage + 1 < count)
        plans.push_back(*plan);
      else
        plans.push_back(std::move(*plan));
      for (int buffer : buffers)
        users[buffer].push_back(program.steps.size());
      writers[fused] = {program.steps.size(), plans.size() - 1};
      program.steps.push_back(step);
    }
    return success();
  }

  /// A site for each output of a region whose kernels test what they store.
  int64_t addStoreSites(FusedOp fused) {
    auto first = static_cast<int64_t>(program.sites.size());
    std::string ops;
    for (Operation &op : fused.getBody().front().without_terminator())
      ops += (ops.empty() ? "" : ", ") + op.getName().stripDialect().str();
    for (Value value : fused.getBody().front().getTerminator()->getOperands()) {
      Operation *op = value.getDefiningOp() ? value.getDefiningOp() : fused.getOperation();
      program.sites.push_back(
          {op->getName().stripDialect().str(), "a kernel of " + ops, toSourceLoc(op->getLoc())});
    }
    return first;
  }

  /// The last launch that uses a buffer; -1 for none.
  int lastUse(int buffer) const {
    auto it = users.find(buffer);
    return it == users.end() ? -1 : static_cast<int>(it->second.back());
  }

  /// Gives every result its place: the result's own buffer, the updated argument's, or a copy at
  /// the end.
  void returnValues() {
    Operation *ret = block.getTerminator();
    llvm::DenseSet<int> given, copiedFrom;
    std::vector<Copy> stageCopies, copies;
    // The old value of an argument that is returned must last until the end.
    for (auto [i, value] : llvm::enumerate(ret->getOperands())) {
      int argument = program.results[i].updates, buffer = bufferOf.lookup(value);
      bool isItself = argument >= 0 &&
                      buffer == bufferOf.lookup(block.getArgument(static_cast<unsigned>(argument)));
      if (!isItself && program.buffers[static_cast<size_t>(buffer)].kind == Buffer::Kind::Argument)
        copiedFrom.insert(buffer);
    }
    // Outputs first: an update must not overwrite an argument that is also an output.
    for (auto [i, value] : llvm::enumerate(ret->getOperands())) {
      if (program.results[i].updates >= 0)
        continue;
      int buffer = bufferOf.lookup(value);
      Buffer target{Buffer::Kind::Result, static_cast<int>(i), 0, bytesOf(value),
                    program.results[i].name};
      if (program.buffers[static_cast<size_t>(buffer)].kind == Buffer::Kind::Arena &&
          given.insert(buffer).second) {
        program.buffers[static_cast<size_t>(buffer)] = target;
        continue;
      }
      copies.push_back({buffer, addBuffer(target), bytesOf(value)});
    }
    for (auto [i, value] : llvm::enumerate(ret->getOperands())) {
      int argument = program.results[i].updates;
      if (argument < 0)
        continue;
      int target = bufferOf.lookup(block.getArgument(static_cast<unsigned>(argument)));
      int buffer = bufferOf.lookup(value);
      if (buffer == target)
        continue;
      if (!copiedFrom.contains(target) && !updated.contains(target) &&
          canUpdateInPlace(value, buffer, target)) {
        replaceBuffer(buffer, target);
        updated.insert(target);
        continue;
      }
      if (program.buffers[static_cast<size_t>(buffer)].kind == Buffer::Kind::Argument) {
        int stage = addBuffer({Buffer::Kind::Arena, 0, 0, bytesOf(value), "staged update"});
        stageCopies.push_back({buffer, stage, bytesOf(value)});
        buffer = stage;
      }
      updates.push_back({buffer, target, bytesOf(value)});
    }
    // Old values are read before any argument is overwritten.
    for (const auto *list : {&copies, &stageCopies, &updates})
      for (const Copy &copy : *list)
        program.steps.push_back(copy);
  }

  bool canUpdateInPlace(Value value, int buffer, int target) const {
    auto fused = dyn_cast_or_null<FusedOp>(value.getDefiningOp());
    if (!fused || program.buffers[static_cast<size_t>(buffer)].kind != Buffer::Kind::Arena)
      return false;
    if (lastUse(target) > static_cast<int>(writers.lookup(fused).first))
      return false;
    // Several launches of one region: the value must not be written while an earlier one may still
    // read.
    unsigned output = cast<OpResult>(value).getResultNumber();
    for (auto [i, input] : llvm::enumerate(fused.getInputs()))
      if (bufferOf.lookup(input) == target &&
          !mayShareBuffer(fused, planOf(fused), static_cast<unsigned>(i), output))
        return false;
    return true;
  }

  void replaceBuffer(int from, int to) {
    llvm::SmallVector<size_t> moved = std::move(users[from]);
    users.erase(from);
    for (size_t step : moved)
      llvm::replace(std::get<Launch>(program.steps[step]).buffers, from, to);
    llvm::SmallVector<size_t> &all = users[to];
    llvm::append_range(all, moved);
    llvm::sort(all);
    llvm::SmallVector<Value> values = std::move(valuesIn[from]);
    for (Value value : values)
      setBuffer(value, to);
    for (Copy &copy : updates)
      if (copy.from == from)
        copy.from = to;
    dead.insert(from);
  }

  /// Lifetimes, sharing of a dying input's memory by an output of the same size, then offsets.
  void shareAndPlan() {
    size_t count = program.buffers.size();
    std::vector<int> first(count, -1), last(count, -1);
    auto touch = [&](int buffer, int step) {
      auto at = static_cast<size_t>(buffer);
      if (first[at] < 0)
        first[at] = step;
      last[at] = step;
    };
    for (auto [number, step] : llvm::enumerate(program.steps)) {
      if (auto *launch = std::get_if<Launch>(&step)) {
        for (int buffer : launch->buffers)
          touch(buffer, static_cast<int>(number));
      } else {
        const Copy &copy = std::get<Copy>(step);
        touch(copy.from, static_cast<int>(number));
        touch(copy.to, static_cast<int>(number));
      }
    }
    std::vector<int> root(count);
    for (size_t i = 0; i < count; ++i)
      root[i] = static_cast<int>(i);
    std::function<int(int)> find = [&](int i) {
      return root[static_cast<size_t>(i)] == i ? i : find(root[static_cast<size_t>(i)]);
    };
    auto isArena = [&](int buffer) {
      return program.buffers[static_cast<size_t>(buffer)].kind == Buffer::Kind::Arena &&
             !dead.contains(buffer);
    };
    for (const PlannedLaunch &launch : launches) {
      if (launch.stage != 0)
        continue;
      FusedOp fused = launch.fused;
      const auto &buffers = std::get<Launch>(program.steps[launch.step]).buffers;
      size_t inputs = fused.getInputs().size();
      std::set<int> taken;
      for (size_t o = 0; o < fused.getOutputs().size(); ++o)
        for (size_t i = 0; i < inputs; ++i) {
          int from = find(buffers[i]), to = buffers[inputs + o];
          if (!isArena(from) || !isArena(to) || find(to) != to || taken.contains(from) ||
              from == to)
            continue;
          auto source = static_cast<size_t>(from);
          if (last[source] != static_cast<int>(launch.step) ||
              first[static_cast<size_t>(to)] != static_cast<int>(launch.step) ||
              program.buffers[source].bytes != program.buffers[static_cast<size_t>(to)].bytes)
            continue;
          // Every input that lies in that memory must be read in step with the output.
          bool legal = true;
          for (size_t k = 0; k < inputs; ++k)
            legal &= find(buffers[k]) != from ||
                     mayShareBuffer(fused, planOf(fused), static_cast<unsigned>(k),
                                    static_cast<unsigned>(o));
          if (!legal)
            continue;
          root[static_cast<size_t>(to)] = from;
          last[source] = last[static_cast<size_t>(to)];
          taken.insert(from);
          break;
        }
    }
    std::vector<Allocation> allocations;
    std::vector<int> owner(count, -1);
    for (size_t i = 0; i < count; ++i) {
      int number = static_cast<int>(i);
      if (!isArena(number) || find(number) != number || first[i] < 0)
        continue;
      owner[i] = static_cast<int>(allocations.size());
      allocations.push_back({program.buffers[i].bytes, first[i], last[i]});
    }
    MemoryPlan plan = planMemory(allocations);
    for (size_t i = 0; i < count; ++i)
      if (isArena(static_cast<int>(i)))
        if (int place = owner[static_cast<size_t>(find(static_cast<int>(i)))]; place >= 0)
          program.buffers[i].offset = plan.offsets[static_cast<size_t>(place)];
    program.arenaBytes = plan.bytes;
  }

  /// Named dims, and every derived size that the program reads at run time.
  void collectSizes() {
    std::set<std::string> symbols;
    std::set<std::string> known;
    auto look = [&](const DimExpr &size) {
      size.collectSymbols(symbols);
      if (!size.isConstant() && !size.isSymbol() && known.insert(size.str()).second)
        program.table.push_back(size);
    };
    for (const Argument &argument : program.arguments)
      for (const DimExpr &size : argument.shape)
        size.collectSymbols(symbols);
    for (const Result &result : program.results)
      for (const DimExpr &size : result.shape)
        size.collectSymbols(symbols);
    for (const Buffer &buffer : program.buffers)
      if (buffer.kind == Buffer::Kind::Arena)
        look(buffer.offset);
    for (const Step &step : program.steps) {
      if (auto *launch = std::get_if<Launch>(&step)) {
        look(launch->extent);
        look(launch->grain);
        look(launch->grid.blocks);
        for (const TensorMap &map : launch->grid.maps) {
          llvm::for_each(map.sizes, look);
          llvm::for_each(map.strides, look);
        }
      } else {
        look(std::get<Copy>(step).bytes);
      }
    }
    look(program.arenaBytes);
    for (const KernelPlan &plan : plans)
      for (const DimExpr &size : plan.nonNegative)
        look(size);
    graph.walk([&](Operation *op) {
      for (Value value : op->getResults())
        if (auto type = dyn_cast<ir::TensorType>(value.getType()); type && !type.isStatic())
          for (const DimExpr &size : type.getShape()) {
            size.collectSymbols(symbols);
            // A size such as N - 4 becomes an entry, because a call with a negative entry is
            // refused.
            if (llvm::StringRef(size.str()).contains('-'))
              look(size);
          }
      if (auto dim = dyn_cast<DimValueOp>(op))
        if (auto size = DimExpr::parse(dim.getExpression()))
          size->collectSymbols(symbols);
    });
    bool workers = symbols.erase(workersSymbol) > 0;
    program.dims.assign(symbols.begin(), symbols.end());
    if (workers)
      program.dims.push_back(workersSymbol);
  }

  func::FuncOp graph;
  Block &block;
  KernelAnalyses analyses; ///< Of regions that have no plan yet.
  Program program;
  std::vector<PlannedLaunch> launches;
  std::vector<KernelPlan> plans;
  llvm::DenseMap<Value, int> bufferOf;
  llvm::DenseMap<int, llvm::SmallVector<Value>> valuesIn;
  llvm::DenseMap<int, llvm::SmallVector<size_t>> users; ///< Launches that use a buffer, in order.
  /// The step of the last launch of a region, and its plan.
  llvm::DenseMap<Operation *, std::pair<size_t, size_t>> writers;
  llvm::DenseSet<int> dead, updated;
  std::vector<Copy> updates;
};

} // namespace

FailureOr<PlannedProgram> buildProgram(func::FuncOp graph, const TargetInfo &target,
                                       KernelAnalyses analyses) {
  return Builder(graph, target, std::move(analyses)).run();
}

} // namespace sinter::codegen
