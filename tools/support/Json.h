// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sinter::tools {

/// Writes JSON text, indented by two spaces. Calls must nest properly.
class JsonWriter {
public:
  JsonWriter &beginObject() { return open('{'); }
  JsonWriter &endObject() { return close('}'); }
  JsonWriter &beginArray() { return open('['); }
  JsonWriter &endArray() { return close(']'); }
  JsonWriter &key(std::string_view name);

  JsonWriter &value(std::string_view text);
  JsonWriter &value(const char *text) { return value(std::string_view(text)); }
  JsonWriter &value(int64_t number);
  JsonWriter &value(int number) { return value(static_cast<int64_t>(number)); }
  /// null where JSON has no such number.
  JsonWriter &value(double number);
  JsonWriter &null();
  template <typename T> JsonWriter &value(const std::optional<T> &maybe) {
    return maybe ? value(*maybe) : null();
  }
  template <typename T> JsonWriter &member(std::string_view name, const T &content) {
    return key(name).value(content);
  }

  const std::string &str() const { return text; }

private:
  JsonWriter &open(char bracket);
  JsonWriter &close(char bracket);
  void separate();
  JsonWriter &raw(std::string_view token);

  std::string text;
  int depth = 0;
  bool isFirst = true;  ///< Nothing stands in the innermost bracket yet.
  bool afterKey = false;
};

} // namespace sinter::tools
