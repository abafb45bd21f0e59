// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/CudaCall.h"
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/StateStorage.h"

#include <algorithm>

namespace sinter {
namespace {

/// Larger arrays in ordinary memory are not copied to pinned memory as a whole.
constexpr int64_t mostStaged = int64_t{8} << 20;

class CudaVariable : public VariableMemory {
public:
  CudaVariable(std::shared_ptr<CudaContext> context, const std::string &name, int64_t bytes)
      : context(std::move(context)), bytes(bytes),
        memory(this->context->allocate(bytes, "the variable '" + name + "'")) {}

  void upload(const void *from) override { context->upload(memory->address(), from, bytes); }
  void download(void *to) override { context->download(to, memory->address(), bytes); }
  driver::DevicePointer address() const { return memory->address(); }

private:
  std::shared_ptr<CudaContext> context;
  int64_t bytes;
  std::shared_ptr<CudaMemory> memory;
};

} // namespace

CudaCall::CudaCall(std::shared_ptr<CudaProgram> given, CallBinding bound)
    : program(std::move(given)), binding(std::move(bound)) {
  const Program &code = program->program();
  attachVariables();
  frame = program->takeFrame(binding);
  for (size_t i = 0; i < code.arguments.size(); ++i)
    if (code.arguments[i].kind == ArgumentKind::Placeholder)
      place(binding.arguments[i], frame->argument(i), in);
  for (size_t i = 0; i < code.results.size(); ++i)
    if (code.results[i].updates < 0)
      place(binding.results[i], frame->result(i), out);
  frame->prepare(addresses, in.transfers, out.transfers);
}

CudaCall::~CudaCall() {
  if (frame)
    program->giveFrame(std::move(frame));
}

void CudaCall::attachVariables() {
  const Program &code = program->program();
  const std::shared_ptr<CudaContext> &context = program->sharedContext();
  addresses.assign(code.arguments.size(), 0);
  for (size_t i = 0; i < code.arguments.size(); ++i) {
    const Argument &argument = code.arguments[i];
    if (argument.kind == ArgumentKind::Placeholder)
      continue;
    const Array &host = binding.arguments[i];
    const bool updated =
        std::any_of(code.results.begin(), code.results.end(),
                    [&](const Result &result) { return result.updates == static_cast<int>(i); });
    variables.push_back(
        binding.state->residency.attach(argument.name, host, context.get(), updated, [&] {
          return std::make_shared<CudaVariable>(context, argument.name, host.numBytes());
        }));
    addresses[i] = static_cast<const CudaVariable &>(*variables.back().memory).address();
  }
}

void CudaCall::place(const Array &array, CudaFrame::Place &place, Direction &direction) {
  const int64_t bytes = array.numBytes();
  if (bytes == 0)
    return;
  CudaContext &context = program->context();
  if (!place.isSmall && array.isContiguous()) {
    if (context.isPinned(array.data(), bytes)) {
      direction.transfers.push_back({array.data(), place.device, bytes});
      return;
    }
    if (bytes > mostStaged) {
      direction.streamed.push_back({array.data(), place.device, bytes});
      return;
    }
  }
  if (!place.staged) {
    place.pinned = context.allocatePinned(bytes);
    place.staged = place.pinned.get();
  }
  direction.staged.push_back({CopyPlan(array), array.data(), place.staged});
  if (!place.isSmall)
    direction.transfers.push_back({place.staged, place.device, bytes});
}

SinterStatus CudaCall::run() {
  CudaContext &context = program->context();
  context.requireUsable();
  downloaded.clear();
  Trace *const trace = program->trace();
  {
    Trace::Span span(trace, "run", "copy inputs");
    for (const Staged &copy : in.staged)
      copy.plan.gather(copy.user, copy.pinned);
    for (const Streamed &copy : in.streamed)
      context.upload(copy.device, copy.user, copy.bytes);
    if (!variables.empty())
      binding.state->residency.useOnDevice(variables);
  }
  SinterStatus status;
  {
    Trace::Span span(trace, "run", "kernels on the GPU");
    status = frame->run();
  }
  if (status.code != static_cast<int64_t>(StatusCode::Ok))
    return status;
  Trace::Span span(trace, "run", "copy outputs");
  for (const Staged &copy : out.staged)
    copy.plan.scatter(copy.pinned, copy.user);
  for (const Streamed &copy : out.streamed)
    context.download(copy.user, copy.device, copy.bytes);
  return status;
}

const void *CudaCall::buffer(int number) const {
  auto [entry, isNew] = downloaded.try_emplace(number);
  if (isNew)
    entry->second = frame->download(number);
  return entry->second.data();
}

std::vector<double> CudaCall::measure(int64_t count) {
  program->context().requireUsable();
  if (!variables.empty())
    binding.state->residency.useOnDevice(variables);
  return frame->measure(count);
}

} // namespace sinter
