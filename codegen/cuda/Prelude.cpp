// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/Prelude.h"

#include "sinter/ir/base/Error.h"

namespace sinter::cuda {

static const PreludePart &partNamed(std::string_view name) {
  for (const PreludePart &part : preludeParts())
    if (part.name == name)
      return part;
  throw Error({.kind = ErrorKind::Internal}, "the prelude has no part '" + std::string(name) + "'");
}

std::string preludeText(const std::set<std::string> &parts) {
  std::string needed = ",Base,";
  for (const std::string &name : parts)
    needed += std::string(partNamed(name).needs) + name + ",";
  std::string text;
  for (const PreludePart &part : preludeParts())
    if (needed.find("," + std::string(part.name) + ",") != std::string::npos)
      text += part.text;
  return text;
}

} // namespace sinter::cuda
