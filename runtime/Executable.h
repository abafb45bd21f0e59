// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"
#include "sinter/runtime/BoundCall.h"
#include "sinter/runtime/Device.h"
#include "sinter/runtime/NamedArrays.h"
#include "sinter/runtime/State.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// What runs: a program that its device loads, or an interpreter. Both get the same checks.
struct ExecutableCode {
  /// Takes one array per argument and the sizes of the named dimensions, returns one array per
  /// result, updates included.
  using Interpreter = std::function<std::vector<Array>(const std::vector<Array> &arguments,
                                                       const DimBinding &dims)>;

  std::shared_ptr<const Program> program =
      nullptr;                       ///< An interpreter needs only arguments and results.
  SinterRun entry = nullptr;         ///< Of a program for the CPU.
  Interpreter interpreter = nullptr; ///< In place of what a device loads.
  std::shared_ptr<const void> keepAlive = nullptr; ///< Holds the code behind `entry`.
  std::vector<SinterKernel> kernels = {};          ///< ProgramCode::kernels
  std::shared_ptr<Trace> trace = nullptr;          ///< ProgramCode::trace
  /// What to say of StatusCode::NonFinite: Error(User) that names the op that made it. Reads the
  /// buffers as the failing step left them. May be empty.
  using Explain =
      std::function<Error(const SinterStatus &status, const DimBinding &dims,
                          const std::function<const void *(int buffer)> &bufferAt)>;
  Explain explain = nullptr;
  /// First values of variables that a library carries.
  ArrayMap values = {};
};

/// A compiled graph. Immutable and re-entrant: several threads may call it at once (each call has
/// its own arena; calls that update one State exclude each other, see State). Copies are handles.
///
/// Every call checks names, dtypes, ranks and sizes and infers the named dimensions from the
/// arrays; violations are Error(User) that name the argument and the line that declared it. Inputs
/// may have any strides and alignment; those that kernels cannot read in place are copied.
class Executable {
public:
  /// Throws Error(Device) when this machine cannot run the program's target.
  Executable(ExecutableCode code, std::shared_ptr<Device> device);

  /// Runs with the parameters and state variables in `state`, updates them in place, and returns
  /// the outputs in the order in which they were declared.
  std::vector<Array> operator()(State &state, const NamedArrays &inputs) const;
  /// For graphs without parameters.
  std::vector<Array> operator()(const NamedArrays &inputs) const;
  /// The same, by name; outputs without a name are called "output0", "output1", ….
  ArrayMap run(State &state, const NamedArrays &inputs) const;
  ArrayMap run(const NamedArrays &inputs) const;

  /// Checks everything once and returns a call that does neither look-ups nor allocation. It reads
  /// its inputs from, and writes its outputs to, the given arrays at every call. Outputs that are
  /// not given are allocated. No output may share memory with an input, a variable or another
  /// output.
  BoundCall bind(State &state, const NamedArrays &inputs, const NamedArrays &outputs = {}) const;
  BoundCall bind(const NamedArrays &inputs, const NamedArrays &outputs = {}) const;

  /// A State for calls of this program: the values that its library carries, for other variables
  /// what the graph says, as State(program().arguments, seed, dims) draws them.
  State initialState(uint64_t seed = 0, const DimBinding &dims = {}) const;

  const Program &program() const;
  std::vector<std::string> inputNames() const;
  std::vector<std::string> outputNames() const;
  /// Whether a call changes its State.
  bool updatesState() const;
  const std::shared_ptr<Device> &device() const;

  struct Impl;

private:
  std::shared_ptr<const Impl> impl;
};

} // namespace sinter
#pragma GCC visibility pop
