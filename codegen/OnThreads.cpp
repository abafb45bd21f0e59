// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/OnThreads.h"

#include "mlir/IR/MLIRContext.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace sinter::codegen {

size_t threadsFor(size_t items, int wanted, mlir::MLIRContext &context) {
  if (!context.isMultithreadingEnabled())
    return 1;
  size_t threads = wanted > 0 ? static_cast<size_t>(wanted)
                              : std::max<size_t>(std::thread::hardware_concurrency(), 1);
  return std::min(threads, items);
}

void onThreads(size_t items, size_t threads, llvm::function_ref<void(size_t, size_t)> body) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  size_t culprit = items;
  auto work = [&](size_t thread) {
    for (size_t turn; (turn = next++) < items;)
      try {
        body(turn, thread);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (turn < culprit) {
          culprit = turn;
          problem = std::current_exception();
        }
        next = items;
      }
  };
  std::vector<std::thread> others;
  try {
    for (size_t i = 1; i < threads; ++i)
      others.emplace_back(work, i);
  } catch (const std::system_error &) {
    // Those that there are do it all.
  } catch (const std::bad_alloc &) {
  }
  work(0);
  for (std::thread &other : others)
    other.join();
  if (problem)
    std::rethrow_exception(problem);
}

} // namespace sinter::codegen
