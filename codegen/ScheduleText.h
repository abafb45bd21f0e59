// SPDX-License-Identifier: Apache-2.0
// Schedules as text that people review and edit; docs/schedules.md is the format.
#pragma once

#include "sinter/codegen/Schedule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <string>
#include <string_view>

namespace sinter::codegen {

/// "softmax-0123456789abcdef": what the region is called, and a hash of what it computes. Equal
/// regions have equal names, in every process and on every target.
std::string scheduleNameOf(ir::FusedOp fused);

/// The schedules of a graph's kernels, each once.
std::string scheduleText(mlir::func::FuncOp graph, const TargetInfo &target);

/// What a text says about kernels.
class ScheduleEdits {
public:
  /// Throws Error(User) with file `name` and the line for text that does not parse.
  ScheduleEdits(std::string_view text, const std::string &name);

  /// `chosen` with what the text says about the kernel. Throws Error(User) with the line where the
  /// kernel cannot run so: whatever is accepted gives correct code.
  Schedule apply(ir::FusedOp fused, const Schedule &chosen, const TargetInfo &target);
  /// Throws Error(User) with the line of an entry that no kernel asked for.
  void requireAllUsed() const;

private:
  struct Field {
    std::string name, value;
    unsigned line = 0;
  };
  struct Entry {
    unsigned line = 0;
    bool isUsed = false;
    std::vector<Field> fields;
  };
  [[noreturn]] void fail(unsigned line, const std::string &message,
                         const std::string &hint = "") const;

  std::string file;
  std::map<std::string, Entry, std::less<>> entries;
};

} // namespace sinter::codegen
