// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/CacheOptions.h"
#include "sinter/runtime/Executable.h"
#include "sinter/runtime/Target.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

class Trace;

enum class Engine : uint8_t {
  Compiled,
  /// Plain loops over the differentiated graph, in a stated order: slow, and the reference that
  /// compiled programs are compared with.
  Interpreter,
};

struct CompileOptions {
  /// What calls return, in this order. Without outputs and updates: the graph's named outputs and
  /// the updates it records.
  std::vector<Tensor> outputs = {};
  /// New values of parameters and state, stored in the State by every call.
  Updates updates = {};
  Target target = {};
  Engine engine = Engine::Compiled;
  /// Threads of the calls, the caller's included; 0: the default. Executables with the same number
  /// share them. Ignored when a device is given.
  int64_t threads = 0;
  /// Passes to leave out, by name, e.g. "fuse".
  std::vector<std::string> disabledPasses = {};
  /// Round f16 and bf16 after every op. Else a kernel of several ops computes them in f32 and
  /// rounds what it stores, and explicit casts.
  bool strictRounding = false;
  /// Convolutions of 3 x 3 in f32 may use Winograd's algorithm where it is faster. Errors are then
  /// about 2e-6 of the results' root mean square, at most some 5e-5: four to eight times those of
  /// plain sums.
  bool winograd = false;
  /// GPU: products of f32 matrices may be made by tensor cores, which keep 10 bits of the operands'
  /// fractions (tf32): relative errors of about 5e-4 instead of 1e-7, at several times the speed.
  bool tf32 = false;
  /// 0 to 3: how hard machine code is optimised.
  int optLevel = 2;
  /// GPU: profilers and sanitizers show the lines of your source beside the machine code. Kernels
  /// are then compiled anew when these lines move, where they would else come out of the cache.
  bool lineInfo = false;
  /// Changes of the kernels' schedules, as text: docs/schedules.md. What it cannot be is an error.
  std::string schedule = {};
  /// Whether and where machine code is kept for the next process that needs it.
  CacheOptions cache = {};
  /// Every kernel looks at what it stores; a call that meets a NaN or an infinity throws
  /// Error(User) with the op and the line of yours that first made one, forward or backward.
  bool checkNan = false;
  /// Collects what compiling and every call of the executable spend their time on.
  std::shared_ptr<Trace> trace = nullptr;
  /// Called with the name and the text of every stage that changed something, e.g. "fused".
  std::function<void(std::string_view stage, std::string_view text)> onStage = nullptr;
  /// Where it runs, if not on the shared CPU device or, where the target is a GPU, the shared GPU.
  std::shared_ptr<Device> device = nullptr;
};

/// Compiles what the outputs and updates need of a graph. The executable is independent of the
/// graph: more may be added to it later.
Executable compile(const Graph &graph, const CompileOptions &options = {},
                   std::source_location loc = std::source_location::current());

/// The schedules that compile() chooses for the kernels, as text to be changed and given back as
/// CompileOptions::schedule.
std::string scheduleText(const Graph &graph, const CompileOptions &options = {},
                         std::source_location loc = std::source_location::current());

enum class LibraryKind : uint8_t { Object, Static, Shared };

struct LibraryFile {
  LibraryKind kind = LibraryKind::Shared;
  /// The program's name, with which its C symbols begin. Empty: from the file's name.
  std::string name = {};
  /// Where the C header goes. Empty: beside the library, ending in ".h".
  std::filesystem::path header = {};
  /// Values that the library carries for parameters and state, by name. Its state starts from
  /// them, and the rest as the graph says.
  ArrayMap values = {};
  /// CPUs to make code for: the library takes the last of them that the machine can run. Empty:
  /// CompileOptions::target alone.
  std::vector<Target> versions = {};
};

/// Compiles to a file that needs neither Sinter nor LLVM, and writes the C header that goes with
/// it. loadLibrary() reads shared ones. Throws Error(FileAccess) when a file cannot be written, and
/// then leaves neither behind. Options that concern running it are ignored.
void compileToLibrary(const Graph &graph, const std::filesystem::path &path,
                      const CompileOptions &options = {}, const LibraryFile &file = {},
                      std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
