// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FuseSiblings.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr double worthSharing = 64 << 10; // Bytes of a common input that make siblings one kernel.
constexpr size_t maxPartners = 8; // Groups behind it, in their order, that one is tried with.

/// Tries each group with those that follow it; what they become takes the place of the first.
void mergePairs(FusionGroups &groups, llvm::SmallVectorImpl<size_t> &candidates,
                llvm::function_ref<std::optional<size_t>(size_t, size_t)> merge) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    size_t tried = 0;
    for (size_t j = i + 1; j < candidates.size() && tried < maxPartners; ++j) {
      if (!groups.isLive(candidates[i]) || !groups.isLive(candidates[j]) ||
          candidates[i] == candidates[j])
        continue;
      ++tried;
      if (auto merged = merge(candidates[i], candidates[j]))
        candidates[i] = candidates[j] = *merged;
    }
  }
}

} // namespace

void mergeTwins(FusionGroups &groups) {
  using Key = std::pair<const void *, llvm::hash_code>;
  llvm::MapVector<Key, llvm::SmallVector<size_t>> reductions; // By what they run over.
  for (size_t g : groups.live()) {
    const KernelSketch *sketch = groups.sketchOf(g);
    if (!sketch || (sketch->form != KernelForm::Reduce && sketch->form != KernelForm::Pairs))
      continue;
    Key key(nullptr, llvm::hash_combine(llvm::hash_combine_range(sketch->domain),
                                        llvm::hash_combine_range(sketch->axes),
                                        static_cast<int>(sketch->form)));
    reductions[key].push_back(g);
  }
  FusionCosts &costs = groups.getCosts();
  for (auto &[key, candidates] : reductions)
    mergePairs(groups, candidates, [&](size_t a, size_t b) -> std::optional<size_t> {
      // A launch less is not worth it that what both read is in memory at once.
      double read = costs.bytesOf(groups.inputsOf(a)) + costs.bytesOf(groups.inputsOf(b));
      bool share = llvm::any_of(groups.inputsOf(a), [&](Value input) {
        return llvm::is_contained(groups.inputsOf(b), input);
      });
      if (!share && read > costs.getMachine().nearBytes)
        return std::nullopt;
      KernelForm form = groups.sketchOf(a)->form;
      return groups.merge(a, b, [&](const KernelSketch &both) { return both.form == form; });
    });
}

void mergeSiblings(FusionGroups &groups) {
  auto mergeTwo = [&](size_t a, size_t b) -> std::optional<size_t> {
    const KernelSketch *first = groups.sketchOf(a), *second = groups.sketchOf(b);
    if (!first || !second || first->form == KernelForm::Contraction ||
        second->form == KernelForm::Contraction)
      return std::nullopt;
    auto are = [&](KernelForm a, KernelForm b) {
      return (first->form == a && second->form == b) || (first->form == b && second->form == a);
    };
    bool rowsAndColumns = are(KernelForm::Row, KernelForm::Reduce);
    if (first->form != second->form && first->form != KernelForm::Loop &&
        second->form != KernelForm::Loop && !rowsAndColumns)
      return std::nullopt;
    KernelForm form = rowsAndColumns                    ? KernelForm::Row
                      : first->form == KernelForm::Loop ? second->form
                                                        : first->form;
    return groups.merge(a, b, [&](const KernelSketch &both) { return both.form == form; });
  };
  auto mergeReaders = [&](Value value) {
    if (value.use_empty() || value.hasOneUse() || groups.getCosts().bytesOf(value) < worthSharing)
      return;
    FusionGroup users;
    for (Operation *user : value.getUsers())
      if (const OpFacts::Entry *entry = groups.getFacts().find(user); groups.groupOf(entry))
        users.push_back(entry);
    llvm::sort(users, [&](auto *a, auto *b) { return groups.precedes(a, b); });
    llvm::SmallSetVector<size_t, 8> seen;
    for (const OpFacts::Entry *user : users)
      seen.insert(*groups.groupOf(user));
    llvm::SmallVector<size_t> readers = seen.takeVector();
    mergePairs(groups, readers, mergeTwo);
  };
  Block &block = groups.getBlock();
  for (BlockArgument argument : block.getArguments())
    mergeReaders(argument);
  for (Operation &op : block)
    if (groups.groupOf(&op))
      for (Value result : op.getResults())
        mergeReaders(result);
}

} // namespace sinter::passes
