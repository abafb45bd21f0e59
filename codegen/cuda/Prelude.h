// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

namespace sinter::cuda {

/// Device code that kernels share: a file of prelude/, by its name without the suffix. Its line
/// `// Needs: A, B` names the parts that it uses; all of them use Base.
struct PreludePart {
  std::string_view name;
  std::string_view
      needs; ///< Names of parts, each between two commas; all of them, also indirect ones.
  std::string_view text;
};

/// All parts, each behind those that it needs. The build embeds them.
std::span<const PreludePart> preludeParts();

/// Base, the parts and what they need, each once and behind what it needs. Throws Error(Internal)
/// for a name that is no part.
std::string preludeText(const std::set<std::string> &parts);

} // namespace sinter::cuda
