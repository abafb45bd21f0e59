// SPDX-License-Identifier: Apache-2.0
// Convolution form: the template code of prelude/Convolution*.cuh, with the sizes, the operands and
// what follows the sums as a struct. With several parts of the depth a second launch adds them up.
#include "sinter/codegen/cuda/ElementFunctions.h"
#include "sinter/codegen/forms/gpu/ConvolutionTiles.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

std::string elementName(Type type) {
  return type.isF16() || type.isBF16() ? cppTypeName(type) : cppStorageName(type);
}
/// What products are added up in.
std::string sumName(Type type) {
  if (isa<FloatType>(type))
    return type.isF64() ? "double" : "float";
  return type.getIntOrFloatBitWidth() == 64 ? "long long" : "int";
}

class ConvolutionEmitter {
public:
  explicit ConvolutionEmitter(const KernelRequest &request)
      : request(request), op(cast<ir::ConvolutionOp>(request.plan.analysis.anchors.front())),
        problem(op), tiles(request.plan.schedule.gpu), region(request, names) {}

  KernelSource run() {
    if (is(GpuConvolution::Product))
      return product();
    describe();
    std::string part = op.makesW() ? "ConvolveToW" : op.makesX() ? "ConvolveToX" : "ConvolveToY";
    std::string call, units;
    std::vector<std::string> parts{"Convolution"};
    const std::string patchPart = op.makesX() ? "PatchToX" : "PatchToY";
    if (stage() == Stage::Prepare) {
      call = "convolutionPrepare<" + patchPart + ">(region)";
      units = "16 bytes of weights in the order of taps";
      parts.push_back("ConvolutionPatches");
    } else if (stage() == Stage::Combine) {
      call = "convolutionCombine(region)";
      units = "elements whose " + std::to_string(tiles.splits) + " parts are added up";
    } else if (is(GpuConvolution::Direct)) {
      call = op.makesW() ? "convolveDirectToW(region)" : "convolveDirect<" + part + ">(region)";
      units = op.makesW() ? "weights of a few channels, a block each" : "elements, a thread each";
    } else if (is(GpuConvolution::Patches)) {
      std::string rows = std::to_string(tiles.m);
      call = op.makesW() ? "convolvePatchesToW<" + rows + ">(region)"
                         : "convolvePatches<" + patchPart + ", " + rows + ", " +
                               std::to_string(tiles.stages) + ">(region)";
      units = "tiles of " + rows + " channels by " + std::to_string(tiles.n) +
              (op.makesW() ? " weights" : " places");
      parts.push_back("ConvolutionPatches");
    } else {
      std::string rows = std::to_string(tiles.m);
      bool isMatrix = is(GpuConvolution::Matrix);
      call = (isMatrix ? "convolveMatrix<" : "convolveTiles<") + part + ", " + rows + ">(region)";
      units = "tiles of " + rows + " channels by " + std::to_string(tiles.n) +
              (op.makesW() ? " weights" : " places");
      if (isMatrix)
        parts.push_back("ConvolutionMatrix");
    }
    return {region.define(units) + region.kernelHead(leastBlocks()) + "  " + call + ";\n}\n",
            parts};
  }

private:
  /// The members that GemmMatrix asks for, of the weights on the left and an image on the right.
  KernelSource product() {
    const std::string element = elementName(op.getType().getElementType());
    region.addStore("store", {{"image", {0}}, {"channel", {1}}, {"place", rest()}},
                    {{"sum", op.getResult()}});
    region.addSize("rows", problem.rows);
    region.addSize("columns", problem.places);
    region.addSize("batches", problem.batch * problem.groups);
    region.addSize("depth", problem.depth);
    region.addSize("groups", problem.groups);
    region.addSize("aStride", problem.inputs);
    region.addSize("bStride", problem.places);
    region.addSize("weightsOfGroup", problem.outputs * problem.inputs);
    region.addSize("image", problem.patchChannels() * problem.places);
    region.addLine("typedef " + element + " A;\n  typedef " + element + " B;\n  typedef " +
                   element + " Multiplied;\n  typedef float Sum;");
    // Of x's gradient the depth is what the weights' rows are.
    region.addConstant("aAlongK", !op.makesX());
    region.addConstant("bAlongK", 0);
    constexpr int64_t perCopy = 8;
    for (const char *pack : {"aPack", "bPack", "pack"})
      region.addConstant(pack, perCopy);
    region.addConstant("parts", 1);
    region.addConstant("wholeRows", 0);
    auto operand = [&](const std::string &name, Value value, const std::string &offset) {
      region.addLine("__device__ __forceinline__ const " + element + " *" + name +
                     "At(long long batch) const { return (const " + element + " *)" +
                     region.bufferName(bufferOf(value)) + " + " + offset + "; }");
    };
    operand("a", op.makesX() ? op.getLhs() : op.getRhs(),
            problem.groups == DimExpr(1) ? "0" : "batch % groups() * weightsOfGroup()");
    operand("b", op.makesX() ? op.getRhs() : op.getLhs(), "batch * image()");
    region.addLine("__device__ __forceinline__ long long partDepth() const { return depth(); }");
    region.addLine(
        "template <int V> __device__ __forceinline__ void finish(int, long long batch, long long "
        "m, "
        "long long n, const Sum (&sums)[V]) const {\n    store<V>(batch / groups(), batch % "
        "groups() * rows() + m, n, sums);\n  }");
    const std::string tile = std::to_string(tiles.m);
    return {region.define("blocks of sums by tensor cores, of an image each") +
                region.kernelHead(tiles.m == 128 ? 2 : 4) + "  gemmMatrix<" + tile + ", " + tile +
                (tiles.m == 128 ? ", 64, 32, " : ", 32, 32, ") + std::to_string(tiles.stages) +
                ">(region);\n}\n",
            {"GemmMatrix"}};
  }
  llvm::SmallVector<int64_t> rest() const {
    llvm::SmallVector<int64_t> dims;
    for (int64_t d = 2; d < problem.rank + 2; ++d)
      dims.push_back(d);
    return dims;
  }

  static constexpr llvm::StringRef names[] = {"rank",
                                              "allTaps",
                                              "splits",
                                              "vector",
                                              "Element",
                                              "Sum",
                                              "Register",
                                              "taps",
                                              "stride",
                                              "dilation",
                                              "low",
                                              "xSize",
                                              "ySize",
                                              "xPlane",
                                              "yPlane",
                                              "batch",
                                              "groups",
                                              "inputs",
                                              "outputs",
                                              "source",
                                              "weights",
                                              "partials",
                                              "store",
                                              "sum",
                                              "cotangent",
                                              "resultImages",
                                              "resultChannels",
                                              "resultPlaces",
                                              "patch",
                                              "patchBefore",
                                              "perSlice",
                                              "patchPairs",
                                              "Sum",
                                              "A",
                                              "B",
                                              "Multiplied",
                                              "rows",
                                              "columns",
                                              "batches",
                                              "depth",
                                              "pack",
                                              "parts",
                                              "aAt",
                                              "aStride",
                                              "aPack",
                                              "aAlongK",
                                              "bAt",
                                              "bStride",
                                              "bPack",
                                              "bAlongK",
                                              "partDepth",
                                              "finish",
                                              "wholeRows",
                                              "weightsOfGroup",
                                              "image",
                                              "copies",
                                              "prepared"};

  /// Blocks that share a multiprocessor at least, from which follows how many registers there are:
  /// left alone, the compiler prefers more blocks and spills.
  int64_t leastBlocks() {
    constexpr int64_t someRows = 64;
    if (stage() != Stage::Main || is(GpuConvolution::Direct))
      return 0;
    bool isSmall = is(GpuConvolution::Tiles) && tiles.m <= someRows &&
                   byteSize(*ir::toDType(op.getType().getElementType())) <= 4;
    return isSmall ? 2 : 1;
  }
  enum class Stage { Prepare, Main, Combine };
  Stage stage() const {
    const unsigned before = isPrepared() ? 1 : 0;
    return request.stage < before    ? Stage::Prepare
           : request.stage == before ? Stage::Main
                                     : Stage::Combine;
  }
  /// Whether a launch brings the weights into the order in which they are read.
  bool isPrepared() const { return is(GpuConvolution::Patches) && !ir::ConvolutionOp(op).makesW(); }
  bool is(GpuConvolution kernel) const { return tiles.kernel == static_cast<int64_t>(kernel); }

  /// `T NAME(int d) const`, by axis.
  void addPerAxis(const std::string &head, llvm::function_ref<std::string(size_t)> value,
                  const std::string &tail) {
    std::string text = head + "(int d)" + tail + " { return ";
    for (size_t d = 0; d + 1 < problem.axes.size(); ++d)
      text += "d == " + std::to_string(d) + " ? " + value(d) + " : ";
    region.addLine(text + value(problem.axes.size() - 1) + "; }");
  }
  void addNumbers(const std::string &name,
                  llvm::function_ref<int64_t(const ConvolutionProblem::Axis &)> value) {
    addPerAxis(
        "__device__ static constexpr int " + name,
        [&](size_t d) { return std::to_string(value(problem.axes[d])); }, "");
  }
  void addSizes(const std::string &name,
                llvm::function_ref<DimExpr(const ConvolutionProblem::Axis &)> value) {
    for (auto [d, axis] : llvm::enumerate(problem.axes))
      region.addSize(name + std::to_string(d), value(axis));
    addPerAxis(
        "__device__ __forceinline__ int " + name,
        [&](size_t d) { return "(int)" + name + std::to_string(d) + "()"; }, " const");
  }
  void addPointer(const std::string &name, const std::string &type, unsigned buffer) {
    region.addLine("__device__ __forceinline__ " + type + " *" + name + "() const { return (" +
                   type + " *)" + region.bufferName(buffer) + "; }");
  }
  static unsigned bufferOf(Value operand) { return cast<BlockArgument>(operand).getArgNumber(); }

  void describe() {
    using Axis = ConvolutionProblem::Axis;
    Type type = op.getType().getElementType();
    auto rank = static_cast<unsigned>(problem.rank);
    llvm::SmallVector<int64_t> rest;
    const bool ofWeight = op.makesW();
    for (int64_t d = ofWeight ? 1 : 2; d < problem.rank + 2; ++d)
      rest.push_back(d);
    llvm::SmallVector<int64_t> image, channel{ofWeight ? 0 : 1};
    if (!ofWeight)
      image.push_back(0);
    region.addStore("store", {{"image", image}, {"channel", channel}, {"place", rest}},
                    {{"sum", op.getResult()}});
    region.addSize("batch", problem.batch);
    region.addSize("groups", problem.groups);
    region.addSize("inputs", problem.inputs);
    region.addSize("outputs", problem.outputs);
    region.addSize("xPlane", problem.xPlane);
    region.addSize("yPlane", problem.yPlane);
    region.addSize("resultImages", problem.images);
    region.addSize("resultChannels", problem.channels);
    region.addSize("resultPlaces", problem.places);
    region.addLine("using Element = " + elementName(type) + ";");
    region.addLine("using Sum = " + sumName(type) + ";");
    region.addLine("using Register = " + cppTypeName(ir::registerType(type)) + ";");
    region.addConstant("rank", rank);
    region.addConstant("allTaps", problem.allTaps);
    region.addConstant("splits", tiles.splits);
    region.addConstant("vector", together());
    addNumbers("taps", [](const Axis &axis) { return axis.taps; });
    addNumbers("stride", [](const Axis &axis) { return axis.stride; });
    addNumbers("dilation", [](const Axis &axis) { return axis.dilation; });
    addSizes("low", [](const Axis &axis) { return axis.low; });
    addSizes("xSize", [](const Axis &axis) { return axis.x; });
    addSizes("ySize", [](const Axis &axis) { return axis.y; });
    addPointer("source", "const Element", bufferOf(op.makesX() ? op.getRhs() : op.getLhs()));
    addPointer(ofWeight ? "cotangent" : "weights", "const Element",
               bufferOf(op.makesX() ? op.getLhs() : op.getRhs()));
    if (is(GpuConvolution::Patches)) {
      const ConvolutionPatch patch = *problem.patch();
      region.addConstant("patch", patch.positions);
      region.addConstant("patchBefore", patch.before);
      region.addConstant("perSlice", patchSlice);
      region.addConstant("patchPairs", patch.pairs);
      region.addConstant("copies", *problem.yPlane.constant() % 8 == 0);
    }
    if (isPrepared())
      addPointer(
          "prepared", "Element",
          static_cast<unsigned>(request.bufferNames.size() - request.plan.workspaces.size()));
    if (tiles.splits > 1)
      addPointer("partials", "Sum", static_cast<unsigned>(request.bufferNames.size()) - 1);
  }

  /// Neighbouring columns that are neighbours in the result too.
  int64_t together() const {
    if (problem.phases != 1)
      return 1;
    int64_t places = problem.places.constant().value_or(1);
    if (is(GpuConvolution::Patches) && places % 8 == 0)
      return 8;
    return places % 4 == 0 ? 4 : places % 2 == 0 ? 2 : 1;
  }

  const KernelRequest &request;
  ir::ConvolutionOp op;
  ConvolutionProblem problem;
  const GpuTiles &tiles;
  ElementFunctions region;
};

} // namespace

KernelSource emitConvolution(const KernelRequest &request) {
  return ConvolutionEmitter(request).run();
}

} // namespace sinter::cuda
