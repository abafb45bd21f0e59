// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/LowerToLlvm.h"

#include "sinter/codegen/cpu/HalfExpansion.h"
#include "sinter/codegen/cpu/MathExpansion.h"
#include "sinter/ir/base/TargetInfo.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Target/LLVMIR/LLVMTranslationInterface.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace sinter::cpu {

void prepareContext(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                      LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, ub::UBDialect,
                      vector::VectorDialect>();
  // Registering appends to the context each time.
  if (context.getLoadedDialect<LLVM::LLVMDialect>()
          ->getRegisteredInterface<LLVMTranslationDialectInterface>())
    return;
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
}

namespace {

bool isMultiDimensional(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && (vector.getRank() != 1 || vector.isScalable());
}

/// Ops on vectors of rank 0 or above 1, and ops without a direct conversion, need the vector
/// dialect's own rewrites first. Most kernels have none, and the greedy driver is not free.
bool needsVectorRewrites(ModuleOp module) {
  return module
      .walk([](Operation *op) {
        auto broadcast = dyn_cast<vector::BroadcastOp>(op);
        if (llvm::any_of(op->getResultTypes(), isMultiDimensional) ||
            llvm::any_of(op->getOperandTypes(), isMultiDimensional) ||
            (broadcast && isa<VectorType>(broadcast.getSourceType())) ||
            isa<vector::StepOp, vector::ShapeCastOp, vector::TransposeOp,
                vector::MultiDimReductionOp, vector::ContractionOp, vector::OuterProductOp,
                vector::ScanOp, vector::InterleaveOp, vector::DeinterleaveOp>(op))
          return WalkResult::interrupt();
        return WalkResult::advance();
      })
      .wasInterrupted();
}

/// Every constant once per function: a third of what emitters write are repeated ones, and each
/// op costs time until it is LLVM IR, where constants are no instructions.
void shareConstants(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    Block &entry = function.getBody().front();
    llvm::DenseMap<Attribute, Value> known;
    function.walk([&](arith::ConstantOp constant) {
      auto [place, isNew] = known.try_emplace(constant.getValue(), constant.getResult());
      if (isNew) {
        constant->moveBefore(&entry, entry.begin());
        return;
      }
      constant.getResult().replaceAllUsesWith(place->second);
      constant.erase();
    });
  }
}

LogicalResult rewriteVectors(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  vector::populateVectorContractLoweringPatterns(patterns,
                                                 vector::VectorContractLowering::OuterProduct);
  vector::populateVectorOuterProductLoweringPatterns(patterns);
  vector::populateVectorMultiReductionLoweringPatterns(
      patterns, vector::VectorMultiReductionLowering::InnerReduction);
  vector::populateVectorBroadcastLoweringPatterns(patterns);
  vector::populateVectorMaskOpLoweringPatterns(patterns);
  vector::populateVectorShapeCastLoweringPatterns(patterns);
  vector::populateVectorTransposeLoweringPatterns(patterns,
                                                  vector::VectorTransposeLowering::Shuffle16x16);
  vector::populateVectorScanLoweringPatterns(patterns);
  vector::populateVectorStepLoweringPatterns(patterns);
  vector::populateVectorInterleaveLoweringPatterns(patterns);
  vector::populateVectorInterleaveToShufflePatterns(patterns);
  vector::populateVectorRankReducingFMAPattern(patterns);
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  return applyPatternsGreedily(module, std::move(patterns), config);
}

} // namespace

/// From everything left to the LLVM dialect.
struct LlvmLowering::Conversion {
  explicit Conversion(MLIRContext &context)
      : options(&context), converter(&context, setWidth(options)), target(context) {
    RewritePatternSet all(&context);
    populateSCFToControlFlowConversionPatterns(all);
    arith::populateCeilFloorDivExpandOpsPatterns(all);
    arith::populateArithToLLVMConversionPatterns(converter, all);
    populateMathToLLVMConversionPatterns(converter, all, /*approximateLog1p=*/false);
    vector::populateVectorMaskMaterializationPatterns(all, /*force32BitVectorIndices=*/false);
    populateVectorToLLVMConversionPatterns(converter, all);
    cf::populateControlFlowToLLVMConversionPatterns(converter, all);
    ub::populateUBToLLVMConversionPatterns(converter, all);
    populateFuncToLLVMConversionPatterns(converter, all);
    patterns = FrozenRewritePatternSet(std::move(all));
    target.addLegalOp<ModuleOp>();
    // Nothing inspects the IR between patterns: skip the rollback bookkeeping.
    config.allowPatternRollback = false;
  }

  LogicalResult run(ModuleOp module) {
    return applyFullConversion(module, target, patterns, config);
  }

private:
  static LowerToLLVMOptions &setWidth(LowerToLLVMOptions &options) {
    options.overrideIndexBitwidth(64);
    return options;
  }

  LowerToLLVMOptions options;
  LLVMTypeConverter converter;
  LLVMConversionTarget target;
  FrozenRewritePatternSet patterns;
  ConversionConfig config;
};

LlvmLowering::LlvmLowering(MLIRContext &context, const TargetInfo &target)
    : context(context), target(target) {}

LlvmLowering::~LlvmLowering() = default;

bool LlvmLowering::expand(ModuleOp module) {
  if (failed(expandMath(
          module, MathOptions{.hasFma = target.hasFma, .hasAvx512 = target.vectorBytes >= 64})))
    return false;
  expandHalfConversions(module, target.hasF16c);
  return !needsVectorRewrites(module) || succeeded(rewriteVectors(module));
}

bool LlvmLowering::convert(ModuleOp module) {
  if (!conversion)
    conversion = std::make_unique<Conversion>(context);
  shareConstants(module);
  return succeeded(conversion->run(module));
}

std::unique_ptr<llvm::Module> translateToLlvm(ModuleOp module, llvm::LLVMContext &context) {
  return translateModuleToLLVMIR(module, context, "kernel", /*disableVerification=*/true);
}

} // namespace sinter::cpu
