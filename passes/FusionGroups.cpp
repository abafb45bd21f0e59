// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FusionGroups.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallSet.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

constexpr size_t none = ~size_t{0};
constexpr size_t maxOps = 96, maxBuffers = 28;
constexpr int64_t assumedSize = 1024; // A symbolic size, when bytes are compared.
constexpr int64_t cheapToRepeat =
    4; // Flops that may be spent again for every element of a larger kernel.
constexpr size_t maxEvaluations =
    4; // Positions at which one op may be computed for one element of a kernel.

bool precedes(Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); }

double sizeOf(const DimExpr &dim) {
  if (auto size = dim.constant())
    return static_cast<double>(*size);
  std::set<std::string> symbols;
  dim.collectSymbols(symbols);
  DimBinding binding;
  for (const std::string &symbol : symbols)
    binding[symbol] = assumedSize;
  return static_cast<double>(dim.evaluate(binding).value_or(assumedSize));
}

} // namespace

bool permutesElements(const OpFacts::Entry &entry) {
  const Indexing &indexing = *entry.indexing;
  if (indexing.combiner != Combiner::None || entry.elementwise || indexing.ranges.empty())
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

FusionGroups::FusionGroups(Block &block) : block(block) {
  for (Operation &op : block)
    if (facts[&op].indexing)
      add({&op}, none);
}

size_t FusionGroups::add(Group ops, size_t at) {
  size_t number = groups.size();
  State state;
  for (Operation *op : ops) {
    numbers[op] = number;
    ++state.anchors[static_cast<size_t>(facts[op].anchor)];
  }
  groups.push_back(std::move(ops));
  states.push_back(std::move(state));
  if (at == none) {
    at = sequence.size();
    sequence.push_back(number);
  }
  sequence[at] = number;
  position.push_back(at);
  return number;
}

std::vector<size_t> FusionGroups::live() const {
  std::vector<size_t> result;
  for (size_t g = 0; g < groups.size(); ++g)
    if (!groups[g].empty())
      result.push_back(g);
  llvm::sort(result,
             [&](size_t a, size_t b) { return precedes(groups[a].front(), groups[b].front()); });
  return result;
}

std::optional<size_t> FusionGroups::groupOf(Operation *op) const {
  auto it = numbers.find(op);
  return op && it != numbers.end() ? std::optional(it->second) : std::nullopt;
}

llvm::SmallVector<Value> FusionGroups::outputsOf(llvm::ArrayRef<Operation *> ops) {
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin(), ops.end());
  llvm::SmallVector<Value> outputs;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
        outputs.push_back(result);
  return outputs;
}

llvm::SmallVector<Value> FusionGroups::inputsOf(llvm::ArrayRef<Operation *> ops) {
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin(), ops.end());
  llvm::SetVector<Value> inputs;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (!inside.contains(operand.getDefiningOp()))
        inputs.insert(operand);
  return inputs.takeVector();
}

double FusionGroups::elementsOf(Value value) {
  return bytesOf(value) / static_cast<double>(byteSize(tensorType(value).getDType()));
}

double FusionGroups::bytesOf(Value value) {
  auto [it, fresh] = bytes.try_emplace(value, 0);
  if (fresh) {
    it->second = static_cast<double>(byteSize(tensorType(value).getDType()));
    for (Attribute dim : tensorType(value).getDims())
      it->second *= sizeOf(*toDim(dim));
  }
  return it->second;
}

const KernelAnalysis *FusionGroups::analysisOf(size_t group) {
  State &state = states[group];
  if (!state.analyzed) {
    auto answer = analyzeKernel(groups[group], outputsOf(groups[group]), facts);
    if (auto *analysis = std::get_if<KernelAnalysis>(&answer))
      state.analysis = std::move(*analysis);
    state.analyzed = true;
  }
  return state.analysis ? &*state.analysis : nullptr;
}

// Every group on a path between the two lies between them in the sequence.
bool FusionGroups::reachesIndirectly(size_t from, size_t to,
                                     llvm::DenseSet<size_t> &reached) const {
  llvm::SmallVector<size_t> work;
  auto visitUsers = [&](size_t group) {
    for (Operation *op : groups[group])
      for (Operation *user : op->getUsers()) {
        auto next = groupOf(user);
        if (!next || *next == group || position[*next] > position[to] ||
            (*next == to && group == from))
          continue;
        if (reached.insert(*next).second)
          work.push_back(*next);
      }
  };
  visitUsers(from);
  while (!work.empty() && !reached.contains(to))
    visitUsers(work.pop_back_val());
  return reached.contains(to);
}

/// What analyzeKernel() would find, for groups that obviously do not go together.
bool FusionGroups::mayBeOneKernel(size_t a, size_t b) {
  const State &x = states[a], &y = states[b];
  unsigned numKinds = 0;
  for (size_t kind = 1; kind < numAnchorKinds; ++kind) {
    unsigned count = x.anchors[kind] + y.anchors[kind];
    numKinds += count > 0;
    if (count > 1 && standsAlone(static_cast<AnchorKind>(kind)))
      return false;
  }
  return numKinds <= 1 && groups[a].size() + groups[b].size() <= maxOps &&
         !isRegrouping(groups[a].front()) && !isRegrouping(groups[b].front());
}

double FusionGroups::bytesMoved(llvm::ArrayRef<Operation *> ops) {
  double total = 0;
  for (Value value : inputsOf(ops))
    total += bytesOf(value);
  for (Value value : outputsOf(ops))
    total += bytesOf(value);
  return total;
}

bool FusionGroups::isKernel(llvm::ArrayRef<Operation *> ops) {
  llvm::SmallVector<Value> outputs = outputsOf(ops);
  return ops.size() <= maxOps && inputsOf(ops).size() + outputs.size() <= maxBuffers &&
         std::holds_alternative<KernelAnalysis>(analyzeKernel(ops, outputs, facts));
}

bool FusionGroups::merge(size_t a, size_t b, Accept accept) {
  if (position[a] > position[b])
    std::swap(a, b);
  if (refused.contains({a, b}))
    return false;
  auto refuse = [&] {
    refused.insert({a, b});
    return false;
  };
  llvm::DenseSet<size_t> between;
  if (!mayBeOneKernel(a, b) || reachesIndirectly(a, b, between))
    return refuse();
  Group ops(groups[a]);
  llvm::append_range(ops, groups[b]);
  llvm::sort(ops, precedes);
  llvm::SmallVector<Value> outputs = outputsOf(ops);
  if (inputsOf(ops).size() + outputs.size() > maxBuffers)
    return refuse();
  auto answer = analyzeKernel(ops, outputs, facts);
  auto *analysis = std::get_if<KernelAnalysis>(&answer);
  if (!analysis || !isWorthIt(ops, a, *analysis))
    return refuse();
  if (!accept(*analysis))
    return false;

  // Between the two, what depends on `a` moves behind the new group; the rest stays before it.
  llvm::SmallVector<size_t> order, behind;
  size_t first = position[a], last = position[b];
  for (size_t i = first; i <= last; ++i)
    if (size_t g = sequence[i]; g != none && g != a && g != b)
      (between.contains(g) ? behind : order).push_back(g);
  for (size_t i = first; i <= last; ++i)
    sequence[i] = none;
  size_t next = first;
  auto place = [&](size_t g) {
    sequence[next] = g;
    position[g] = next++;
  };
  llvm::for_each(order, place);
  size_t merged = add(std::move(ops), next++);
  llvm::for_each(behind, place);
  states[merged].analysis = std::move(*analysis);
  states[merged].analyzed = true;
  groups[a].clear();
  groups[b].clear();
  return true;
}

size_t FusionGroups::replace(size_t group, Group ops) {
  llvm::sort(ops, precedes);
  groups[group].clear();
  return add(std::move(ops), position[group]);
}

size_t FusionGroups::eraseDead(size_t group) {
  Group ops;
  for (Operation *op : llvm::reverse(groups[group])) {
    if (!op->use_empty()) {
      ops.push_back(op);
      continue;
    }
    for (Value result : op->getResults())
      bytes.erase(result);
    facts.forget(op);
    numbers.erase(op);
    op->erase();
  }
  return ops.size() == groups[group].size() ? group : replace(group, std::move(ops));
}

// -- Profit ---------------------------------------------------------------------------------------

/// No value that is dear to compute is computed once per element of a larger domain, and none is
/// read across rows in every phase.
bool FusionGroups::isWorthIt(const Group &ops, size_t producer, const KernelAnalysis &analysis) {
  // One long row is no parallel work, while two kernels that split it are.
  bool hasRows = analysis.form == KernelForm::Row || analysis.form == KernelForm::Cumulative ||
                 analysis.form == KernelForm::Sort;
  if (hasRows && analysis.hasFewLongRows())
    return false;
  double domain = 1;
  for (const DimExpr &dim : analysis.domain)
    domain *= sizeOf(dim);
  // A scatter asks once for each of its updates.
  if (analysis.form == KernelForm::Scatter) {
    Operation *scatter = analysis.anchors.front();
    unsigned updates = facts[scatter].indexing->accesses.front().operand;
    domain = std::min(domain, elementsOf(scatter->getOperand(updates)));
  }
  for (Operation *op : ops) {
    const OpFacts::Entry &entry = facts[op];
    if (analysis.form != KernelForm::Loop && permutesElements(entry))
      return false;
    if (numbers.lookup(op) != producer || entry.cost <= cheapToRepeat ||
        llvm::is_contained(analysis.anchors, op))
      continue;
    Value result = op->getResult(0);
    double elements = elementsOf(result);
    if (!analysis.roles.contains(result) && elements < domain && elements > 1)
      return false;
  }
  return !repeatsTooMuch(ops, analysis);
}

/// Each op that moves elements asks for its operand at another position, and positions multiply
/// along a chain.
bool FusionGroups::repeatsTooMuch(const Group &ops, const KernelAnalysis &analysis) {
  llvm::DenseMap<Operation *, llvm::SmallSet<size_t, 8>> positions;
  for (Operation *op : llvm::reverse(ops)) {
    auto &own = positions[op];
    bool isAnchor = llvm::is_contained(analysis.anchors, op);
    if (own.empty() || isAnchor)
      own.insert(0); // At the element itself.
    const OpFacts::Entry &entry = facts[op];
    if (own.size() > maxEvaluations && !entry.freeToRecompute && !isAnchor &&
        !analysis.roles.contains(op->getResult(0)))
      return true;
    llvm::SmallVector<size_t> here(own.begin(), own.end());
    // Copies of a view ask for the same position.
    llvm::hash_code view(0);
    if (!entry.elementwise && !isAnchor)
      view = OperationEquivalence::computeHash(op, OperationEquivalence::directHashValue,
                                               OperationEquivalence::ignoreHashValue,
                                               OperationEquivalence::IgnoreLocations);
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (!producer || !llvm::is_contained(ops, producer))
        continue;
      for (size_t p : here)
        positions[producer].insert(isAnchor            ? 0
                                   : entry.elementwise ? p
                                                       : size_t(llvm::hash_combine(view, p)));
    }
  }
  return false;
}

} // namespace sinter::passes
