// SPDX-License-Identifier: Apache-2.0
// libFuzzer: bytes as a .safetensors file. Whatever is accepted must hold together, and write as it
// was read.
#include "sinter/ir/base/SafetensorsFormat.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace {

void require(bool holds) {
  if (!holds)
    __builtin_trap();
}

std::string decode(const unsigned char *header, const SinterSafetensorsSpan &span) {
  std::string text(span.length, '\0');
  uint64_t length = sinterSafetensorsDecode(header, &span, text.data(), text.size());
  require(length <= span.length);
  text.resize(length);
  require(sinterSafetensorsEquals(header, &span, text.data(), text.size()));
  return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint64_t length = 0;
  unsigned char prefix[SINTER_SAFETENSORS_PREFIX_BYTES] = {};
  std::memcpy(prefix, data, std::min(size, sizeof prefix));
  if (sinterSafetensorsHeaderLength(prefix, size, &length) != SINTER_SAFETENSORS_OK)
    return 0;
  require(length <= size - sizeof prefix);
  // A copy of its own size, so that reading past it is noticed.
  std::vector<unsigned char> header(data + sizeof prefix, data + sizeof prefix + length);
  uint64_t dataBytes = size - sizeof prefix - length;
  SinterSafetensorsHeader parsed;
  if (sinterSafetensorsParse(header.data(), length, dataBytes, nullptr, 0, &parsed))
    return 0;
  std::vector<SinterSafetensorsEntry> entries(parsed.tensors);
  if (sinterSafetensorsParse(header.data(), length, dataBytes, entries.data(), entries.size(),
                             &parsed))
    return 0;

  uint64_t end = 0;
  std::vector<std::string> texts;
  texts.reserve(3 * entries.size() + length);
  std::vector<SinterSafetensorsTensor> tensors;
  for (const SinterSafetensorsEntry &entry : entries) {
    require(entry.begin == end && entry.end >= end && entry.end <= dataBytes);
    end = entry.end;
    const std::string &name = texts.emplace_back(decode(header.data(), entry.name));
    tensors.push_back({{name.data(), name.size()}, entry.dtype, entry.rank, entry.sizes});
  }
  require(end == dataBytes);
  std::vector<SinterSafetensorsString> pairs;
  uint64_t cursor = 0;
  SinterSafetensorsSpan key, value;
  while (sinterSafetensorsNextMetadata(header.data(), &parsed, &cursor, &key, &value))
    for (const SinterSafetensorsSpan &span : {key, value}) {
      const std::string &text = texts.emplace_back(decode(header.data(), span));
      pairs.push_back({text.data(), text.size()});
    }

  std::string out(sinterSafetensorsWriteHeader(tensors.data(), tensors.size(), pairs.data(),
                                               pairs.size() / 2, nullptr, 0),
                  '\0');
  require(sinterSafetensorsWriteHeader(tensors.data(), tensors.size(), pairs.data(),
                                       pairs.size() / 2, out.data(), out.size()) == out.size());
  std::vector<SinterSafetensorsEntry> again(entries.size());
  require(sinterSafetensorsParse(reinterpret_cast<const unsigned char *>(out.data()) + 8,
                                 out.size() - 8, dataBytes, again.data(), again.size(),
                                 &parsed) == SINTER_SAFETENSORS_OK);
  require(parsed.tensors == entries.size());
  return 0;
}
