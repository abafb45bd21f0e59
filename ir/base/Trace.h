// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

struct TraceOptions {
  /// Events beyond these are counted, not kept.
  size_t mostEvents = size_t{1} << 20;
};

/// What time is spent on, thread by thread, as Chrome's trace events: ui.perfetto.dev and
/// chrome://tracing open the file. Thread-safe.
class Trace {
public:
  using Value = std::variant<int64_t, double, std::string>;
  using Arguments = std::vector<std::pair<std::string, Value>>;

  struct Event {
    std::string category; ///< "compile" or "run".
    std::string name;
    int thread = 0;     ///< From thread().
    int64_t begin = 0;  ///< Nanoseconds since the trace was made.
    int64_t length = 0; ///< Nanoseconds.
    Arguments arguments = {};
  };

  explicit Trace(const TraceOptions &options = {});
  Trace(const Trace &) = delete;
  Trace &operator=(const Trace &) = delete;

  /// Nanoseconds since the trace was made.
  int64_t now() const;
  /// The number of the calling thread, which is called `name` from its first call on; without one
  /// as the system calls it.
  int thread(std::string_view name = {});
  /// Events of one thread must nest.
  void add(Event event);

  /// In the order of their begins, outer ones first.
  std::vector<Event> events() const;
  std::vector<std::pair<int, std::string>> threads() const;
  size_t dropped() const;
  std::string json() const;
  /// Throws Error(FileAccess); nothing is left behind then.
  void write(const std::filesystem::path &path) const;

  /// An event from here to the end of the scope. With a null trace it does nothing.
  class Span {
  public:
    Span(Trace *trace, std::string_view category, std::string_view name);
    ~Span();
    Span(const Span &) = delete;
    Span &operator=(const Span &) = delete;
    void argument(std::string_view name, Value value);

  private:
    Trace *trace;
    Event event;
  };

private:
  int64_t start;
  size_t mostEvents;
  mutable std::mutex mutex;
  std::vector<Event> kept;
  size_t numDropped = 0;
  std::map<std::thread::id, int> numbers;
  std::vector<std::string> names;
};

} // namespace sinter
#pragma GCC visibility pop
