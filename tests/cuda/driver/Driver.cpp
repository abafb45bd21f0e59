// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/driver/Driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace sinter::driver;

namespace sinter::hostgpu {

Driver &Driver::instance() {
  static Driver *driver = new Driver; // Programs may call as long as they run.
  return *driver;
}

Driver::Driver() {
  if (const char *path = std::getenv("SINTER_HOST_GPU_RECORD"); path && *path)
    log = std::fopen(path, "a");
}

Result Driver::misuse(Result result, const char *function, const std::string &what) {
  ++misuses;
  std::fprintf(stderr, "host GPU: %s: %s\n", function, what.c_str());
  record(std::string("MISUSE ") + function + ": " + what);
  const char *strict = std::getenv("SINTER_HOST_GPU_STRICT");
  if (strict && *strict == '2')
    std::abort();
  return result;
}

void Driver::record(const std::string &line) {
  if (!log)
    return;
  std::fprintf(log, "%s\n", line.c_str());
  std::fflush(log);
}

bool Driver::isPinned(uint64_t address, size_t bytes) const {
  auto after = pinned.upper_bound(address);
  return after != pinned.begin() &&
         address + bytes <= std::prev(after)->first + std::prev(after)->second;
}

// -- Work -----------------------------------------------------------------------------------------

Result Driver::drain(StreamHandle &stream) {
  std::vector<Operation> work;
  work.swap(stream.queue);
  for (const Operation &operation : work) {
    if (fault != Result::Success)
      break;
    fault = perform(operation);
  }
  return fault;
}

Result Driver::drainAll() {
  for (Stream stream : streams)
    drain(*stream);
  return fault;
}

bool Driver::isPending(Function function) const {
  for (Stream stream : streams)
    for (const Operation &operation : stream->queue)
      if (operation.function == function)
        return true;
  return false;
}

Result Driver::perform(const Operation &operation) {
  GlobalMemory &memory = Machine::instance().global;
  auto wrong = [&](const char *function, uint64_t address) {
    std::string text = memory.check(address, operation.bytes);
    if (!text.empty())
      misuse(Result::IllegalAddress, function, text);
    return !text.empty();
  };
  auto *to = reinterpret_cast<void *>(operation.to);
  const auto *from = reinterpret_cast<const void *>(operation.from);
  clock += 1;
  switch (operation.kind) {
  case Operation::Kind::CopyToDevice:
    if (operation.bytes == 0)
      break;
    if (wrong("copy to the device", operation.to))
      return Result::IllegalAddress;
    if (operation.staged.empty() && !isPinned(operation.from, operation.bytes))
      return misuse(Result::IllegalAddress, "copy to the device",
                    "from host memory that is pinned no more");
    std::memcpy(to, operation.staged.empty() ? from : operation.staged.data(), operation.bytes);
    memory.markWritten(operation.to, operation.bytes);
    break;
  case Operation::Kind::CopyToHost:
    if (operation.bytes == 0)
      break;
    if (wrong("copy to the host", operation.from))
      return Result::IllegalAddress;
    if (std::string text = memory.checkWritten(operation.from, operation.bytes);
        !text.empty() && Machine::instance().checks)
      return misuse(Result::IllegalAddress, "copy to the host", text);
    std::memcpy(to, from, operation.bytes);
    break;
  case Operation::Kind::CopyOnDevice:
    if (operation.bytes == 0)
      break;
    if (wrong("copy on the device", operation.from) || wrong("copy on the device", operation.to))
      return Result::IllegalAddress;
    if (operation.to < operation.from + operation.bytes &&
        operation.from < operation.to + operation.bytes)
      return misuse(Result::IllegalAddress, "copy on the device", "the ranges overlap");
    std::memcpy(to, from, operation.bytes);
    memory.copyMarks(operation.to, operation.from, operation.bytes);
    break;
  case Operation::Kind::Set:
    if (wrong("memset", operation.to))
      return Result::IllegalAddress;
    std::memset(to, operation.value, operation.bytes);
    // SINTER_CUDA_CHECK fills memory with this so that nothing counts on what is there.
    if (operation.value != 0xff)
      memory.markWritten(operation.to, operation.bytes);
    break;
  case Operation::Kind::Launch:
    return launch(operation);
  case Operation::Kind::Record:
    operation.event->done = true;
    operation.event->time = clock;
    break;
  }
  return Result::Success;
}

Result Driver::launch(const Operation &operation) {
  if (!functions.count(operation.function))
    return misuse(Result::InvalidHandle, "launch", "the kernel's module was unloaded");
  std::vector<void *> pointers;
  for (const std::vector<char> &parameter : operation.parameters)
    pointers.push_back(const_cast<char *>(parameter.data()));
  const LaunchConfig &config = operation.config;
  LaunchRequest request{&operation.function->kernel,
                        {config.gridX, config.gridY, config.gridZ},
                        {config.blockX, config.blockY, config.blockZ},
                        operation.cluster,
                        config.sharedBytes,
                        pointers.data()};
  if (records())
    record("run " + operation.function->name);
  std::string wrong = Machine::instance().run(request);
  if (wrong.empty())
    return Result::Success;
  std::fprintf(stderr, "host GPU: kernel %s: %s\n", operation.function->name.c_str(),
               wrong.c_str());
  record("FAULT " + wrong);
  return wrong.rfind("misaligned", 0) == 0 ? Result::MisalignedAddress
         : wrong.find("bounds") != std::string::npos || wrong.find("address") != std::string::npos
             ? Result::IllegalAddress
             : Result::LaunchFailed;
}

// -- The end
// ----------------------------------------------------------------------------------------

std::string Driver::leftOver() const {
  std::string text;
  auto count = [&](size_t number, const char *what) {
    if (number)
      text += (text.empty() ? "" : ", ") + std::to_string(number) + " " + what;
  };
  count(Machine::instance().global.live(), "allocations");
  count(pinned.size(), "pinned allocations");
  count(modules.size(), "modules");
  count(streams.size(), "streams");
  count(events.size(), "events");
  count(graphs.size(), "graphs");
  count(execs.size(), "executable graphs");
  return text;
}

void Driver::finish() {
  // A program that was told of a fault may leave as it is.
  std::string left = fault == Result::Success ? leftOver() : "";
  if (!left.empty())
    misuse(Result::Success, "end of the context", "still alive: " + left);
  const char *strict = std::getenv("SINTER_HOST_GPU_STRICT");
  if (misuses && strict && *strict && *strict != '0') {
    std::fprintf(stderr, "host GPU: the driver was misused %zu times\n", misuses);
    std::fflush(nullptr);
    _exit(86);
  }
}

} // namespace sinter::hostgpu
