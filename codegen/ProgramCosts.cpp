// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramCosts.h"

#include <algorithm>

namespace sinter::codegen {

DimExpr forWorkers(const DimExpr &size, int64_t workers) {
  return size.substitute({{workersSymbol, DimExpr(workers)}});
}

ProgramCosts costsOf(const Program &program, int64_t workers) {
  auto sizes = [&](const DimExpr &size) { return forWorkers(size, workers); };
  ProgramCosts costs;
  for (const Step &step : program.steps) {
    if (auto *launch = std::get_if<Launch>(&step)) {
      ++costs.launches;
      costs.bytesMoved += sizes(launch->bytesMoved);
      costs.flops += sizes(launch->flops);
    } else {
      ++costs.copies;
      costs.bytesMoved += 2 * sizes(std::get<Copy>(step).bytes);
    }
  }
  for (const Argument &argument : program.arguments)
    costs.bytesNeeded += argument.shape.numElements() * byteSize(argument.dtype);
  for (const Array &constant : program.constants)
    costs.bytesNeeded += constant.numBytes();
  for (const Result &result : program.results) {
    DimExpr bytes = result.shape.numElements() * byteSize(result.dtype);
    costs.bytesNeeded += bytes;
    if (result.updates < 0)
      costs.resultBytes += bytes;
  }
  costs.arenaBytes = sizes(program.arenaBytes);
  costs.peakBytes = costs.arenaBytes + costs.resultBytes;
  return costs;
}

std::optional<int64_t> largestLiveSet(const Program &program, int64_t workers) {
  struct Use {
    int first = -1, last = -1;
  };
  std::vector<Use> uses(program.buffers.size());
  auto touch = [&](int buffer, size_t step) {
    Use &use = uses.at(static_cast<size_t>(buffer));
    use.first = use.first < 0 ? static_cast<int>(step) : use.first;
    use.last = static_cast<int>(step);
  };
  for (size_t step = 0; step < program.steps.size(); ++step) {
    if (auto *launch = std::get_if<Launch>(&program.steps[step])) {
      for (int buffer : launch->buffers)
        touch(buffer, step);
    } else {
      touch(std::get<Copy>(program.steps[step]).from, step);
      touch(std::get<Copy>(program.steps[step]).to, step);
    }
  }
  // Buffers that share memory count once.
  std::vector<std::vector<std::pair<int64_t, int64_t>>> taken(program.steps.size());
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer &buffer = program.buffers[i];
    if (buffer.kind != Buffer::Kind::Arena || uses[i].first < 0)
      continue;
    std::optional<int64_t> from = forWorkers(buffer.offset, workers).constant(),
                           bytes = forWorkers(buffer.bytes, workers).constant();
    if (!from || !bytes)
      return std::nullopt;
    int64_t to = *from + (*bytes + bufferAlignment - 1) / bufferAlignment * bufferAlignment;
    for (int step = uses[i].first; step <= uses[i].last; ++step)
      taken[static_cast<size_t>(step)].push_back({*from, to});
  }
  int64_t most = 0;
  for (auto &places : taken) {
    std::sort(places.begin(), places.end());
    int64_t live = 0, end = 0;
    for (auto [from, to] : places) {
      live += std::max<int64_t>(0, to - std::max(from, end));
      end = std::max(end, to);
    }
    most = std::max(most, live);
  }
  return most;
}

} // namespace sinter::codegen
