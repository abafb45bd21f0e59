// SPDX-License-Identifier: Apache-2.0
// Whether two groups that can be one kernel should be.
#include "sinter/passes/FusionGroups.h"

#include <cstdio>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

bool permutesElements(const OpFacts::Entry &entry) {
  if (entry.elementwise || entry.anchor != AnchorKind::None)
    return false;
  const Indexing &indexing = *entry.indexing;
  if (indexing.combiner != Combiner::None || indexing.ranges.empty())
    return false;
  auto last = static_cast<unsigned>(indexing.ranges.size()) - 1;
  for (const Access &access : indexing.accesses) {
    if (access.index.empty() || !access.index.back().asDim() || access.index.back().asDim() == last)
      continue;
    for (const IndexExpr &index : access.index)
      if (index.asDim() == last)
        return true;
  }
  return false;
}

/// "1.25 us", for people.
static std::string timeText(double ns) {
  char text[32];
  if (ns < 1e3)
    std::snprintf(text, sizeof text, "%.0f ns", ns);
  else if (ns < 1e6)
    std::snprintf(text, sizeof text, "%.3g us", ns / 1e3);
  else
    std::snprintf(text, sizeof text, "%.3g ms", ns / 1e6);
  return text;
}

static std::string countText(double count) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", count);
  return text;
}

std::optional<std::string> FusionGroups::unprofitable(const Judgement &both, size_t a, size_t b,
                                                      bool explain) {
  const KernelSketch &sketch = *both.sketch;
  auto because = [&](auto reason) {
    return explain ? std::optional(std::string(reason())) : std::optional(std::string());
  };
  bool hasRows = sketch.form == KernelForm::Row || sketch.form == KernelForm::Cumulative ||
                 sketch.form == KernelForm::Sort;
  if (hasRows && sketch.hasFewLongRows())
    return because([] {
      return "its rows are few and long: one kernel would leave threads idle that two keep busy";
    });
  if (sketch.form != KernelForm::Loop && states[a].moving + states[b].moving > 0)
    for (const Entry *entry : both.ops)
      if (permutesElements(*entry))
        return because([&] {
          return entry->op->getName().stripDialect().str() +
                 " reads neighbours from different rows, which is slow unless done once";
        });
  if (both.savedNs < 0)
    return because([&] {
      std::string text = "one kernel would take " + timeText(-both.savedNs) + " longer";
      // Whose work is repeated most?
      Operation *worst = nullptr;
      double most = 0, times = 0, points = costs.pointsOf(sketch);
      for (const Entry *entry : both.ops) {
        if (entry->anchor != AnchorKind::None || entry->freeToRecompute)
          continue;
        double elements = costs.elementsOf(entry->op->getResult(0));
        double repeated = costs.evaluationsOf(*entry, analyzer, points) - elements;
        if (repeated * static_cast<double>(entry->cost) > most) {
          most = repeated * static_cast<double>(entry->cost);
          times = repeated / elements + 1;
          worst = entry->op;
        }
      }
      if (worst)
        text += ": it would compute each element of " + worst->getName().stripDialect().str() +
                " " + countText(times) + " times";
      else if (both.inputs.size() > costs.getMachine().maxStreams)
        text += ": it would read " + std::to_string(both.inputs.size()) + " tensors at once";
      return text;
    });
  if (states[a].moving + states[b].moving > 2 && repeatsTooMuch(both.ops))
    return because([&] {
      return "an op would be computed at more than " +
             std::to_string(costs.getMachine().maxPositions) + " places for one element";
    });
  return std::nullopt;
}

/// Each op that moves elements asks for its operand at another position, and positions multiply
/// along a chain.
bool FusionGroups::repeatsTooMuch(llvm::ArrayRef<const Entry *> ops) {
  mark(ops);
  places.resize(facts.size());
  for (const Entry *entry : ops)
    places[entry->number].positions.clear();
  auto insert = [](llvm::SmallVectorImpl<size_t> &positions, size_t position) {
    if (!llvm::is_contained(positions, position))
      positions.push_back(position);
  };
  for (const Entry *entry : llvm::reverse(ops)) {
    auto &own = places[entry->number].positions;
    const bool isAnchor = entry->anchor != AnchorKind::None;
    if (own.empty() || isAnchor)
      insert(own, 0); // At the element itself.
    if (own.size() > costs.getMachine().maxPositions && !entry->freeToRecompute && !isAnchor &&
        !analyzer.roleOf(*entry))
      return true;
    const bool isView = !entry->elementwise && !isAnchor;
    for (unsigned i = 0; i < entry->op->getNumOperands(); ++i) {
      const Entry *producer = facts.makerOf(*entry, i);
      if (!isMarked(producer))
        continue;
      auto &wanted = places[producer->number].positions;
      if (isAnchor)
        insert(wanted, 0);
      else
        for (size_t p : own)
          insert(wanted, isView ? size_t(llvm::hash_combine(viewOf(*entry), i, p)) : p);
    }
  }
  return false;
}

/// Copies of a view ask for the same position.
size_t FusionGroups::viewOf(const Entry &entry) {
  Place &place = places[entry.number];
  if (place.version != version) {
    place.version = version;
    place.view = OperationEquivalence::computeHash(entry.op, OperationEquivalence::directHashValue,
                                                   OperationEquivalence::ignoreHashValue,
                                                   OperationEquivalence::IgnoreLocations);
  }
  return place.view;
}

} // namespace sinter::passes
