// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Executable.h"
#include "sinter/runtime/PassedOn.h"
#include "sinter/runtime/SizeInference.h"
#include "sinter/runtime/StateStorage.h"

#include <atomic>
#include <mutex>
#include <optional>

namespace sinter {

/// Everything that follows from one choice of sizes.
struct SizePlan {
  std::vector<int64_t> dims; ///< In the order of SizeInference::dims().
  std::vector<int64_t> table;
  DimBinding binding; ///< `dims` by name, with the device's workers.
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
  /// Null where an interpreter runs.
  std::shared_ptr<DeviceProgram> loaded;
  SizeInference sizes;
  /// What checks look at besides kernels.
  std::optional<PassedOn> passedOn;
  bool hasVariables = false;
  bool hasUpdates = false;

private:
  mutable std::mutex mutex;
  /// The most recent ones, latest first.
  mutable std::vector<std::shared_ptr<const SizePlan>> plans;
};

struct BoundCall::Impl {
  void run();
  void interpret();
  [[noreturn]] void throwStatus(const SinterStatus &status) const;

  std::shared_ptr<const Executable::Impl> executable;
  std::shared_ptr<State::Storage> state;
  std::shared_ptr<const SizePlan> plan;
  std::unique_ptr<DeviceCall> call; ///< Null where an interpreter runs.
  std::vector<Array> arguments;
  std::vector<Array> results; ///< An update's is the array of the argument it updates.
  std::vector<Array> outputs; ///< The results that are not updates.
  std::atomic<bool> running{false};
};

} // namespace sinter
