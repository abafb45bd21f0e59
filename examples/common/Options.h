// SPDX-License-Identifier: Apache-2.0
// Command-line options of the examples: "--name value", checked.
#pragma once

#include <sinter/sinter.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace examples {

class Options {
public:
  Options(std::string program, std::string purpose)
      : program(std::move(program)), purpose(std::move(purpose)) {}

  void add(std::string name, int64_t &value, std::string help) {
    entries.push_back({std::move(name), std::move(help), std::to_string(value),
                       [&value](const std::string &text) { value = number<int64_t>(text); }});
  }
  void add(std::string name, double &value, std::string help) {
    std::string shown = std::to_string(value);
    shown.erase(std::max(shown.find_last_not_of('0') + 1, shown.find('.') + 2));
    entries.push_back({std::move(name), std::move(help), shown,
                       [&value](const std::string &text) { value = number<double>(text); }});
  }
  void add(std::string name, std::string &value, std::string help) {
    entries.push_back({std::move(name), std::move(help), value.empty() ? "none" : value,
                       [&value](const std::string &text) { value = text; }});
  }

  /// Reads the command line. False: help was printed, the program should end.
  bool parse(int argc, char **argv) const {
    for (int i = 1; i < argc; ++i) {
      std::string word = argv[i];
      if (word == "-h" || word == "--help") {
        print();
        return false;
      }
      std::string value;
      size_t equals = word.find('=');
      if (equals != std::string::npos) {
        value = word.substr(equals + 1);
        word.resize(equals);
      }
      const Entry &entry = find(word);
      if (equals == std::string::npos) {
        if (++i == argc)
          usage("option '" + word + "' needs a value");
        value = argv[i];
      }
      try {
        entry.set(value);
      } catch (const std::exception &) {
        usage("'" + value + "' is not a value for " + word);
      }
    }
    return true;
  }

  [[noreturn]] static void usage(const std::string &message) {
    throw sinter::Error({.kind = sinter::ErrorKind::User, .code = sinter::ErrorCode::Usage},
                        message);
  }

private:
  struct Entry {
    std::string name, help, initial;
    std::function<void(const std::string &)> set;
  };

  template <typename T> static T number(const std::string &text) {
    T value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      throw std::invalid_argument(text);
    return value;
  }

  const Entry &find(const std::string &word) const {
    std::vector<std::string> names;
    for (const Entry &entry : entries) {
      if ("--" + entry.name == word)
        return entry;
      names.push_back("--" + entry.name);
    }
    usage("unknown option '" + word + "'" + sinter::didYouMean(word, names));
  }

  void print() const {
    std::cout << "usage: " << program << " [--option value]...\n" << purpose << "\n\n";
    for (const Entry &entry : entries) {
      std::string left = "  --" + entry.name;
      left.resize(std::max<size_t>(left.size() + 1, 20), ' ');
      std::cout << left << entry.help << " (" << entry.initial << ")\n";
    }
  }

  std::string program, purpose;
  std::vector<Entry> entries;
};

/// Runs `body`; an Error becomes a message and the exit code of its kind.
inline int guarded(const std::function<int()> &body) {
  try {
    return body();
  } catch (const sinter::Error &error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.code());
  }
}

} // namespace examples
