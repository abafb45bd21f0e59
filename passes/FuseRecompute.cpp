// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FuseRecompute.h"

#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

using Entry = OpFacts::Entry;

constexpr double worthRecomputing =
    16 << 10; // Bytes of a value below which memory traffic does not matter.
constexpr int64_t cheapOp = 4, cheapChain = 16; // Flops per element.
constexpr unsigned maxDepth = 6;

/// What it takes to have a value in a kernel: ops to copy into it, and values that it reads from
/// memory.
struct Recipe {
  llvm::SmallVector<const Entry *, 4> ops;
  llvm::SmallVector<Value, 4> reads;
  int64_t flops = 0;

  void include(const Recipe &other) {
    for (const Entry *entry : other.ops)
      if (!llvm::is_contained(ops, entry))
        ops.push_back(entry);
    for (Value value : other.reads)
      if (!llvm::is_contained(reads, value))
        reads.push_back(value);
  }
};

class Recompute {
public:
  explicit Recompute(FusionGroups &groups)
      : groups(groups), facts(groups.getFacts()), costs(groups.getCosts()) {}

  bool run() {
    bool changed = false;
    std::vector<size_t> work = groups.live();
    for (size_t i = 0; i < work.size(); ++i) {
      if (!groups.isLive(work[i]))
        continue;
      size_t before = groups.size();
      bool visited = llvm::any_of(groups.outputsOf(work[i]), [&](Value output) {
        return costs.bytesOf(output) >= worthRecomputing &&
               isCheap(facts[output.getDefiningOp()]) && visit(output);
      });
      changed |= visited;
      // What is left of the groups that have changed.
      for (size_t g = before; visited && g < groups.size(); ++g)
        work.push_back(g);
    }
    return changed;
  }

private:
  static bool isCheap(const Entry &entry) {
    return entry.freeToRecompute || (entry.elementwise && entry.cost <= cheapOp);
  }

  /// A value and the op that makes it; null for arguments.
  struct Made {
    Value value;
    const Entry *maker;
  };
  Made operandOf(const Entry &entry, unsigned i) {
    return {entry.op->getOperand(i), facts.makerOf(entry, i)};
  }

  /// What reading a value costs; one that is not stored yet is written as well.
  double bytesToRead(Made made) {
    auto producer = groups.groupOf(made.maker);
    bool isStored = !producer || llvm::is_contained(groups.outputsOf(*producer), made.value);
    return costs.bytesOf(made.value) * (isStored ? 1 : 2);
  }
  double bytesToRead(Value value) {
    Operation *op = value.getDefiningOp();
    return bytesToRead({value, op ? facts.find(op) : nullptr});
  }

  double bytesOf(const Recipe &recipe) {
    double bytes = 0;
    for (Value value : recipe.reads)
      bytes += bytesToRead(value);
    return bytes;
  }

  /// Whether a kernel reads or computes a value already, other than the one that it shall compute.
  bool isPresent(Made made, size_t consumer, Value except) {
    return made.value != except && (groups.groupOf(made.maker) == consumer ||
                                    llvm::is_contained(groups.inputsOf(consumer), made.value));
  }

  bool canCompute(Made made, unsigned depth) {
    return depth < maxDepth && groups.groupOf(made.maker) && isCheap(*made.maker);
  }

  /// Fewer bytes than any recipe needs.
  double leastBytes(Made made, size_t consumer, Value except, unsigned depth) {
    if (depth > 0 && isPresent(made, consumer, except))
      return 0;
    double least = depth > 0 ? bytesToRead(made) : HUGE_VAL;
    if (!canCompute(made, depth))
      return least;
    double most = 0;
    for (unsigned i = 0; i < made.maker->op->getNumOperands() && most < least; ++i)
      most = std::max(most, leastBytes(operandOf(*made.maker, i), consumer, except, depth + 1));
    return std::min(least, most);
  }

  std::optional<Recipe> recipeFor(Made made, size_t consumer, Value except, unsigned depth) {
    if (depth > 0 && isPresent(made, consumer, except))
      return Recipe();
    Recipe read;
    read.reads.push_back(made.value);
    if (!canCompute(made, depth))
      return depth > 0 ? std::optional(std::move(read)) : std::nullopt;
    Recipe computed;
    for (unsigned i = 0; i < made.maker->op->getNumOperands(); ++i)
      computed.include(*recipeFor(operandOf(*made.maker, i), consumer, except, depth + 1));
    computed.ops.push_back(made.maker);
    for (const Entry *each : computed.ops)
      computed.flops += each->freeToRecompute ? 0 : each->cost;
    const bool isShort = computed.flops <= cheapChain;
    if (depth == 0)
      return isShort ? std::optional(std::move(computed)) : std::nullopt;
    return isShort && bytesOf(computed) < bytesToRead(made) ? std::move(computed) : std::move(read);
  }

  struct Consumer {
    std::optional<Recipe> recipe;
    double bytes = 0;
    bool mustRead = false;
  };

  bool visit(Value value) {
    const Made made{value, &facts[value.getDefiningOp()]};
    size_t producer = *groups.groupOf(made.maker);
    llvm::MapVector<size_t, Consumer> consumers;
    bool staysStored = false;
    for (Operation *user : value.getUsers()) {
      const Entry *reader = facts.find(user);
      auto g = groups.groupOf(reader);
      if (!g) {
        staysStored = true;
        continue;
      }
      if (*g != producer)
        consumers[*g].mustRead |= reader->anchor == AnchorKind::Contraction;
    }
    double saved = costs.bytesOf(value);
    // What could be saved at most: reading it everywhere, and storing it.
    bool promising = false;
    for (auto &[g, consumer] : consumers)
      promising |= !consumer.mustRead && leastBytes(made, g, value, 0) < 2 * saved;
    if (!promising)
      return false;
    for (auto &[g, consumer] : consumers) {
      if (!consumer.mustRead)
        consumer.recipe = recipeFor(made, g, value, 0);
      if (consumer.recipe)
        consumer.bytes = bytesOf(*consumer.recipe);
      else
        staysStored = true;
    }
    if (!staysStored) {
      double all = saved;
      for (auto &[g, consumer] : consumers)
        all += saved - consumer.bytes;
      if (all > 0 && isFaster(value, consumers, /*isStored=*/false) && apply(value, consumers))
        return true;
    }
    consumers.remove_if(
        [&](auto &entry) { return !entry.second.recipe || entry.second.bytes >= saved; });
    return !consumers.empty() && isFaster(value, consumers, /*isStored=*/true) &&
           apply(value, consumers);
  }

  /// Whether the consumers take no longer when they compute the value: what they compute may hide
  /// behind what they read.
  bool isFaster(Value value, const llvm::MapVector<size_t, Consumer> &consumers, bool isStored) {
    double saved = isStored ? 0 : costs.memoryNs(costs.bytesOf(value));
    for (auto &[g, consumer] : consumers) {
      KernelCost before = groups.costOf(g), after = before;
      after.computeNs += static_cast<double>(consumer.recipe->flops) * costs.elementsOf(value) /
                         costs.getMachine().flopsPerNs;
      after.memoryNs -= costs.memoryNs(costs.bytesOf(value));
      for (Value read : consumer.recipe->reads)
        after.memoryNs += costs.memoryNs(bytesToRead(read));
      saved += before.ns() - after.ns();
    }
    return saved >= 0;
  }

  /// Copies the ops of the recipes into the consumers; undone when a kernel would no longer be one.
  bool apply(Value value, llvm::MapVector<size_t, Consumer> &consumers) {
    llvm::SmallVector<std::pair<size_t, FusionGroup>> changed;
    llvm::SmallVector<std::pair<const Entry *, const Entry *>> copies;
    llvm::SetVector<size_t> producers;
    auto precedes = [&](const Entry *a, const Entry *b) { return groups.precedes(a, b); };
    producers.insert(*groups.producerOf(value));
    for (auto &[g, consumer] : consumers) {
      FusionGroup ops = groups[g];
      IRMapping mapping;
      llvm::SmallVector<const Entry *, 4> recipe = consumer.recipe->ops;
      llvm::sort(recipe, precedes);
      for (const Entry *original : recipe) {
        const Entry *copy = groups.copy(original, mapping);
        copies.push_back({copy, original});
        ops.push_back(copy);
        for (Value operand : original->op->getOperands())
          if (auto from = groups.producerOf(operand))
            producers.insert(*from);
      }
      llvm::SmallPtrSet<Operation *, 32> inside;
      for (const Entry *entry : ops)
        inside.insert(entry->op);
      value.replaceUsesWithIf(mapping.lookup(value),
                              [&](OpOperand &use) { return inside.contains(use.getOwner()); });
      groups.usesHaveChanged();
      llvm::sort(ops, precedes);
      changed.push_back({g, std::move(ops)});
    }
    bool valid = true;
    for (auto &[g, ops] : changed)
      valid = valid && staysKernel(ops);
    for (size_t g : producers)
      valid = valid && staysKernel(groups[g]);
    if (!valid) {
      for (auto [copy, original] : llvm::reverse(copies)) {
        copy->op->replaceAllUsesWith(original->op);
        groups.eraseCopy(copy);
      }
      return false;
    }
    for (auto &[g, ops] : changed) {
      producers.remove(g);
      groups.replace(g, std::move(ops));
    }
    // What they store has changed, and with it what may be merged with them.
    for (size_t g : producers)
      if (groups.isLive(g))
        groups.eraseDead(groups.replace(g, groups[g]));
    return true;
  }

  /// Whether a kernel is left; ops that have lost their users are about to go.
  bool staysKernel(llvm::ArrayRef<const Entry *> ops) {
    llvm::SmallPtrSet<Operation *, 32> live, all;
    for (const Entry *entry : ops)
      all.insert(entry->op);
    FusionGroup kept;
    for (const Entry *entry : llvm::reverse(ops)) {
      bool isUsed = llvm::any_of(entry->op->getUsers(), [&](Operation *user) {
        return live.contains(user) || !all.contains(user);
      });
      if (isUsed) {
        live.insert(entry->op);
        kept.push_back(entry);
      }
    }
    std::reverse(kept.begin(), kept.end());
    return kept.empty() || groups.isKernel(kept);
  }

  FusionGroups &groups;
  OpFacts &facts;
  FusionCosts &costs;
};

/// Ops of one group of which only another needs the results, and what they need in turn from nobody
/// else.
FusionGroup opsFor(size_t from, size_t to, FusionGroups &groups) {
  FusionGroup moving;
  llvm::SmallPtrSet<Operation *, 16> inside;
  for (const Entry *entry : llvm::reverse(groups[from])) {
    if (entry->anchor != AnchorKind::None)
      continue;
    bool only = llvm::all_of(entry->op->getUsers(), [&](Operation *user) {
      return inside.contains(user) || groups.groupOf(user) == to;
    });
    if (only) {
      moving.push_back(entry);
      inside.insert(entry->op);
    }
  }
  std::reverse(moving.begin(), moving.end());
  return moving;
}

} // namespace

bool recomputeInConsumers(FusionGroups &groups) { return Recompute(groups).run(); }

bool moveToConsumers(FusionGroups &groups) {
  bool changed = false;
  for (size_t from : groups.live()) {
    if (!groups.isLive(from) || groups[from].size() < 2)
      continue;
    for (size_t to : groups.readersOf(from)) {
      // What moves last is such a value.
      if (!groups.isLive(to) || !groups.makesOnlyFor(from, to))
        continue;
      FusionGroup moving = opsFor(from, to, groups), rest, joined;
      llvm::copy_if(groups[from], std::back_inserter(rest),
                    [&](const Entry *entry) { return !llvm::is_contained(moving, entry); });
      if (moving.empty() || rest.empty())
        continue;
      std::merge(groups[to].begin(), groups[to].end(), moving.begin(), moving.end(),
                 std::back_inserter(joined),
                 [&](const Entry *a, const Entry *b) { return groups.precedes(a, b); });
      if (groups.bytesMoved(rest) + groups.bytesMoved(joined) >=
              groups.costOf(from).bytes + groups.costOf(to).bytes ||
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
