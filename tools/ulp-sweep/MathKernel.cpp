// SPDX-License-Identifier: Apache-2.0
#include "MathKernel.h"

#include "sinter/codegen/cpu/CompileKernels.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"

#include "sinter/ir/ScalarExpr.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace sinter::tools {

static void replaceAll(std::string &text, const std::string &from, const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

static std::string moduleText(const std::string &body, const MathKernelOptions &options) {
  bool vector = options.lanes > 1;
  std::string lanes = std::to_string(options.lanes);
  auto shaped = [&](const std::string &element) {
    return vector ? "vector<" + lanes + "x" + element + ">" : element;
  };
  auto splat = [&](const std::string &value) { return vector ? "dense<" + value + ">" : value; };
  std::string text = R"(
func.func @kernel(%xs: !llvm.ptr, %ys: !llvm.ptr, %rs: !llvm.ptr, %count: i64) {
  %begin = arith.constant 0 : i64
  %step = arith.constant LANES : i64
  scf.for %i = %begin to %count step %step : i64 {
    %px = llvm.getelementptr %xs[%i] : (!llvm.ptr, i64) -> !llvm.ptr, ELEMENT
    %py = llvm.getelementptr %ys[%i] : (!llvm.ptr, i64) -> !llvm.ptr, ELEMENT
    %pr = llvm.getelementptr %rs[%i] : (!llvm.ptr, i64) -> !llvm.ptr, ELEMENT
    %x = llvm.load %px {alignment = 4 : i64} : !llvm.ptr -> TYPE
    %y = llvm.load %py {alignment = 4 : i64} : !llvm.ptr -> TYPE
    BODY
    llvm.store %r, %pr {alignment = 4 : i64} : TYPE, !llvm.ptr
  }
  return
})";
  replaceAll(text, "BODY", body);
  replaceAll(text, "TYPE", shaped(options.element));
  replaceAll(text, "MASK", shaped("i1"));
  replaceAll(text, "ZERO", splat("0.0"));
  replaceAll(text, "ONE", splat("1.0"));
  replaceAll(text, "ELEMENT", options.element);
  replaceAll(text, "LANES", lanes);
  return text;
}

/// The functions that MathKernel::scalar() takes.
static ir::scalar::Expr call(StringRef name, ir::scalar::Expr x, ir::scalar::Expr y) {
  using namespace ir::scalar;
  if (name == "erfinv")
    return erfinv(x);
  if (name == "lgamma")
    return lgamma(x);
  if (name == "digamma")
    return digamma(x);
  if (name == "trigamma")
    return trigamma(x);
  if (name == "hypot")
    return hypot(x, y);
  if (name == "logaddexp")
    return logaddexp(x, y);
  throw Error({.kind = ErrorKind::Internal}, "no scalar function " + name.str());
}

/// Puts the functions in that scalar() stands for.
static void insertCalls(ModuleOp module) {
  SmallVector<Operation *> marked;
  module.walk([&](Operation *op) {
    if (op->hasAttr("scalar"))
      marked.push_back(op);
  });
  for (Operation *op : marked) {
    OpBuilder builder(op);
    ir::scalar::Expr x(builder, op->getLoc(), op->getOperand(0));
    ir::scalar::Expr y(builder, op->getLoc(), op->getOperand(1));
    op->getResult(0).replaceAllUsesWith(
        call(op->getAttrOfType<StringAttr>("scalar"), x, y).value());
    op->erase();
  }
}

namespace {
struct ParsedKernel {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;

  ParsedKernel(const std::string &body, const MathKernelOptions &options) {
    cpu::prepareContext(context);
    module = parseSourceString<ModuleOp>(moduleText(body, options), ParserConfig(&context));
    if (!module)
      throw Error({.kind = ErrorKind::Internal}, "the kernel's text does not parse");
    insertCalls(*module);
  }
};
} // namespace

MathKernel::MathKernel(const std::string &body, const MathKernelOptions &options) {
  ParsedKernel parsed(body, options);
  cpu::CompiledKernels compiled = cpu::compileKernels({*parsed.module}, options.target);
  code.emplace(std::vector<std::string_view>{compiled.objects.at(0)});
  entry = code->function<decltype(entry)>(compiled.symbols.at(0));
}

std::string MathKernel::assembly(const std::string &body, const MathKernelOptions &options) {
  ParsedKernel parsed(body, options);
  return cpu::kernelText(*parsed.module, options.target, cpu::KernelText::Assembly);
}

} // namespace sinter::tools
