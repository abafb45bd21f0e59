// SPDX-License-Identifier: Apache-2.0
// Loop form: units are blocks of the innermost dim, vectors run along it.
#include "sinter/codegen/cpu/RowsAhead.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

static void emitOutputs(KernelFunction &kernel, ElementEmitter &emitter,
                        llvm::ArrayRef<LaneIndex> index) {
  ElementEmitter::Scope scope(emitter);
  auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
  // All reads come before the first write: an output may share the buffer of an input.
  llvm::SmallVector<Element> elements;
  for (Value value : values)
    elements.push_back(emitter.emit(value, index));
  for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
    kernel.store(emitter, buffer, index, element, kernel.plan.schedule.streamStores);
}

void emitLoop(KernelFunction &kernel) {
  const Shape &domain = kernel.plan.analysis.domain;
  const Schedule &schedule = kernel.plan.schedule;
  ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, schedule.lanes);
  if (domain.rank() == 0) {
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value, ValueRange) {
      emitOutputs(kernel, emitter, {});
      return KernelFunction::Values();
    });
    return;
  }
  const DimExpr inner = domain[domain.rank() - 1];
  llvm::SmallVector<DimExpr> outer(domain.begin(), domain.end() - 1);
  const DimExpr blocks = ceilDiv(inner, schedule.block);
  IndexMath &math = emitter.math();
  auto firstOf = [&](Value unit) {
    LaneIndex at = math.uniform(unit);
    Index index;
    if (!outer.empty())
      index.append(math.delinearize(math.floorDiv(at, blocks).base, outer));
    Value block = outer.empty() ? unit : math.mod(at, blocks).base;
    index.push_back(math.uniform(kernel.mul(block, kernel.constant(schedule.block))));
    return index;
  };
  const int64_t length = std::min(schedule.block, inner.constant().value_or(schedule.block));
  RowsAhead ahead(kernel, schedule.lanes == 1 ? 0 : length);
  Value distance = kernel.constant(ahead.units());
  if (ahead.units() > 0)
    kernel.loop(kernel.begin, kernel.minimum(kernel.end, kernel.add(kernel.begin, distance)),
                kernel.constant(1), {}, [&](Value unit, ValueRange) {
                  ahead.askFor(firstOf(unit));
                  return KernelFunction::Values();
                });
  kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
    if (ahead.units() > 0)
      ahead.askFor(firstOf(
          kernel.minimum(kernel.add(unit, distance), kernel.sub(kernel.end, kernel.constant(1)))));
    Index index = firstOf(unit);
    Value low = index.back().base;
    Value high =
        kernel.minimum(kernel.add(low, kernel.constant(schedule.block)), kernel.size(inner));
    kernel.vectorLoop(low, high, schedule.lanes, schedule.unroll, {},
                      [&](Value base, Value mask, ValueRange) {
                        index.back() = {base, schedule.lanes == 1 ? 0 : 1, {}};
                        emitter.setMask(mask);
                        emitOutputs(kernel, emitter, index);
                        return KernelFunction::Values();
                      });
    return KernelFunction::Values();
  });
}

} // namespace sinter::cpu
