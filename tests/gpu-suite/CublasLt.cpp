// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu-suite/CublasLt.h"

#include "tests/gpu-suite/CublasLtInterface.h"
#include "tools/fused-bench/Traffic.h"

#include "sinter/ir/base/Float16.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CudaContext.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>

namespace sinter::suite {
namespace {

constexpr int64_t workspaceBytes = 64 << 20; ///< What NVIDIA recommends for Hopper, doubled.

void check(cublas::Status status, const char *doing) {
  if (status != cublas::Status::Success)
    throw Error({.kind = ErrorKind::Device}, std::string("cuBLASLt cannot ") + doing + ": status " +
                                                 std::to_string(static_cast<int32_t>(status)));
}

int ordinalOfSinter() {
  const char *text = std::getenv("SINTER_CUDA_DEVICE");
  return text ? std::atoi(text) : 0;
}

} // namespace

struct CublasLt::Impl {
  cublas::EntryPoints api;
  std::shared_ptr<CudaContext> gpu;
  cublas::Handle handle = nullptr;

  ~Impl() {
    if (!handle)
      return;
    CudaContext::Current current(*gpu, CudaContext::Current::Otherwise::GoOn);
    api.destroy(handle);
  }
};

CublasLt::CublasLt() : impl(std::make_unique<Impl>()) {
  std::vector<std::string> names = {"libcublasLt.so.13", "libcublasLt.so.12",
                                    "/usr/local/cuda/lib64/libcublasLt.so.13",
                                    "/usr/local/cuda/lib64/libcublasLt.so.12"};
  if (const char *named = std::getenv("SINTER_CUBLASLT"); named && *named)
    names = {named};
  void *library = nullptr; // It stays open: handles and kernels of it live until the process ends.
  std::string reason;
  for (const std::string &name : names) {
    if ((library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)))
      break;
    if (const char *text = dlerror(); text && reason.empty())
      reason = text;
  }
  if (!library)
    throw Error({.kind = ErrorKind::Device}, "there is no cuBLASLt: " + reason);
#define SINTER_LOOK_UP(member, symbol, returned, parameters)                                       \
  impl->api.member = reinterpret_cast<decltype(impl->api.member)>(dlsym(library, #symbol));        \
  if (!impl->api.member)                                                                           \
    throw Error({.kind = ErrorKind::Device}, "this cuBLASLt has no " #symbol);
  SINTER_CUBLASLT_ENTRY_POINTS(SINTER_LOOK_UP)
#undef SINTER_LOOK_UP
  impl->gpu = std::make_shared<CudaContext>(CudaDriver::load(),
                                            CudaContextOptions{.ordinal = ordinalOfSinter()});
  CudaContext::Current current(*impl->gpu);
  check(impl->api.create(&impl->handle), "start");
}

CublasLt::~CublasLt() = default;

std::string CublasLt::version() const {
  const size_t number = impl->api.getVersion();
  return "cuBLASLt " + std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) +
         "." + std::to_string(number % 100);
}

struct CublasLt::Prepared::Impl {
  CublasLt::Impl &library;
  Product product;
  cublas::Operation operation = nullptr;
  /// Of the transposed product: rows of ours are columns of theirs.
  cublas::Layout left = nullptr, right = nullptr, result = nullptr;
  cublas::Recommendation chosen = {};
  std::shared_ptr<CudaMemory> a, b, c, workspace;
  driver::Stream stream = nullptr;
  driver::Event start = nullptr, end = nullptr;

  explicit Impl(CublasLt::Impl &library, const Product &product)
      : library(library), product(product) {}

  ~Impl() {
    CudaContext::Current current(*library.gpu, CudaContext::Current::Otherwise::GoOn);
    const CudaDriver &driver = library.gpu->api();
    for (driver::Event event : {start, end})
      if (event)
        driver.eventDestroy(event);
    if (stream)
      driver.streamDestroy(stream);
    for (cublas::Layout layout : {left, right, result})
      if (layout)
        library.api.layoutDestroy(layout);
    if (operation)
      library.api.operationDestroy(operation);
  }

  void enqueue() {
    const float one = 1, zero = 0;
    auto at = [](const std::shared_ptr<CudaMemory> &memory) {
      return reinterpret_cast<void *>(memory->address());
    };
    check(library.api.multiply(library.handle, operation, &one, at(b), left, at(a), right, &zero,
                               at(c), result, at(c), result, &chosen.algorithm, at(workspace),
                               static_cast<size_t>(workspaceBytes),
                               reinterpret_cast<cublas::Stream>(stream)),
          "multiply");
  }

  double sample() {
    constexpr int runs = 5;
    CudaContext::Current current(*library.gpu);
    const CudaDriver &driver = library.gpu->api();
    std::vector<double> times;
    for (int i = 0; i < runs; ++i) {
      float elapsed = 0;
      library.gpu->check(driver.eventRecord(start, stream), "take the time");
      enqueue();
      library.gpu->check(driver.eventRecord(end, stream), "take the time");
      library.gpu->check(driver.eventSynchronize(end), "run cuBLASLt");
      library.gpu->check(driver.eventElapsedTime(&elapsed, start, end), "take the time");
      times.push_back(elapsed);
    }
    return tools::median(times);
  }

  void create() {
    const cublas::EntryPoints &api = library.api;
    const auto [m, n, k] = product;
    const CudaDriver &driver = library.gpu->api();
    library.gpu->check(driver.streamCreate(&stream, driver::streamNonBlocking), "make a stream");
    for (driver::Event *event : {&start, &end})
      library.gpu->check(driver.eventCreate(event, driver::eventDefault), "make an event");
    check(api.operationCreate(&operation, cublas::ComputeType::F32, cublas::DataType::F32),
          "describe a product");
    auto layout = [&](cublas::Layout &matrix, int64_t rows, int64_t columns) {
      check(api.layoutCreate(&matrix, cublas::DataType::BF16, static_cast<uint64_t>(columns),
                             static_cast<uint64_t>(rows), columns),
            "describe a matrix");
    };
    layout(left, k, n);
    layout(right, m, k);
    layout(result, m, n);
    workspace = library.gpu->allocate(workspaceBytes, "cuBLASLt's workspace");
  }

  /// The fastest of what is recommended.
  void choose() {
    const cublas::EntryPoints &api = library.api;
    constexpr int most = 16;
    cublas::Recommendation found[most] = {};
    int count = 0;
    cublas::Preference preference = nullptr;
    check(api.preferenceCreate(&preference), "state a preference");
    const uint64_t bytes = workspaceBytes;
    const cublas::Status set = api.preferenceSet(
        preference, cublas::PreferenceAttribute::MaxWorkspaceBytes, &bytes, sizeof bytes);
    const cublas::Status status =
        set != cublas::Status::Success
            ? set
            : api.recommend(library.handle, operation, left, right, result, result, preference,
                            most, found, &count);
    api.preferenceDestroy(preference);
    check(status, "recommend an algorithm");
    double least = INFINITY;
    cublas::Recommendation best = {};
    for (int i = 0; i < count; ++i) {
      if (found[i].status != cublas::Status::Success)
        continue;
      chosen = found[i];
      sample(); // The first run loads its code.
      if (double time = sample(); time < least) {
        least = time;
        best = found[i];
      }
    }
    if (std::isinf(least))
      throw Error({.kind = ErrorKind::Device}, "cuBLASLt recommends no algorithm");
    chosen = best;
  }

  void compare(const Array &left, const Array &right) {
    const auto [m, n, k] = product;
    std::vector<BFloat16> got(static_cast<size_t>(m * n));
    library.gpu->download(got.data(), c->address(), m * n * 2);
    const auto *x = left.as<BFloat16>(), *y = right.as<BFloat16>();
    constexpr int64_t samples = 64;
    for (int64_t i = 0; i < samples; ++i) {
      const int64_t row = i * 7919 % m, column = i * 104729 % n;
      double sum = 0, sizes = 0;
      for (int64_t j = 0; j < k; ++j) {
        const double term = static_cast<double>(static_cast<float>(x[row * k + j])) *
                            static_cast<double>(static_cast<float>(y[j * n + column]));
        sum += term;
        sizes += std::fabs(term);
      }
      const double value = static_cast<float>(got[static_cast<size_t>(row * n + column)]);
      if (!(std::fabs(value - sum) <= 5e-3 * std::fabs(sum) + 1e-5 * sizes))
        throw Error({.code = ErrorCode::Mismatch}, "cuBLASLt's product has " +
                                                       std::to_string(value) +
                                                       " where the sum is " + std::to_string(sum));
    }
  }
};

CublasLt::Prepared::Prepared(CublasLt &library, const Product &product)
    : impl(std::make_unique<Impl>(*library.impl, product)) {
  const auto [m, n, k] = product;
  Program matrices; // Filled as those of our own programs.
  matrices.arguments = {{.name = "a", .dtype = bf16, .shape = {m, k}},
                        {.name = "b", .dtype = bf16, .shape = {k, n}}};
  const auto inputs = tools::makeInputs(*CpuDevice::shared(), matrices, {});
  CudaContext::Current current(*library.impl->gpu);
  impl->create();
  auto upload = [&](const Array &array) {
    auto memory = library.impl->gpu->allocate(array.numBytes(), "an operand");
    library.impl->gpu->upload(memory->address(), array.data(), array.numBytes());
    return memory;
  };
  impl->a = upload(inputs[0].second);
  impl->b = upload(inputs[1].second);
  impl->c = library.impl->gpu->allocate(m * n * 2, "a product");
  // NaNs, so that elements that are not written are noticed.
  constexpr uint16_t nan = 0x7fc0;
  const std::vector<uint16_t> nans(static_cast<size_t>(m * n), nan);
  library.impl->gpu->upload(impl->c->address(), nans.data(), m * n * 2);
  impl->choose();
  impl->compare(inputs[0].second, inputs[1].second);
}

CublasLt::Prepared::Prepared(Prepared &&) noexcept = default;
CublasLt::Prepared::~Prepared() = default;
double CublasLt::Prepared::sample() { return impl->sample(); }

} // namespace sinter::suite
