// SPDX-License-Identifier: Apache-2.0
// Orders kernels so that less memory is in use at once.
#include "sinter/passes/FusionCosts.h"
#include "sinter/passes/Passes.h"

#include "llvm/ADT/SetVector.h"

#include <set>

namespace sinter::passes {
#define GEN_PASS_DEF_ORDERKERNELS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

/// An order is only changed for a gain: neighbours that follow each other find values in the cache.
constexpr double worthReordering = 0.95;
constexpr size_t maxReady = 64; ///< Kernels that are compared for the next place.

class Orderer {
public:
  explicit Orderer(func::FuncOp func) : func(func), block(func.getBody().front()), costs(facts) {}

  void run() {
    collect();
    if (steps.size() < 3)
      return;
    std::vector<size_t> original(steps.size());
    for (size_t i = 0; i < original.size(); ++i)
      original[i] = i;
    double least = peakOf(original) * worthReordering;
    std::vector<size_t> best;
    for (const std::vector<size_t> &order : {depthFirst(), byBytesFreed()})
      if (double peak = peakOf(order); peak < least) {
        least = peak;
        best = order;
      }
    for (size_t step : best)
      steps[step].op->moveBefore(block.getTerminator());
  }

private:
  struct Step {
    Operation *op = nullptr;
    llvm::SetVector<size_t> needs; ///< Steps that come before it.
    llvm::SmallVector<size_t> followers;
    llvm::SmallVector<size_t> reads, makes; ///< Pieces of the arena.
  };

  size_t pieceOf(Value value) {
    auto it = pieces.find(value);
    return it == pieces.end() ? none : it->second;
  }

  void collect() {
    llvm::DenseMap<Operation *, size_t> numbers;
    llvm::DenseSet<Value> given; // Values that lie in memory of the caller.
    for (Value value : block.getTerminator()->getOperands())
      given.insert(value);
    for (Operation &op : block.without_terminator()) {
      if (!isa<FusedOp, ReshapeOp>(op))
        continue; // Constants are there from the start.
      Step step;
      step.op = &op;
      for (Value operand : op.getOperands()) {
        if (auto producer = numbers.find(operand.getDefiningOp()); producer != numbers.end())
          step.needs.insert(producer->second);
        if (size_t piece = pieceOf(operand);
            piece != none && !llvm::is_contained(step.reads, piece))
          step.reads.push_back(piece);
      }
      if (isa<ReshapeOp>(op)) {
        if (size_t piece = pieceOf(op.getOperand(0)); piece != none)
          pieces[op.getResult(0)] = piece;
      } else {
        for (Value result : op.getResults()) {
          if (given.contains(result))
            continue;
          step.makes.push_back(bytes.size());
          pieces[result] = bytes.size();
          bytes.push_back(costs.bytesOf(result));
        }
      }
      numbers[&op] = steps.size();
      steps.push_back(std::move(step));
    }
    waitForReaders(numbers);
    for (size_t i = 0; i < steps.size(); ++i)
      for (size_t before : steps[i].needs)
        steps[before].followers.push_back(i);
  }

  /// What makes the new value of an argument stays behind those that read the old one, so that it
  /// is written in place.
  void waitForReaders(const llvm::DenseMap<Operation *, size_t> &numbers) {
    llvm::DenseMap<Attribute, BlockArgument> byName;
    for (BlockArgument argument : block.getArguments())
      if (auto name = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nameAttr))
        byName[name] = argument;
    for (OpOperand &use : block.getTerminator()->getOpOperands()) {
      auto updated = func.getResultAttrOfType<StringAttr>(use.getOperandNumber(), updatesAttr);
      auto updater = numbers.find(use.get().getDefiningOp());
      if (!updated || updater == numbers.end() || !byName.contains(updated))
        continue;
      llvm::SmallVector<Value> views = {byName[updated]}; // With those under other sizes.
      while (!views.empty())
        for (Operation *user : views.pop_back_val().getUsers()) {
          if (isa<ReshapeOp>(user))
            views.push_back(user->getResult(0));
          if (auto reader = numbers.find(user);
              reader != numbers.end() && reader->second < updater->second)
            steps[updater->second].needs.insert(reader->second);
        }
    }
  }

  /// Bytes that are added to what is in use while a step runs, and those that are left after it.
  struct Change {
    double during = 0, after = 0;
  };
  /// `readers`: how many steps are still to read each piece.
  Change changeOf(const Step &step, llvm::ArrayRef<unsigned> readers) const {
    Change change;
    llvm::SmallVector<double> dying;
    for (size_t piece : step.reads)
      if (readers[piece] == 1) {
        dying.push_back(bytes[piece]);
        change.after -= bytes[piece];
      }
    for (size_t piece : step.makes) {
      change.after += bytes[piece];
      // What dies may become the place of a result of the same size.
      auto same = llvm::find(dying, bytes[piece]);
      if (same != dying.end())
        dying.erase(same);
      else
        change.during += bytes[piece];
    }
    return change;
  }

  std::vector<unsigned> countReaders() const {
    std::vector<unsigned> readers(bytes.size());
    for (const Step &step : steps)
      for (size_t piece : step.reads)
        ++readers[piece];
    return readers;
  }

  double peakOf(const std::vector<size_t> &order) const {
    std::vector<unsigned> readers = countReaders();
    double live = 0, peak = 0;
    for (size_t number : order) {
      const Step &step = steps[number];
      Change change = changeOf(step, readers);
      peak = std::max(peak, live + change.during);
      live += change.after;
      for (size_t piece : step.reads)
        --readers[piece];
    }
    return peak;
  }

  /// What a result needs comes right before it.
  std::vector<size_t> depthFirst() const {
    std::vector<size_t> order;
    std::vector<bool> seen(steps.size());
    llvm::DenseMap<Operation *, size_t> numbers;
    for (size_t i = 0; i < steps.size(); ++i)
      numbers[steps[i].op] = i;
    std::vector<std::pair<size_t, size_t>> stack; // A step, and how many of its needs are visited.
    auto visit = [&](size_t root) {
      if (seen[root])
        return;
      seen[root] = true;
      stack.push_back({root, 0});
      while (!stack.empty()) {
        size_t step = stack.back().first, next = stack.back().second++;
        if (next == steps[step].needs.size()) {
          order.push_back(step);
          stack.pop_back();
        } else if (size_t need = steps[step].needs[next]; !seen[need]) {
          seen[need] = true;
          stack.push_back({need, 0});
        }
      }
    };
    for (Value value : block.getTerminator()->getOperands())
      if (auto it = numbers.find(value.getDefiningOp()); it != numbers.end())
        visit(it->second);
    for (size_t i = 0; i < steps.size(); ++i)
      visit(i);
    return order;
  }

  /// Of the steps that could come next, the one that leaves least in use.
  std::vector<size_t> byBytesFreed() const {
    std::vector<size_t> order, pending(steps.size());
    std::vector<unsigned> readers = countReaders();
    std::set<size_t> ready;
    for (size_t i = 0; i < steps.size(); ++i) {
      pending[i] = steps[i].needs.size();
      if (pending[i] == 0)
        ready.insert(i);
    }
    while (!ready.empty()) {
      auto chosen = ready.begin();
      double least = changeOf(steps[*chosen], readers).after;
      size_t compared = 1;
      for (auto it = std::next(chosen); it != ready.end() && compared < maxReady; ++it, ++compared)
        if (double after = changeOf(steps[*it], readers).after; after < least) {
          least = after;
          chosen = it;
        }
      size_t step = *chosen;
      ready.erase(chosen);
      order.push_back(step);
      for (size_t piece : steps[step].reads)
        --readers[piece];
      for (size_t follower : steps[step].followers)
        if (--pending[follower] == 0)
          ready.insert(follower);
    }
    return order;
  }

  static constexpr size_t none = ~size_t{0};
  func::FuncOp func;
  Block &block;
  OpFacts facts;
  FusionCosts costs;
  std::vector<Step> steps;
  std::vector<double> bytes; ///< Of pieces.
  llvm::DenseMap<Value, size_t> pieces;
};

struct OrderKernelsPass : impl::OrderKernelsBase<OrderKernelsPass> {
  void runOnOperation() override {
    if (!getOperation().isExternal())
      Orderer(getOperation()).run();
  }
};

} // namespace
} // namespace sinter::passes
