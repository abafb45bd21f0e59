// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/RowReduction.h"

#include "mlir/Dialect/LLVMIR/LLVMTypes.h"

using namespace mlir;

namespace sinter::cuda {

std::string mergeName(ir::Combiner combiner, Type elementType) {
  struct Row {
    ir::Combiner combiner;
    const char *name;
    bool compares; ///< Then the sign of integers matters.
  };
  static constexpr Row rows[] = {
      {ir::Combiner::Sum, "Sum", false},      {ir::Combiner::Product, "Product", false},
      {ir::Combiner::Max, "Max", true},       {ir::Combiner::Min, "Min", true},
      {ir::Combiner::ArgMax, "ArgMax", true},
  };
  const Row *row = llvm::find_if(rows, [&](const Row &r) { return r.combiner == combiner; });
  if (!row->compares || !elementType.isUnsignedInteger())
    return row->name;
  const char *word = "long long";
  for (auto [bits, narrow] :
       {std::pair(8u, "char"), std::pair(16u, "short"), std::pair(32u, "int")})
    if (elementType.getIntOrFloatBitWidth() == bits)
      word = narrow;
  return "As<unsigned " + std::string(word) + ", " + row->name + ">";
}

std::string mergeName(Operation *anchor) {
  return mergeName(cast<ir::IndexedOpInterface>(anchor).getIndexing().combiner,
                   ir::tensorType(anchor->getOperand(0)).getElementType());
}

Type slotType(TypeRange state) {
  if (state.size() > 1)
    return LLVM::LLVMStructType::getLiteral(state.front().getContext(), llvm::to_vector(state));
  Type type = state.front();
  bool isNarrow = isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 32;
  return isNarrow ? Type(IntegerType::get(type.getContext(), 32)) : type;
}

} // namespace sinter::cuda
