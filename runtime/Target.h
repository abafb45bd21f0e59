// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/TargetInfo.h"

#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace sinter {

/// What compile() generates code for; by default the CPU it runs on.
class Target {
public:
  Target() = default;
  /// "native", or a level: "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"; for a library also
  /// "aarch64".
  static Target cpu(std::string_view level = "native") {
    return Target("cpu:" + std::string(level));
  }
  /// Empty or an architecture: "sm_80", "sm_90a", ….
  static Target cuda(std::string_view arch = "") {
    return Target(arch.empty() ? "cuda" : "cuda:" + std::string(arch));
  }
  /// The form that the tools take, such as "cpu:x86-64-v3". Throws Error(User, Usage).
  static Target parse(std::string_view text) { return Target(text); }

  const TargetInfo &info() const { return target; }
  std::string str() const { return target.str(); }

private:
  explicit Target(std::string_view text) : target(TargetInfo::parse(text)) {}
  TargetInfo target = TargetInfo::host();
};

} // namespace sinter
#pragma GCC visibility pop
