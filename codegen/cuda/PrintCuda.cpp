// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PrintCuda.h"

#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/KernelSource.h"
#include "sinter/codegen/cuda/Prelude.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <set>

using namespace mlir;
using namespace sinter::codegen;

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
  text += "struct Sizes {\n  long long at[" +
          std::to_string(std::max<size_t>(1, program.dims.size() + program.table.size())) +
          "];\n};\n";
  ModuleOp(compilation.module)
      .getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                    scf::SCFDialect>();
  TargetInfo target = TargetInfo::parse(program.target);
  std::set<std::string> names, parts;
  std::string kernels;
  for (auto [launch, plan] : llvm::zip(planned.launches, planned.plans)) {
    const auto &step = std::get<Launch>(program.steps[launch.step]);
    std::string wanted =
                    toName(program.kernels[static_cast<size_t>(step.kernel)].symbol) + "_kernel",
                name = wanted;
    for (int number = 1; !names.insert(name).second; ++number)
      name = wanted + "_" + std::to_string(number);
    KernelRequest request{launch.fused, plan, launch.stage, target, name, {}, program.dims,
                          [&](Operation *op) { return siteOf(program, op); }};
    for (size_t i = 0; i < step.buffers.size(); ++i)
      request.bufferNames.push_back(bufferName(program, step, i));
    KernelSource source = emitKernel(request);
    parts.insert(source.parts.begin(), source.parts.end());
    kernels += source.text;
  }
  text += preludeText(parts) + kernels;
  for (auto [number, site] : llvm::enumerate(program.sites))
    text += "\n// site " + std::to_string(number) + ": " + site.what + " of " + site.op + " at " +
            site.location.str();
  if (!program.sites.empty())
    text += "\n";
  return text;
}

} // namespace sinter::cuda
