// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FusionGroups.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr uint64_t orderStep = 1 << 24; ///< Room for copies behind every op.
/// Chains are joined up to here, so that no kernel is refused for what they hold.
constexpr size_t maxChainOps = 32, maxChainInputs = 12;

bool isNoAnchor(const OpFacts::Entry &entry) {
  return entry.indexing && entry.anchor == AnchorKind::None;
}

/// Grows a table by numbers so that it has this one.
template <typename T> void cover(std::vector<T> &table, size_t number, size_t size) {
  if (number >= table.size())
    table.resize(std::max(size, number + 1));
}

} // namespace

// -- Groups ---------------------------------------------------------------------------------------

FusionGroups::FusionGroups(Block &block, OpFacts &facts, bool joinChains)
    : block(block), facts(facts), costs(facts), analyzer(facts) {
  uint64_t order = 0;
  for (Operation &op : block) {
    const Entry &entry = facts[&op];
    if (!entry.indexing)
      continue;
    cover(members, entry.number, facts.size());
    members[entry.number] = {none, order += orderStep};
    ++work.ops;
  }
  members.resize(facts.size());
  addOps(block, joinChains);
}

void FusionGroups::addOps(Block &block, bool joinChains) {
  struct Chain {
    Group ops; ///< The last one first.
    size_t inputs = 0;
  };
  std::vector<Chain> chains;
  for (Operation &op : llvm::reverse(block)) {
    const Entry &entry = facts[&op];
    Member &member = members[entry.number];
    if (!member.order)
      continue;
    if (joinChains && op.getNumResults() == 1 && !op.use_empty()) {
      const Readers &readers = readersOf(op.getResult(0), entry);
      const Entry *reader = readers.entries.empty() ? nullptr : readers.entries.front();
      bool only =
          reader && !readers.isReturned &&
          llvm::all_of(readers.entries, [&](const Entry *other) { return other == reader; });
      if (only && joinsReader(entry, *reader)) {
        Chain &chain = chains[members[reader->number].group];
        size_t inputs = chain.inputs + op.getNumOperands();
        if (chain.ops.size() < maxChainOps && inputs <= maxChainInputs) {
          chain.ops.push_back(&entry);
          chain.inputs = inputs - 1;
          member.group = members[reader->number].group;
          continue;
        }
      }
    }
    member.group = chains.size();
    chains.push_back({{&entry}, op.getNumOperands()});
  }
  for (Chain &chain : llvm::reverse(chains)) {
    std::reverse(chain.ops.begin(), chain.ops.end());
    add(stateOf(std::move(chain.ops)), none);
  }
}

/// Whatever kernel the reader becomes part of, this belongs there: it is as cheap to have it there
/// as anywhere, and no cut behind it stores fewer bytes than one before or behind the reader.
bool FusionGroups::joinsReader(const Entry &op, const Entry &reader) {
  if (!isNoAnchor(op) || !isNoAnchor(reader) || op.regroups || reader.regroups ||
      reader.op->getNumResults() != 1)
    return false;
  if (!op.elementwise)
    return op.freeToRecompute && (reader.elementwise || reader.freeToRecompute);
  return reader.elementwise &&
         costs.bytesOf(op.op->getResult(0)) >= costs.bytesOf(reader.op->getResult(0));
}

size_t FusionGroups::add(State state, size_t at) {
  size_t number = states.size();
  for (const Entry *entry : state.ops)
    members[entry->number].group = number;
  if (at == none) {
    at = sequence.size();
    sequence.push_back(number);
  }
  sequence[at] = number;
  state.position = at;
  states.push_back(std::move(state));
  return number;
}

FusionGroups::State FusionGroups::stateOf(Group ops) {
  State state;
  state.inputs = inputsOf(ops);
  state.outputs = outputsOf(ops);
  for (Value output : state.outputs)
    state.makers.push_back(facts.find(output.getDefiningOp()));
  for (const Entry *entry : ops) {
    ++state.anchors[static_cast<size_t>(entry->anchor)];
    if (standsAlone(entry->anchor))
      state.alone = entry;
    if (!state.reduction && entry->anchor == AnchorKind::Reduction)
      state.reduction = entry;
    state.moving += !entry->elementwise && entry->anchor == AnchorKind::None;
    state.regroups |= entry->regroups;
  }
  state.ops = std::move(ops);
  return state;
}

FusionWork FusionGroups::getWork() const {
  FusionWork all = work;
  all.analyses = analyzer.numAnalyses();
  all.visits = analyzer.numVisits();
  return all;
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

std::optional<size_t> FusionGroups::groupOf(const Entry *entry) const {
  const bool isMember =
      entry && entry->number < members.size() && members[entry->number].order != 0;
  return isMember ? std::optional(members[entry->number].group) : std::nullopt;
}

void FusionGroups::mark(llvm::ArrayRef<const Entry *> ops) {
  cover(marked, facts.size(), 0);
  ++markRound;
  for (const Entry *entry : ops)
    marked[entry->number] = markRound;
}

llvm::SmallVector<Value> FusionGroups::outputsOf(llvm::ArrayRef<const Entry *> ops) {
  mark(ops);
  llvm::SmallVector<Value> outputs;
  for (const Entry *entry : ops)
    for (Value result : entry->op->getResults()) {
      const Readers &readers = readersOf(result, *entry);
      if (readers.isReturned ||
          llvm::any_of(readers.entries, [&](const Entry *reader) { return !isMarked(reader); }))
        outputs.push_back(result);
    }
  return outputs;
}

llvm::SmallVector<Value> FusionGroups::inputsOf(llvm::ArrayRef<const Entry *> ops) {
  mark(ops);
  llvm::SmallVector<Value> inputs;
  for (const Entry *entry : ops)
    for (auto [i, operand] : llvm::enumerate(entry->op->getOperands())) {
      const Entry *maker = facts.makerOf(*entry, static_cast<unsigned>(i));
      if (!isMarked(maker) && !llvm::is_contained(inputs, operand))
        inputs.push_back(operand);
    }
  return inputs;
}

// -- Neighbours -----------------------------------------------------------------------------------

const FusionGroups::Readers &FusionGroups::findReaders(Value value, const Entry &maker) {
  cover(readers, maker.number, facts.size());
  const bool isFirst = value == maker.op->getResult(0);
  Readers &known = isFirst ? readers[maker.number] : moreReaders[value];
  if (known.version == version)
    return known;
  known.version = version;
  known.isReturned = false;
  known.entries.clear();
  for (Operation *user : value.getUsers()) {
    const Entry *reader = facts.find(user);
    if (groupOf(reader))
      known.entries.push_back(reader);
    else
      known.isReturned = true;
  }
  return known;
}

llvm::SmallVector<size_t> FusionGroups::readersOf(size_t group) {
  llvm::SmallVector<size_t> found;
  forEachReader(group, [&](size_t reader) {
    if (reader != group && (found.empty() || found.back() != reader))
      found.push_back(reader);
  });
  llvm::sort(found);
  found.erase(llvm::unique(found), found.end());
  return found;
}

llvm::SmallVector<size_t> FusionGroups::producersFor(size_t group) {
  llvm::SmallVector<size_t> producers;
  for (Value input : states[group].inputs)
    if (auto g = producerOf(input); g && !llvm::is_contained(producers, *g))
      producers.push_back(*g);
  return producers;
}

bool FusionGroups::makesOnlyFor(size_t from, size_t to) {
  const State &state = states[from];
  for (auto [output, maker] : llvm::zip_equal(state.outputs, state.makers))
    if (maker->anchor == AnchorKind::None && !isReadOutside(output, *maker, to, to))
      return true;
  return false;
}

bool FusionGroups::isReadOutside(Value value, const Entry &maker, size_t a, size_t b) {
  const Readers &all = readersOf(value, maker);
  return all.isReturned || llvm::any_of(all.entries, [&](const Entry *reader) {
           const size_t g = members[reader->number].group;
           return g != a && g != b;
         });
}

// -- Kernels --------------------------------------------------------------------------------------

void FusionGroups::learn(size_t group) {
  State &state = states[group];
  if (state.isKnown)
    return;
  state.isKnown = true;
  if (!analyzer.analyze(state.ops, state.outputs))
    state.sketch = analyzer.sketch();
  else
    analyzer.clear();
  state.cost = costs.costOf(state.ops, state.inputs, state.outputs, analyzer);
}

const KernelSketch *FusionGroups::sketchOf(size_t group) {
  learn(group);
  return states[group].sketch ? &*states[group].sketch : nullptr;
}

const KernelCost &FusionGroups::costOf(size_t group) {
  learn(group);
  return states[group].cost;
}

double FusionGroups::bytesMoved(llvm::ArrayRef<const Entry *> ops) {
  return costs.bytesOf(inputsOf(ops)) + costs.bytesOf(outputsOf(ops));
}

bool FusionGroups::isKernel(llvm::ArrayRef<const Entry *> ops) {
  const Machine &machine = costs.getMachine();
  llvm::SmallVector<Value> outputs = outputsOf(ops);
  return ops.size() <= machine.maxOps &&
         inputsOf(ops).size() + outputs.size() <= machine.maxBuffers &&
         !analyzer.analyze(ops, outputs);
}

double FusionGroups::savedBytes(size_t producer, size_t consumer) {
  double saved = 0;
  const llvm::SmallVector<Value> &read = states[consumer].inputs;
  for (auto [value, maker] : llvm::zip_equal(states[producer].outputs, states[producer].makers))
    if (llvm::is_contained(read, value))
      saved += costs.bytesOf(value) * (isReadOutside(value, *maker, producer, consumer) ? 1 : 2);
  for (Value input : states[producer].inputs)
    if (llvm::is_contained(read, input))
      saved += costs.bytesOf(input);
  return saved;
}

// -- Changing -------------------------------------------------------------------------------------

const FusionGroups::Entry *FusionGroups::copy(const Entry *entry, IRMapping &mapping) {
  OpBuilder builder(entry->op->getContext());
  builder.setInsertionPointAfter(entry->op);
  const Entry &made = facts[builder.clone(*entry->op, mapping)];
  cover(members, made.number, 0);
  members[made.number] = {none, orderOf(*entry) + ++copies % orderStep};
  usesHaveChanged();
  return &made;
}

void FusionGroups::eraseCopy(const Entry *entry) {
  Operation *op = entry->op;
  members[entry->number] = Member();
  facts.forget(op);
  op->erase();
  usesHaveChanged();
}

size_t FusionGroups::replace(size_t group, Group ops) {
  llvm::sort(ops, [&](const Entry *a, const Entry *b) { return precedes(a, b); });
  size_t at = states[group].position;
  states[group] = State();
  for (const Entry *entry : ops)
    members[entry->number].group = none;
  return add(stateOf(std::move(ops)), at);
}

size_t FusionGroups::eraseDead(size_t group) {
  llvm::SmallVector<size_t> stale = {group};
  size_t result = group;
  while (!stale.empty()) {
    size_t g = stale.pop_back_val();
    Group ops, feeding;
    for (const Entry *entry : llvm::reverse(states[g].ops)) {
      if (!entry->op->use_empty()) {
        ops.push_back(entry);
        continue;
      }
      for (unsigned i = 0; i < entry->op->getNumOperands(); ++i)
        if (const Entry *maker = facts.makerOf(*entry, i))
          if (auto from = groupOf(maker); from && *from != g)
            feeding.push_back(maker);
      eraseCopy(entry);
    }
    if (ops.size() == states[g].ops.size())
      continue;
    size_t fresh = replace(g, std::move(ops));
    result = g == result ? fresh : result;
    // Groups that have lost a reader store less, or hold dead ops themselves.
    llvm::SmallDenseSet<size_t> seen;
    for (const Entry *entry : feeding)
      if (size_t from = *groupOf(entry); seen.insert(from).second) {
        size_t again = replace(from, states[from].ops);
        result = from == result ? again : result;
        stale.push_back(again);
      }
  }
  return result;
}

} // namespace sinter::passes
