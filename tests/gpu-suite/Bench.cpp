// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu-suite/Bench.h"

#include "tests/gpu-suite/CublasLt.h"
#include "tests/gpu-suite/Loaded.h"
#include "tools/fused-bench/Report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

namespace sinter::suite {
namespace {

using tools::gpuSample;

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double position = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(position);
  const size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (values[high] - values[low]) * (position - static_cast<double>(low));
}

/// Samples of ours and of a peer, one after the other.
struct Pairs {
  std::string name, peer;
  std::vector<double> ours = {}, theirs = {}; ///< Milliseconds.
  std::string missing = {};                   ///< Why there are none.
  bool differs = false;                       ///< Because the peer's results are others.

  std::vector<double> ratios() const {
    std::vector<double> values;
    for (size_t i = 0; i < ours.size(); ++i)
      values.push_back(theirs[i] / ours[i]);
    return values;
  }
};

/// cuBLASLt's products, with the kernels that must follow them.
class Library {
public:
  Library() {
    try {
      library.emplace();
      version = library->version();
    } catch (const Error &error) {
      version = error.what();
    }
  }

  Pairs compare(const Pack &pack, const BenchCase &one, Loaded &ours,
                const std::shared_ptr<CudaDevice> &device, int64_t runs) {
    Pairs pairs{.name = one.name,
                .peer = one.rest.empty() ? "cuBLASLt" : "cuBLASLt + separate kernels"};
    if (!library) {
      pairs.missing = version;
      return pairs;
    }
    try {
      std::vector<CublasLt::Prepared> products;
      products.reserve(one.products.size());
      for (const Product &product : one.products)
        products.emplace_back(*library, product);
      std::vector<Loaded> rest;
      rest.reserve(one.rest.size());
      for (const std::string &name : one.rest)
        rest.emplace_back(pack, name, tools::Ranges{}, device);
      for (int64_t i = 0; i < runs; ++i) {
        pairs.ours.push_back(gpuSample(ours.call));
        double theirs = 0;
        for (CublasLt::Prepared &product : products)
          theirs += product.sample();
        for (Loaded &kernel : rest)
          theirs += gpuSample(kernel.call);
        pairs.theirs.push_back(theirs);
      }
    } catch (const Error &error) {
      pairs.missing = error.what();
      pairs.differs = error.code() == ErrorCode::Mismatch;
    }
    return pairs;
  }

  std::string version; ///< Or why there is none.

private:
  std::optional<CublasLt> library;
};

std::string readFile(const std::filesystem::path &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error({.code = ErrorCode::FileAccess}, "cannot read '" + path.string() + "'");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string driverOf(const CudaDevice &device) {
  const int32_t version = device.driverVersion();
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

struct Peaks {
  double copy, read, multiplyAdds, products;
};

void writeJson(const BenchOptions &options, const CudaDevice &device, const Library &library,
               const Peaks &peaks, const std::vector<tools::Measurement> &measurements,
               const std::vector<Pairs> &allPairs) {
  tools::JsonWriter json;
  json.beginObject().member("device", device.name()).member("target", device.target());
  json.member("driver", driverOf(device)).member("multiprocessors", device.workers());
  json.member("small", options.small ? 1 : 0).member("cublaslt", library.version);
  json.key("probes").beginObject().member("copy_gbytes_per_s", peaks.copy / 1e9);
  json.member("read_gbytes_per_s", peaks.read / 1e9);
  json.member("f32_gflops", peaks.multiplyAdds / 1e9);
  json.member("bf16_gflops", peaks.products / 1e9).endObject();
  json.key("cases");
  writeMeasurements(json, measurements);
  json.key("pairs").beginArray();
  for (const Pairs &pairs : allPairs) {
    json.beginObject().member("case", pairs.name).member("peer", pairs.peer);
    if (pairs.ours.empty()) {
      json.member("missing", pairs.missing).endObject();
      continue;
    }
    const std::vector<double> ratios = pairs.ratios();
    json.member("ours_ms", tools::median(pairs.ours));
    json.member("theirs_ms", tools::median(pairs.theirs));
    json.member("ratio", percentile(ratios, 0.5)).member("p10", percentile(ratios, 0.1));
    json.member("p90", percentile(ratios, 0.9));
    json.member("pairs", static_cast<int64_t>(ratios.size())).endObject();
  }
  json.endArray().endObject();
  std::ofstream out(options.json);
  if (!(out << json.str() << std::endl))
    throw Error({.code = ErrorCode::FileAccess}, "cannot write '" + options.json.string() + "'");
}

} // namespace

void measure(const Pack &pack, const std::shared_ptr<CudaDevice> &device,
             const BenchOptions &options) {
  const std::vector<BenchCase> cases = chosen(pack, options);
  tools::GpuProbes probes(device, readFile(pack.file("probes.cubin")),
                          options.small ? tools::smallGpuProbes : tools::GpuProbeSizes{});
  Library library;
  const Peaks peaks{probes.copyBytesPerSecond(), probes.readBytesPerSecond(),
                    probes.flopsPerSecond(false), probes.flopsPerSecond(true)};
  std::printf("probes: copy %.0f GB/s, read %.0f GB/s, f32 %.1f TF/s, bf16 %.1f TF/s; %s\n",
              peaks.copy / 1e9, peaks.read / 1e9, peaks.multiplyAdds / 1e12, peaks.products / 1e12,
              library.version.c_str());
  if (options.small)
    std::printf("smaller instances: these times are no figures\n");
  const tools::TableColumns columns{.roofline = true};
  std::printf("%s\n", tools::tableHeader(columns).c_str());
  std::vector<tools::Measurement> measurements;
  std::vector<Pairs> allPairs;
  for (const BenchCase &one : cases) {
    try {
      Loaded loaded(pack, one.library, one.ranges, device);
      const Program &program = loaded.executable.program();
      tools::Measurement result = tools::describe(one.name, program, *device);
      timeOnGpu(result, program, loaded.call, probes, {.runs = options.runs, .flops = one.flops});
      std::printf("%s\n", tools::tableRow(result, columns).c_str());
      measurements.push_back(std::move(result));
      if (!one.products.empty())
        allPairs.push_back(library.compare(pack, one, loaded, device, options.runs));
    } catch (const Error &error) {
      if (error.kind() != ErrorKind::Device)
        throw;
      std::printf("%-28s NOT measured: %s\n", one.name.c_str(), error.what());
    }
    std::fflush(stdout);
  }
  for (const Pairs &pairs : allPairs)
    if (pairs.ours.empty())
      std::printf("%s: NOT compared with %s: %s\n", pairs.name.c_str(), pairs.peer.c_str(),
                  pairs.missing.c_str());
    else
      std::printf("%s: %.4f ms, %s %.4f ms, ratio %.3f (%.3f-%.3f)\n", pairs.name.c_str(),
                  tools::median(pairs.ours), pairs.peer.c_str(), tools::median(pairs.theirs),
                  percentile(pairs.ratios(), 0.5), percentile(pairs.ratios(), 0.1),
                  percentile(pairs.ratios(), 0.9));
  if (!options.json.empty())
    writeJson(options, *device, library, peaks, measurements, allPairs);
  if (measurements.empty())
    throw Error({.kind = ErrorKind::Device}, "no case could be measured");
  for (const Pairs &pairs : allPairs)
    if (pairs.differs)
      throw Error({.code = ErrorCode::Mismatch},
                  pairs.name + ": results of " + pairs.peer + " are others");
}

} // namespace sinter::suite
