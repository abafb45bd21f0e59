// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/PlanMemory.h"

#include "sinter/codegen/Program.h"
#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <map>
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

/// Bytes that every worker needs, and some besides: `fixed` + `perWorker` times the workers. Both
/// are multiples of bufferAlignment; none for other formulas.
struct WorkerBytes {
  int64_t fixed = 0, perWorker = 0;
};

std::optional<WorkerBytes> workerBytes(const DimExpr &bytes) {
  if (bytes.isConstant())
    return std::nullopt;
  auto at = [&](int64_t workers) {
    return bytes.substitute({{workersSymbol, DimExpr(workers)}}).constant();
  };
  auto none = at(0), one = at(1);
  if (!none || !one || *none < 0 || *one < *none ||
      bytes != DimExpr(*none) + DimExpr::symbol(workersSymbol) * DimExpr(*one - *none))
    return std::nullopt;
  return WorkerBytes{*aligned(*none).constant(), *aligned(*one - *none).constant()};
}

/// Indices of the allocations of other symbolic sizes, largest first; ties in order of first use.
std::vector<size_t> bySize(const std::vector<Allocation> &allocations,
                           const std::vector<std::optional<WorkerBytes>> &scratch) {
  std::vector<size_t> order;
  std::vector<int64_t> size(allocations.size());
  for (size_t i = 0; i < allocations.size(); ++i)
    if (!allocations[i].bytes.isConstant() && !scratch[i]) {
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

std::vector<Slot> assignSlots(const std::vector<Allocation> &allocations,
                              const std::vector<std::optional<WorkerBytes>> &scratch) {
  std::vector<Slot> slots;
  for (size_t i : bySize(allocations, scratch)) {
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

// -- Static sizes ---------------------------------------------------------------------------------

constexpr int64_t assumedWorkers = 4; // When plans are compared.

/// A block that is needed from step `first` to step `last`: so many bytes, and with its padding.
/// One that also grows with the workers lies above all others that it meets, so that it may grow.
struct Item {
  int first = 0, last = 0;
  int64_t bytes = 0, padded = 0, perWorker = 0;
  int64_t assumed() const { return padded + perWorker * assumedWorkers; }
};

/// at + perWorker times the workers.
struct Place {
  int64_t at = -1, perWorker = 0;
  int64_t end(const Item &item) const { return at + item.padded; }
  int64_t assumedEnd(const Item &item) const {
    return at + perWorker * assumedWorkers + item.assumed();
  }
};

/// Places items one by one, each at the lowest place that is free while it is needed.
class Packer {
public:
  explicit Packer(std::vector<Item> list) : items(std::move(list)), conflicts(items.size()) {
    // Those that begin while another is needed.
    std::vector<size_t> order(items.size()), open;
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return items[a].first < items[b].first; });
    int64_t live = 0;
    for (size_t i : order) {
      std::erase_if(open, [&](size_t other) {
        bool ended = items[other].last < items[i].first;
        live -= ended ? items[other].assumed() : 0;
        return ended;
      });
      for (size_t other : open) {
        conflicts[i].push_back(other);
        conflicts[other].push_back(i);
      }
      stepsOfTry += 1 + 2 * open.size();
      open.push_back(i);
      live += items[i].assumed();
      largestLive = std::max(largestLive, live);
    }
  }

  /// The best of several orders, improved where it is above what is live at once.
  std::vector<Place> run() {
    auto sorted = [&](auto key) {
      std::vector<size_t> order(items.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::sort(order.begin(), order.end(),
                [&](size_t a, size_t b) { return std::pair(key(a), a) < std::pair(key(b), b); });
      return order;
    };
    auto length = [&](size_t i) {
      return static_cast<int64_t>(items[i].last - items[i].first + 1);
    };
    tryOrder(sorted([&](size_t i) { return std::pair(-items[i].assumed(), items[i].first); }));
    if (isTight())
      return best;
    tryOrder(sorted([&](size_t i) { return std::pair(-length(i), -items[i].padded); }));
    tryOrder(sorted([&](size_t i) {
      return -static_cast<double>(items[i].padded) * static_cast<double>(length(i));
    }));
    tryOrder(sorted([&](size_t i) { return items[i].first; }));
    tryOrder(sorted([&](size_t i) { return -items[i].last; }));
    improve();
    return best;
  }

private:
  /// A thousandth is not worth looking for.
  bool isTight() const { return bestTop <= largestLive + largestLive / 1024; }

  /// Between those that are placed and meet it.
  int64_t lowestGap(size_t i) {
    const Item &item = items[i];
    int64_t at = 0;
    auto isBelow = [&](int64_t from, int64_t to) { // Whether there is room before this one.
      if (at + item.bytes <= from)
        return true;
      at = std::max(at, to);
      return false;
    };
    // Most of them or few: to skip the others is cheap, to sort is not.
    constexpr size_t fewTimes = 8;
    if (conflicts[i].size() * fewTimes >= placed.size()) {
      for (const Placed &other : placed)
        if (other.first <= item.last && item.first <= other.last && isBelow(other.at, other.end))
          break;
      return at;
    }
    taken.clear();
    for (size_t other : conflicts[i])
      if (place[other].at >= 0)
        taken.push_back({place[other].at, place[other].end(items[other])});
    std::sort(taken.begin(), taken.end());
    for (auto [from, to] : taken)
      if (isBelow(from, to))
        break;
    return at;
  }

  int64_t tryOrder(const std::vector<size_t> &order) {
    place.assign(items.size(), Place());
    placed.clear();
    int64_t top = 0;
    for (size_t i : order) {
      if (items[i].perWorker > 0)
        continue;
      place[i].at = lowestGap(i);
      const Placed own{place[i].at, place[i].end(items[i]), items[i].first, items[i].last};
      placed.insert(std::upper_bound(placed.begin(), placed.end(), own,
                                     [](const Placed &a, const Placed &b) { return a.at < b.at; }),
                    own);
      top = std::max(top, place[i].assumedEnd(items[i]));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].perWorker == 0)
        continue;
      Place above{0, 0};
      for (size_t other : conflicts[i])
        if (const Place &below = place[other]; below.at >= 0) {
          above.at = std::max(above.at, below.end(items[other]));
          above.perWorker = std::max(above.perWorker, below.perWorker + items[other].perWorker);
        }
      place[i] = above;
      top = std::max(top, above.assumedEnd(items[i]));
    }
    work += stepsOfTry;
    if (best.empty() || top < bestTop) {
      best = place;
      bestTop = top;
      bestOrder = order;
    }
    return top;
  }

  /// Places what reaches highest earlier, and after a while things at random, until nothing is
  /// wasted or enough has been tried. The same input always gives the same answer.
  void improve() {
    constexpr size_t maxWork = 150'000; // About a millisecond.
    std::vector<size_t> order = bestOrder;
    int64_t current = bestTop;
    uint64_t random = 0x9e3779b97f4a7c15;
    auto next = [&](size_t below) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      return static_cast<size_t>(random % below);
    };
    while (!isTight() && work < maxWork) {
      std::vector<size_t> candidate = order;
      // The item at the top, or a random one, moves to a random earlier place.
      size_t from = next(candidate.size());
      if (next(2) == 0)
        for (size_t i = 0; i < candidate.size(); ++i)
          if (place[candidate[i]].assumedEnd(items[candidate[i]]) >= current) {
            from = i;
            break;
          }
      size_t to = next(from + 1);
      std::rotate(candidate.begin() + static_cast<std::ptrdiff_t>(to),
                  candidate.begin() + static_cast<std::ptrdiff_t>(from),
                  candidate.begin() + static_cast<std::ptrdiff_t>(from) + 1);
      int64_t top = tryOrder(candidate);
      if (top <= current) {
        order = std::move(candidate);
        current = top;
      }
    }
  }

  std::vector<Item> items;
  std::vector<std::vector<size_t>> conflicts;
  std::vector<Place> place, best;
  struct Placed {
    int64_t at, end;
    int first, last;
  };
  std::vector<Placed> placed; ///< By place.
  std::vector<std::pair<int64_t, int64_t>> taken;
  std::vector<size_t> bestOrder;
  int64_t bestTop = 0, largestLive = 0;
  size_t work = 0, stepsOfTry = 0;
};

} // namespace

/// One behind the other they fit into 64 bits, so no place overflows.
static void requireSum(const std::vector<Item> &items) {
  constexpr int64_t mostWorkers = 1024;
  int64_t sum = 0;
  for (const Item &item : items) {
    auto perWorker = checkedMul(item.perWorker, mostWorkers);
    auto bytes = perWorker ? checkedAdd(*perWorker, item.padded) : std::nullopt;
    auto total = bytes ? checkedAdd(sum, *bytes) : std::nullopt;
    if (!total)
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::Limit, .op = "compile"},
                  "the memory of the program's intermediate values overflows 64 bits");
    sum = *total;
  }
}

MemoryPlan planMemory(const std::vector<Allocation> &allocations) {
  MemoryPlan plan;
  plan.offsets.resize(allocations.size());
  DimExpr base = 0, end = 0;
  std::vector<std::optional<WorkerBytes>> scratch;
  for (const Allocation &one : allocations)
    scratch.push_back(workerBytes(one.bytes));
  for (const Slot &slot : assignSlots(allocations, scratch)) {
    for (size_t tenant : slot.tenants)
      plan.offsets[tenant] = base;
    end = base + slot.bytes;
    base = base + aligned(slot.bytes);
  }

  std::vector<size_t> fixed;
  std::vector<Item> items;
  for (size_t i = 0; i < allocations.size(); ++i)
    if (const Allocation &one = allocations[i]; auto bytes = one.bytes.constant()) {
      fixed.push_back(i);
      items.push_back({one.first, one.last, *bytes, *aligned(one.bytes).constant(), 0});
    } else if (const auto &own = scratch[i]) {
      fixed.push_back(i);
      items.push_back({one.first, one.last, own->fixed, own->fixed, own->perWorker});
    }
  if (fixed.empty()) {
    plan.bytes = end;
    return plan;
  }
  requireSum(items);
  std::vector<Place> place = Packer(items).run();
  DimExpr workers = DimExpr::symbol(workersSymbol);
  std::map<int64_t, int64_t> ends; // The highest by what it grows with each worker.
  for (size_t i = 0; i < fixed.size(); ++i) {
    plan.offsets[fixed[i]] = base + place[i].at + workers * place[i].perWorker;
    int64_t &end = ends[place[i].perWorker + items[i].perWorker];
    end = std::max(end, place[i].at + items[i].bytes);
  }
  DimExpr top = 0;
  int64_t highest = -1; // Of those that grow more.
  for (auto it = ends.rbegin(); it != ends.rend(); ++it) {
    if (it->second <= highest)
      continue;
    highest = it->second;
    top = max(top, DimExpr(it->second) + workers * it->first);
  }
  plan.bytes = base + top;
  return plan;
}

} // namespace sinter::codegen
