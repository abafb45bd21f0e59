// SPDX-License-Identifier: Apache-2.0
#include "tools/support/Json.h"

#include <cmath>
#include <cstdio>

namespace sinter::tools {

void JsonWriter::separate() {
  if (afterKey) {
    afterKey = false;
    return;
  }
  if (depth == 0)
    return;
  if (!isFirst)
    text += ',';
  text += '\n' + std::string(static_cast<size_t>(depth) * 2, ' ');
  isFirst = false;
}

JsonWriter &JsonWriter::raw(std::string_view token) {
  separate();
  text += token;
  return *this;
}

JsonWriter &JsonWriter::open(char bracket) {
  separate();
  text += bracket;
  ++depth;
  isFirst = true;
  return *this;
}

JsonWriter &JsonWriter::close(char bracket) {
  --depth;
  if (!isFirst)
    text += '\n' + std::string(static_cast<size_t>(depth) * 2, ' ');
  text += bracket;
  isFirst = false;
  return *this;
}

static std::string quoted(std::string_view content) {
  std::string result = "\"";
  for (char c : content) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
      result += buffer;
    } else {
      result += c;
    }
  }
  return result + '"';
}

JsonWriter &JsonWriter::key(std::string_view name) {
  separate();
  text += quoted(name) + ": ";
  afterKey = true;
  return *this;
}

JsonWriter &JsonWriter::value(std::string_view content) { return raw(quoted(content)); }
JsonWriter &JsonWriter::value(int64_t number) { return raw(std::to_string(number)); }
JsonWriter &JsonWriter::null() { return raw("null"); }

JsonWriter &JsonWriter::value(double number) {
  if (!std::isfinite(number))
    return null();
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", number);
  return raw(buffer);
}

} // namespace sinter::tools
