// SPDX-License-Identifier: Apache-2.0
#include "tools/support/Inputs.h"

#include "tools/support/CommandLine.h"

#include "sinter/ir/base/ArrayFiles.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace sinter::tools {
namespace {

constexpr const char *form =
    "NAME=@file.npy, NAME=@file.safetensors, NAME=2x2xf32=@file.bin or NAME=2x2xf32=1,2,3,4";

[[noreturn]] void failForm(const std::string &text, const std::string &why) {
  failUsage("--input '" + text + "': " + why, std::string("it takes ") + form);
}

/// One value as the type the array stores; false when it is none or does not fit.
template <typename T> bool parseValue(const std::string &text, T &value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = text == "1" || text == "true";
    return value || text == "0" || text == "false";
  } else if constexpr (isFloatElement<T>) {
    if (text.empty())
      return false;
    char *end = nullptr;
    // Rounded once: by way of double some values would be rounded twice.
    if constexpr (std::is_same_v<T, float>)
      value = std::strtof(text.c_str(), &end);
    else
      value = static_cast<T>(std::strtod(text.c_str(), &end));
    return *end == '\0';
  } else {
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    return problem == std::errc() && end == text.data() + text.size();
  }
}

std::vector<std::string> splitValues(const std::string &text) {
  std::vector<std::string> values;
  if (text.empty())
    return values;
  for (size_t start = 0;;) {
    size_t comma = text.find(',', start);
    std::string value = text.substr(start, comma - start);
    size_t first = value.find_first_not_of(' '), last = value.find_last_not_of(' ');
    values.push_back(first == std::string::npos ? "" : value.substr(first, last - first + 1));
    if (comma == std::string::npos)
      return values;
    start = comma + 1;
  }
}

std::vector<std::string> dtypeNames() {
  std::vector<std::string> names;
  for (DType dtype : allDTypes)
    names.emplace_back(name(dtype));
  return names;
}

/// An .npy file, or the array called `name` of a file that has several.
Array readNamed(const std::string &name, const std::string &path) {
  if (!path.ends_with(".safetensors") && !path.ends_with(".npz"))
    return readNpy(path);
  ArrayMap arrays = readArrays(path);
  auto found = arrays.find(name);
  if (found != arrays.end())
    return found->second;
  std::vector<std::string> names;
  for (const auto &[known, array] : arrays)
    names.push_back(known);
  throw Error("'" + path + "' has no array '" + name + "'" + didYouMean(name, names));
}

} // namespace

std::pair<std::string, Array> parseInput(const std::string &text) {
  auto [name, content] = parseAssignment("--input", text, form);
  if (content.starts_with("@"))
    return {name, readNamed(name, content.substr(1))};
  size_t equals = content.find('=');
  if (equals == std::string::npos)
    failForm(text, "the values are missing");
  std::string type = content.substr(0, equals);
  size_t cross = type.rfind('x');
  std::string dtypeName = cross == std::string::npos ? type : type.substr(cross + 1);
  std::optional<DType> dtype = parseDType(dtypeName);
  if (!dtype)
    failForm(text, "unknown dtype '" + dtypeName + "'" + didYouMean(dtypeName, dtypeNames()));
  std::vector<int64_t> sizes;
  if (cross != std::string::npos)
    sizes = parseSizes("--input", type.substr(0, cross));
  if (content.compare(equals + 1, 1, "@") == 0)
    return {name, readRaw(content.substr(equals + 2), *dtype, sizes)};
  Array array(*dtype, sizes);
  std::vector<std::string> values = splitValues(content.substr(equals + 1));
  int64_t count = array.numElements();
  if (values.size() != 1 && static_cast<int64_t>(values.size()) != count)
    failForm(text,
             std::to_string(values.size()) + " values for " + std::to_string(count) + " elements");
  dispatch(*dtype, [&](auto zero) {
    using T = decltype(zero);
    auto *out = static_cast<T *>(array.data());
    for (int64_t i = 0; i < count; ++i) {
      const std::string &value = values[values.size() == 1 ? 0 : static_cast<size_t>(i)];
      if (!parseValue<T>(value, out[i]))
        failForm(text, "'" + value + "' is no " + std::string(sinter::name(*dtype)));
    }
  });
  return {name, array};
}

} // namespace sinter::tools
