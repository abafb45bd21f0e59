// SPDX-License-Identifier: Apache-2.0
// Schedules as text, changed value by value: what tests on the host and of NVRTC share.
#pragma once

#include "sinter/frontend/nn/Attention.h"
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <algorithm>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace sinter::scheduletest {

struct Field {
  std::string name;
  int64_t value;
  unsigned line; ///< Of the text, from 1.
};
struct Entry {
  std::string kernel, form;
  std::vector<Field> fields;
  const Field &field(const std::string &name) const {
    return *std::find_if(fields.begin(), fields.end(),
                         [&](const Field &field) { return field.name == name; });
  }
};

inline std::vector<Entry> entriesOf(const std::string &text) {
  std::vector<Entry> entries;
  std::istringstream lines(text);
  std::string line;
  for (unsigned number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string name, value;
    if (number < 3 || !(words >> name >> value))
      continue;
    if (name == "kernel")
      entries.push_back({value, {}, {}});
    else if (name == "form")
      entries.back().form = value;
    else
      entries.back().fields.push_back({name, std::stoll(value), number});
  }
  return entries;
}

/// The text with other values of fields.
inline std::string changed(const std::string &text,
                           const std::vector<std::pair<Field, std::string>> &changes) {
  std::istringstream lines(text);
  std::string line, result;
  for (unsigned number = 1; std::getline(lines, line); ++number) {
    for (const auto &[field, value] : changes)
      if (field.line == number)
        line = "  " + field.name + " " + value;
    result += line + "\n";
  }
  return result;
}

/// Attention with its gradients over sizes that fill no tile.
inline Graph attentionOf(DType dtype, int64_t width, bool causal) {
  Graph g;
  std::vector<Tensor> x;
  for (const char *name : {"q", "k", "v", "d"})
    x.push_back(g.placeholder(name, dtype, {2, name[0] == 'q' || name[0] == 'd' ? 41 : 53, width}));
  Tensor y = attention(x[0], x[1], x[2], {.causal = causal, .causalOffset = causal ? 12 : 0});
  g.output("y", y);
  std::vector<Tensor> grads = gradients(y, {x[0], x[1], x[2]}, {x[3]});
  for (size_t i = 0; i < grads.size(); ++i)
    g.output("grad" + std::to_string(i), grads[i]);
  return g;
}

/// How a block of a GPU may compute attention, be it that shared memory holds it.
struct Tiles {
  int64_t threads, m, n, stages;
};
inline std::vector<Tiles> allTiles(bool isMatrix) {
  std::vector<Tiles> all;
  for (int64_t threads = 32; threads <= 256; threads *= 2)
    for (int64_t part = 1; part <= (isMatrix ? 2 : 8); ++part)
      for (int64_t n = 16; n <= 128; n += 16)
        for (int64_t stages : {1, 2})
          all.push_back({threads, part * threads / (isMatrix ? 2 : 16), n, stages});
  return all;
}

/// The text with these tiles for every kernel of attention, drawn one by one.
template <typename Draw> std::string retiled(const std::string &text, Draw draw) {
  std::vector<std::pair<Field, std::string>> changes;
  for (const Entry &entry : entriesOf(text))
    if (entry.form == "attention") {
      const Tiles tiles = draw();
      for (auto [name, value] : {std::pair("threads", tiles.threads),
                                 {"tileM", tiles.m},
                                 {"tileN", tiles.n},
                                 {"stages", tiles.stages}})
        changes.emplace_back(entry.field(name), std::to_string(value));
    }
  return changed(text, changes);
}

/// The legal ones among all tiles that attention can be given, or a few of them that a seed
/// draws. Forward and backward kernels get different ones.
inline std::vector<std::string> retilings(const Graph &g, const Target &target, bool isMatrix,
                                          size_t most) {
  const std::string text = scheduleText(g, {.target = target});
  std::vector<Tiles> all = allTiles(isMatrix);
  std::mt19937 random(41);
  std::vector<std::string> result;
  for (size_t i = 0; i < all.size(); ++i)
    std::swap(all[i], all[i + random() % (all.size() - i)]);
  for (size_t i = 0; i < all.size() && result.size() < most; ++i) {
    size_t turn = i;
    const std::string other = retiled(text, [&] { return all[turn++ % all.size()]; });
    try {
      scheduleText(g, {.target = target, .schedule = other});
      result.push_back(other);
    } catch (const Error &) { // More shared memory than there is.
    }
  }
  return result;
}

} // namespace sinter::scheduletest
