// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Shape.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// What an argument of a graph is: given at each call, or owned by a State.
enum class ArgumentKind : uint8_t { Placeholder, Parameter, State };

inline constexpr ArgumentKind allArgumentKinds[] = {ArgumentKind::Placeholder,
                                                    ArgumentKind::Parameter, ArgumentKind::State};

/// "placeholder", "parameter", "state": the value of the attribute sinter.kind.
constexpr std::string_view name(ArgumentKind kind) {
  switch (kind) {
  case ArgumentKind::Placeholder:
    return "placeholder";
  case ArgumentKind::Parameter:
    return "parameter";
  case ArgumentKind::State:
    break;
  }
  return "state";
}
constexpr std::optional<ArgumentKind> parseArgumentKind(std::string_view text) {
  for (ArgumentKind kind : allArgumentKinds)
    if (name(kind) == text)
      return kind;
  return std::nullopt;
}

/// How a parameter gets its first value (State draws it; counter-based, seeded).
struct InitSpec {
  enum class Kind : uint8_t { Zeros, Constant, Uniform, Normal };
  static constexpr Kind allKinds[] = {Kind::Zeros, Kind::Constant, Kind::Uniform, Kind::Normal};
  Kind kind = Kind::Zeros;
  double a = 0; ///< Constant: the value. Uniform: low. Normal: mean.
  double b = 0; ///< Uniform: high. Normal: standard deviation.

  friend bool operator==(const InitSpec &, const InitSpec &) = default;
};

/// "zeros", "constant", "uniform", "normal": `kind` in the attribute sinter.init.
constexpr std::string_view name(InitSpec::Kind kind) {
  switch (kind) {
  case InitSpec::Kind::Zeros:
    return "zeros";
  case InitSpec::Kind::Constant:
    return "constant";
  case InitSpec::Kind::Uniform:
    return "uniform";
  case InitSpec::Kind::Normal:
    break;
  }
  return "normal";
}
constexpr std::optional<InitSpec::Kind> parseInitKind(std::string_view text) {
  for (InitSpec::Kind kind : InitSpec::allKinds)
    if (name(kind) == text)
      return kind;
  return std::nullopt;
}

/// An input of a graph or program.
struct Argument {
  std::string name = {};
  ArgumentKind kind = ArgumentKind::Placeholder;
  DType dtype = f32;
  Shape shape = {};
  InitSpec init = {};
  SourceLoc location = {};
};

/// An output of a graph or program, or the new value of an argument.
struct Result {
  std::string name = {}; ///< Empty for an update.
  DType dtype = f32;
  Shape shape = {};
  int updates = -1; ///< Index of the argument whose storage this result replaces, or -1.
  SourceLoc location = {};
};

} // namespace sinter
#pragma GCC visibility pop
