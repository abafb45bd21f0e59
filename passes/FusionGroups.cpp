// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FusionGroups.h"

#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallSet.h"

#include <queue>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr size_t none = ~size_t{0};
constexpr uint64_t orderStep = 1 << 24; ///< Room for copies behind every op.
/// Chains are joined up to here, so that no kernel is refused for what they hold.
constexpr size_t maxChainOps = 32, maxChainInputs = 12;
constexpr size_t maxSteps = 4096; ///< Of a search for a cycle.

bool isNoAnchor(const OpFacts::Entry &entry) {
  return entry.indexing && entry.anchor == AnchorKind::None;
}

} // namespace

// -- Groups ---------------------------------------------------------------------------------------

FusionGroups::FusionGroups(Block &block, OpFacts &facts, bool joinChains)
    : block(block), facts(facts), costs(facts) {
  uint64_t order = 0;
  for (Operation &op : block)
    if (facts[&op].indexing)
      members[&op] = {none, order += orderStep};
  addOps(block, joinChains);
}

void FusionGroups::addOps(Block &block, bool joinChains) {
  struct Chain {
    Group ops; ///< The last one first.
    size_t inputs = 0;
  };
  std::vector<Chain> chains;
  for (Operation &op : llvm::reverse(block)) {
    auto member = members.find(&op);
    if (member == members.end())
      continue;
    if (joinChains && op.getNumResults() == 1 && !op.use_empty()) {
      Operation *reader = *op.user_begin();
      bool only = llvm::all_of(op.getUsers(), [&](Operation *user) { return user == reader; });
      auto joined = members.find(reader);
      if (only && joined != members.end() && joinsReader(&op, reader)) {
        Chain &chain = chains[joined->second.group];
        size_t inputs = chain.inputs + op.getNumOperands();
        if (chain.ops.size() < maxChainOps && inputs <= maxChainInputs) {
          chain.ops.push_back(&op);
          chain.inputs = inputs - 1;
          member->second.group = joined->second.group;
          continue;
        }
      }
    }
    member->second.group = chains.size();
    chains.push_back({{&op}, op.getNumOperands()});
  }
  for (Chain &chain : llvm::reverse(chains)) {
    std::reverse(chain.ops.begin(), chain.ops.end());
    add(stateOf(std::move(chain.ops)), none);
  }
}

/// Whatever kernel the reader becomes part of, this belongs there: it is as cheap to have it there
/// as anywhere, and no cut behind it stores fewer bytes than one before or behind the reader.
bool FusionGroups::joinsReader(Operation *op, Operation *reader) {
  const OpFacts::Entry &entry = facts[op], &other = facts[reader];
  if (!isNoAnchor(entry) || !isNoAnchor(other) || isRegrouping(op) || isRegrouping(reader) ||
      reader->getNumResults() != 1)
    return false;
  if (!entry.elementwise)
    return entry.freeToRecompute && (other.elementwise || other.freeToRecompute);
  return other.elementwise &&
         costs.bytesOf(op->getResult(0)) >= costs.bytesOf(reader->getResult(0));
}

size_t FusionGroups::add(State state, size_t at) {
  size_t number = states.size();
  for (Operation *op : state.ops)
    members[op].group = number;
  if (at == none) {
    at = sequence.size();
    sequence.push_back(number);
  }
  sequence[at] = number;
  state.position = at;
  states.push_back(std::move(state));
  return number;
}

FusionGroups::State FusionGroups::stateOf(Group ops) const {
  State state;
  state.inputs = inputsOf(ops);
  state.outputs = outputsOf(ops);
  for (Operation *op : ops) {
    const OpFacts::Entry &entry = facts[op];
    ++state.anchors[static_cast<size_t>(entry.anchor)];
    state.moving += !entry.elementwise && entry.anchor == AnchorKind::None;
    state.regroups |= isRegrouping(op);
  }
  state.ops = std::move(ops);
  return state;
}

std::vector<size_t> FusionGroups::live() const {
  std::vector<std::pair<uint64_t, size_t>> found;
  for (size_t g = 0; g < states.size(); ++g)
    if (isLive(g))
      found.push_back({orderOf(g), g});
  llvm::sort(found);
  std::vector<size_t> result;
  for (auto [order, g] : found)
    result.push_back(g);
  return result;
}

std::optional<size_t> FusionGroups::groupOf(Operation *op) const {
  if (!op)
    return std::nullopt;
  auto it = members.find(op);
  return it != members.end() ? std::optional(it->second.group) : std::nullopt;
}

uint64_t FusionGroups::orderOf(Operation *op) const {
  auto it = members.find(op);
  return it != members.end() ? it->second.order : ~uint64_t{0};
}

llvm::SmallVector<Value> FusionGroups::outputsOf(llvm::ArrayRef<Operation *> ops) const {
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin(), ops.end());
  llvm::SmallVector<Value> outputs;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
        outputs.push_back(result);
  return outputs;
}

llvm::SmallVector<Value> FusionGroups::inputsOf(llvm::ArrayRef<Operation *> ops) const {
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin(), ops.end());
  llvm::SmallVector<Value> inputs;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (!inside.contains(operand.getDefiningOp()) && !llvm::is_contained(inputs, operand))
        inputs.push_back(operand);
  return inputs;
}

llvm::SmallVector<size_t> FusionGroups::readersOf(size_t group) const {
  llvm::SmallVector<size_t> readers;
  for (Value output : states[group].outputs)
    for (Operation *user : output.getUsers())
      if (auto g = groupOf(user); g && *g != group)
        readers.push_back(*g);
  llvm::sort(readers);
  readers.erase(llvm::unique(readers), readers.end());
  return readers;
}

llvm::SmallVector<size_t> FusionGroups::producersFor(size_t group) const {
  llvm::SmallVector<size_t> producers;
  for (Value input : states[group].inputs)
    if (auto g = producerOf(input); g && !llvm::is_contained(producers, *g))
      producers.push_back(*g);
  return producers;
}

const KernelAnalysis *FusionGroups::analysisOf(size_t group) {
  State &state = states[group];
  if (!state.analyzed) {
    auto answer = analyzeKernel(state.ops, state.outputs, facts);
    if (auto *analysis = std::get_if<KernelAnalysis>(&answer))
      state.analysis = std::move(*analysis);
    state.analyzed = true;
  }
  return state.analysis ? &*state.analysis : nullptr;
}

const KernelCost &FusionGroups::costOf(size_t group) {
  State &state = states[group];
  if (!state.cost) {
    const KernelAnalysis *analysis = analysisOf(group);
    state.cost = costs.costOf(state.ops, state.inputs, state.outputs,
                              analysis ? *analysis : KernelAnalysis());
  }
  return *state.cost;
}

double FusionGroups::bytesMoved(llvm::ArrayRef<Operation *> ops) {
  return costs.bytesOf(inputsOf(ops)) + costs.bytesOf(outputsOf(ops));
}

bool FusionGroups::isKernel(llvm::ArrayRef<Operation *> ops) {
  const Machine &machine = costs.getMachine();
  llvm::SmallVector<Value> outputs = outputsOf(ops);
  return ops.size() <= machine.maxOps &&
         inputsOf(ops).size() + outputs.size() <= machine.maxBuffers &&
         std::holds_alternative<KernelAnalysis>(analyzeKernel(ops, outputs, facts));
}

bool FusionGroups::isOutside(Operation *user, size_t a, size_t b) const {
  auto g = groupOf(user);
  return !g || (*g != a && *g != b);
}

double FusionGroups::savedBytes(size_t producer, size_t consumer) {
  double saved = 0;
  for (Value value : states[producer].outputs) {
    bool isRead = false, isStored = false;
    for (Operation *user : value.getUsers()) {
      auto g = groupOf(user);
      isRead |= g == consumer;
      isStored |= isOutside(user, producer, consumer);
      if (isRead && isStored)
        break;
    }
    if (isRead)
      saved += costs.bytesOf(value) * (isStored ? 1 : 2);
  }
  for (Value input : states[producer].inputs)
    if (llvm::is_contained(states[consumer].inputs, input))
      saved += costs.bytesOf(input);
  return saved;
}

// -- Judging --------------------------------------------------------------------------------------

/// What analyzeKernel() would find, for groups that obviously do not go together.
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

// Every group on a path between the two lies between them in the sequence. Those that come last
// are looked at first: where there is a way, it is mostly long.
bool FusionGroups::reachesIndirectly(size_t from, size_t to) const {
  llvm::DenseSet<size_t> reached;
  std::priority_queue<std::pair<size_t, size_t>> work;
  size_t last = states[to].position;
  bool found = false;
  auto visit = [&](size_t group) {
    for (Value output : states[group].outputs)
      for (Operation *user : output.getUsers()) {
        auto next = groupOf(user);
        if (!next || *next == group || states[*next].position > last)
          continue;
        if (*next == to) {
          found |= group != from;
          continue;
        }
        if (reached.insert(*next).second)
          work.push({states[*next].position, *next});
      }
  };
  visit(from);
  while (!work.empty() && !found && reached.size() < maxSteps) {
    size_t next = work.top().second;
    work.pop();
    visit(next);
  }
  return found || !work.empty();
}

llvm::DenseSet<size_t> FusionGroups::reachedBefore(size_t from, size_t to) const {
  llvm::DenseSet<size_t> reached;
  llvm::SmallVector<size_t> work = {from};
  while (!work.empty())
    for (Value output : states[work.pop_back_val()].outputs)
      for (Operation *user : output.getUsers())
        if (auto next = groupOf(user); next && *next != from &&
                                       states[*next].position < states[to].position &&
                                       reached.insert(*next).second)
          work.push_back(*next);
  return reached;
}

/// The ops, inputs and outputs of both; `a` comes first.
void FusionGroups::unite(Judgement &both, size_t a, size_t b) const {
  const State &x = states[a], &y = states[b];
  both.ops.resize(x.ops.size() + y.ops.size());
  std::merge(x.ops.begin(), x.ops.end(), y.ops.begin(), y.ops.end(), both.ops.begin(),
             [&](Operation *p, Operation *q) { return precedes(p, q); });
  both.inputs = x.inputs;
  for (Value input : y.inputs)
    if (producerOf(input) != a && !llvm::is_contained(both.inputs, input))
      both.inputs.push_back(input);
  for (Value output : x.outputs)
    if (llvm::any_of(output.getUsers(), [&](Operation *user) { return isOutside(user, a, b); }))
      both.outputs.push_back(output);
  both.outputs.append(y.outputs);
}

Judgement FusionGroups::judge(size_t a, size_t b, bool explain) {
  if (states[a].position > states[b].position)
    std::swap(a, b);
  Judgement both;
  auto because = [&](const char *reason) {
    if (explain)
      both.reason = reason;
    return std::move(both);
  };
  if (const char *reason = obstacle(a, b))
    return because(reason);
  const Machine &machine = costs.getMachine();
  unite(both, a, b);
  if (both.inputs.size() + both.outputs.size() > machine.maxBuffers)
    return because("the kernel would read and write too many tensors");
  auto answer = analyzeKernel(both.ops, both.outputs, facts);
  if (auto *reason = std::get_if<std::string>(&answer))
    return because(reason->c_str());
  if (reachesIndirectly(a, b))
    return because("what the one makes reaches the other through another kernel as well");
  both.analysis = std::move(std::get<KernelAnalysis>(answer));
  both.cost = costs.costOf(both.ops, both.inputs, both.outputs, *both.analysis);
  both.savedNs = costOf(a).ns() + costOf(b).ns() - both.cost.ns();
  if (auto reason = unprofitable(both, a, b, explain)) {
    both.analysis.reset();
    both.reason = std::move(*reason);
  }
  return both;
}

std::optional<size_t> FusionGroups::merge(size_t a, size_t b, Accept accept) {
  if (states[a].position > states[b].position)
    std::swap(a, b);
  if (refused.contains({a, b}))
    return std::nullopt;
  Judgement both = judge(a, b);
  if (!both.analysis) {
    refused.insert({a, b});
    return std::nullopt;
  }
  if (!accept(*both.analysis))
    return std::nullopt;

  size_t first = states[a].position, last = states[b].position, at = last;
  auto isBetween = [&](size_t g) {
    return states[g].position > first && states[g].position < last;
  };
  if (llvm::any_of(readersOf(a), isBetween)) {
    at = first;
    if (llvm::any_of(producersFor(b), isBetween)) {
      // What depends on `a` moves behind the new group; the rest stays before it.
      llvm::DenseSet<size_t> reached = reachedBefore(a, b);
      llvm::SmallVector<size_t> order, behind;
      for (size_t i = first + 1; i < last; ++i)
        if (size_t g = sequence[i]; g != none) {
          (reached.contains(g) ? behind : order).push_back(g);
          sequence[i] = none;
        }
      auto place = [&](size_t g) {
        sequence[at] = g;
        states[g].position = at++;
      };
      llvm::for_each(order, place);
      size_t own = at++;
      llvm::for_each(behind, place);
      at = own;
    }
  }
  if (sequence[first] == a)
    sequence[first] = none;
  if (sequence[last] == b)
    sequence[last] = none;
  State state;
  for (size_t kind = 0; kind < numAnchorKinds; ++kind)
    state.anchors[kind] = states[a].anchors[kind] + states[b].anchors[kind];
  state.moving = states[a].moving + states[b].moving;
  state.ops = std::move(both.ops);
  state.inputs = std::move(both.inputs);
  state.outputs = std::move(both.outputs);
  state.analysis = std::move(both.analysis);
  state.analyzed = true;
  state.cost = both.cost;
  states[a] = states[b] = State();
  return add(std::move(state), at);
}

// -- Changing -------------------------------------------------------------------------------------

Operation *FusionGroups::copy(Operation *op, IRMapping &mapping) {
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  Operation *made = builder.clone(*op, mapping);
  uint64_t order = orderOf(op) + ++copies % orderStep;
  members[made] = {none, order};
  return made;
}

void FusionGroups::eraseCopy(Operation *op) {
  facts.forget(op);
  members.erase(op);
  op->erase();
}

size_t FusionGroups::replace(size_t group, Group ops) {
  llvm::sort(ops, [&](Operation *a, Operation *b) { return precedes(a, b); });
  size_t at = states[group].position;
  states[group] = State();
  for (Operation *op : ops)
    members[op].group = none;
  return add(stateOf(std::move(ops)), at);
}

size_t FusionGroups::eraseDead(size_t group) {
  llvm::SmallVector<size_t> stale = {group};
  size_t result = group;
  while (!stale.empty()) {
    size_t g = stale.pop_back_val();
    Group ops;
    llvm::SmallVector<Operation *> feeding;
    for (Operation *op : llvm::reverse(states[g].ops)) {
      if (!op->use_empty()) {
        ops.push_back(op);
        continue;
      }
      for (Value operand : op->getOperands())
        if (auto from = producerOf(operand); from && *from != g)
          feeding.push_back(operand.getDefiningOp());
      eraseCopy(op);
    }
    if (ops.size() == states[g].ops.size())
      continue;
    size_t fresh = replace(g, std::move(ops));
    result = g == result ? fresh : result;
    // Groups that have lost a reader store less, or hold dead ops themselves.
    llvm::SmallDenseSet<size_t> seen;
    for (Operation *op : feeding)
      if (size_t from = *groupOf(op); seen.insert(from).second) {
        size_t again = replace(from, states[from].ops);
        result = from == result ? again : result;
        stale.push_back(again);
      }
  }
  return result;
}

} // namespace sinter::passes
