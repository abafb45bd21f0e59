// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/CpuDevice.h"

#include <memory>
#include <vector>

namespace sinter {

/// Where a call of the program has one of its buffers. `pointers` are those of the arguments, then
/// of the results. Throws Error(Internal) for an offset without a value.
void *addressOf(int buffer, const Program &program, const DimBinding &dims,
                const std::vector<void *> &pointers, void *arena);

/// One call of a CPU program, step by step from here instead of by its own function: the same bits,
/// and every launch, copy and worker in a trace.
class CpuSteps {
public:
  /// `pointers` are those of the arguments, then of the results; they and `arena` must live as
  /// long.
  CpuSteps(const ProgramCode &code, const CallBinding &binding, const std::vector<void *> &pointers,
           void *arena, int64_t workers);
  ~CpuSteps();

  /// The status of the first step that fails; later ones do not run.
  SinterStatus run(ThreadPool &pool);

private:
  struct Step;
  struct Worker;
  void launch(const Step &step, ThreadPool &pool, SinterStatus &status);

  std::shared_ptr<Trace> trace;
  const std::vector<int64_t> table;
  std::vector<Step> steps;
  std::vector<Worker> workers;
};

} // namespace sinter
