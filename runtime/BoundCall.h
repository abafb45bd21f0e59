// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <cstdint>
#include <memory>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// A call of an Executable whose arrays are resolved and checked; see Executable::bind(). It keeps
/// the arrays, the State's variables, the code and its own arena alive. Not re-entrant: two threads
/// need a bound call each, and get Error(User) otherwise.
class BoundCall {
public:
  BoundCall(BoundCall &&) noexcept;
  BoundCall &operator=(BoundCall &&) noexcept;
  ~BoundCall();

  /// Runs once. After an error that a kernel reports (Error(User) naming the op, its line, the
  /// value and the bound) outputs and updated variables are unspecified.
  void operator()();
  /// In the order in which they were declared.
  const std::vector<Array> &outputs() const;

  /// Milliseconds of `count` runs of the program alone on a device that has a clock of its own (a
  /// GPU), without the copies from and to the host's arrays; empty on others. Updates happen.
  std::vector<double> measure(int64_t count);

  /// The workspace: its planned size, and where it lies where the host can read it (for tests of
  /// the memory plan).
  int64_t arenaBytes() const;
  const void *arena() const;

  struct Impl;

private:
  friend class Executable;
  explicit BoundCall(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace sinter
#pragma GCC visibility pop
