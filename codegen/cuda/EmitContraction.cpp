// SPDX-License-Identifier: Apache-2.0
// Contraction form: a kernel of the prelude's Gemm parts, and the region's elements for it to call.
#include "sinter/codegen/cuda/ElementFunctions.h"
#include "sinter/codegen/cuda/EmitRow.h"
#include "sinter/codegen/cuda/KernelSource.h"
#include "sinter/codegen/forms/gpu/ContractionKernels.h"

#include "sinter/passes/ContractionDims.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

/// An element in memory, with its sign.
std::string memoryName(DType dtype) {
  if (dtype == f16)
    return "Half";
  if (dtype == bf16)
    return "Brain";
  if (dtype == f32)
    return "float";
  if (dtype == f64)
    return "double";
  if (dtype == boolean)
    return "unsigned char";
  constexpr const char *names[] = {"char", "short", "int", "long long"};
  const int64_t bytes = byteSize(dtype);
  const std::string sign = isUnsigned(dtype) ? "unsigned " : bytes == 1 ? "signed " : "";
  return sign + names[bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
}

class ContractionEmitter {
public:
  explicit ContractionEmitter(const KernelRequest &request)
      : request(request), dot(cast<ir::DotGeneralOp>(request.plan.analysis.anchors.front())),
        layout(*contractionLayout(dot)), facts(request.fused, dot, layout),
        tiles(request.plan.schedule.gpu), region(request, memberNames) {}

  KernelSource run() {
    if (hasRows() && request.stage > 0)
      return rowLaunch();
    region.addLine("typedef " + memoryName(facts.sum) + " Sum;");
    region.addSize("rows", layout.m);
    region.addSize("columns", layout.n);
    region.addSize("batches", layout.batch);
    region.addConstant("pack", columnsAtOnce());
    region.addConstant("parts", tiles.splits);
    const bool isSplit = tiles.splits > 1 || (hasRows() && !rowsInBlocks());
    region.addConstant("wholeRows", rowsInBlocks());
    if (request.stage == 1) {
      region.addLine(
          "__device__ __forceinline__ const Sum *partials() const { return (const Sum *)" +
          workspace() + "; }");
      addStore();
      return {region.define("packs of sums, whose parts are added up in order") +
                  region.kernelHead(2) + "  addParts(region);\n}\n",
              {"GemmCommon"}};
    }
    region.addSize("depth", layout.k);
    region.addSize("partDepth", partDepth(layout, tiles));
    if (facts.multiplied)
      region.addLine("typedef " + memoryName(*facts.multiplied) + " Multiplied;");
    addOperand("a", "A", "lhs", facts.a, dot.getLhs(), /*isLeft=*/true);
    addOperand("b", "B", "rhs", facts.b, dot.getRhs(), /*isLeft=*/false);
    if (rowsInBlocks()) {
      addRows();
      return kernel();
    }
    std::string finish =
        "template <int V> __device__ __forceinline__ void finish(int part, long long batch, long "
        "long m, long long n, const Sum (&sums)[V]) const {\n    ";
    if (isSplit) {
      finish += "storePack<V>((Sum *)" + workspace() +
                " + ((part * batches() + batch) * rows() + m) * columns() + n, sums);\n  }";
    } else {
      addStore();
      finish += "store<V>(batch, m, n, sums);\n  }";
    }
    region.addLine(finish);
    return kernel();
  }

private:
  static constexpr llvm::StringRef memberNames[] = {
      "Sum",      "A",      "B",       "Multiplied", "rows",    "columns", "batches",
      "depth",    "pack",   "parts",   "aAt",        "aStride", "aPack",   "aAlongK",
      "aOffset",  "bAt",    "bStride", "bPack",      "bAlongK", "bOffset", "partDepth",
      "partials", "finish", "store",   "lhs",        "rhs",     "batch",   "m",
      "n",        "k",      "sum",     "sums",       "part",   "wholeRows", "rowThreads",
      "rowsPerUnit", "rowTiles", "rowsBehind", "unit", "row", "count", "pitch"};

  Type sumType() { return ir::registerType(ir::toElementType(dot.getContext(), facts.sum)); }

  std::string workspace() const {
    return region.bufferName(static_cast<unsigned>(request.bufferNames.size() - 1));
  }

  /// Columns whose sums are finished together: by one lane of a warp, or by the second launch.
  int64_t columnsAtOnce() const {
    const auto kernel = static_cast<GpuContraction>(tiles.kernel);
    return request.stage == 0 &&
                   (kernel == GpuContraction::Rows || kernel == GpuContraction::Columns)
               ? 1
               : facts.pack;
  }

  bool hasRows() const { return request.plan.analysis.hasRowsBehind(); }
  bool rowsInBlocks() const { return hasRows() && finishesRows(tiles); }

  /// What follows whole rows of sums in a block.
  void addRows() {
    const KernelPlan plan = rowsPlan(request.fused, request.plan);
    KernelRequest rows = requestFor(plan);
    region.addConstant("rowThreads", plan.schedule.rowThreads);
    region.addConstant("rowsPerUnit", plan.rowsPerUnit);
    const auto width = rowTileBehind(request.plan.analysis, layout);
    region.addConstant("rowTiles", width ? *layout.n.constant() / *width : 1);
    region.addMember("void rowsBehind(long long unit, long long row, long long count, "
                     "const Sum *sums, long long pitch)",
                     emitRowsBehind(rows, sumType()), {"unit", "row", "count", "sums", "pitch"});
  }

  /// The launches behind the products.
  KernelSource rowLaunch() {
    const KernelPlan plan = rowsPlan(request.fused, request.plan);
    KernelRequest rows = requestFor(plan);
    if (request.stage == 1 && !rowsInBlocks())
      return emitRowsOfParts(rows, {sumType(), tiles.splits});
    return emitRowColumns(rows);
  }

  KernelRequest requestFor(const KernelPlan &plan) const {
    return {request.fused,       plan,         request.stage, request.target,    request.name,
            request.bufferNames, request.dims, request.site,  request.firstSite, request.step, request.tableEntry};
  }

  void addStore() {
    llvm::SmallVector<ElementFunctions::Group> groups = {{"batch", {}}, {"m", {}}, {"n", {}}};
    int64_t d = 0;
    for (auto [group, dims] :
         {std::pair(0, &layout.batchDims), {1, &layout.mDims}, {2, &layout.nDims}})
      for (size_t i = 0; i < dims->size(); ++i)
        groups[static_cast<size_t>(group)].dims.push_back(d++);
    region.addStore("store", groups, {{"sum", dot.getResult(), sumType()}});
  }

  void addOperand(const std::string &name, const std::string &type, const std::string &element,
                  const GpuOperand &operand, Value value, bool isLeft) {
    const int64_t pack = codegen::loadPack(tiles, facts, operand);
    region.addLine("typedef " + memoryName(operand.dtype) + " " + type + ";");
    region.addLine("static constexpr bool " + name +
                   "AlongK = " + (operand.alongK ? "true;" : "false;"));
    region.addConstant(name + "Pack", pack);
    if (pack) {
      const auto number = cast<BlockArgument>(operand.memory).getArgNumber();
      region.addOffset(name + "Offset", "batch", layout.batchDims,
                       isLeft ? layout.lhsBatch : layout.rhsBatch);
      region.addSize(name + "Stride", operand.stride);
      region.addLine("__device__ __forceinline__ const " + type + " *" + name +
                     "At(long long batch) const { return (const " + type + " *)" +
                     region.bufferName(number) + " + " + name + "Offset(batch); }");
    }
    llvm::SmallVector<int64_t> order = ContractionLayout::operandOrder(dot, isLeft);
    llvm::ArrayRef<int64_t> dims(order);
    const size_t batch = layout.batchDims.size(),
                 free = (isLeft ? layout.mDims : layout.nDims).size();
    auto copy = [](llvm::ArrayRef<int64_t> of) { return llvm::SmallVector<int64_t>(of); };
    region.addElement(element, value,
                      {{"batch", copy(dims.take_front(batch))},
                       {isLeft ? "m" : "n", copy(dims.slice(batch, free))},
                       {"k", copy(dims.drop_front(batch + free))}},
                      sumType());
  }

  KernelSource kernel() {
    auto number = [](int64_t value) { return std::to_string(value); };
    const std::string tile = number(tiles.m) + ", " + number(tiles.n) + ", ";
    switch (static_cast<GpuContraction>(tiles.kernel)) {
    case GpuContraction::Simt: {
      if (tiles.m == 32 && tiles.n == 128)
        return finish("blocks of sums, each one chain of multiply-adds",
                      "gemmSimt<" + tile + number(tiles.k) + ", 4, 4>(region)", {"GemmSimt"}, 2);
      const bool large = tiles.m == 128, small = tiles.m == 32;
      return finish("blocks of sums, each one chain of multiply-adds",
                    "gemmSimt<" + tile + number(tiles.k) +
                        (large   ? ", 8, 8"
                         : small ? ", 2, 4"
                                 : ", 4, 4") +
                        ">(region)",
                    {"GemmSimt"},
                    large   ? 1
                    : small ? 4
                            : 2);
    }
    case GpuContraction::Matrix: {
      const bool large = tiles.m == 128, wide = tiles.n == 256; // Warps are 2 x 2, or 2 x 4.
      return finish("blocks of sums by tensor cores",
                    "gemmMatrix<" + tile + (large ? "64, 32, " : wide ? "32, 64, " : "32, 32, ") +
                        number(tiles.stages) + ">(region)",
                    {"GemmMatrix"},
                    tiles.m != tiles.n        ? 1
                    : !large                  ? 4
                    : facts.multiplied == f32 ? 1
                                              : 2);
    }
    case GpuContraction::Hopper:
    case GpuContraction::HopperPair:
      return finish("blocks of sums by warpgroups",
                    "gemmHopper<" + number(tiles.n) + ", " + number(tiles.stages) + ", " +
                        number(request.plan.stages.front().grid.cluster) +
                        ">(region, &aMap, &bMap)",
                    {"GemmHopper"}, 1, {"aMap", "bMap"});
    case GpuContraction::Tiny:
      return finish("packs of sums, a thread each", "gemmTiny(region)", {"GemmTiny"}, 0);
    case GpuContraction::Rows:
      return finish("rows of a matrix, a warp each", "gemvRows<" + vectors() + ">(region)",
                    {"GemmSkinny"}, 2);
    case GpuContraction::Columns:
      return finish("pieces of the columns of a matrix, a block each",
                    "gemvColumns<" + vectors() + ", " + number(request.plan.schedule.threads / 32) +
                        ">(region)",
                    {"GemmSkinny"}, 2);
    }
    llvm_unreachable("a kernel without text");
  }
  std::string vectors() const {
    return (facts.matrixIsLeft ? "true, " : "false, ") + std::to_string(tiles.n);
  }

  KernelSource finish(llvm::StringRef units, const std::string &call,
                      std::vector<std::string> parts, int64_t minBlocks,
                      llvm::ArrayRef<std::string> maps = {}) {
    if (rowsInBlocks())
      parts.emplace_back("GemmRows");
    return {region.define(units) + region.kernelHead(minBlocks, maps) + "  " + call + ";\n}\n",
            std::move(parts)};
  }

  const KernelRequest &request;
  ir::DotGeneralOp dot;
  ContractionLayout layout;
  GpuContractionFacts facts;
  const GpuTiles &tiles;
  ElementFunctions region;
};

} // namespace

KernelSource emitContraction(const KernelRequest &request) {
  return ContractionEmitter(request).run();
}

} // namespace sinter::cuda
