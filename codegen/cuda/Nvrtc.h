// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/TargetInfo.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::cuda {

/// Where NVIDIA's run-time compiler lies. It is found without being loaded, which can take a
/// second: machine code that is cached needs no compiler.
struct NvrtcFile {
  std::filesystem::path path;
  /// Path, size and time of the file: what it makes is good for as long as this stays.
  std::string identity;
};

/// The library at `wanted`; if that is empty the first of: CUDA_HOME, CUDA_PATH, LD_LIBRARY_PATH,
/// /usr/local/cuda and /usr/local/cuda-*, the system's folders, the loader's search. Throws
/// Error(Device) that says what to do where there is none.
NvrtcFile findNvrtc(const std::filesystem::path &wanted);

/// What one program becomes.
enum class NvrtcResult { Cubin, Ptx };

struct NvrtcProgram {
  std::string name; ///< What messages of the compiler call the text.
  std::string text;
  std::string arch; ///< "sm_90a"
  NvrtcResult result = NvrtcResult::Cubin;
  bool lineInfo = false;
};

/// What the text must be compiled with: products and sums are rounded one by one, as on the CPU.
inline constexpr const char *compileOptions[] = {"--std=c++17", "--fmad=false"};
/// All options of a program. With the text and the compiler they tell what comes out.
std::vector<std::string> optionsOf(const NvrtcProgram &program);

/// NVRTC, loaded. Thread-safe: programs may be compiled in parallel.
class Nvrtc {
public:
  /// Loads the library, once in a process. Throws Error(Device) when it is unusable or too old.
  static std::shared_ptr<const Nvrtc> load(const NvrtcFile &file);

  std::string version() const; ///< "13.0"
  /// Throws Error(Unsupported), with the architectures that it knows, unless it can compile for
  /// `arch`.
  void requireArch(std::string_view arch) const;

  struct Failure {
    std::string log; ///< The compiler's messages.
  };
  /// The machine code or PTX text. Throws Failure.
  std::string compile(const NvrtcProgram &program) const;

  ~Nvrtc();

private:
  struct Functions;
  Nvrtc();
  std::unique_ptr<Functions> functions;
};

} // namespace sinter::cuda
