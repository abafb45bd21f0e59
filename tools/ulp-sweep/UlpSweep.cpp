// SPDX-License-Identifier: Apache-2.0
// Measures how far compiled math functions are from the exact values: f32 over every bit pattern
// (or every n-th), f64 and pow on random samples.
#include "MathKernel.h"
#include "Oracle.h"

#include "sinter/ir/base/Error.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace sinter;
using namespace sinter::tools;

namespace {

constexpr const char *usage = R"(usage: ulp-sweep [FUNCTION...] [options]
Prints the largest error of every function (default: all, and pow) as a table in Markdown, with
the speed on one thread. Exit code 6: an error is beyond the stated bound.
  --element=f32|f64   f32: all 2^32 arguments (default); f64: random samples
  --stride=N          f32: every N-th argument only
  --samples=N         how many samples for f64 and functions of two arguments (default 4000000)
  --target=TARGET     cpu, cpu:x86-64-v4, cpu:x86-64-v3, cpu:x86-64 (default: this machine)
  --threads=N         default: all cores
)";

struct Options {
  std::vector<std::string> names;
  MathKernelOptions kernel;
  uint64_t stride = 1;
  int64_t samples = 4000000;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
};

struct Worst {
  double error = 0;
  double x = 0, y = 0;
  double rate = 0; ///< Elements per nanosecond on one thread, data in the first-level cache.

  void take(double newError, double newX, double newY = 0) {
    if (newError > error)
      *this = {newError, newX, newY, rate};
  }
};

/// Runs `work` for every index in [0, count) on several threads; each has its own Worst.
Worst inParallel(unsigned threads, uint64_t count,
                 const std::function<void(uint64_t index, Worst &worst)> &work) {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  Worst worst;
  auto loop = [&] {
    Worst mine;
    for (uint64_t i; (i = next++) < count;)
      work(i, mine);
    std::lock_guard lock(mutex);
    worst.take(mine.error, mine.x, mine.y);
  };
  std::vector<std::jthread> pool;
  for (unsigned i = 1; i < threads; ++i)
    pool.emplace_back(loop);
  loop();
  pool.clear();
  return worst;
}

constexpr int blockSize = 4096;

/// The best of many runs over one block with arguments in [low, high], of ordinary size: subnormal
/// results are slow on some machines.
template <typename T> double measureRate(const MathKernel &kernel, double low, double high) {
  using Clock = std::chrono::steady_clock;
  constexpr int repeats = 50;
  low = std::max(low, -8.0);
  high = std::min(high, 8.0);
  std::vector<T> x(blockSize), y(blockSize, T(1.7)), result(blockSize);
  for (int i = 0; i < blockSize; ++i)
    x[i] = T(low + (high - low) * (i + 0.5) / blockSize);
  double best = 0;
  for (int run = 0; run < 200; ++run) {
    auto start = Clock::now();
    for (int i = 0; i < repeats; ++i)
      kernel.run(x.data(), y.data(), result.data(), blockSize);
    std::chrono::duration<double, std::nano> time = Clock::now() - start;
    best = std::max(best, repeats * double(blockSize) / time.count());
  }
  return best;
}

Worst sweepSingle(const MathFunction &function, const Options &options) {
  MathKernel kernel(function.body, options.kernel);
  uint64_t total = ((uint64_t(1) << 32) + options.stride - 1) / options.stride;
  Worst worst = inParallel(
      options.threads, (total + blockSize - 1) / blockSize, [&](uint64_t block, Worst &worst) {
        std::vector<float> x(blockSize), got(blockSize);
        for (int i = 0; i < blockSize; ++i)
          x[i] = std::bit_cast<float>(uint32_t((block * blockSize + i) * options.stride));
        kernel.run(x.data(), x.data(), got.data(), blockSize);
        if (function.fast) {
          std::vector<double> want(blockSize);
          function.fast(x.data(), want.data(), blockSize);
          if (largestUlpError(got.data(), want.data(), blockSize) < worst.error - 0.001)
            return;
        }
        for (int i = 0; i < blockSize; ++i)
          worst.take(ulpError(got[i], function.exact(x[i])), x[i]);
      });
  worst.rate = measureRate<float>(kernel, function.low, function.high);
  return worst;
}

/// Arguments that probe a function everywhere: bit patterns, its interesting range, near one, near
/// zero and near multiples of pi/2.
double sample(std::mt19937_64 &random, double low, double high) {
  std::uniform_real_distribution<double> unit(-1, 1);
  int kind = int(random() % 8);
  if (kind < 2)
    return std::bit_cast<double>(random());
  if (kind < 4)
    return std::uniform_real_distribution<double>(low, high)(random);
  if (kind == 4)
    return 1.5 * unit(random);
  if (kind == 5)
    return 1 + 0.5 * std::ldexp(unit(random), -int(random() % 50));
  if (kind == 6)
    return std::ldexp(unit(random), -int(random() % 1100));
  return double(1 + random() % 200000) * 1.5707963267948966;
}

double errorOf(const MathFunction &function, double got, double x) {
  long double want = function.wide(x);
  return function.cancelled ? ulpErrorBeside(got, want, function.cancelled(x))
                            : ulpError(got, want);
}

Worst sweepDouble(const MathFunction &function, const Options &options) {
  MathKernel kernel(function.body, options.kernel);
  Worst worst = inParallel(options.threads, options.samples / blockSize + 1,
                           [&](uint64_t block, Worst &worst) {
                             std::mt19937_64 random(block);
                             std::vector<double> x(blockSize), got(blockSize);
                             for (double &value : x)
                               value = sample(random, function.low, function.high);
                             kernel.run(x.data(), x.data(), got.data(), blockSize);
                             for (int i = 0; i < blockSize; ++i)
                               worst.take(errorOf(function, got[i], x[i]), x[i]);
                           });
  worst.rate = measureRate<double>(kernel, function.low, function.high);
  return worst;
}

double errorOf(const PairFunction &function, float got, float x, float y) {
  return ulpError(got, double(function.wide(x, y)));
}
double errorOf(const PairFunction &function, double got, double x, double y) {
  long double want = function.wide(x, y);
  return function.cancelled ? ulpErrorBeside(got, want, function.cancelled(x, y))
                            : ulpError(got, want);
}

template <typename T> Worst sweepPair(const PairFunction &function, const Options &options) {
  MathKernel kernel(function.body, options.kernel);
  Worst worst = inParallel(options.threads, options.samples / blockSize + 1,
                           [&](uint64_t block, Worst &worst) {
                             std::mt19937_64 random(block);
                             std::vector<T> x(blockSize), y(blockSize), got(blockSize);
                             for (int i = 0; i < blockSize; ++i) {
                               x[i] = T(sample(random, -10, 10));
                               // Often of the same size, so that neither vanishes beside the other.
                               y[i] = random() % 2 ? T(x[i] * std::exp(sample(random, -3, 3)))
                                                   : T(sample(random, -10, 10));
                             }
                             kernel.run(x.data(), y.data(), got.data(), blockSize);
                             for (int i = 0; i < blockSize; ++i)
                               worst.take(errorOf(function, got[i], x[i], y[i]), x[i], y[i]);
                           });
  worst.rate = measureRate<T>(kernel, 0, 8);
  return worst;
}

/// Pairs whose power is mostly within range, with x anywhere or close to 1, and whole exponents.
template <typename T> void samplePair(std::mt19937_64 &random, T &x, T &y) {
  std::uniform_real_distribution<double> unit(-1, 1);
  double range = sizeof(T) == 4 ? 104 : 746;
  int digits = sizeof(T) == 4 ? 22 : 51;
  switch (random() % 4) {
  case 0:
    x = T(std::exp(unit(random) * (range - 1)));
    break;
  case 1:
    x = T(1 + unit(random) * std::ldexp(1, -int(random() % digits)));
    break;
  case 2:
    x = T(std::exp(unit(random)));
    break;
  default:
    x = T(30 * unit(random));
    y = T(double(random() % 41) - 20);
    return;
  }
  y = T(range * unit(random) / std::log(double(x)));
}

template <typename T, typename Wide> Worst sweepPow(const Options &options) {
  MathKernel kernel(MathKernel::binary("math.powf"), options.kernel);
  Worst worst = inParallel(
      options.threads, options.samples / blockSize + 1, [&](uint64_t block, Worst &worst) {
        std::mt19937_64 random(block);
        std::vector<T> x(blockSize), y(blockSize), got(blockSize);
        for (int i = 0; i < blockSize; ++i)
          samplePair(random, x[i], y[i]);
        kernel.run(x.data(), y.data(), got.data(), blockSize);
        for (int i = 0; i < blockSize; ++i)
          worst.take(ulpError(got[i], Wide(std::pow((long double)x[i], (long double)y[i]))), x[i],
                     y[i]);
      });
  worst.rate = measureRate<T>(kernel, 0, 8);
  return worst;
}

[[noreturn]] void fail(const std::string &message) {
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage}, message + "\n" + usage);
}

int64_t positive(const std::string &text) {
  char *end;
  int64_t value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end || value <= 0)
    fail("'" + text + "' is not a positive number");
  return value;
}

Options parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      bool known = word == "pow";
      for (const MathFunction &function : mathFunctions())
        known |= word == function.name;
      for (const PairFunction &function : pairFunctions())
        known |= word == function.name;
      if (!known)
        fail("unknown function '" + word + "'");
      options.names.push_back(word);
      continue;
    }
    std::string name = word.substr(0, word.find('='));
    std::string value = word.size() > name.size() ? word.substr(name.size() + 1) : "";
    if (name == "--element" && (value == "f32" || value == "f64"))
      options.kernel.element = value;
    else if (name == "--stride")
      options.stride = positive(value);
    else if (name == "--samples")
      options.samples = positive(value);
    else if (name == "--threads")
      options.threads = unsigned(positive(value));
    else if (name == "--target")
      options.kernel.target = TargetInfo::parse(value);
    else
      fail("cannot take '" + word + "'");
  }
  options.kernel.target.requireRunnable();
  options.kernel.lanes =
      options.kernel.target.vectorBytes / (options.kernel.element == "f32" ? 4 : 8);
  return options;
}

/// Prints one row; false when the bound is exceeded.
bool report(const Options &options, const char *name, double bound,
            const std::function<Worst()> &sweep) {
  if (!options.names.empty() &&
      std::find(options.names.begin(), options.names.end(), name) == options.names.end())
    return true;
  auto start = std::chrono::steady_clock::now();
  Worst worst = sweep();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::string argument;
  char text[64];
  if (worst.error > 0) {
    std::snprintf(text, sizeof text, "%a", worst.x);
    argument = text;
  }
  if (worst.y != 0) {
    std::snprintf(text, sizeof text, ", %a", worst.y);
    argument += text;
  }
  std::printf("| %s | %.3f | %g | %s | %.2f |\n", name, worst.error, bound, argument.c_str(),
              worst.rate);
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %.1f s\n", name, seconds.count());
  return worst.error <= bound;
}

int run(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]) == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
  Options options = parse(argc, argv);
  bool single = options.kernel.element == "f32";
  std::printf("| %s | max ulp | stated | at | Gelem/s |\n|---|---|---|---|---|\n",
              options.kernel.element.c_str());
  bool good = true;
  for (const MathFunction &function : mathFunctions())
    good &=
        report(options, function.name, single ? function.singleBound : function.doubleBound, [&] {
          return single ? sweepSingle(function, options) : sweepDouble(function, options);
        });
  for (const PairFunction &function : pairFunctions())
    good &=
        report(options, function.name, single ? function.singleBound : function.doubleBound, [&] {
          return single ? sweepPair<float>(function, options)
                        : sweepPair<double>(function, options);
        });
  good &= report(options, "pow", single ? powSingleBound : powDoubleBound, [&] {
    return single ? sweepPow<float, double>(options) : sweepPow<double, long double>(options);
  });
  return int(good ? ErrorCode::Ok : ErrorCode::Mismatch);
}

} // namespace

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const Error &error) {
    std::fprintf(stderr, "ulp-sweep: %s\n", error.what());
    return int(error.code());
  }
}
