// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/PlanMemory.h"

#include "sinter/codegen/Program.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

namespace sinter::codegen {

namespace {

constexpr int64_t assumedSize = 1024; // Of a named dim, when symbolic sizes are compared.

bool overlap(const Allocation &a, const Allocation &b) {
  return a.first <= b.last && b.first <= a.last;
}

DimExpr aligned(const DimExpr &bytes) { return ceilDiv(bytes, bufferAlignment) * bufferAlignment; }

int64_t estimate(const DimExpr &bytes) {
  std::set<std::string> symbols;
  bytes.collectSymbols(symbols);
  DimBinding binding;
  for (const std::string &symbol : symbols)
    binding[symbol] = symbol == workersSymbol ? 1 : assumedSize;
  return bytes.evaluate(binding).value_or(INT64_MAX);
}

/// Indices of the allocations that `keep` accepts, largest first; ties in order of first use.
template <typename Keep>
std::vector<size_t> bySize(const std::vector<Allocation> &allocations, Keep keep) {
  std::vector<size_t> order;
  std::vector<int64_t> size(allocations.size());
  for (size_t i = 0; i < allocations.size(); ++i)
    if (keep(allocations[i])) {
      order.push_back(i);
      size[i] = estimate(allocations[i].bytes);
    }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(-size[a], allocations[a].first, a) <
           std::tuple(-size[b], allocations[b].first, b);
  });
  return order;
}

struct Slot {
  DimExpr bytes;
  std::vector<size_t> tenants;
};

std::vector<Slot> assignSlots(const std::vector<Allocation> &allocations) {
  std::vector<Slot> slots;
  for (size_t i : bySize(allocations, [](const Allocation &a) { return !a.bytes.isConstant(); })) {
    auto fits = [&](const Slot &slot) {
      return std::none_of(slot.tenants.begin(), slot.tenants.end(), [&](size_t other) {
        return overlap(allocations[i], allocations[other]);
      });
    };
    // A slot of the same size wastes nothing; else the first free one, which is no smaller.
    auto chosen = std::find_if(slots.begin(), slots.end(), [&](const Slot &slot) {
      return slot.bytes == allocations[i].bytes && fits(slot);
    });
    if (chosen == slots.end())
      chosen = std::find_if(slots.begin(), slots.end(), fits);
    if (chosen == slots.end())
      chosen = slots.insert(slots.end(), Slot{allocations[i].bytes, {}});
    chosen->bytes = max(chosen->bytes, allocations[i].bytes);
    chosen->tenants.push_back(i);
  }
  return slots;
}

} // namespace

MemoryPlan planMemory(const std::vector<Allocation> &allocations) {
  MemoryPlan plan;
  plan.offsets.resize(allocations.size());
  DimExpr base = 0, end = 0;
  for (const Slot &slot : assignSlots(allocations)) {
    for (size_t tenant : slot.tenants)
      plan.offsets[tenant] = base;
    end = base + slot.bytes;
    base = base + aligned(slot.bytes);
  }

  std::vector<int64_t> place(allocations.size());
  std::vector<size_t> placed;
  int64_t top = 0;
  for (size_t i : bySize(allocations, [](const Allocation &a) { return a.bytes.isConstant(); })) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (size_t other : placed)
      if (overlap(allocations[i], allocations[other]))
        taken.push_back(
            {place[other], place[other] + *aligned(allocations[other].bytes).constant()});
    std::sort(taken.begin(), taken.end());
    int64_t bytes = *allocations[i].bytes.constant(), at = 0;
    for (auto [from, to] : taken) {
      if (at + bytes <= from)
        break;
      at = std::max(at, to);
    }
    place[i] = at;
    placed.push_back(i);
    plan.offsets[i] = base + at;
    top = std::max(top, at + bytes);
  }
  plan.bytes = placed.empty() ? end : base + top;
  return plan;
}

} // namespace sinter::codegen
