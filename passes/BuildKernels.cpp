// SPDX-License-Identifier: Apache-2.0
// Turns groups of ops into regions.
#include "sinter/passes/FusionGroups.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
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
      buildOne(g);
  }

private:
  using Ops = llvm::SmallVector<Operation *>;

  /// Which groups come after one, and how many it still waits for.
  struct Order {
    llvm::DenseMap<size_t, llvm::SmallVector<size_t>> followers;
    llvm::DenseMap<size_t, size_t> pending;

    void add(size_t first, size_t then) {
      if (llvm::is_contained(followers[first], then))
        return;
      followers[first].push_back(then);
      ++pending[then];
    }
    llvm::ArrayRef<size_t> after(size_t g) const {
      auto it = followers.find(g);
      return it == followers.end() ? llvm::ArrayRef<size_t>() : llvm::ArrayRef<size_t>(it->second);
    }
  };

  /// A group that makes the new value of an argument waits for those that read the old one.
  Order readersOfUpdated() {
    Order waits;
    llvm::DenseMap<Attribute, BlockArgument> byName;
    for (BlockArgument argument : block.getArguments())
      if (auto name = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nameAttr))
        byName[name] = argument;
    for (OpOperand &use : block.getTerminator()->getOpOperands()) {
      auto updated = func.getResultAttrOfType<StringAttr>(use.getOperandNumber(), updatesAttr);
      auto updater = groups.producerOf(use.get());
      if (!updated || !updater || !byName.contains(updated))
        continue;
      llvm::SmallVector<Value> views = {byName[updated]}; // With those under other sizes.
      while (!views.empty())
        for (Operation *user : views.pop_back_val().getUsers()) {
          auto reader = groups.groupOf(user);
          if (!reader)
            continue;
          if (groups[*reader].size() == 1 && isa<ReshapeOp>(user))
            views.push_back(user->getResult(0));
          if (*reader != *updater)
            waits.add(*reader, *updater);
        }
    }
    return waits;
  }

  std::vector<size_t> sorted() {
    std::vector<size_t> live = groups.live(), result;
    Order needs, waits = readersOfUpdated();
    for (size_t g : live)
      for (size_t producer : groups.producersFor(g))
        needs.add(producer, g);
    using Ranked = std::pair<uint64_t, size_t>;
    std::set<Ranked> ready, held; // What is held lacks nothing but a reader of an old value.
    auto consider = [&](size_t g) {
      if (needs.pending.lookup(g) > 0)
        return;
      Ranked ranked(groups.orderOf(g), g);
      if (waits.pending.lookup(g) > 0) {
        held.insert(ranked);
        return;
      }
      held.erase(ranked);
      ready.insert(ranked);
    };
    for (size_t g : live)
      consider(g);
    while (!ready.empty() || !held.empty()) {
      // A reader of the old value needs the new one: the planner copies.
      std::set<Ranked> &from = ready.empty() ? held : ready;
      size_t next = from.begin()->second;
      from.erase(from.begin());
      done.insert(next);
      result.push_back(next);
      for (Order *order : {&needs, &waits})
        for (size_t follower : order->after(next)) {
          --order->pending[follower];
          if (!done.contains(follower))
            consider(follower);
        }
    }
    return result;
  }

  /// What the kernel does, in the order in which it is done.
  std::string nameOf(const Ops &ops) {
    constexpr size_t maxLength = 40;
    std::string name;
    llvm::DenseSet<llvm::StringRef> seen;
    for (Operation *op : ops) {
      llvm::StringRef mnemonic = op->getName().stripDialect();
      if ((ops.size() > 1 && groups.getFacts()[op].freeToRecompute) ||
          !seen.insert(mnemonic).second)
        continue;
      if (name.size() + mnemonic.size() > maxLength) {
        name += "_etc";
        break;
      }
      name += (name.empty() ? "" : "_") + mnemonic.str();
    }
    return name.empty() ? ops.back()->getName().stripDialect().str() : name;
  }

  void buildOne(size_t group) {
    Ops ops;
    for (const OpFacts::Entry *entry : groups[group])
      ops.push_back(entry->op);
    // A view that changes nothing but the sizes stays outside: the planner gives it its operand's
    // buffer.
    if (ops.size() == 1 && isa<ReshapeOp>(ops.front()))
      return ops.front()->moveBefore(block.getTerminator());
    const KernelSketch *sketch = groups.sketchOf(group);
    bool ofPairs = sketch && sketch->form == KernelForm::Pairs;
    llvm::SmallVector<Value> inputs = groups.inputsOf(groups[group]),
                             outputs(groups.outputsOf(group));
    llvm::SmallVector<Location> locations;
    for (Operation *op : ops)
      locations.push_back(op->getLoc());
    auto fused =
        FusedOp::create(builder, builder.getFusedLoc(locations), ValueRange(outputs).getTypes(),
                        inputs, builder.getStringAttr(nameOf(ops)), DictionaryAttr());
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&fused.getBody());
    llvm::SmallDenseMap<Value, Value, 16> arguments;
    for (Value input : inputs)
      arguments[input] = body->addArgument(input.getType(), input.getLoc());
    for (Operation *op : ops) {
      op->moveBefore(body, body->end());
      for (OpOperand &operand : op->getOpOperands())
        if (auto it = arguments.find(operand.get()); it != arguments.end())
          operand.set(it->second);
    }
    for (auto [output, result] : llvm::zip_equal(outputs, fused.getResults()))
      output.replaceUsesWithIf(result,
                               [&](OpOperand &use) { return use.getOwner()->getBlock() != body; });
    mergeCopies(ops, outputs, ofPairs);
    YieldOp::create(builder, fused.getLoc(), outputs);
  }

  /// Readers of a view had a copy each (`all`: of anything); within a kernel one is enough.
  void mergeCopies(llvm::ArrayRef<Operation *> ops, llvm::SmallVectorImpl<Value> &outputs,
                   bool all) {
    llvm::SmallVector<Operation *> seen;
    for (Operation *op : ops) {
      if (!all && !groups.getFacts()[op].freeToRecompute)
        continue;
      auto same = llvm::find_if(seen, [&](Operation *other) {
        return other->getName() == op->getName() &&
               OperationEquivalence::isEquivalentTo(op, other,
                                                    OperationEquivalence::IgnoreLocations);
      });
      if (same == seen.end()) {
        seen.push_back(op);
        continue;
      }
      llvm::replace(outputs, op->getResult(0), (*same)->getResult(0));
      op->replaceAllUsesWith(*same);
      op->erase();
    }
  }

  func::FuncOp func;
  FusionGroups &groups;
  Block &block;
  OpBuilder builder;
  llvm::DenseSet<size_t> done;
};

} // namespace

void buildKernels(func::FuncOp func, FusionGroups &groups) { Builder(func, groups).run(); }

} // namespace sinter::passes
