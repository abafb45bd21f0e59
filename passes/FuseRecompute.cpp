// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FuseRecompute.h"

#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr double worthRecomputing =
    16 << 10; // Bytes of a value below which memory traffic does not matter.
constexpr int64_t cheapOp = 4, cheapChain = 16; // Flops per element.
constexpr unsigned maxDepth = 6;

/// What it takes to have a value in a kernel: ops to copy into it, and values that it reads from
/// memory.
struct Recipe {
  llvm::SetVector<Operation *> ops;
  llvm::SetVector<Value> reads;
  int64_t flops = 0;
};

class Recompute {
public:
  explicit Recompute(FusionGroups &groups) : groups(groups) {}

  bool run() {
    bool changed = false;
    for (size_t g : groups.live())
      if (!groups[g].empty())
        for (Value output : FusionGroups::outputsOf(groups[g]))
          if (groups.bytesOf(output) >= worthRecomputing)
            changed |= visit(output);
    return changed;
  }

private:
  bool isCheap(Operation *op) {
    const OpFacts::Entry &entry = groups.getFacts()[op];
    return entry.freeToRecompute || (entry.elementwise && entry.cost <= cheapOp);
  }

  /// Bytes that `consumer` moves more than before for a recipe: values that are not stored yet are
  /// written as well.
  double bytesOf(const Recipe &recipe) {
    double bytes = 0;
    for (Value value : recipe.reads) {
      auto producer = groups.producerOf(value);
      bool isStored =
          !producer || llvm::is_contained(FusionGroups::outputsOf(groups[*producer]), value);
      bytes += groups.bytesOf(value) * (isStored ? 1 : 2);
    }
    return bytes;
  }

  /// `present`: what the consumer reads or computes already.
  std::optional<Recipe> recipeFor(Value value, const llvm::DenseSet<Value> &present,
                                  unsigned depth) {
    if (depth > 0 && present.contains(value))
      return Recipe();
    Recipe read;
    read.reads.insert(value);
    Operation *op = value.getDefiningOp();
    if (!op || !groups.groupOf(op) || !isCheap(op) || depth == maxDepth)
      return depth > 0 ? std::optional(read) : std::nullopt;
    Recipe computed;
    for (Value operand : op->getOperands()) {
      auto part = recipeFor(operand, present, depth + 1);
      computed.ops.insert(part->ops.begin(), part->ops.end());
      computed.reads.insert(part->reads.begin(), part->reads.end());
    }
    computed.ops.insert(op);
    for (Operation *each : computed.ops)
      computed.flops += groups.getFacts()[each].freeToRecompute ? 0 : groups.getFacts()[each].cost;
    if (depth == 0)
      return computed.flops <= cheapChain ? std::optional(computed) : std::nullopt;
    return computed.flops <= cheapChain && bytesOf(computed) < bytesOf(read) ? computed : read;
  }

  struct Consumer {
    std::optional<Recipe> recipe;
    double bytes = 0;
  };

  bool visit(Value value) {
    size_t producer = *groups.producerOf(value);
    if (!isCheap(value.getDefiningOp()))
      return false;
    llvm::MapVector<size_t, Consumer> consumers;
    bool staysStored = false;
    for (Operation *user : value.getUsers()) {
      auto g = groups.groupOf(user);
      if (!g) {
        staysStored = true;
        continue;
      }
      if (*g == producer)
        continue;
      Consumer &consumer = consumers[*g];
      const Indexing &indexing = *groups.getFacts()[user].indexing;
      consumer.bytes = indexing.combiner == Combiner::Contract ? -1 : consumer.bytes;
    }
    for (auto &[g, consumer] : consumers) {
      if (consumer.bytes >= 0)
        consumer.recipe = recipeFor(value, presentIn(g, value), 0);
      if (consumer.recipe)
        consumer.bytes = bytesOf(*consumer.recipe);
      else
        staysStored = true;
    }
    double saved = groups.bytesOf(value);
    if (!staysStored) {
      double all = saved;
      for (auto &[g, consumer] : consumers)
        all += saved - consumer.bytes;
      if (all > 0 && apply(value, consumers))
        return true;
    }
    consumers.remove_if(
        [&](auto &entry) { return !entry.second.recipe || entry.second.bytes >= saved; });
    return !consumers.empty() && apply(value, consumers);
  }

  llvm::DenseSet<Value> presentIn(size_t group, Value except) {
    llvm::DenseSet<Value> present;
    for (Value input : FusionGroups::inputsOf(groups[group]))
      present.insert(input);
    for (Operation *op : groups[group])
      present.insert(op->result_begin(), op->result_end());
    present.erase(except);
    return present;
  }

  /// Copies the ops of the recipes into the consumers; undone when a kernel would no longer be one.
  bool apply(Value value, llvm::MapVector<size_t, Consumer> &consumers) {
    llvm::SmallVector<std::pair<size_t, FusionGroups::Group>> changed;
    llvm::SmallVector<std::pair<Operation *, Operation *>> copies;
    llvm::SetVector<size_t> producers;
    producers.insert(*groups.producerOf(value));
    for (auto &[g, consumer] : consumers) {
      FusionGroups::Group ops = groups[g];
      IRMapping mapping;
      llvm::SmallVector<Operation *> recipe(consumer.recipe->ops.getArrayRef());
      llvm::sort(recipe,
                 [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
      for (Operation *op : recipe) {
        OpBuilder builder(op->getContext());
        builder.setInsertionPointAfter(op);
        Operation *copy = builder.clone(*op, mapping);
        copies.push_back({copy, op});
        ops.push_back(copy);
        for (Value operand : op->getOperands())
          if (auto from = groups.producerOf(operand))
            producers.insert(*from);
      }
      llvm::SmallPtrSet<Operation *, 32> inside(ops.begin(), ops.end());
      value.replaceUsesWithIf(mapping.lookup(value),
                              [&](OpOperand &use) { return inside.contains(use.getOwner()); });
      llvm::sort(ops, [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
      changed.push_back({g, std::move(ops)});
    }
    bool valid = true;
    for (auto &[g, ops] : changed)
      valid = valid && staysKernel(ops);
    for (size_t g : producers)
      valid = valid && staysKernel(groups[g]);
    if (!valid) {
      for (auto [copy, original] : llvm::reverse(copies)) {
        copy->replaceAllUsesWith(original);
        groups.getFacts().forget(copy);
        copy->erase();
      }
      return false;
    }
    for (auto &[g, ops] : changed)
      groups.replace(g, std::move(ops));
    // What they store has changed, and with it what may be merged with them.
    for (size_t g : producers)
      groups.eraseDead(groups.replace(g, groups[g]));
    return true;
  }

  /// Whether a kernel is left; ops that have lost their users are about to go.
  bool staysKernel(llvm::ArrayRef<Operation *> ops) {
    llvm::SmallPtrSet<Operation *, 32> live;
    FusionGroups::Group kept;
    for (Operation *op : llvm::reverse(ops)) {
      bool isUsed = llvm::any_of(op->getUsers(), [&](Operation *user) {
        return live.contains(user) || !llvm::is_contained(ops, user);
      });
      if (isUsed) {
        live.insert(op);
        kept.push_back(op);
      }
    }
    std::reverse(kept.begin(), kept.end());
    return kept.empty() || groups.isKernel(kept);
  }

  FusionGroups &groups;
};

/// Ops of one group of which only another needs the results, and what they need in turn from nobody
/// else.
FusionGroups::Group opsFor(size_t from, size_t to, FusionGroups &groups) {
  FusionGroups::Group moving;
  for (Operation *op : llvm::reverse(groups[from])) {
    bool only = llvm::all_of(op->getUsers(), [&](Operation *user) {
      return groups.groupOf(user) == to || llvm::is_contained(moving, user);
    });
    if (only && groups.getFacts()[op].indexing->combiner == Combiner::None)
      moving.push_back(op);
  }
  return moving;
}

} // namespace

bool recomputeInConsumers(FusionGroups &groups) { return Recompute(groups).run(); }

bool moveToConsumers(FusionGroups &groups) {
  bool changed = false;
  for (size_t from : groups.live()) {
    if (groups[from].size() < 2)
      continue;
    llvm::SetVector<size_t> consumers;
    for (Value output : FusionGroups::outputsOf(groups[from]))
      for (Operation *user : output.getUsers())
        if (auto g = groups.groupOf(user); g && *g != from)
          consumers.insert(*g);
    for (size_t to : consumers) {
      FusionGroups::Group moving = opsFor(from, to, groups), rest, joined(groups[to]);
      llvm::copy_if(groups[from], std::back_inserter(rest),
                    [&](Operation *op) { return !llvm::is_contained(moving, op); });
      if (moving.empty() || rest.empty())
        continue;
      llvm::append_range(joined, moving);
      llvm::sort(joined,
                 [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
      if (groups.bytesMoved(rest) + groups.bytesMoved(joined) >=
              groups.bytesMoved(groups[from]) + groups.bytesMoved(groups[to]) ||
          !groups.isKernel(rest) || !groups.isKernel(joined))
        continue;
      groups.replace(to, std::move(joined));
      from = groups.replace(from, std::move(rest));
      changed = true;
    }
  }
  return changed;
}

} // namespace sinter::passes
