// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/runtime/Residency.h"
#include "sinter/runtime/State.h"

#include <atomic>

namespace sinter {

/// What State handles share. The arrays keep their memory for life, so that bound calls may hold
/// pointers to it; the map is only ever extended.
struct State::Storage {
  ArrayMap arrays;
  uint64_t seed = 0;
  /// Which of the arrays have their value on a device.
  Residency residency;
  /// Calls that read it now, or -1 during an update.
  mutable std::atomic<int64_t> users{0};
};

/// Holds a State for reading or updating during one call.
class StateUse {
public:
  /// Null storage: a graph without State. Throws Error(User) when an update would run beside
  /// another use.
  StateUse(const State::Storage *storage, bool update) : storage(storage), update(update) {
    if (storage && !(update ? tryUpdate() : tryRead()))
      throwBusy();
  }
  ~StateUse() {
    if (storage)
      storage->users.fetch_add(update ? 1 : -1, std::memory_order_release);
  }
  StateUse(const StateUse &) = delete;
  StateUse &operator=(const StateUse &) = delete;

private:
  bool tryUpdate() {
    int64_t none = 0;
    return storage->users.compare_exchange_strong(none, -1, std::memory_order_acquire);
  }
  bool tryRead() {
    int64_t users = storage->users.load(std::memory_order_relaxed);
    while (users >= 0)
      if (storage->users.compare_exchange_weak(users, users + 1, std::memory_order_acquire))
        return true;
    return false;
  }
  [[noreturn]] void throwBusy();

  const State::Storage *storage;
  bool update;
};

} // namespace sinter
