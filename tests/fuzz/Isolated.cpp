// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/Isolated.h"

#include <csignal>
#include <cstring>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace sinter::fuzz {

Isolated::Isolated(const std::function<std::string()> &work, int seconds) {
  int ends[2];
  if (::pipe(ends) != 0)
    throw std::runtime_error("no pipe");
  child = fork();
  if (child < 0)
    throw std::runtime_error("no process");
  if (child == 0) {
    close(ends[0]);
    alarm(static_cast<unsigned>(seconds));
    std::string text;
    try {
      text = work();
    } catch (const std::exception &error) {
      text = std::string("threw: ") + error.what();
    }
    for (size_t sent = 0; sent < text.size();) {
      ssize_t count = write(ends[1], text.data() + sent, text.size() - sent);
      if (count <= 0)
        break;
      sent += static_cast<size_t>(count);
    }
    _exit(0);
  }
  close(ends[1]);
  pipe = ends[0];
}

Isolated::Isolated(Isolated &&other) noexcept
    : child(std::exchange(other.child, -1)), pipe(std::exchange(other.pipe, -1)) {}

Isolated::~Isolated() {
  if (child > 0)
    wait();
}

Outcome Isolated::wait() {
  Outcome outcome;
  char buffer[4096];
  for (ssize_t count; (count = read(pipe, buffer, sizeof buffer)) > 0;)
    outcome.text.append(buffer, static_cast<size_t>(count));
  close(pipe);
  int status = 0;
  waitpid(std::exchange(child, -1), &status, 0);
  outcome.crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  if (WIFSIGNALED(status))
    outcome.text = WTERMSIG(status) == SIGALRM
                       ? "took too long"
                       : std::string("crashed: ") + strsignal(WTERMSIG(status));
  else if (outcome.crashed)
    outcome.text = "ended with exit code " + std::to_string(WEXITSTATUS(status));
  return outcome;
}

} // namespace sinter::fuzz
