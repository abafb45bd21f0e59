// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/PrintCuda.h"

#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/Nvrtc.h"
#include "sinter/codegen/cuda/Prelude.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <map>
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

void emitKernels(Compilation &compilation) {
  ModuleOp(compilation.module)
      .getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                    scf::SCFDialect>();
  Program &program = compilation.program();
  const TargetInfo target = TargetInfo::parse(program.target);
  const std::vector<Kernel> planned = std::move(program.kernels);
  program.kernels.clear();
  std::set<std::string> names;
  // A kernel follows from its region with the schedule, unless it names sites: those belong to one
  // launch.
  std::map<std::vector<uintptr_t>, size_t> known;
  bool namesSites = false;
  std::map<std::string, size_t> entries;
  for (auto [number, size] : llvm::enumerate(program.table))
    entries.try_emplace(size.str(), number);
  auto tableEntry = [&](const DimExpr &size, bool isNew) -> std::optional<int64_t> {
    constexpr size_t mostEntries = 384; // A kernel's parameters are 4 KiB.
    auto found = entries.find(size.str());
    if (found == entries.end()) {
      if (!isNew || program.dims.size() + program.table.size() >= mostEntries)
        return std::nullopt;
      found = entries.emplace(size.str(), program.table.size()).first;
      program.table.push_back(size);
    }
    return static_cast<int64_t>(program.dims.size() + found->second);
  };
  for (auto [launch, plan] : llvm::zip(compilation.planned.launches, compilation.planned.plans)) {
    auto &step = std::get<Launch>(program.steps[launch.step]);
    std::vector<uintptr_t> key =
        cpu::structureOf(launch.fused, launch.fused.getNameAttrName().getValue());
    key.push_back(launch.stage);
    auto [place, isNew] = known.try_emplace(key, program.kernels.size());
    if (isNew) {
      Kernel kernel = planned[static_cast<size_t>(step.kernel)];
      std::string wanted = toName(kernel.symbol) + "_kernel", name = wanted;
      for (int number = 1; !names.insert(name).second; ++number)
        name = wanted + "_" + std::to_string(number);
      KernelRequest request{
          launch.fused, plan, launch.stage, target, name, {}, program.dims, [&](Operation *op) {
            namesSites = true;
            return siteOf(program, op);
          }};
      request.firstSite = launch.firstSite;
      request.step = static_cast<int64_t>(launch.step);
      request.tableEntry = tableEntry;
      for (size_t i = 0; i < step.buffers.size(); ++i)
        request.bufferNames.push_back(bufferName(program, step, i));
      namesSites = checksStores(launch.fused);
      compilation.cudaKernels.push_back({name, emitKernel(request)});
      kernel.symbol = name;
      program.kernels.push_back(std::move(kernel));
    }
    step.kernel = static_cast<int>(place->second);
    compilation.kernelOf.push_back(place->second);
    if (isNew && namesSites)
      known.erase(place);
  }
}

std::string printPreamble(const Program &program, const std::vector<const CudaKernel *> &kernels) {
  std::string text = "// table: the sizes";
  for (const std::string &dim : program.dims)
    text += " " + dim;
  const size_t entries = std::max<size_t>(1, program.dims.size() + program.table.size());
  text += ".\nstruct Sizes {\n  long long at[" + std::to_string(entries) + "];\n};\n";
  std::set<std::string> parts;
  for (const CudaKernel *kernel : kernels)
    parts.insert(kernel->source.parts.begin(), kernel->source.parts.end());
  return text + preludeText(parts);
}

std::string printProgram(const Compilation &compilation) {
  const Program &program = compilation.planned.program;
  std::string text = "// " + program.name + " for " + program.target + ", for NVRTC with";
  for (const char *option : compileOptions)
    text += std::string(" ") + option;
  text += "\n// status: error code, site, value, bound.\n";
  std::vector<const CudaKernel *> kernels;
  for (const CudaKernel &kernel : compilation.cudaKernels)
    kernels.push_back(&kernel);
  text += printPreamble(program, kernels);
  for (const CudaKernel *kernel : kernels)
    text += kernel->source.text;
  for (auto [number, site] : llvm::enumerate(program.sites))
    text += "\n// site " + std::to_string(number) + ": " + site.what + " of " + site.op + " at " +
            site.location.str();
  if (!program.sites.empty())
    text += "\n";
  return text;
}

} // namespace sinter::cuda
