// SPDX-License-Identifier: Apache-2.0
// Turns groups of ops into regions.
#include "sinter/passes/FusionGroups.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

class Builder {
public:
  Builder(func::FuncOp func, FusionGroups &groups)
      : func(func), groups(groups), block(groups.getBlock()), builder(block.getTerminator()) {}

  void run() {
    for (size_t g : sorted())
      buildOne(groups[g]);
    for (OpOperand &use : block.getTerminator()->getOpOperands())
      use.set(mapping.lookupOrDefault(use.get()));
    llvm::SmallVector<Operation *> old;
    for (Operation &op : block)
      if (groups.groupOf(&op))
        old.push_back(&op);
    for (Operation *op : llvm::reverse(old)) {
      op->dropAllUses();
      op->erase();
    }
  }

private:
  using Group = FusionGroups::Group;
  using Edges = llvm::DenseMap<size_t, std::set<size_t>>;

  /// For each group that makes the new value of an argument, the groups that read the old one.
  Edges readersOfUpdated() {
    Edges waits;
    llvm::DenseMap<Attribute, BlockArgument> byName;
    for (BlockArgument argument : block.getArguments())
      if (auto name = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nameAttr))
        byName[name] = argument;
    for (OpOperand &use : block.getTerminator()->getOpOperands()) {
      auto updated = func.getResultAttrOfType<StringAttr>(use.getOperandNumber(), updatesAttr);
      auto updater = groups.producerOf(use.get());
      if (!updated || !updater || !byName.contains(updated))
        continue;
      for (Operation *user : byName[updated].getUsers())
        if (auto reader = groups.groupOf(user); reader && *reader != *updater)
          waits[*updater].insert(*reader);
    }
    return waits;
  }

  std::vector<size_t> sorted() {
    std::vector<size_t> waiting = groups.live(), result;
    Edges needs, waits = readersOfUpdated();
    for (size_t g : waiting)
      for (Operation *op : groups[g])
        for (Value operand : op->getOperands())
          if (auto producer = groups.producerOf(operand); producer && *producer != g)
            needs[g].insert(*producer);
    llvm::DenseSet<size_t> done;
    auto isReady = [&](size_t g, Edges &edges) {
      return llvm::all_of(edges[g], [&](size_t other) { return done.contains(other); });
    };
    while (!waiting.empty()) {
      auto next =
          llvm::find_if(waiting, [&](size_t g) { return isReady(g, needs) && isReady(g, waits); });
      if (next == waiting.end()) // A reader of the old value needs the new one: the planner copies.
        next = llvm::find_if(waiting, [&](size_t g) { return isReady(g, needs); });
      result.push_back(*next);
      done.insert(*next);
      waiting.erase(next);
    }
    return result;
  }

  /// What the kernel does, in the order in which it is done.
  static std::string nameOf(const Group &ops) {
    constexpr size_t maxLength = 40;
    std::string name;
    llvm::DenseSet<llvm::StringRef> seen;
    for (Operation *op : ops) {
      llvm::StringRef mnemonic = op->getName().stripDialect();
      if ((ops.size() > 1 && isFreeToRecompute(op)) || !seen.insert(mnemonic).second)
        continue;
      if (name.size() + mnemonic.size() > maxLength) {
        name += "_etc";
        break;
      }
      name += (name.empty() ? "" : "_") + mnemonic.str();
    }
    return name.empty() ? ops.back()->getName().stripDialect().str() : name;
  }

  void buildOne(const Group &ops) {
    // A view that changes nothing but the sizes stays outside: the planner gives it its operand's
    // buffer.
    if (ops.size() == 1 && isa<ReshapeOp>(ops.front())) {
      builder.clone(*ops.front(), mapping);
      return;
    }
    llvm::SmallVector<Value> inputs = FusionGroups::inputsOf(ops),
                             outputs = FusionGroups::outputsOf(ops);
    llvm::SmallVector<Value> operands;
    llvm::SmallVector<Location> locations;
    for (Value input : inputs)
      operands.push_back(mapping.lookupOrDefault(input));
    for (Operation *op : ops)
      locations.push_back(op->getLoc());
    auto fused =
        FusedOp::create(builder, builder.getFusedLoc(locations), ValueRange(outputs).getTypes(),
                        operands, builder.getStringAttr(nameOf(ops)), DictionaryAttr());
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&fused.getBody());
    IRMapping inner;
    for (Value input : inputs)
      inner.map(input, body->addArgument(input.getType(), input.getLoc()));
    for (Operation *op : ops)
      cloneOnce(op, inner, body);
    llvm::SmallVector<Value> yields;
    for (auto [i, output] : llvm::enumerate(outputs)) {
      yields.push_back(inner.lookup(output));
      mapping.map(output, fused.getResult(static_cast<unsigned>(i)));
    }
    YieldOp::create(builder, fused.getLoc(), yields);
  }

  /// Readers of a view had a copy each; within a kernel one is enough.
  void cloneOnce(Operation *op, IRMapping &inner, Block *body) {
    Operation *copy = builder.clone(*op, inner);
    if (!groups.getFacts()[op].freeToRecompute)
      return;
    for (Operation &other : body->without_terminator()) {
      if (&other == copy)
        return;
      if (!OperationEquivalence::isEquivalentTo(copy, &other,
                                                OperationEquivalence::IgnoreLocations))
        continue;
      for (auto [mine, theirs] : llvm::zip_equal(op->getResults(), other.getResults()))
        inner.map(mine, theirs);
      copy->erase();
      return;
    }
  }

  func::FuncOp func;
  FusionGroups &groups;
  Block &block;
  OpBuilder builder;
  IRMapping mapping;
};

} // namespace

void buildKernels(func::FuncOp func, FusionGroups &groups) { Builder(func, groups).run(); }

} // namespace sinter::passes
