// SPDX-License-Identifier: Apache-2.0
// The last launch of a region whose results are checked (Infinities.h): it reads them once more.
#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/cuda/ElementFunctions.h"

using namespace mlir;

namespace sinter::cuda {

KernelSource emitCheck(const KernelRequest &request) {
  ir::FusedOp fused = request.fused;
  Block &body = fused.getBody().front();
  llvm::SmallVector<std::string> counts;
  llvm::SmallVector<llvm::StringRef> taken{"checkStored"};
  ValueRange outputs = body.getTerminator()->getOperands();
  for (size_t i = 0; i < outputs.size(); ++i)
    counts.push_back("count" + std::to_string(i));
  taken.append(counts.begin(), counts.end());
  ElementFunctions region(request, taken);
  std::string text;
  for (auto [i, value] : llvm::enumerate(outputs)) {
    auto type = ir::tensorType(value);
    if (!isa<FloatType>(type.getElementType()))
      continue;
    region.addSize(counts[i], type.getNumElements());
    auto output = static_cast<unsigned>(i);
    codegen::Infinities meant = codegen::storedInfinities(fused, output);
    auto word = [](bool value) { return value ? "true" : "false"; };
    const char *as = type.getElementType().isF16()    ? "(const Half *)" // Stored as words.
                     : type.getElementType().isBF16() ? "(const Brain *)"
                                                      : "";
    text += std::string("  checkStored<") + word(meant.negative) + ", " + word(meant.positive) +
            ">(" + as + "region." + region.bufferName(body.getNumArguments() + output) +
            ", region." + counts[i] + "(), " +
            std::to_string(request.firstSite + static_cast<int64_t>(i)) + ", " +
            std::to_string(request.step) + ", status);\n";
  }
  return {region.define("blocks of results") + region.kernelHead() + text + "}\n", {"Check"}};
}

} // namespace sinter::cuda
