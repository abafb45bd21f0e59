// SPDX-License-Identifier: Apache-2.0
#include "tools/support/CommandLine.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <iostream>
#include <limits>
#include <new>
#include <unistd.h>

namespace sinter::tools {

void failUsage(const std::string &message, const std::string &hint) {
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage, .hint = hint}, message);
}

void requireKept(const std::vector<std::string> &read, const std::filesystem::path &written) {
  for (const std::string &file : read) {
    std::error_code problem; // A file that does not exist is another one.
    if (std::filesystem::is_regular_file(file, problem) &&
        std::filesystem::equivalent(file, written, problem))
      failUsage("'" + written.string() + "' would be written over the input '" + file + "'");
  }
}

namespace {

int report(const std::string &text, ErrorCode code) {
  std::cout.flush();
  std::cerr << text << std::endl;
  return static_cast<int>(code);
}

/// `code`, once what the tool has printed is written.
int finish(int code) {
  if (!std::cout.flush())
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::FileAccess},
                "cannot write to the standard output");
  return code;
}

/// The long options of a tool, as written.
std::vector<std::string> optionNames(CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

void refuseExtras(CLI::App &app) {
  for (const std::string &extra : app.remaining()) {
    if (extra.empty() || extra[0] != '-' || extra == "-")
      failUsage("unexpected argument '" + extra + "'");
    std::string name = extra.substr(0, extra.find('='));
    failUsage("unknown option '" + name + "'" + didYouMean(name, optionNames(app)));
  }
}

/// An option that is given nothing is not the same as one that is not given.
void refuseEmpty(CLI::App &app) {
  for (const CLI::Option *option : app.get_options())
    for (const std::string &value : option->results())
      if (value.empty() && option->get_items_expected_max() > 0)
        failUsage(option->get_name() + " is given, but empty");
}

} // namespace

/// Standard streams that the caller has closed get descriptors that no file of ours can have then,
/// and with which reading and writing fail as they did.
static void holdStandardStreams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0 && errno == EBADF &&
        open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return; // Not more than before.
}

int runTool(CLI::App &app, int argc, char **argv, const std::function<int()> &body) {
  holdStandardStreams();
  std::signal(SIGXFSZ, SIG_IGN); // A file that grows too large is an error of write().
  app.set_version_flag("--version",
                       app.get_name() + " (Sinter) " SINTER_VERSION
                                        "\nbuilt with LLVM " SINTER_LLVM_VERSION "\n",
                       "Print the versions of Sinter and of the LLVM it was built with, and exit");
  std::string usageHint = "run " + app.get_name() + " --help";
  app.allow_extras();
  app.get_formatter()->column_width(34);
  try {
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp &) {
      std::cout << app.help();
      return finish(0);
    } catch (const CLI::CallForVersion &version) {
      std::cout << version.what();
      return finish(0);
    } catch (const CLI::RequiredError &error) {
      refuseExtras(app); // A misspelt option is the better explanation.
      failUsage(error.what(), usageHint);
    } catch (const CLI::ParseError &error) {
      failUsage(error.what(), usageHint);
    }
    refuseExtras(app);
    refuseEmpty(app);
    return finish(body());
  } catch (const Error &error) {
    return report(error.what(), error.code());
  } catch (const std::bad_alloc &) {
    return report("error: out of memory", ErrorCode::Limit);
  } catch (const std::exception &error) {
    return report(std::string("error: ") + error.what(), ErrorCode::Internal);
  }
}

void addCacheOptions(CLI::App &app, CacheOptions &cache) {
  app.add_flag_callback(
      "--no-cache", [&] { cache.enabled = false; },
      "Neither use nor keep machine code of earlier runs");
  app.add_option_function<std::string>(
      "--cache-dir",
      [&](const std::string &folder) {
        cache.folder = folder;
        cache.enabled = cache.enabled.value_or(true);
      },
      "Where machine code is kept (default: SINTER_CACHE_DIR, else sinter in the user's cache "
      "folder)");
}

size_t parseChoice(std::string_view what, std::string_view text,
                   const std::vector<std::string> &candidates) {
  auto found = std::find(candidates.begin(), candidates.end(), text);
  if (found != candidates.end())
    return static_cast<size_t>(found - candidates.begin());
  std::string guess = didYouMean(text, candidates);
  std::string all;
  for (const std::string &candidate : candidates)
    all += (all.empty() ? "one of " : ", ") + candidate;
  failUsage("unknown " + std::string(what) + " '" + std::string(text) + "'" + guess, all);
}

std::pair<std::string, std::string> parseAssignment(std::string_view option, std::string_view text,
                                                    std::string_view form) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    failUsage(std::string(option) + " takes " + std::string(form) + ", not '" + std::string(text) +
              "'");
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

static int64_t parseLeadingNumber(std::string_view option, std::string_view text,
                                  std::string_view &rest) {
  int64_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || value < 0)
    failUsage(std::string(option) + ": '" + std::string(text) + "' is not a size");
  rest = text.substr(static_cast<size_t>(end - text.data()));
  return value;
}

int64_t parseNumber(std::string_view option, std::string_view text) {
  std::string_view rest;
  int64_t value = parseLeadingNumber(option, text, rest);
  if (!rest.empty())
    failUsage(std::string(option) + ": '" + std::string(text) + "' is not a whole number");
  return value;
}

int64_t parseBytes(std::string_view option, std::string_view text) {
  std::string_view rest;
  int64_t value = parseLeadingNumber(option, text, rest);
  std::string unit;
  for (char c : rest)
    unit += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  constexpr std::string_view prefixes = "KMGT";
  int shift = 0;
  if (!unit.empty() && unit != "B") {
    size_t prefix = prefixes.find(unit[0]);
    std::string tail = unit.substr(1);
    if (prefix == std::string_view::npos || (!tail.empty() && tail != "B" && tail != "IB"))
      failUsage(std::string(option) + ": unknown unit in '" + std::string(text) + "'",
                "e.g. 512M or 2GiB");
    shift = 10 * (static_cast<int>(prefix) + 1);
  }
  if (value > (std::numeric_limits<int64_t>::max() >> shift))
    failUsage(std::string(option) + ": '" + std::string(text) + "' is too large");
  return value << shift;
}

std::vector<int64_t> parseSizes(std::string_view option, std::string_view text) {
  std::vector<int64_t> sizes;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view after;
    sizes.push_back(parseLeadingNumber(option, rest, after));
    if (after.empty())
      return sizes;
    if (after[0] != 'x' || after.size() == 1)
      failUsage(std::string(option) + ": '" + std::string(text) + "' is no list of sizes",
                "e.g. 2x3");
    rest = after.substr(1);
  }
  return sizes;
}

} // namespace sinter::tools
