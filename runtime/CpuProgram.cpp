// SPDX-License-Identifier: Apache-2.0
// Programs on the CPU device: a function of machine code, called with the arrays where they lie.
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CpuSteps.h"
#include "sinter/runtime/StateStorage.h"
#include "sinter/runtime/Strided.h"

namespace sinter {
namespace {

bool isAligned(const Array &array) {
  return reinterpret_cast<uintptr_t>(array.data()) % bufferAlignment == 0;
}

class CpuCall : public DeviceCall {
public:
  CpuCall(std::shared_ptr<CpuDevice> device, const ProgramCode &code, CallBinding given)
      : device(std::move(device)), code(code), binding(std::move(given)) {
    block = this->device->allocate(binding.arenaBytes);
    for (size_t i = 0; i < binding.arguments.size(); ++i) {
      const Argument &argument = code.program->arguments[i];
      if (argument.kind != ArgumentKind::Placeholder)
        variables.push_back({&argument.name, false});
      pointers.push_back(stage(binding.arguments[i], gathers));
    }
    for (size_t i = 0; i < binding.results.size(); ++i) {
      int updates = code.program->results[i].updates;
      if (updates < 0) {
        pointers.push_back(stage(binding.results[i], scatters));
        continue;
      }
      pointers.push_back(pointers[static_cast<size_t>(updates)]);
      for (Variable &variable : variables)
        if (*variable.name == code.program->arguments[static_cast<size_t>(updates)].name)
          variable.updated = true;
    }
    if (code.trace && !code.kernels.empty())
      steps = std::make_unique<CpuSteps>(code, binding, pointers, block.get(),
                                         this->device->workers());
  }

  SinterStatus run() override {
    if (binding.state && binding.state->residency.isUsed())
      for (const Variable &variable : variables)
        binding.state->residency.useOnHost(*variable.name, variable.updated
                                                               ? Residency::HostUse::Update
                                                               : Residency::HostUse::Read);
    if (!gathers.empty()) {
      Trace::Span span(code.trace.get(), "run", "copy inputs");
      for (const Staged &staged : gathers)
        staged.plan.gather(staged.user, staged.buffer);
    }
    SinterStatus status =
        steps ? steps->run(device->threadPool())
              : device->run(code.entry, pointers.data(), binding.table.data(), block.get());
    if (status.code == static_cast<int64_t>(StatusCode::Ok) && !scatters.empty()) {
      Trace::Span span(code.trace.get(), "run", "copy outputs");
      for (const Staged &staged : scatters)
        staged.plan.scatter(staged.buffer, staged.user);
    }
    return status;
  }

  const void *arena() const override { return block.get(); }

  const void *buffer(int number) const override {
    return addressOf(number, *code.program, binding.dims, pointers, block.get());
  }

private:
  /// User memory that kernels cannot use in place, and its contiguous, aligned stand-in.
  struct Staged {
    CopyPlan plan;
    void *user;
    void *buffer;
  };
  struct Variable {
    const std::string *name;
    bool updated;
  };

  void *stage(const Array &array, std::vector<Staged> &copies) {
    if (array.numElements() == 0)
      return block.get(); // never dereferenced
    if (array.isContiguous() && isAligned(array))
      return array.data();
    buffers.push_back(device->allocate(array.numBytes()));
    copies.push_back({CopyPlan(array), array.data(), buffers.back().get()});
    return buffers.back().get();
  }

  std::shared_ptr<CpuDevice> device;
  ProgramCode code;
  CallBinding binding;
  std::shared_ptr<void> block;
  std::vector<void *> pointers;
  std::vector<Staged> gathers, scatters;
  std::vector<std::shared_ptr<void>> buffers;
  std::vector<Variable> variables;
  std::unique_ptr<CpuSteps> steps; ///< Of calls that are traced.
};

class CpuProgram : public DeviceProgram {
public:
  CpuProgram(std::shared_ptr<CpuDevice> device, ProgramCode code)
      : device(std::move(device)), code(std::move(code)) {}

  std::unique_ptr<DeviceCall> bind(CallBinding binding) override {
    return std::make_unique<CpuCall>(device, code, std::move(binding));
  }

private:
  std::shared_ptr<CpuDevice> device;
  ProgramCode code;
};

} // namespace

std::shared_ptr<DeviceProgram> CpuDevice::load(ProgramCode code) {
  if (!code.entry)
    throw Error({.kind = ErrorKind::Device, .op = "load"},
                "the CPU cannot run a program for '" + code.program->target + "'");
  if (!code.program->target.empty())
    TargetInfo::parse(code.program->target).requireRunnable();
  return std::make_shared<CpuProgram>(shared_from_this(), std::move(code));
}

} // namespace sinter
