// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Executable.h"
#include "sinter/runtime/SizeInference.h"
#include "sinter/runtime/StateStorage.h"
#include "sinter/runtime/Strided.h"

#include <atomic>
#include <mutex>

namespace sinter {

/// Everything that follows from one choice of sizes.
struct SizePlan {
  std::vector<int64_t> dims; ///< In the order of SizeInference::dims().
  std::vector<int64_t> table;
  int64_t arenaBytes = 0;
  std::vector<std::vector<int64_t>> resultSizes;
};

struct Executable::Impl {
  Impl(ExecutableCode code, std::shared_ptr<Device> device);

  BoundCall bind(const std::shared_ptr<const Impl> &self, State *state, const NamedArrays &inputs,
                 const NamedArrays &outputs) const;
  std::vector<Array> findArguments(const State *state, const NamedArrays &inputs) const;
  /// One entry per result; null where the caller gave none.
  std::vector<const Array *> findResults(const NamedArrays &outputs) const;
  std::shared_ptr<const SizePlan> planFor(std::vector<int64_t> dims) const;
  Array allocate(DType dtype, const std::vector<int64_t> &sizes) const;
  void requireDisjoint(const std::vector<Array> &arguments, const std::vector<Array> &results,
                       const std::vector<const Array *> &given) const;

  ExecutableCode code;
  std::shared_ptr<Device> device;
  SizeInference sizes;
  bool hasVariables = false;
  bool hasUpdates = false;

private:
  mutable std::mutex mutex;
  /// The most recent ones, latest first.
  mutable std::vector<std::shared_ptr<const SizePlan>> plans;
};

struct BoundCall::Impl {
  /// User memory that kernels cannot use in place, and its contiguous, aligned stand-in.
  struct Staged {
    CopyPlan plan;
    void *user;
    void *buffer;
  };

  void run();
  void runCode();
  void interpret();
  [[noreturn]] void throwStatus(const SinterStatus &status) const;

  std::shared_ptr<const Executable::Impl> executable;
  std::shared_ptr<State::Storage> state;
  std::shared_ptr<const SizePlan> plan;
  std::shared_ptr<void> arena;
  std::vector<Array> arguments;
  std::vector<Array> results; ///< An update's is the array of the argument it updates.
  std::vector<Array> outputs; ///< The results that are not updates.
  std::vector<void *> pointers;
  std::vector<Staged> gathers, scatters;
  std::vector<std::shared_ptr<void>> buffers;
  std::atomic<bool> running{false};
};

} // namespace sinter
