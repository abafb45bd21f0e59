// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Trace.h"
#include "sinter/ir/base/FileIo.h"
#include "sinter/ir/base/Utf8.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <pthread.h>
#include <tuple>
#include <unistd.h>

namespace sinter {
namespace {

int64_t clockNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void appendString(std::string &json, std::string_view text) {
  json += '"';
  while (!text.empty()) {
    const size_t length = utf8Length(text);
    const char c = text[0];
    if (length == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      json += escaped;
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  json += '"';
}

void appendValue(std::string &json, const Trace::Value &value) {
  if (auto *number = std::get_if<int64_t>(&value)) {
    json += std::to_string(*number);
  } else if (auto *real = std::get_if<double>(&value)) {
    char text[40]; // Not by printf, which writes a comma in some languages.
    auto end = std::to_chars(text, text + sizeof text, *real, std::chars_format::general, 6).ptr;
    json += std::isfinite(*real) ? std::string_view(text, end) : "null";
  } else {
    appendString(json, std::get<std::string>(value));
  }
}

/// The format counts in microseconds.
void appendTime(std::string &json, int64_t nanoseconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(nanoseconds / 1000),
                static_cast<long long>(nanoseconds % 1000));
  json += text;
}

} // namespace

Trace::Trace(const TraceOptions &options) : start(clockNow()), mostEvents(options.mostEvents) {}

int64_t Trace::now() const { return clockNow() - start; }

int Trace::thread(std::string_view name) {
  std::lock_guard lock(mutex);
  auto [place, isNew] =
      numbers.emplace(std::this_thread::get_id(), static_cast<int>(numbers.size()) + 1);
  if (isNew) {
    char known[16];
    if (name.empty())
      name = pthread_getname_np(pthread_self(), known, sizeof known) == 0 ? known : "thread";
    names.emplace_back(name);
  }
  return place->second;
}

void Trace::add(Event event) {
  event.begin = std::max<int64_t>(event.begin, 0);
  event.length = std::max<int64_t>(event.length, 0);
  std::lock_guard lock(mutex);
  if (kept.size() < mostEvents)
    kept.push_back(std::move(event));
  else
    ++numDropped;
}

std::vector<Trace::Event> Trace::events() const {
  std::vector<Event> result;
  {
    std::lock_guard lock(mutex);
    result = kept;
  }
  // An inner event is added before the one around it.
  std::vector<size_t> order(result.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = order.size() - 1 - i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(result[a].begin, -result[a].length, b) <
           std::tuple(result[b].begin, -result[b].length, a);
  });
  std::vector<Event> sorted;
  for (size_t i : order)
    sorted.push_back(std::move(result[i]));
  return sorted;
}

std::vector<std::pair<int, std::string>> Trace::threads() const {
  std::lock_guard lock(mutex);
  std::vector<std::pair<int, std::string>> result;
  for (size_t i = 0; i < names.size(); ++i)
    result.emplace_back(static_cast<int>(i) + 1, names[i]);
  return result;
}

size_t Trace::dropped() const {
  std::lock_guard lock(mutex);
  return numDropped;
}

std::string Trace::json() const {
  const std::string pid = std::to_string(getpid());
  std::string json = "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"producer\":\"Sinter\","
                     "\"droppedEvents\":" +
                     std::to_string(dropped()) + "},\"traceEvents\":[\n";
  json += "{\"ph\":\"M\",\"pid\":" + pid + R"(,"name":"process_name","args":{"name":"Sinter"}})";
  for (const auto &[number, name] : threads()) {
    json += ",\n{\"ph\":\"M\",\"pid\":" + pid + ",\"tid\":" + std::to_string(number) +
            R"(,"name":"thread_name","args":{"name":)";
    appendString(json, name);
    json += "}}";
  }
  for (const Event &event : events()) {
    json +=
        ",\n{\"ph\":\"X\",\"pid\":" + pid + ",\"tid\":" + std::to_string(event.thread) + ",\"ts\":";
    appendTime(json, event.begin);
    json += ",\"dur\":";
    appendTime(json, event.length);
    json += ",\"cat\":";
    appendString(json, event.category);
    json += ",\"name\":";
    appendString(json, event.name);
    if (!event.arguments.empty()) {
      json += ",\"args\":{";
      for (size_t i = 0; i < event.arguments.size(); ++i) {
        json += i ? "," : "";
        appendString(json, event.arguments[i].first);
        json += ':';
        appendValue(json, event.arguments[i].second);
      }
      json += '}';
    }
    json += '}';
  }
  return json + "\n]}\n";
}

void Trace::write(const std::filesystem::path &path) const {
  const std::string text = json();
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

Trace::Span::Span(Trace *trace, std::string_view category, std::string_view name) : trace(trace) {
  if (!trace)
    return;
  event.category = category;
  event.name = name;
  event.thread = trace->thread();
  event.begin = trace->now();
}

Trace::Span::~Span() {
  if (!trace)
    return;
  event.length = trace->now() - event.begin;
  trace->add(std::move(event));
}

void Trace::Span::argument(std::string_view name, Value value) {
  if (trace)
    event.arguments.emplace_back(name, std::move(value));
}

} // namespace sinter
