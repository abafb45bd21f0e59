// SPDX-License-Identifier: Apache-2.0
// Attention and its gradients: a problem for the templates of the prelude, and a call of one.
#include "sinter/codegen/cuda/ElementFunctions.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/AttentionTiles.h"

#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

constexpr llvm::StringRef members[] = {
    "queries",     "keys",          "batches",       "servedBatches", "repeats",    "offset",
    "servedBatch", "queryOfServed", "queryOfRepeat", "maskBatch",     "maskRow",    "maskColumn",
    "Element",     "Mask",          "Tiles",         "width",         "valueWidth", "stages",
    "hasMask",     "addsMask",      "causal",        "strictRows",    "scale"};

/// A number as a constant expression of C++.
std::string literal(double value) {
  if (std::isnan(value))
    return "__builtin_nan(\"\")";
  if (std::isinf(value))
    return value > 0 ? "__builtin_huge_val()" : "-__builtin_huge_val()";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.17g", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

/// Row-major strides of `sizes`, 0 where the size is 1 and `all` repeats it.
llvm::SmallVector<DimExpr> stridesOf(llvm::ArrayRef<DimExpr> sizes, llvm::ArrayRef<DimExpr> all,
                                     DimExpr step) {
  llvm::SmallVector<DimExpr> strides(all.size(), DimExpr(0));
  for (size_t d = all.size(); d-- > 0;) {
    if (sizes[d] != DimExpr(1))
      strides[d] = step;
    step *= sizes[d];
  }
  return strides;
}

class AttentionEmitter {
public:
  explicit AttentionEmitter(const KernelRequest &request)
      : request(request), op(request.plan.analysis.anchors.front()),
        tiles(op, request.plan.schedule), l(tiles.layout),
        pass(tiles.passes(yields(request.fused))[request.stage]), region(request, members) {}

  KernelSource run() {
    addSizes();
    addMask();
    addTypes();
    std::string text = region.define(describe());
    text += region.kernelHead(/*minBlocks=*/1); // Registers before blocks: nothing spills.
    text += "  using Tiles = " + tileType() + ";\n";
    text += l.isBackward ? backward() : forward();
    const bool isMatrix = tiles.kernel() == AttentionTiles::Kernel::Matrix;
    return {text + "}\n", {isMatrix ? "AttentionMatrix" : "AttentionScalar"}};
  }

private:
  static DimExpr product(llvm::ArrayRef<DimExpr> sizes) {
    DimExpr result = 1;
    for (const DimExpr &size : sizes)
      result *= size;
    return result;
  }

  std::string describe() const {
    std::string rows = std::to_string(tiles.tiles.m), columns = std::to_string(tiles.tiles.n);
    return pass.rowsAreQueries ? "blocks of " + rows + " queries, " + columns + " keys at a time"
                               : "blocks of " + rows + " keys, " + columns + " queries at a time";
  }

  void addSizes() {
    region.addSize("queries", l.queries);
    region.addSize("keys", l.keys);
    if (l.causal)
      region.addSize("offset", *l.causal);
    if (pass.rowsAreQueries) {
      region.addSize("batches", product(l.leading));
      region.addOffset("servedBatch", "batch", l.leading, stridesOf(l.served, l.leading, 1));
      return;
    }
    // Queries' batches from that of the keys and, where those serve several, the number of one.
    llvm::SmallVector<DimExpr> served, repeated, ofServed, ofRepeated;
    llvm::SmallVector<DimExpr> strides = stridesOf(l.leading, l.leading, 1);
    for (auto [all, own, stride] : llvm::zip_equal(l.leading, l.served, strides)) {
      const bool isServed = all == own;
      (isServed ? served : repeated).push_back(all);
      (isServed ? ofServed : ofRepeated).push_back(stride);
    }
    region.addSize("servedBatches", product(l.served));
    region.addSize("repeats", product(repeated));
    region.addOffset("queryOfServed", "served", served, ofServed);
    region.addOffset("queryOfRepeat", "repeat", repeated, ofRepeated);
  }

  void addMask() {
    if (!l.mask)
      return;
    llvm::SmallVector<DimExpr> sizes;
    auto type = ir::tensorType(l.mask);
    for (int64_t d = 0; d < type.getRank(); ++d)
      sizes.push_back(type.getDim(d));
    const DimExpr columns = sizes.pop_back_val(), rows = sizes.pop_back_val();
    region.addOffset("maskBatch", "batch", l.leading, stridesOf(sizes, l.leading, rows * columns));
    region.addSize("maskRow", rows == DimExpr(1) ? DimExpr(0) : columns);
    region.addSize("maskColumn", columns == DimExpr(1) ? DimExpr(0) : DimExpr(1));
  }

  void addTypes() {
    auto flag = [&](const std::string &name, bool value) {
      region.addLine("static constexpr bool " + name + " = " + (value ? "true" : "false") + ";");
    };
    region.addLine("using Element = " + typeOf(l.q.value) + ";");
    region.addLine("using Mask = " + maskType() + ";");
    region.addConstant("width", l.q.width);
    region.addConstant("valueWidth", l.v.width);
    region.addConstant("stages", tiles.tiles.stages);
    flag("hasMask", l.mask != nullptr);
    flag("addsMask", l.mask && !ir::tensorType(l.mask).getElementType().isInteger(1));
    flag("causal", l.causal.has_value());
    flag("strictRows", l.strictRows);
    region.addLine("static constexpr double scale = " + literal(l.scale) + ";");
  }

  static std::string typeOf(Value value) {
    return cppTypeName(ir::tensorType(value).getElementType());
  }
  std::string maskType() const {
    if (!l.mask || ir::tensorType(l.mask).getElementType().isInteger(1))
      return "unsigned char";
    return typeOf(l.mask);
  }

  std::string tileType() const {
    const std::string element = typeOf(l.q.value), shape = std::to_string(tiles.groups()) + ", " +
                                                           std::to_string(tiles.perGroup()) + ", " +
                                                           std::to_string(tiles.tiles.n) + ">";
    return (tiles.kernel() == AttentionTiles::Kernel::Matrix ? "MatrixTiles<" : "ScalarTiles<") +
           element + ", " + shape;
  }

  /// An operand as a pointer of the given type; no operand: null.
  std::string operand(Value value, const std::string &type) const {
    const std::string pointer = "(const " + type + " *)";
    if (!value)
      return pointer + "nullptr";
    const unsigned number = cast<BlockArgument>(value).getArgNumber();
    return pointer + "region." + region.bufferName(number);
  }
  /// A result that somebody wants, and that this launch gives.
  std::string result(unsigned number, const std::string &type, bool isGiven = true) const {
    ValueRange wanted = yields(request.fused);
    auto place = llvm::find(wanted, op->getResult(number));
    if (!isGiven || place == wanted.end())
      return "(" + type + " *)nullptr";
    const auto output = static_cast<unsigned>(place - wanted.begin());
    return "(" + type + " *)region." +
           region.bufferName(bodyOf(request.fused).getNumArguments() + output);
  }
  std::string operands() const {
    const std::string element = typeOf(l.q.value);
    return "region, " + operand(l.q.value, element) + ", " + operand(l.k.value, element) + ", " +
           operand(l.v.value, element) + ",\n      ";
  }

  std::string forward() const {
    return "  attentionForward<" + region.structName() + ", Tiles>(\n      " + operands() +
           operand(l.mask, maskType()) + ", " + result(0, typeOf(l.q.value)) + ", " +
           result(1, "Tiles::Sum") + ");\n";
  }

  std::string backward() const {
    auto backward = cast<ir::AttentionBackwardOp>(op);
    const std::string element = typeOf(l.q.value);
    auto flag = [](bool value) { return value ? "true" : "false"; };
    const bool weighted = !pass.rowsAreQueries && pass.second;
    return std::string("  attentionBackward<") + region.structName() +
           ", Tiles, /*rowsAreQueries=*/" + flag(pass.rowsAreQueries) + ", /*makesSlopes=*/" +
           flag(pass.first) + ", /*makesWeighted=*/" + flag(weighted) + ">(\n      " + operands() +
           operand(backward.getLse(), "Tiles::Sum") + ", " +
           operand(backward.getDelta(), "Tiles::Sum") + ", " +
           operand(backward.getDout(), element) + ", " + operand(l.mask, maskType()) + ",\n      " +
           result(pass.rowsAreQueries ? 0 : 1, element, pass.first) + ", " +
           result(2, element, weighted) + ");\n";
  }

  const KernelRequest &request;
  Operation *op;
  AttentionTiles tiles;
  const AttentionLayout &l;
  AttentionPass pass;
  ElementFunctions region;
};

} // namespace

KernelSource emitAttention(const KernelRequest &request) { return AttentionEmitter(request).run(); }

} // namespace sinter::cuda
