// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/Residency.h"

#include <algorithm>

namespace sinter {

Residency::Use Residency::attach(const std::string &name, const Array &host, const void *device,
                                 bool updated,
                                 const std::function<std::shared_ptr<VariableMemory>()> &make) {
  std::lock_guard lock(mutex);
  Variable &variable = variables.try_emplace(name, Variable{host, true, {}}).first->second;
  used.store(true, std::memory_order_release);
  auto it = std::find_if(variable.copies.begin(), variable.copies.end(),
                         [&](const Variable::Copy &copy) { return copy.device == device; });
  if (it == variable.copies.end())
    it = variable.copies.insert(it, {device, make(), false});
  return {&variable, static_cast<size_t>(it - variable.copies.begin()), updated, it->memory};
}

void Residency::bringToHost(Variable &variable) {
  if (variable.onHost)
    return;
  for (const Variable::Copy &copy : variable.copies)
    if (copy.current) {
      copy.memory->download(variable.array.data());
      break;
    }
  variable.onHost = true;
}

void Residency::useOnDevice(const std::vector<Use> &uses) {
  std::lock_guard lock(mutex);
  for (const Use &use : uses) {
    Variable &variable = *use.variable;
    Variable::Copy &copy = variable.copies[use.copy];
    if (!copy.current) {
      bringToHost(variable);
      copy.memory->upload(variable.array.data());
      copy.current = true;
    }
  }
  // Only once nothing can fail any more.
  for (const Use &use : uses)
    if (use.updated) {
      use.variable->onHost = false;
      for (size_t i = 0; i < use.variable->copies.size(); ++i)
        use.variable->copies[i].current = i == use.copy;
    }
}

void Residency::useOnHost(Variable &variable, HostUse use) {
  if (use != HostUse::Replace)
    bringToHost(variable);
  if (use == HostUse::Read)
    return;
  variable.onHost = true;
  for (Variable::Copy &copy : variable.copies)
    copy.current = false;
}

void Residency::useOnHost(std::string_view name, HostUse use) {
  std::lock_guard lock(mutex);
  if (auto it = variables.find(name); it != variables.end())
    useOnHost(it->second, use);
}

void Residency::useOnHost(HostUse use) {
  std::lock_guard lock(mutex);
  for (auto &[name, variable] : variables)
    useOnHost(variable, use);
}

} // namespace sinter
