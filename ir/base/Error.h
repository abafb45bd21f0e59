// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Shape.h"

#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// A place in the user's source. line 0 means unknown.
struct SourceLoc {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;

  SourceLoc() = default;
  SourceLoc(std::string file, unsigned line, unsigned column = 0)
      : file(std::move(file)), line(line), column(column) {}
  SourceLoc(const std::source_location &loc)
      : file(loc.file_name()), line(loc.line()), column(loc.column()) {}
  bool known() const { return line != 0; }
  /// "file:line:col", or "<unknown>".
  std::string str() const;
  friend bool operator==(const SourceLoc &, const SourceLoc &) = default;
};

/// Whose fault it is: the caller's, a feature that does not exist, the machine's, or Sinter's own.
enum class ErrorKind { User, Unsupported, Device, Internal };

/// Exit codes of the tools, and the stable code of every Error.
enum class ErrorCode {
  Ok = 0,
  Diagnostics = 1,
  Usage = 2,
  FileAccess = 3,
  Unsupported = 4,
  Device = 5,
  Mismatch = 6,
  Limit = 7,
  Internal = 70,
};

/// What the public API throws. what() reads
///     file:line:col: error: op: message; shapes [2, 3] and [4]
///       hint: ...
/// without the parts that are not known.
class Error : public std::runtime_error {
public:
  struct Details {
    ErrorKind kind = ErrorKind::User;
    /// Left at Ok it follows from the kind.
    ErrorCode code = ErrorCode::Ok;
    std::string op = {};
    std::vector<Shape> shapes = {};
    SourceLoc location = {};
    std::string hint = {};
  };

  Error(Details details, std::string message);
  /// A User error without an op.
  explicit Error(std::string message, SourceLoc location = {});

  ErrorKind kind() const { return info.kind; }
  ErrorCode code() const { return info.code; }
  const std::string &op() const { return info.op; }
  const std::vector<Shape> &shapes() const { return info.shapes; }
  const SourceLoc &location() const { return info.location; }
  const std::string &hint() const { return info.hint; }
  /// The message alone, without location, op and hint.
  const std::string &message() const { return text; }

private:
  Details info;
  std::string text;
};

/// The candidate closest to `name` by edit distance, or "" when none is close enough.
std::string closestName(std::string_view name, const std::vector<std::string> &candidates);
/// "; did you mean 'x'?" or "".
std::string didYouMean(std::string_view name, const std::vector<std::string> &candidates);

} // namespace sinter
#pragma GCC visibility pop
