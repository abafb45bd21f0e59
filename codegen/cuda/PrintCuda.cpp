// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PrintCuda.h"

#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/Prelude.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <set>

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::KernelForm;

namespace sinter::cuda {

namespace {

std::string bufferName(const Program &program, const Launch &launch, size_t number) {
  const Buffer &buffer = program.buffers[static_cast<size_t>(launch.buffers[number])];
  switch (buffer.kind) {
  case Buffer::Kind::Argument:
    return program.arguments[static_cast<size_t>(buffer.index)].name;
  case Buffer::Kind::Result:
    if (const Result &result = program.results[static_cast<size_t>(buffer.index)];
        !result.name.empty())
      return result.name;
    return "result" + std::to_string(buffer.index);
  case Buffer::Kind::Constant:
    return "constant" + std::to_string(buffer.index);
  case Buffer::Kind::Arena:
    break;
  }
  return "temporary" + std::to_string(launch.buffers[number]);
}

std::string describe(Operation *op) {
  std::string text = op->getName().stripDialect().str();
  SourceLoc where = ir::toSourceLoc(op->getLoc());
  return where.known() ? text + " at " + where.str() : text;
}

std::string kernelText(const PlannedLaunch &launch, const KernelPlan &plan, Program &program,
                       const std::string &name) {
  const auto &step = std::get<Launch>(program.steps[launch.step]);
  const Kernel &known = program.kernels[static_cast<size_t>(step.kernel)];
  if (!hasGpuForm(plan.analysis.form))
    throw Error({.kind = ErrorKind::Unsupported,
                 .op = known.symbol,
                 .location = ir::toSourceLoc(plan.analysis.anchors.front()->getLoc()),
                 .hint = "--target=cpu runs it"},
                "kernels of the form '" + known.form + "' cannot be printed for a GPU yet");

  ir::FusedOp fused = launch.fused;
  BlockKernel kernel = emitBlockKernel(
      fused, plan, {program.dims, [&](Operation *op) { return siteOf(program, op); }});
  PassManager manager(fused.getContext());
  manager.addPass(createCSEPass());
  if (failed(manager.run(*kernel.module)))
    throw Error({.kind = ErrorKind::Internal, .op = known.symbol}, "its scalar form is not valid");

  KernelText text;
  text.name = name;
  text.dims = program.dims;
  text.threads = plan.schedule.threads;
  Block &body = fused.getBody().front();
  ValueRange results = body.getTerminator()->getOperands();
  for (size_t i = 0; i < body.getNumArguments() + results.size(); ++i) {
    bool written = i >= body.getNumArguments();
    Value value =
        written ? results[i - body.getNumArguments()] : body.getArgument(static_cast<unsigned>(i));
    text.buffers.push_back(
        {bufferName(program, step, i), ir::tensorType(value).getElementType(), written});
  }
  std::string head = "\n// " + name + ": " + known.form + ", " +
                     plan.stages[launch.stage].extent.str() +
                     (plan.analysis.form == KernelForm::Loop ? " elements, a thread each\n"
                                                             : " rows, a block each\n");
  for (Operation &op : body.without_terminator()) {
    KernelText::Origin &origin = text.origins[op.getLoc().getAsOpaquePointer()];
    origin.name = op.getName().stripDialect().str();
    origin.comment = origin.comment.empty() ? describe(&op) : origin.name + ", " + origin.comment;
  }
  for (Operation &op : body.without_terminator())
    head += "//   " + describe(&op) + "\n";
  return head + printKernel(kernel, text);
}

} // namespace

std::string printProgram(const Compilation &compilation) {
  const PlannedProgram &planned = compilation.planned;
  Program program = planned.program; // Sites are numbered as kernels are emitted.
  std::string text = "// " + program.name + " for " + program.target + ", for NVRTC with";
  for (const char *option : compileOptions)
    text += std::string(" ") + option;
  text += "\n// status: error code, site, value, bound. table: the sizes";
  for (const std::string &dim : program.dims)
    text += " " + dim;
  text += ".\n";
  text += prelude;
  ModuleOp(compilation.module)
      .getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                    scf::SCFDialect>();
  std::set<std::string> names;
  for (auto [launch, plan] : llvm::zip(planned.launches, planned.plans)) {
    const auto &step = std::get<Launch>(program.steps[launch.step]);
    std::string wanted =
                    toName(program.kernels[static_cast<size_t>(step.kernel)].symbol) + "_kernel",
                name = wanted;
    for (int number = 1; !names.insert(name).second; ++number)
      name = wanted + "_" + std::to_string(number);
    text += kernelText(launch, plan, program, name);
  }
  for (auto [number, site] : llvm::enumerate(program.sites))
    text += "\n// site " + std::to_string(number) + ": " + site.what + " of " + site.op + " at " +
            site.location.str();
  if (!program.sites.empty())
    text += "\n";
  return text;
}

} // namespace sinter::cuda
