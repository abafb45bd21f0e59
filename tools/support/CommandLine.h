// SPDX-License-Identifier: Apache-2.0
// What every command line tool shares: its options are CLI11's, its exit codes are ErrorCode.
#pragma once

#include "sinter/ir/base/CacheOptions.h"
#include "sinter/ir/base/Error.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::tools {

/// Parses the arguments, runs `body` and returns the exit code. Errors go to stderr; an unknown
/// option gets a 'did you mean'. --version is every tool's.
int runTool(CLI::App &app, int argc, char **argv, const std::function<int()> &body);

/// --no-cache and --cache-dir.
void addCacheOptions(CLI::App &app, CacheOptions &cache);

/// Throws Error(Usage).
[[noreturn]] void failUsage(const std::string &message, const std::string &hint = "");

/// Refuses to write `written` over one of the files that are read; such a command line is a slip.
void requireKept(const std::vector<std::string> &read, const std::filesystem::path &written);

/// The entry of `candidates` that `text` names; throws Error(Usage) with a 'did you mean'.
size_t parseChoice(std::string_view what, std::string_view text,
                   const std::vector<std::string> &candidates);
/// NAME=VALUE; throws Error(Usage) saying what `option` takes.
std::pair<std::string, std::string> parseAssignment(std::string_view option, std::string_view text,
                                                    std::string_view form);
/// A whole number that is not negative; throws Error(Usage).
int64_t parseNumber(std::string_view option, std::string_view text);
/// As parseNumber(), with a unit: 64M, 2GiB (powers of 1024).
int64_t parseBytes(std::string_view option, std::string_view text);
/// "2x3" as {2, 3}, "" as {}; throws Error(Usage).
std::vector<int64_t> parseSizes(std::string_view option, std::string_view text);

} // namespace sinter::tools
