// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/PlanText.h"

namespace sinter::codegen {

namespace {

std::string place(const Program &program, int number) {
  const Buffer &buffer = program.buffers[static_cast<size_t>(number)];
  auto index = static_cast<size_t>(buffer.index);
  switch (buffer.kind) {
  case Buffer::Kind::Argument:
    return program.arguments[index].name;
  case Buffer::Kind::Result:
    return "=" + program.results[index].name;
  case Buffer::Kind::Constant:
    return "constant" + std::to_string(buffer.index);
  case Buffer::Kind::Arena:
    break;
  }
  return "arena[" + buffer.offset.str() + " +" + buffer.bytes.str() + "]";
}

} // namespace

std::string planText(const Program &program) {
  std::string text = "program " + program.name + "\narena " + program.arenaBytes.str() + " B\n";
  for (const Step &step : program.steps) {
    if (auto *copy = std::get_if<Copy>(&step)) {
      text += "copy " + place(program, copy->from) + " to " + place(program, copy->to) + "\n";
      continue;
    }
    const Launch &launch = std::get<Launch>(step);
    const Kernel &kernel = program.kernels[static_cast<size_t>(launch.kernel)];
    text += "launch " + kernel.symbol + " (" + kernel.form;
    if (launch.stage > 0)
      text += ", then " + std::to_string(launch.stage);
    text += ") over " + launch.extent.str() + " by " + launch.grain.str() + ":";
    for (int buffer : launch.buffers)
      text += " " + place(program, buffer);
    text += "\n";
  }
  return text;
}

} // namespace sinter::codegen
