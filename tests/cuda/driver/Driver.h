// SPDX-License-Identifier: Apache-2.0
// A CUDA driver that checks what it is asked for and runs kernels on the host: SINTER_CUDA_DRIVER
// names it. Work is done no earlier than somebody waits for it.
#pragma once

#include "sinter/runtime/CudaDriver.h"
#include "tests/cuda/machine/Machine.h"

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace sinter::driver {

struct ContextHandle {
  int retained = 0;
};

struct FunctionHandle {
  std::string name;
  hostgpu::Kernel kernel;
  ModuleHandle *module = nullptr;
  int32_t maxDynamicShared = 48 << 10;
  bool nonPortableCluster = false;
};

struct ModuleHandle {
  int file = -1;
  void *library = nullptr;
  std::string path;
  uintptr_t base = 0, end = 0;
  std::map<std::string, std::unique_ptr<FunctionHandle>> functions;
};

struct EventHandle {
  bool recorded = false, done = false;
  double time = 0;
};

/// One thing that a stream does.
struct Operation {
  enum class Kind : uint8_t { CopyToDevice, CopyToHost, CopyOnDevice, Set, Launch, Record };
  Kind kind = Kind::Set;
  uint64_t to = 0, from = 0;
  size_t bytes = 0;
  uint8_t value = 0;
  std::vector<char> staged =
      {}; ///< CopyToDevice of memory that is not pinned: it was read at once.
  Function function = nullptr;
  LaunchConfig config = {};
  uint32_t cluster = 1;
  std::vector<std::vector<char>> parameters = {};
  Event event = nullptr;
};

struct GraphHandle {
  std::vector<Operation> operations;
};
struct GraphExecHandle {
  std::vector<Operation> operations;
};

struct StreamHandle {
  std::vector<Operation> queue;
  std::unique_ptr<GraphHandle> capture;
};

} // namespace sinter::driver

namespace sinter::hostgpu {

/// The state behind the entry points.
class Driver {
public:
  static Driver &instance();

  std::recursive_mutex mutex;
  bool started = false;
  driver::ContextHandle context;
  std::set<driver::Module> modules;
  std::set<driver::Function> functions;
  std::set<driver::Stream> streams;
  std::set<driver::Event> events;
  std::set<driver::Graph> graphs;
  std::set<driver::GraphExec> execs;
  std::map<uintptr_t, size_t> pinned;
  /// What a fault leaves: every later call answers it.
  driver::Result fault = driver::Result::Success;
  double clock = 0;

  /// Records a misuse, which no correct program commits, and answers `result`.
  driver::Result misuse(driver::Result result, const char *function, const std::string &what);
  void record(const std::string &line);
  bool records() const { return log != nullptr; }
  bool isPinned(uint64_t address, size_t bytes) const;

  /// Does everything that the stream has waiting.
  driver::Result drain(driver::StreamHandle &stream);
  driver::Result drainAll();
  bool isPending(driver::Function function) const;
  /// "" or what is alive and should not be.
  std::string leftOver() const;
  void finish();
  /// Tests misuse the driver on purpose.
  void forgive() { misuses = 0; }

private:
  Driver();
  driver::Result perform(const driver::Operation &operation);
  driver::Result launch(const driver::Operation &operation);

  std::FILE *log = nullptr;
  size_t misuses = 0;
};

} // namespace sinter::hostgpu
