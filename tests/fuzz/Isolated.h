// SPDX-License-Identifier: Apache-2.0
// Runs a piece of a test in a process of its own, so that a crash is one more kind of answer.
#pragma once

#include <functional>
#include <string>

namespace sinter::fuzz {

struct Outcome {
  bool crashed = false;
  std::string text; ///< What `work` returned, or how the process ended.
};

class Isolated {
public:
  /// Starts `work` in a child process, which must be killed after `seconds`.
  explicit Isolated(const std::function<std::string()> &work, int seconds = 240);
  ~Isolated();
  Isolated(Isolated &&other) noexcept;
  Isolated &operator=(Isolated &&) = delete;
  /// Waits for the end.
  Outcome wait();

private:
  int child = -1, pipe = -1;
};

} // namespace sinter::fuzz
