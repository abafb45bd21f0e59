// SPDX-License-Identifier: Apache-2.0
// Whether two groups can be one kernel, and making them one. What is known of the two is asked
// first; their ops are looked at only where that refuses nothing.
#include "sinter/passes/FusionGroups.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

/// Of a search for a cycle.
static constexpr size_t maxSteps = 4096;

/// What KernelAnalyzer would find, for groups that obviously do not go together.
const char *FusionGroups::obstacle(size_t a, size_t b) const {
  const State &x = states[a], &y = states[b];
  if (x.regroups || y.regroups)
    return "a view that regroups dims stays outside of kernels";
  unsigned numKinds = 0;
  for (size_t kind = 1; kind < numAnchorKinds; ++kind) {
    unsigned count = x.anchors[kind] + y.anchors[kind];
    numKinds += count > 0;
    if (count > 1 && standsAlone(static_cast<AnchorKind>(kind)))
      return "a kernel holds one contraction, scatter or sort";
  }
  auto has = [&](AnchorKind kind) {
    return x.anchors[static_cast<size_t>(kind)] + y.anchors[static_cast<size_t>(kind)] > 0;
  };
  const bool reducesRows =
      numKinds == 2 && has(AnchorKind::Contraction) && has(AnchorKind::Reduction);
  if (numKinds > 1 && !reducesRows)
    return "a kernel holds one contraction, scatter or sort, or reductions of one kind";
  if (x.ops.size() + y.ops.size() > costs.getMachine().maxOps)
    return "the kernel would grow too large";
  return nullptr;
}

/// What KernelAnalyzer would refuse, as far as anchors and outputs show it.
bool FusionGroups::cannotMatch(const Judgement &both, size_t a, size_t b) {
  const State &x = states[a], &y = states[b];
  auto isNone = [](const State &state) {
    return !state.alone && !state.reduction &&
           state.anchors[static_cast<size_t>(AnchorKind::Cumulative)] == 0;
  };
  if (isNone(x) && isNone(y)) {
    Dims domain = tensorType(both.outputs.front()).getDims();
    return llvm::any_of(both.outputs,
                        [&](Value output) { return tensorType(output).getDims() != domain; });
  }
  const Entry *alone = x.alone ? x.alone : y.alone;
  if (!alone)
    return false;
  auto isBefore = [&](const Entry *reduction) { return reduction && precedes(reduction, alone); };
  switch (alone->anchor) {
  case AnchorKind::Attention:
    return true;
  case AnchorKind::Contraction:
    return isBefore(x.reduction) || isBefore(y.reduction);
  case AnchorKind::Convolution:
    for (unsigned i = 0; i < alone->op->getNumOperands(); ++i)
      if (auto g = groupOf(facts.makerOf(*alone, i)); g && (*g == a || *g == b))
        return true;
    return false;
  default:
    return false;
  }
}

// Every group on a path between the two lies between them in the sequence, and no further than the
// last that `to` reads. Those that come last are looked at first: where there is a way, it is
// mostly long.
bool FusionGroups::reachesIndirectly(size_t from, size_t to) {
  size_t last = states[from].position;
  for (Value input : states[to].inputs)
    if (auto producer = producerOf(input))
      if (*producer != from)
        last = std::max(last, states[*producer].position);
  if (last == states[from].position)
    return false;
  if (reached.size() < states.size())
    reached.resize(states.size());
  ++search;
  ahead.clear();
  size_t steps = 0;
  bool found = false;
  auto visit = [&](size_t group) {
    forEachReader(group, [&](size_t next) {
      if (next == to) {
        found |= group != from;
        return;
      }
      if (next == group || states[next].position > last || reached[next] == search)
        return;
      reached[next] = search;
      ++steps;
      ahead.push_back({states[next].position, next});
      std::push_heap(ahead.begin(), ahead.end());
    });
  };
  visit(from);
  while (!ahead.empty() && !found && steps < maxSteps) {
    std::pop_heap(ahead.begin(), ahead.end());
    size_t next = ahead.back().second;
    ahead.pop_back();
    visit(next);
  }
  work.steps += steps;
  return found || !ahead.empty();
}

llvm::DenseSet<size_t> FusionGroups::reachedBefore(size_t from, size_t to) {
  llvm::DenseSet<size_t> found;
  llvm::SmallVector<size_t> left = {from};
  while (!left.empty())
    forEachReader(left.pop_back_val(), [&](size_t next) {
      if (next != from && states[next].position < states[to].position && found.insert(next).second)
        left.push_back(next);
    });
  return found;
}

/// The inputs and outputs of both; `a` comes first.
void FusionGroups::uniteValues(Judgement &both, size_t a, size_t b) {
  const State &x = states[a], &y = states[b];
  both.inputs = x.inputs;
  for (Value input : y.inputs)
    if (!llvm::is_contained(x.outputs, input) && !llvm::is_contained(x.inputs, input))
      both.inputs.push_back(input);
  for (auto [output, maker] : llvm::zip_equal(x.outputs, x.makers))
    if (isReadOutside(output, *maker, a, b)) {
      both.outputs.push_back(output);
      both.makers.push_back(maker);
    }
  both.outputs.append(y.outputs);
  both.makers.append(y.makers);
}

void FusionGroups::uniteOps(Judgement &both, size_t a, size_t b) const {
  const Group &x = states[a].ops, &y = states[b].ops;
  both.ops.resize(x.size() + y.size());
  std::merge(x.begin(), x.end(), y.begin(), y.end(), both.ops.begin(),
             [&](const Entry *p, const Entry *q) { return precedes(p, q); });
}

Judgement FusionGroups::judge(size_t a, size_t b, bool explain) {
  if (states[a].position > states[b].position)
    std::swap(a, b);
  ++work.pairs;
  Judgement both;
  auto because = [&](const char *reason) {
    if (explain)
      both.reason = reason;
    return std::move(both);
  };
  if (const char *reason = obstacle(a, b))
    return because(reason);
  const Machine &machine = costs.getMachine();
  uniteValues(both, a, b);
  if (both.inputs.size() + both.outputs.size() > machine.maxBuffers)
    return because("the kernel would read and write too many tensors");
  // An analysis gives better reasons than what can be told without.
  if (!explain && (cannotMatch(both, a, b) || reachesIndirectly(a, b)))
    return both;
  uniteOps(both, a, b);
  const double apart = costOf(a).ns() + costOf(b).ns();
  if (const char *reason = analyzer.analyze(both.ops, both.outputs))
    return because(reason);
  if (explain && reachesIndirectly(a, b))
    return because("what the one makes reaches the other through another kernel as well");
  both.sketch = analyzer.sketch();
  both.cost = costs.costOf(both.ops, both.inputs, both.outputs, analyzer);
  both.savedNs = apart - both.cost.ns();
  if (auto reason = unprofitable(both, a, b, explain)) {
    both.sketch.reset();
    both.reason = std::move(*reason);
  }
  return both;
}

size_t FusionGroups::makeRoom(size_t a, size_t b) {
  const size_t first = states[a].position, last = states[b].position;
  auto isBetween = [&](size_t g) {
    return states[g].position > first && states[g].position < last;
  };
  size_t at = last;
  if (llvm::any_of(readersOf(a), isBetween)) {
    at = first;
    if (llvm::any_of(producersFor(b), isBetween)) {
      // What depends on `a` moves behind the new group; the rest stays before it.
      llvm::DenseSet<size_t> dependent = reachedBefore(a, b);
      llvm::SmallVector<size_t> before, behind;
      for (size_t i = first + 1; i < last; ++i)
        if (size_t g = sequence[i]; g != none) {
          (dependent.contains(g) ? behind : before).push_back(g);
          sequence[i] = none;
        }
      auto place = [&](size_t g) {
        sequence[at] = g;
        states[g].position = at++;
      };
      llvm::for_each(before, place);
      size_t own = at++;
      llvm::for_each(behind, place);
      at = own;
    }
  }
  if (sequence[first] == a)
    sequence[first] = none;
  if (sequence[last] == b)
    sequence[last] = none;
  return at;
}

std::optional<size_t> FusionGroups::merge(size_t a, size_t b, Accept accept) {
  if (states[a].position > states[b].position)
    std::swap(a, b);
  if (refused.contains({a, b}))
    return std::nullopt;
  Judgement both = judge(a, b);
  if (!both.sketch) {
    refused.insert({a, b});
    return std::nullopt;
  }
  if (!accept(*both.sketch))
    return std::nullopt;

  const size_t at = makeRoom(a, b);
  State &x = states[a], &y = states[b], state;
  for (size_t kind = 0; kind < numAnchorKinds; ++kind)
    state.anchors[kind] = x.anchors[kind] + y.anchors[kind];
  state.alone = x.alone ? x.alone : y.alone;
  const bool isFirst = x.reduction && (!y.reduction || precedes(x.reduction, y.reduction));
  state.reduction = isFirst ? x.reduction : y.reduction;
  state.moving = x.moving + y.moving;
  state.ops = std::move(both.ops);
  state.inputs = std::move(both.inputs);
  state.outputs = std::move(both.outputs);
  state.makers = std::move(both.makers);
  state.sketch = std::move(both.sketch);
  state.cost = both.cost;
  state.isKnown = true;
  x = y = State();
  return add(std::move(state), at);
}

} // namespace sinter::passes
