// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/runtime/State.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

class Trace;

/// A Program, and where it is one for the CPU the function that runs it.
struct ProgramCode {
  std::shared_ptr<const Program> program = nullptr;
  SinterRun entry = nullptr;
  std::shared_ptr<const void> keepAlive = nullptr; ///< Holds the code behind `entry`.
  /// The CPU's kernels, one per Program::kernels; empty where only `entry` is known.
  std::vector<SinterKernel> kernels = {};
  /// Collects what calls spend their time on: launch by launch where `kernels` are known.
  std::shared_ptr<Trace> trace = nullptr;
};

/// What one call works on. All sizes have been checked against the program.
struct CallBinding {
  std::vector<int64_t> table; ///< Named dims, then derived sizes.
  DimBinding dims;            ///< The named dims with the number of workers.
  int64_t arenaBytes = 0;
  /// One per argument of the program; those of variables are the State's.
  std::vector<Array> arguments;
  /// One per result; an update's is the array of the argument that it updates.
  std::vector<Array> results;
  /// Holds the variables; null where the program has none.
  std::shared_ptr<State::Storage> state = nullptr;
};

/// A call that is ready to run: memory is reserved, addresses are known. Not re-entrant.
class DeviceCall {
public:
  virtual ~DeviceCall() = default;
  /// Reads the arguments, computes, and returns once the results are written. The caller holds the
  /// State. Allocates nothing. The status is that of the first kernel that reports an error; the
  /// results are then unspecified. Throws Error(Device) when the device fails.
  virtual SinterStatus run() = 0;
  /// The memory of the program's intermediates, for tests; null where the host cannot read it.
  virtual const void *arena() const { return nullptr; }
  /// One of Program::buffers as the last run left it; null where the host cannot read it.
  virtual const void *buffer(int number) const {
    (void)number;
    return nullptr;
  }
  /// Milliseconds of `count` runs of the program's steps alone, one after the other: nothing is
  /// read from, or written to, the host's arrays. Call run() before. Empty where the device has no
  /// clock of its own.
  virtual std::vector<double> measure(int64_t count) {
    (void)count;
    return {};
  }
};

/// A program that is ready on a device. Thread-safe.
class DeviceProgram {
public:
  virtual ~DeviceProgram() = default;
  /// Throws Error(Device) when memory is out.
  virtual std::unique_ptr<DeviceCall> bind(CallBinding binding) = 0;
};

/// Where a Program runs: memory and workers. Thread-safe.
class Device {
public:
  virtual ~Device() = default;

  virtual std::string name() const = 0;
  /// What to compile for, as TargetInfo::parse() takes it.
  virtual std::string target() const = 0;
  /// Units that run kernels at once; the size of per-worker scratch.
  virtual int64_t workers() const = 0;
  /// Memory of the host from which and into which the device copies fastest: at least `bytes` bytes
  /// aligned to bufferAlignment, with unspecified contents; never null, also for 0 bytes. Freed
  /// blocks are kept for reuse. Throws Error(Device) when memory is out.
  virtual std::shared_ptr<void> allocate(int64_t bytes) = 0;
  /// Makes a program ready. Throws Error(Device) when this device cannot run it.
  virtual std::shared_ptr<DeviceProgram> load(ProgramCode code) = 0;
};

} // namespace sinter
#pragma GCC visibility pop
