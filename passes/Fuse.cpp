// SPDX-License-Identifier: Apache-2.0
// Groups ops into kernels. Every op starts as a group; the edge that carries the most bytes is tried first, and two
// groups merge when analyzeKernel() accepts the union, nothing dear is computed more often, and no cycle arises.
#include "sinter/passes/KernelForm.h"
#include "sinter/passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

#include <map>
#include <set>

namespace sinter::passes {
#define GEN_PASS_DEF_FUSE
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr int64_t assumedSize = 1024;       // A symbolic size, when bytes are compared.
constexpr size_t maxOps = 96, maxBuffers = 28;
constexpr int64_t cheapToRepeat = 4;        // Flops that may be spent again for every element of a larger kernel.
constexpr double worthSharing = 64 << 10;   // Bytes of a common input that make siblings one kernel.

double bytesOf(Value value) {
  auto type = tensorType(value);
  double bytes = static_cast<double>(byteSize(type.getDType()));
  for (const DimExpr &dim : type.getShape()) {
    std::set<std::string> symbols;
    dim.collectSymbols(symbols);
    DimBinding binding;
    for (const std::string &symbol : symbols)
      binding[symbol] = assumedSize;
    bytes *= static_cast<double>(dim.evaluate(binding).value_or(assumedSize));
  }
  return bytes;
}

/// Reads neighbours in a row from different rows: slow unless done once.
bool permutes(Operation *op) {
  Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
  if (indexing.combiner != Combiner::None || isa<ElementwiseOpInterface>(op) || indexing.ranges.empty())
    return false;
  unsigned last = static_cast<unsigned>(indexing.ranges.size()) - 1;
  for (const Access &access : indexing.accesses)
    for (size_t i = 0; i + 1 < access.index.size(); ++i)
      if (access.index[i].asDim() == last)
        return true;
  return false;
}

class Fuser {
public:
  explicit Fuser(func::FuncOp func) : func(func), block(func.getBody().front()) {}

  void run(bool merge) {
    if (merge)
      splitFreeProducers();
    collect();
    while (merge && mergeAlongEdges())
      ;
    if (merge)
      mergeSiblings();
    build();
  }

private:
  using Group = llvm::SmallVector<Operation *>;

  /// Gives every reader its own copy of ops that only rename or make up elements.
  void splitFreeProducers() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (op.getNumResults() != 1 || op.hasTrait<OpTrait::ConstantLike>() || !isFreeToRecompute(&op))
        continue;
      llvm::SmallVector<OpOperand *> uses;
      for (OpOperand &use : op.getResult(0).getUses())
        uses.push_back(&use);
      for (OpOperand *use : llvm::drop_begin(uses, uses.empty() ? 0 : 1)) {
        OpBuilder builder(&op);
        use->set(builder.clone(op)->getResult(0));
      }
    }
  }

  void collect() {
    for (Operation &op : block) {
      order[&op] = static_cast<int64_t>(order.size());
      if (!isa<IndexedOpInterface>(op))
        continue;
      groupOf[&op] = groups.size();
      groups.push_back({&op});
    }
  }

  std::optional<size_t> producerGroup(Value value) const {
    Operation *op = value.getDefiningOp();
    auto it = groupOf.find(op);
    return op && it != groupOf.end() ? std::optional(it->second) : std::nullopt;
  }

  llvm::SmallVector<Value> outputsOf(llvm::ArrayRef<Operation *> ops) const {
    llvm::DenseSet<Operation *> inside(ops.begin(), ops.end());
    llvm::SmallVector<Value> outputs;
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
          outputs.push_back(result);
    return outputs;
  }

  llvm::SmallVector<Value> inputsOf(llvm::ArrayRef<Operation *> ops) const {
    llvm::DenseSet<Operation *> inside(ops.begin(), ops.end());
    llvm::SmallVector<Value> inputs;
    for (Operation *op : ops)
      for (Value operand : op->getOperands())
        if (!inside.contains(operand.getDefiningOp()) && !llvm::is_contained(inputs, operand))
          inputs.push_back(operand);
    return inputs;
  }

  /// Whether results of `from` reach `to` through a group that is neither.
  bool reachesIndirectly(size_t from, size_t to) const {
    llvm::SmallVector<size_t> work;
    llvm::DenseSet<size_t> seen;
    auto pushUsers = [&](size_t group, bool direct) {
      for (Operation *op : groups[group])
        for (Operation *user : op->getUsers()) {
          auto it = groupOf.find(user);
          if (it == groupOf.end() || it->second == group || (direct && it->second == to))
            continue;
          if (seen.insert(it->second).second)
            work.push_back(it->second);
        }
    };
    pushUsers(from, true);
    while (!work.empty()) {
      size_t group = work.pop_back_val();
      if (group == to)
        return true;
      pushUsers(group, false);
    }
    return false;
  }

  Group united(size_t a, size_t b) const {
    Group ops(groups[a]);
    llvm::append_range(ops, groups[b]);
    llvm::sort(ops, [&](Operation *x, Operation *y) { return order.lookup(x) < order.lookup(y); });
    return ops;
  }

  /// No value that is dear to compute is computed once per element of a larger domain, nor read across rows in
  /// every phase.
  bool profitable(size_t producer, const Group &ops, const KernelAnalysis &analysis) const {
    double domain = 1;
    for (const DimExpr &dim : analysis.domain)
      domain *= static_cast<double>(dim.constant().value_or(assumedSize));
    for (Operation *op : ops) {
      if (analysis.form != KernelForm::Loop && permutes(op))
        return false;
      if (groupOf.lookup(op) != producer || llvm::is_contained(analysis.anchors, op))
        continue;
      Value result = op->getResult(0);
      if (analysis.roles.contains(result) || elementCost(op) <= cheapToRepeat)
        continue;
      double elements = 1;
      for (const DimExpr &dim : tensorType(result).getShape())
        elements *= static_cast<double>(dim.constant().value_or(assumedSize));
      if (elements < domain && elements > 1)
        return false;
    }
    return true;
  }

  bool tryMerge(size_t producer, size_t consumer, bool sameFormOnly = false) {
    Group ops = united(producer, consumer);
    if (ops.size() > maxOps || reachesIndirectly(producer, consumer) || reachesIndirectly(consumer, producer))
      return false;
    llvm::SmallVector<Value> outputs = outputsOf(ops);
    if (inputsOf(ops).size() + outputs.size() > maxBuffers)
      return false;
    auto answer = analyzeKernel(ops, outputs);
    auto *analysis = std::get_if<KernelAnalysis>(&answer);
    if (!analysis || !profitable(producer, ops, *analysis))
      return false;
    if (sameFormOnly && formOf(producer) != analysis->form)
      return false;
    for (Operation *op : groups[producer])
      groupOf[op] = consumer;
    groups[consumer] = std::move(ops);
    groups[producer].clear();
    return true;
  }

  std::optional<KernelForm> formOf(size_t group) const {
    auto answer = analyzeKernel(groups[group], outputsOf(groups[group]));
    auto *analysis = std::get_if<KernelAnalysis>(&answer);
    return analysis ? std::optional(analysis->form) : std::nullopt;
  }

  bool mergeAlongEdges() {
    struct Edge {
      double bytes;
      Value value;
      Operation *user;
    };
    std::vector<Edge> edges;
    for (auto &[op, number] : order)
      if (groupOf.contains(op))
        for (Value operand : op->getOperands())
          if (auto group = producerGroup(operand); group && *group != groupOf.lookup(op))
            edges.push_back({bytesOf(operand), operand, op});
    llvm::sort(edges, [&](const Edge &a, const Edge &b) {
      auto key = [&](const Edge &e) {
        return std::tuple(-e.bytes, order.lookup(e.value.getDefiningOp()), order.lookup(e.user));
      };
      return key(a) < key(b);
    });
    bool changed = false;
    for (const Edge &edge : edges) {
      size_t producer = *producerGroup(edge.value), consumer = groupOf.lookup(edge.user);
      if (producer != consumer)
        changed |= tryMerge(producer, consumer);
    }
    return changed;
  }

  /// Kernels of one form that read the same large tensor become one.
  void mergeSiblings() {
    std::map<int64_t, Operation *> byOrder;
    for (auto &[op, number] : order)
      byOrder[number] = op;
    auto readersOf = [&](Value value) {
      llvm::SmallVector<std::pair<int64_t, Operation *>> users;
      for (Operation *user : value.getUsers())
        if (groupOf.contains(user))
          users.push_back({order.lookup(user), user});
      llvm::sort(users);
      return users;
    };
    auto mergeReaders = [&](Value value) {
      if (bytesOf(value) < worthSharing)
        return;
      auto users = readersOf(value);
      for (size_t i = 0; i < users.size(); ++i)
        for (size_t j = i + 1; j < users.size(); ++j) {
          size_t a = groupOf.lookup(users[i].second), b = groupOf.lookup(users[j].second);
          auto form = a == b ? std::nullopt : formOf(a);
          if (form && *form != KernelForm::Contraction && form == formOf(b))
            tryMerge(a, b, /*sameFormOnly=*/true);
        }
    };
    for (BlockArgument argument : block.getArguments())
      mergeReaders(argument);
    for (auto &[number, op] : byOrder)
      for (Value result : op->getResults())
        mergeReaders(result);
  }

  // -- Building the result ------------------------------------------------------------------------

  /// A view that changes nothing but the sizes stays outside: the planner gives it its operand's buffer.
  static bool isAlias(const Group &ops) { return ops.size() == 1 && isa<ReshapeOp>(ops.front()); }

  /// Topological order; among what is ready, kernels that update an argument wait for its other readers, so
  /// that the update can happen in place.
  std::vector<size_t> sortGroups() {
    std::map<size_t, std::set<size_t>> needs, waitsFor;
    std::vector<size_t> live;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].empty())
        continue;
      live.push_back(g);
      for (Operation *op : groups[g])
        for (Value operand : op->getOperands())
          if (auto producer = producerGroup(operand); producer && *producer != g)
            needs[g].insert(*producer);
    }
    Operation *ret = block.getTerminator();
    for (OpOperand &use : ret->getOpOperands()) {
      auto updated = func.getResultAttrOfType<StringAttr>(use.getOperandNumber(), updatesAttr);
      auto updater = producerGroup(use.get());
      if (!updated || !updater)
        continue;
      for (BlockArgument argument : block.getArguments())
        if (func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nameAttr) == updated)
          for (Operation *user : argument.getUsers())
            if (auto it = groupOf.find(user); it != groupOf.end() && it->second != *updater)
              waitsFor[*updater].insert(it->second);
    }
    llvm::sort(live, [&](size_t a, size_t b) { return order.lookup(groups[a].front()) < order.lookup(groups[b].front()); });
    std::vector<size_t> sorted;
    std::set<size_t> done;
    auto ready = [&](size_t g, std::map<size_t, std::set<size_t>> &edges) {
      return llvm::all_of(edges[g], [&](size_t other) { return done.contains(other); });
    };
    while (!live.empty()) {
      auto next = llvm::find_if(live, [&](size_t g) { return ready(g, needs) && ready(g, waitsFor); });
      if (next == live.end())
        next = llvm::find_if(live, [&](size_t g) { return ready(g, needs); });
      sorted.push_back(*next);
      done.insert(*next);
      live.erase(next);
    }
    return sorted;
  }

  static std::string nameOf(const Group &ops) {
    std::string name;
    llvm::DenseSet<llvm::StringRef> seen;
    for (Operation *op : ops) {
      llvm::StringRef mnemonic = op->getName().stripDialect();
      if ((ops.size() > 1 && isFreeToRecompute(op)) || !seen.insert(mnemonic).second)
        continue;
      if (name.size() + mnemonic.size() > 40) {
        name += "_etc";
        break;
      }
      name += (name.empty() ? "" : "_") + mnemonic.str();
    }
    return name.empty() ? ops.front()->getName().stripDialect().str() : name;
  }

  void build() {
    std::vector<size_t> sorted = sortGroups();
    IRMapping mapping;
    OpBuilder builder(block.getTerminator());
    for (size_t g : sorted) {
      const Group &ops = groups[g];
      if (isAlias(ops)) {
        builder.clone(*ops.front(), mapping);
        continue;
      }
      llvm::SmallVector<Value> inputs = inputsOf(ops), outputs = outputsOf(ops);
      llvm::SmallVector<Value> operands;
      llvm::SmallVector<Location> locations;
      for (Value input : inputs)
        operands.push_back(mapping.lookupOrDefault(input));
      for (Operation *op : ops)
        locations.push_back(op->getLoc());
      auto fused = FusedOp::create(builder, builder.getFusedLoc(locations), ValueRange(outputs).getTypes(), operands,
                                   builder.getStringAttr(nameOf(ops)), DictionaryAttr());
      OpBuilder::InsertionGuard guard(builder);
      Block *body = builder.createBlock(&fused.getBody());
      IRMapping inner;
      for (Value input : inputs)
        inner.map(input, body->addArgument(input.getType(), input.getLoc()));
      for (Operation *op : ops)
        builder.clone(*op, inner);
      llvm::SmallVector<Value> yields;
      for (auto [i, output] : llvm::enumerate(outputs)) {
        yields.push_back(inner.lookup(output));
        mapping.map(output, fused.getResult(static_cast<unsigned>(i)));
      }
      YieldOp::create(builder, fused.getLoc(), yields);
    }
    for (OpOperand &use : block.getTerminator()->getOpOperands())
      use.set(mapping.lookupOrDefault(use.get()));
    llvm::SmallVector<Operation *> old;
    for (auto &[op, number] : order)
      if (groupOf.contains(op))
        old.push_back(op);
    llvm::sort(old, [&](Operation *a, Operation *b) { return order.lookup(a) > order.lookup(b); });
    for (Operation *op : old) {
      op->dropAllUses();
      op->erase();
    }
  }

  func::FuncOp func;
  Block &block;
  llvm::DenseMap<Operation *, int64_t> order;
  llvm::DenseMap<Operation *, size_t> groupOf;
  std::vector<Group> groups;
};

struct FusePass : impl::FuseBase<FusePass> {
  using FuseBase::FuseBase;
  void runOnOperation() override { Fuser(getOperation()).run(fusion); }
};

} // namespace
} // namespace sinter::passes
