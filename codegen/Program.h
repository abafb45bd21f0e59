// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"
#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Shape.h"
#include "sinter/ir/base/Signature.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// The C interface between generated code and whoever calls it. Generated code relies on the layout
// and order of these fields.
extern "C" {

/// First error reported by a kernel; code 0 means none. Kernels write it once (compare-exchange on
/// code).
struct SinterStatus {
  int64_t code;  ///< 0 or a sinter::StatusCode.
  int64_t site;  ///< Index into Program::sites: which op, at which user line.
  int64_t value; ///< The offending value, e.g. the index.
  int64_t bound; ///< The exclusive bound it violates.
};

/// A kernel computes units [begin, end) of its parallel extent. Every split gives the same bits.
typedef void (*SinterKernel)(void *const *buffers, const int64_t *table, SinterStatus *status,
                             int64_t begin, int64_t end, int64_t worker);

/// Runs `kernel` over [0, extent) in chunks of `grain`, on the workers behind `pool`.
typedef void (*SinterParallelFor)(void *pool, SinterKernel kernel, void *const *buffers,
                                  const int64_t *table, SinterStatus *status, int64_t extent,
                                  int64_t grain);

/// Per-call context of a generated program. parallelFor may be null: everything then runs on the
/// calling thread as worker 0.
struct SinterContext {
  SinterParallelFor parallelFor;
  void *pool;
  SinterStatus status;
};

/// A whole generated program: args are the arguments' buffers, then the results'.
typedef void (*SinterRun)(void *const *args, const int64_t *table, void *arena, SinterContext *ctx);
}

#pragma GCC visibility push(default)
namespace sinter {

enum class StatusCode : int64_t { Ok = 0, IndexOutOfRange = 1, NonFinite = 2 };

/// Alignment of the arena, of every buffer in it, and of every argument and result.
inline constexpr int64_t bufferAlignment = 64;
/// Name of the table symbol that holds the number of workers (size of per-worker scratch); on a GPU
/// the number of its multiprocessors.
inline constexpr const char *workersSymbol = "$workers";

/// Where a value lives while the program runs.
struct Buffer {
  enum class Kind : uint8_t { Argument, Result, Arena, Constant };
  Kind kind = Kind::Arena;
  int index = 0;  ///< Argument, result or constant number.
  DimExpr offset; ///< Arena: bytes from its start, a multiple of bufferAlignment.
  DimExpr bytes;
  std::string name; ///< For reports: op name and user location.
};

/// One compiled kernel; several launches may share it.
struct Kernel {
  std::string symbol;
  std::string form; ///< "loop", "row", "reduce", "contraction", "scatter", "cumulative", "sort"
  std::vector<std::string> ops;
  std::vector<SourceLoc> locations;
  int image = -1; ///< GPU: which of Program::images holds it.
};

/// A tensor of up to five dims that a GPU's copy engine reads or writes in boxes.
struct TensorMap {
  int buffer = 0; ///< Position in Launch::buffers.
  DType dtype = f32;
  std::vector<DimExpr> sizes;   ///< Innermost first.
  std::vector<DimExpr> strides; ///< In bytes, of all dims but the innermost; multiples of 16.
  std::vector<int64_t> box;     ///< Elements per dim that one copy moves.
  int64_t swizzleBytes = 0;     ///< 0, 32, 64 or 128: how rows of a box are permuted in shared memory.
};

/// How a Launch runs on a GPU. The kernel's parameters are its buffers, its tensor maps, the sizes
/// (the whole table, by value) and the status slot.
struct Grid {
  DimExpr blocks;          ///< A launch of 0 blocks is left out.
  int64_t threads = 0;     ///< Per block, a multiple of 32; 0: the launch is not for a GPU.
  int64_t sharedBytes = 0; ///< Dynamic shared memory per block.
  int64_t cluster = 1;     ///< Blocks per cluster; divides `blocks`.
  std::vector<TensorMap> maps;
};

struct Launch {
  int kernel = 0;
  std::vector<int> buffers;
  DimExpr extent; ///< Parallel units.
  DimExpr grain;  ///< Units per chunk; extent <= grain runs on the calling thread.
  DimExpr bytesMoved;
  DimExpr flops;
  int stage = 0; ///< 0, 1, … when one fused region needs several launches of different kernels.
  Grid grid;
};
struct Copy {
  int from = 0, to = 0;
  DimExpr bytes;
};
using Step = std::variant<Launch, Copy>;

/// Which op and user line a status report comes from.
struct Site {
  std::string op;
  std::string what; ///< e.g. "index"
  SourceLoc location;
};

/// A size that must not be negative; the shapes of the op behind it rest on that.
struct Condition {
  DimExpr value;
  Site site;
};

/// A compiled graph as plain data. Sizes are expressions over `dims`, evaluated once per binding.
struct Program {
  static constexpr int version = 3;
  std::string name = "main";
  std::string target; ///< TargetInfo::str()
  std::vector<Argument> arguments;
  std::vector<Result> results;
  std::vector<Array> constants;
  std::vector<std::string> images; ///< GPU: machine code of several kernels each.
  std::vector<std::string> dims; ///< Named dimensions: table[0 .. dims.size()).
  std::vector<DimExpr> table;    ///< Derived entries that follow them; none may be negative.
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  std::vector<Step> steps;
  std::vector<Site> sites;
  std::vector<Condition> conditions; ///< Each value is an entry of `table` too.
  DimExpr arenaBytes;
  int nodes = 0; ///< Graph ops before fusion, for reports.
};

/// Throws Error(User) with the op and line of the first condition that fails.
void checkConditions(const Program &program, const DimBinding &binding);
/// table[] for one binding of the dims plus the worker count: dims first, then `table`. Throws
/// Error(User) naming the dimension or entry when one is missing or negative, Error(Limit) on
/// overflow.
std::vector<int64_t> evaluateTable(const Program &program, const DimBinding &binding,
                                   int64_t workers);

} // namespace sinter
#pragma GCC visibility pop
