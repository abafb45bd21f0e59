// SPDX-License-Identifier: Apache-2.0
#include "tools/support/ProgramCosts.h"

namespace sinter::tools {

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

} // namespace sinter::tools
