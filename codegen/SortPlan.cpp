// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/SortPlan.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

SortPlan sortPlan(Operation *argsort) {
  Indexing indexing = cast<IndexedOpInterface>(argsort).getIndexing();
  ir::TensorType type = tensorType(argsort->getOperand(0));
  Type element = registerType(type.getElementType());
  SortPlan plan;
  plan.size = indexing.ranges[indexing.order->axis];
  unsigned bits = element.getIntOrFloatBitWidth();
  plan.digits = std::max(1u, bits / 8);
  bool isLong = plan.size.constant().value_or(0) > (int64_t{1} << 32);
  plan.keyBits = bits > 32 || isLong ? 64 : 32;
  plan.radixFrom = plan.keyBits == 32 ? 256 : 1024;
  return plan;
}

} // namespace sinter::codegen
