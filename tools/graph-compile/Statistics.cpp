// SPDX-License-Identifier: Apache-2.0
#include "tools/graph-compile/Statistics.h"

#include "tools/support/CommandLine.h"
#include "tools/support/Json.h"

#include "sinter/codegen/ProgramCosts.h"
#include "sinter/codegen/cuda/Cubin.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace sinter::tools {

using namespace codegen;

namespace {

/// The CPU's name without its list of features.
std::string targetOf(const Program &program) {
  return program.target.substr(0, program.target.find(','));
}

struct KernelCosts {
  int64_t launches = 0;
  DimExpr bytesMoved, flops;
  DimExpr bytesNeeded;  ///< Arguments that it is the first to read, results that it writes.
  int countedWith = -1; ///< The first kernel of its region, where that has its costs.
};

std::vector<KernelCosts> kernelCosts(const Program &program, int64_t workers) {
  std::vector<KernelCosts> costs(program.kernels.size());
  std::set<int> seen, updated;
  for (const Result &result : program.results)
    updated.insert(result.updates);
  int first = 0;                         // The kernel of the region's first launch.
  std::map<int, KernelCosts *> lastUser; // Of arguments that get a new value in place.
  for (const Step &step : program.steps)
    if (auto *launch = std::get_if<Launch>(&step)) {
      KernelCosts &kernel = costs.at(static_cast<size_t>(launch->kernel));
      if (launch->stage == 0)
        first = launch->kernel;
      else if (kernel.launches == 0 && launch->bytesMoved.constant() == 0)
        kernel.countedWith = first;
      // Later launches of a region share its bytes with the first.
      for (int number : launch->stage == 0 ? launch->buffers : std::vector<int>()) {
        const Buffer &buffer = program.buffers.at(static_cast<size_t>(number));
        bool isArgument = buffer.kind == Buffer::Kind::Argument;
        if (isArgument && updated.contains(buffer.index))
          lastUser[number] = &kernel;
        if ((isArgument || buffer.kind == Buffer::Kind::Result) && seen.insert(number).second)
          kernel.bytesNeeded += forWorkers(buffer.bytes, workers);
      }
      ++kernel.launches;
      kernel.bytesMoved += forWorkers(launch->bytesMoved, workers);
      kernel.flops += forWorkers(launch->flops, workers);
    }
  for (auto &[number, kernel] : lastUser)
    kernel->bytesNeeded +=
        forWorkers(program.buffers.at(static_cast<size_t>(number)).bytes, workers);
  return costs;
}

std::vector<std::string> namedDims(const Program &program) {
  std::vector<std::string> names = program.dims;
  std::erase(names, workersSymbol);
  return names;
}

std::string list(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// 16777216 as "16777216 (16.8 M)".
std::string readable(const DimExpr &size, const char *unit) {
  std::optional<int64_t> number = size.constant();
  if (!number)
    return size.str() + " " + unit;
  std::string text = std::to_string(*number) + " " + unit;
  double value = static_cast<double>(*number);
  const char *prefix = value >= 1e9 ? "G" : value >= 1e6 ? "M" : value >= 1e4 ? "k" : nullptr;
  if (prefix) {
    char buffer[48];
    std::snprintf(buffer, sizeof buffer, " (%.3g %s%s)",
                  value / (*prefix == 'G'   ? 1e9
                           : *prefix == 'M' ? 1e6
                                            : 1e3),
                  prefix, unit);
    text += buffer;
  }
  return text;
}

/// "tanh at file:line:col".
std::string placeOf(const std::string &op, const SourceLoc &location) {
  return op + (location.known() ? " at " + location.str() : "");
}

/// Arguments that several kernels read, with the number of their readers.
std::vector<std::pair<int, int64_t>> sharedArguments(const Program &program) {
  std::map<int, int64_t> readers;
  for (const Step &step : program.steps)
    if (auto *launch = std::get_if<Launch>(&step); launch && launch->stage == 0)
      for (int number : std::set<int>(launch->buffers.begin(), launch->buffers.end()))
        if (program.buffers.at(static_cast<size_t>(number)).kind == Buffer::Kind::Argument)
          ++readers[number];
  std::erase_if(readers, [](const auto &entry) { return entry.second < 2; });
  return {readers.begin(), readers.end()};
}

/// Why more bytes are moved than must be.
std::string explanation(const Program &program, const std::vector<passes::UnfusedEdge> &unfused) {
  std::string text;
  if (!unfused.empty())
    text += "  between kernels:\n";
  for (const passes::UnfusedEdge &edge : unfused)
    text += "    " + placeOf(edge.producer, edge.from) + " to " + placeOf(edge.consumer, edge.to) +
            ": " + readable(edge.bytes, "B") + ": " + edge.reason + "\n";
  std::vector<std::pair<int, int64_t>> shared = sharedArguments(program);
  if (!shared.empty())
    text += "  read by several kernels:\n";
  for (auto [number, readers] : shared) {
    const Buffer &buffer = program.buffers.at(static_cast<size_t>(number));
    text += "    " + buffer.name + ": by " + std::to_string(readers) + ", " +
            readable(buffer.bytes, "B") + " each\n";
  }
  return text;
}

std::string ratioText(int64_t value, int64_t base) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f",
                base > 0 ? static_cast<double>(value) / static_cast<double>(base) : 1.0);
  return text;
}

// -- Machine code for a GPU -----------------------------------------------------------------------

/// What a kernel's machine code takes, and how many blocks of its first launch a multiprocessor
/// holds.
struct GpuKernel {
  cuda::KernelResources resources;
  cuda::Occupancy occupancy;
  int64_t threads = 0, dynamicBytes = 0;
};

/// By kernel; without machine code nullopt.
std::vector<std::optional<GpuKernel>> gpuKernels(const Program &program) {
  std::vector<std::optional<GpuKernel>> result(program.kernels.size());
  std::vector<std::vector<cuda::KernelResources>> images;
  for (const std::string &image : program.images)
    images.push_back(cuda::readCubin(image));
  for (const Step &step : program.steps) {
    const auto *launch = std::get_if<Launch>(&step);
    if (!launch)
      continue;
    const Kernel &kernel = program.kernels.at(static_cast<size_t>(launch->kernel));
    std::optional<GpuKernel> &known = result.at(static_cast<size_t>(launch->kernel));
    if (known || kernel.image < 0 || static_cast<size_t>(kernel.image) >= images.size())
      continue;
    for (const cuda::KernelResources &resources : images[static_cast<size_t>(kernel.image)])
      if (resources.name == kernel.symbol) {
        const Grid &grid = launch->grid;
        std::string arch = program.target.substr(std::min<size_t>(5, program.target.size()));
        known = {resources,
                 cuda::occupancyOf(arch, resources, grid.threads, grid.sharedBytes),
                 grid.threads, grid.sharedBytes};
      }
  }
  return result;
}

std::string describe(const GpuKernel &kernel) {
  const cuda::KernelResources &resources = kernel.resources;
  std::string text = "    " + std::to_string(resources.registers) + " registers, ";
  if (resources.stackBytes == 0 && resources.localLoads + resources.localStores == 0)
    text += "no spills, ";
  else
    text += std::to_string(resources.stackBytes) + " B stack with " +
            std::to_string(resources.localStores) + " stores and " +
            std::to_string(resources.localLoads) + " loads, ";
  text += std::to_string(resources.sharedBytes + kernel.dynamicBytes) + " B shared, " +
          std::to_string(resources.codeBytes) + " B code; " +
          std::to_string(kernel.occupancy.blocks) +
          (kernel.occupancy.blocks == 1 ? " block of " : " blocks of ") +
          std::to_string(kernel.threads) + " threads at once: " +
          std::to_string(kernel.occupancy.warps) + " of " +
          std::to_string(kernel.occupancy.maxWarps) + " warps, limited by " +
          std::string(kernel.occupancy.limit);
  return text + "\n";
}

void members(JsonWriter &json, const GpuKernel &kernel) {
  const cuda::KernelResources &resources = kernel.resources;
  json.key("gpu").beginObject();
  json.member("threads", kernel.threads).member("registers", resources.registers);
  json.member("stack_bytes", resources.stackBytes);
  json.member("local_stores", resources.localStores).member("local_loads", resources.localLoads);
  json.member("shared_bytes", resources.sharedBytes);
  json.member("dynamic_shared_bytes", kernel.dynamicBytes);
  json.member("code_bytes", resources.codeBytes);
  json.member("blocks_at_once", kernel.occupancy.blocks);
  json.member("warps_at_once", kernel.occupancy.warps);
  json.member("most_warps", kernel.occupancy.maxWarps);
  json.member("limited_by", std::string(kernel.occupancy.limit)).endObject();
}

std::string asText(const Program &program, const ProgramCosts &costs,
                   const std::vector<KernelCosts> &kernels, int64_t workers) {
  const std::vector<std::optional<GpuKernel>> gpu = gpuKernels(program);
  std::string text = "program " + program.name + " for " + targetOf(program) + "\n";
  if (std::vector<std::string> dims = namedDims(program); !dims.empty())
    text += "  dimensions    " + list(dims) + "\n";
  text += "  graph ops     " + std::to_string(program.nodes) + "\n";
  text += "  kernels       " + std::to_string(program.kernels.size()) + " in " +
          std::to_string(costs.launches) + " launches, " + std::to_string(costs.copies) +
          " copies\n";
  text += "  bytes moved   " + readable(costs.bytesMoved, "B") + "\n";
  text += "  bytes needed  " + readable(costs.bytesNeeded, "B") + "\n";
  text += "  flops         " + readable(costs.flops, "flop") + "\n";
  text += "  planned peak  " + readable(costs.peakBytes, "B") + ": arena " +
          costs.arenaBytes.str() + " (" + std::to_string(workers) + " workers) + outputs " +
          costs.resultBytes.str() + "\n";
  std::optional<int64_t> live = largestLiveSet(program, workers);
  if (std::optional<int64_t> arena = costs.arenaBytes.constant(); live && arena)
    text += "  live at once  " + readable(*live, "B") + " of the arena, which is " +
            ratioText((*arena + bufferAlignment - 1) / bufferAlignment * bufferAlignment, *live) +
            " times that\n";
  for (size_t i = 0; i < kernels.size(); ++i) {
    const Kernel &kernel = program.kernels[i];
    text += "  " + kernel.symbol + ": " + kernel.form + ", " + std::to_string(kernel.ops.size()) +
            " ops (" + list(kernel.ops) + "), " + std::to_string(kernels[i].launches) +
            (kernels[i].launches == 1 ? " launch" : " launches") + ", ";
    if (kernels[i].countedWith >= 0)
      text += "bytes and flops are counted with the region's first kernel, above\n";
    else
      text += readable(kernels[i].bytesMoved, "B") + " of which " +
              readable(kernels[i].bytesNeeded, "B") + " must move, " +
              readable(kernels[i].flops, "flop") + "\n";
    if (gpu[i])
      text += describe(*gpu[i]);
  }
  return text;
}

/// A number, or a formula as a string.
void member(JsonWriter &json, std::string_view name, const DimExpr &size) {
  if (std::optional<int64_t> number = size.constant())
    json.member(name, *number);
  else
    json.member(name, size.str());
}

/// Empty when there was no cache and nothing to say about that.
std::string cacheLine(const CacheReport &cache) {
  std::string text;
  if (cache.hits + cache.misses > 0)
    text = std::to_string(cache.hits) + " kernels found, " + std::to_string(cache.misses) +
           " compiled, " + std::to_string(cache.stored) + " stored" +
           (cache.dropped ? ", " + std::to_string(cache.dropped) + " damaged" : "");
  if (!cache.notice.empty())
    text += (text.empty() ? "" : "; ") + cache.notice;
  return text.empty() ? "" : "  object cache  " + text + "\n";
}

std::string asJson(const Program &program, const ProgramCosts &costs,
                   const std::vector<KernelCosts> &kernels, int64_t workers,
                   const CompilationReport &report) {
  const CacheReport &cache = report.cache;
  const std::vector<std::optional<GpuKernel>> gpu = gpuKernels(program);
  JsonWriter json;
  json.beginObject().member("program", program.name).member("target", targetOf(program));
  json.key("dims").beginArray();
  for (const std::string &dim : namedDims(program))
    json.value(dim);
  json.endArray();
  json.member("ops", program.nodes).member("launches", costs.launches);
  json.member("copies", costs.copies).member("workers", workers);
  member(json, "bytes_moved", costs.bytesMoved);
  member(json, "bytes_needed", costs.bytesNeeded);
  member(json, "flops", costs.flops);
  member(json, "arena_bytes", costs.arenaBytes);
  member(json, "output_bytes", costs.resultBytes);
  member(json, "peak_bytes", costs.peakBytes);
  if (std::optional<int64_t> live = largestLiveSet(program, workers))
    json.member("live_bytes", *live);
  json.key("kernels").beginArray();
  for (size_t i = 0; i < kernels.size(); ++i) {
    const Kernel &kernel = program.kernels[i];
    json.beginObject().member("name", kernel.symbol).member("form", kernel.form);
    json.key("ops").beginArray();
    for (const std::string &op : kernel.ops)
      json.value(op);
    json.endArray();
    json.key("locations").beginArray();
    for (const SourceLoc &location : kernel.locations)
      json.value(location.str());
    json.endArray();
    json.member("launches", kernels[i].launches);
    member(json, "bytes_moved", kernels[i].bytesMoved);
    member(json, "bytes_needed", kernels[i].bytesNeeded);
    member(json, "flops", kernels[i].flops);
    if (int other = kernels[i].countedWith; other >= 0)
      json.member("counted_with", int64_t{other});
    if (gpu[i])
      members(json, *gpu[i]);
    json.endObject();
  }
  json.endArray();
  json.key("unfused").beginArray();
  for (const passes::UnfusedEdge &edge : report.unfused) {
    json.beginObject().member("producer", edge.producer).member("consumer", edge.consumer);
    json.member("from", edge.from.str()).member("to", edge.to.str());
    member(json, "bytes", edge.bytes);
    json.member("reason", edge.reason).endObject();
  }
  json.endArray();
  json.key("object_cache").beginObject();
  json.member("hits", cache.hits).member("misses", cache.misses).member("stored", cache.stored);
  json.member("dropped", cache.dropped).member("notice", cache.notice).endObject();
  json.key("stages").beginArray();
  for (const codegen::StageTime &time : report.times)
    json.beginObject().member("name", time.name).member("ms", time.milliseconds).endObject();
  json.endArray();
  return json.endObject().str() + "\n";
}

struct Tensor {
  int64_t bytes;
  std::string what; ///< Its name and lines.
};

/// Results and what lies in the arena. A buffer comes from the first launch that uses it.
std::vector<Tensor> plannedTensors(const Program &program, int64_t workers) {
  std::vector<const Kernel *> producers(program.buffers.size());
  for (const Step &step : program.steps)
    if (auto *launch = std::get_if<Launch>(&step))
      for (int buffer : launch->buffers)
        if (const Kernel *&producer = producers.at(static_cast<size_t>(buffer)); !producer)
          producer = &program.kernels.at(static_cast<size_t>(launch->kernel));
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer &buffer = program.buffers[i];
    std::optional<int64_t> bytes = forWorkers(buffer.bytes, workers).constant();
    if (!bytes || (buffer.kind != Buffer::Kind::Arena && buffer.kind != Buffer::Kind::Result))
      continue;
    Tensor tensor{*bytes, buffer.name};
    std::vector<std::string> lines;
    if (producers[i])
      for (const SourceLoc &location : producers[i]->locations)
        lines.push_back(location.str());
    if (!lines.empty())
      tensor.what += " (" + list(lines) + ")";
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

} // namespace

std::string statisticsText(const Program &program, int64_t workers, StatisticsForm form,
                           const CompilationReport &report) {
  ProgramCosts costs = costsOf(program, workers);
  std::vector<KernelCosts> kernels = kernelCosts(program, workers);
  if (form == StatisticsForm::Json)
    return asJson(program, costs, kernels, workers, report);
  return asText(program, costs, kernels, workers) + explanation(program, report.unfused) +
         cacheLine(report.cache);
}

void requireBudget(const Program &program, int64_t workers, int64_t budget) {
  DimExpr peak = costsOf(program, workers).peakBytes;
  std::optional<int64_t> bytes = peak.constant();
  if (!bytes)
    failUsage("--mem-budget: the planned peak is " + peak.str() + " bytes",
              "give the dimensions with --dim NAME=SIZE");
  if (*bytes <= budget)
    return;
  std::vector<Tensor> tensors = plannedTensors(program, workers);
  std::sort(tensors.begin(), tensors.end(), [](const Tensor &a, const Tensor &b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.what < b.what;
  });
  constexpr size_t most = 5;
  std::string largest;
  for (size_t i = 0; i < std::min(most, tensors.size()); ++i)
    largest += "\n  note: " + std::to_string(tensors[i].bytes) + " bytes: " + tensors[i].what;
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Limit},
              "the planned peak of " + std::to_string(*bytes) + " bytes is above the budget of " +
                  std::to_string(budget) + "; the largest tensors are" + largest);
}

} // namespace sinter::tools
