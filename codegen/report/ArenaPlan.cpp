// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/ArenaPlan.h"

#include <algorithm>

namespace sinter::codegen::report {

namespace {

/// Bytes of the union of places.
int64_t covered(std::vector<std::pair<int64_t, int64_t>> &places) {
  std::sort(places.begin(), places.end());
  int64_t bytes = 0, end = 0;
  for (auto [from, to] : places) {
    bytes += std::max<int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return bytes;
}

std::vector<int> buffersOf(const Step &step) {
  if (auto *launch = std::get_if<Launch>(&step))
    return launch->buffers;
  const Copy &copy = std::get<Copy>(step);
  return {copy.from, copy.to};
}

} // namespace

ArenaPlan arenaPlanOf(const Program &program, const DimBinding &binding,
                      const std::vector<int> &kernelOf) {
  ArenaPlan plan;
  plan.formula = program.arenaBytes.isConstant() ? "" : program.arenaBytes.str();
  const std::optional<int64_t> arena = program.arenaBytes.evaluate(binding);
  if (!arena)
    return plan;
  plan.arenaBytes = *arena;
  std::vector<int> blockOf(program.buffers.size(), -1);
  for (size_t number = 0; number < program.steps.size(); ++number) {
    const Step &step = program.steps[number];
    const int kernel = kernelOf.at(number);
    plan.steps.push_back(kernel >= 0 ? "k" + std::to_string(kernel) : "copy");
    for (int index : buffersOf(step)) {
      const Buffer &buffer = program.buffers.at(static_cast<size_t>(index));
      if (buffer.kind != Buffer::Kind::Arena)
        continue;
      int &block = blockOf[static_cast<size_t>(index)];
      if (block < 0) {
        const std::optional<int64_t> offset = buffer.offset.evaluate(binding),
                                     bytes = buffer.bytes.evaluate(binding);
        if (!offset || !bytes)
          return ArenaPlan();
        block = static_cast<int>(plan.blocks.size());
        plan.blocks.push_back({.name = buffer.name,
                               .kernel = kernel,
                               .offset = *offset,
                               .bytes = *bytes,
                               .first = number,
                               .isScratch = buffer.name.ends_with(" scratch")});
      }
      plan.blocks[static_cast<size_t>(block)].last = number;
    }
  }
  // Blocks are in the order of their first steps.
  std::vector<const MemoryBlock *> live;
  size_t next = 0;
  for (size_t step = 0; step < program.steps.size(); ++step) {
    std::erase_if(live, [&](const MemoryBlock *block) { return block->last < step; });
    for (; next < plan.blocks.size() && plan.blocks[next].first == step; ++next)
      live.push_back(&plan.blocks[next]);
    std::vector<std::pair<int64_t, int64_t>> places;
    for (const MemoryBlock *block : live)
      places.push_back({block->offset, block->offset + block->bytes});
    plan.live.push_back(covered(places));
  }
  plan.isKnown = true;
  return plan;
}

} // namespace sinter::codegen::report
