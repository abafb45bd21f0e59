// SPDX-License-Identifier: Apache-2.0
// A process per case: what one does to its memory, or how it ends, concerns no other.
#include "tests/onnx/Suite.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace sinter::onnxsuite {
namespace {

/// status, time, fixed inputs, message: one line each, the message last.
std::string encode(const Outcome &outcome) {
  return std::to_string(static_cast<int>(outcome.status)) + "\n" +
         std::to_string(outcome.compileMs) + "\n" + outcome.fixedInputs + "\n" + outcome.message;
}

Outcome decode(const std::string &text) {
  Outcome outcome;
  size_t first = text.find('\n'), second = text.find('\n', first + 1),
         third = text.find('\n', second + 1);
  if (third == std::string::npos)
    return {Status::Crash, "the process said nothing"};
  outcome.status = static_cast<Status>(std::stoi(text.substr(0, first)));
  outcome.compileMs = std::stod(text.substr(first + 1, second - first - 1));
  outcome.fixedInputs = text.substr(second + 1, third - second - 1);
  outcome.message = text.substr(third + 1);
  return outcome;
}

struct Child {
  pid_t process;
  int pipe;
  size_t index;
  std::string text = {};
};

[[noreturn]] void work(const Case &which, const RunOptions &options, int pipe) {
  rlimit memory = {static_cast<rlim_t>(options.memoryBytes),
                   static_cast<rlim_t>(options.memoryBytes)};
  if (options.memoryBytes > 0)
    setrlimit(RLIMIT_AS, &memory);
  rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  alarm(static_cast<unsigned>(options.seconds));
  std::string text = encode(runCase(which, options));
  for (size_t sent = 0; sent < text.size();) {
    ssize_t count = write(pipe, text.data() + sent, text.size() - sent);
    if (count < 0 && errno != EINTR)
      break;
    sent += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  _exit(0);
}

Child start(const std::vector<Case> &cases, size_t index, const RunOptions &options) {
  int ends[2];
  if (::pipe(ends) != 0)
    throw std::runtime_error("no pipe");
  pid_t process = fork();
  if (process < 0)
    throw std::runtime_error("no process");
  if (process == 0) {
    close(ends[0]);
    work(cases[index], options, ends[1]);
  }
  close(ends[1]);
  return {process, ends[0], index};
}

Outcome finish(Child &child) {
  close(child.pipe);
  int status = 0;
  waitpid(child.process, &status, 0);
  if (WIFSIGNALED(status))
    return {Status::Crash, WTERMSIG(status) == SIGALRM
                               ? "took too long"
                               : std::string("died: ") + strsignal(WTERMSIG(status))};
  if (WEXITSTATUS(status) != 0)
    return {Status::Crash, "ended with exit code " + std::to_string(WEXITSTATUS(status))};
  return decode(child.text);
}

/// Reads what there is; false at the end.
bool readSome(Child &child) {
  char buffer[4096];
  ssize_t count = read(child.pipe, buffer, sizeof buffer);
  if (count < 0 && errno == EINTR)
    return true;
  if (count <= 0)
    return false;
  child.text.append(buffer, static_cast<size_t>(count));
  return true;
}

} // namespace

std::vector<Outcome> runCases(const std::vector<Case> &cases, const RunOptions &options) {
  size_t slots = options.processes > 0 ? static_cast<size_t>(options.processes)
                                       : std::max(1u, std::thread::hardware_concurrency());
  std::vector<Outcome> outcomes(cases.size());
  std::vector<Child> running;
  size_t next = 0;
  while (next < cases.size() || !running.empty()) {
    while (running.size() < slots && next < cases.size())
      running.push_back(start(cases, next++, options));
    std::vector<pollfd> polls;
    for (const Child &child : running)
      polls.push_back({child.pipe, POLLIN, 0});
    if (poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR)
      throw std::runtime_error("poll failed");
    for (size_t i = running.size(); i-- > 0;) {
      if (polls[i].revents == 0 || readSome(running[i]))
        continue;
      outcomes[running[i].index] = finish(running[i]);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return outcomes;
}

} // namespace sinter::onnxsuite
