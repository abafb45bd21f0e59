// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/ArrayFiles.h"

#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/FileIo.h"
#include "sinter/ir/base/NpyFormat.h"
#include "sinter/ir/base/SafetensorsFormat.h"

#include <algorithm>

namespace sinter {

namespace fs = std::filesystem;

/// A bool is 0 or 1, whatever the file says.
static void makeBoolsValid(const Array &array) {
  if (array.dtype() != boolean)
    return;
  auto *bytes = static_cast<uint8_t *>(array.data());
  std::for_each(bytes, bytes + array.numBytes(), [](uint8_t &byte) { byte = byte != 0; });
}

//===--- Safetensors ---===//

namespace {

/// The header of a file in memory, with its tensors in the order of the data.
class HeaderText {
public:
  HeaderText(std::string text, std::string what) : text(std::move(text)), what(std::move(what)) {}

  void parse(uint64_t dataBytes) {
    check(run(dataBytes, nullptr));
    // The header is at least as long as what it says about its tensors.
    entries.resize(header.tensors);
    check(run(dataBytes, entries.data()));
  }

  std::string decode(const SinterSafetensorsSpan &span) const {
    std::string decoded(span.length, '\0');
    decoded.resize(sinterSafetensorsDecode(bytes(), &span, decoded.data(), decoded.size()));
    return decoded;
  }

  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> pairs;
    uint64_t cursor = 0;
    SinterSafetensorsSpan key, value;
    while (sinterSafetensorsNextMetadata(bytes(), &header, &cursor, &key, &value))
      if (!pairs.emplace(decode(key), decode(value)).second)
        malformedFile(what, "its metadata has '" + decode(key) + "' twice");
    return pairs;
  }

  std::vector<SinterSafetensorsEntry> entries;

private:
  const unsigned char *bytes() const {
    return reinterpret_cast<const unsigned char *>(text.data());
  }
  int run(uint64_t dataBytes, SinterSafetensorsEntry *out) {
    return sinterSafetensorsParse(bytes(), text.size(), dataBytes, out, entries.size(), &header);
  }
  void check(int status) const {
    if (status == SINTER_SAFETENSORS_OK)
      return;
    if (status == SINTER_SAFETENSORS_UNKNOWN_DTYPE)
      throw Error({.kind = ErrorKind::Unsupported,
                   .hint = "F16, BF16, F32, F64, I8 to I64, U8 to U64 and BOOL can be read"},
                  what + " has elements of type '" + stringAt(header.offset) + "'");
    malformedFile(what, std::string(sinterSafetensorsText(status)) + ", at byte " +
                            std::to_string(header.offset) + " of its header");
  }
  /// The inside of a string that starts at `offset`.
  std::string stringAt(uint64_t offset) const {
    SinterSafetensorsSpan span{offset, text.find('"', offset) - offset};
    return decode(span);
  }

  std::string text, what;
  SinterSafetensorsHeader header{};
};

} // namespace

SafetensorsFile readSafetensors(const fs::path &path) {
  InputFile file(path);
  std::string what = "'" + path.string() + "'";
  auto fileBytes = static_cast<uint64_t>(file.size());
  unsigned char prefix[SINTER_SAFETENSORS_PREFIX_BYTES] = {};
  file.read(0, prefix, std::min<size_t>(sizeof prefix, fileBytes));
  uint64_t length = 0;
  if (int status = sinterSafetensorsHeaderLength(prefix, fileBytes, &length))
    malformedFile(what, sinterSafetensorsText(status));
  std::string text(length, '\0');
  file.read(sizeof prefix, text.data(), text.size());
  uint64_t start = sizeof prefix + length;
  HeaderText header(std::move(text), what);
  header.parse(fileBytes - start);

  SafetensorsFile result;
  result.metadata = header.metadata();
  for (const SinterSafetensorsEntry &entry : header.entries) {
    Array array(static_cast<DType>(entry.dtype), {entry.sizes, entry.sizes + entry.rank});
    file.read(static_cast<int64_t>(start + entry.begin), array.data(), entry.end - entry.begin);
    makeBoolsValid(array);
    result.arrays.emplace(header.decode(entry.name), std::move(array));
  }
  return result;
}

static SinterSafetensorsString stringOf(const std::string &text) {
  return {text.data(), text.size()};
}

void writeSafetensors(const fs::path &path, const ArrayMap &arrays,
                      const std::map<std::string, std::string> &metadata) {
  struct Item {
    Array data;
    SinterSafetensorsTensor tensor;
  };
  std::vector<Item> items;
  for (const auto &[name, array] : arrays) {
    Item &item = items.emplace_back(Item{array.contiguous(), {}});
    item.tensor = {stringOf(name), static_cast<uint32_t>(array.dtype()),
                   static_cast<uint32_t>(array.rank()), nullptr};
  }
  std::sort(items.begin(), items.end(), [](const Item &a, const Item &b) {
    return sinterSafetensorsCompare(&a.tensor, &b.tensor) < 0;
  });
  std::vector<SinterSafetensorsTensor> tensors;
  uint64_t dataBytes = 0;
  for (Item &item : items) {
    item.tensor.sizes = item.data.sizes().data();
    tensors.push_back(item.tensor);
    dataBytes += static_cast<uint64_t>(item.data.numBytes());
  }
  std::vector<SinterSafetensorsString> pairs;
  for (const auto &[key, value] : metadata) {
    pairs.push_back(stringOf(key));
    pairs.push_back(stringOf(value));
  }

  auto write = [&](std::string &out) {
    return sinterSafetensorsWriteHeader(tensors.data(), tensors.size(), pairs.data(),
                                        metadata.size(), out.data(), out.size());
  };
  std::string header;
  header.resize(write(header));
  write(header);
  // Reading it back finds what the format has no form for: names, metadata.
  SinterSafetensorsHeader parsed;
  std::vector<SinterSafetensorsEntry> entries(tensors.size());
  const bool ranksFit = std::all_of(tensors.begin(), tensors.end(), [](const auto &tensor) {
    return tensor.rank <= SINTER_SAFETENSORS_MAX_RANK;
  });
  // Arrays have sizes and types that fit, so nothing else is left without a header.
  int status = ranksFit ? SINTER_SAFETENSORS_HEADER_TOO_LONG : SINTER_SAFETENSORS_RANK_TOO_HIGH;
  if (!header.empty())
    status = sinterSafetensorsParse(reinterpret_cast<const unsigned char *>(header.data()) +
                                        SINTER_SAFETENSORS_PREFIX_BYTES,
                                    header.size() - SINTER_SAFETENSORS_PREFIX_BYTES, dataBytes,
                                    entries.data(), entries.size(), &parsed);
  if (status != SINTER_SAFETENSORS_OK)
    throw Error({.hint = "names and metadata are UTF-8, no name is '__metadata__', and ranks "
                         "reach 16; .npz takes any name"},
                "cannot write '" + path.string() +
                    "' as safetensors: " + sinterSafetensorsText(status));

  AtomicFile file(path);
  file.write(header.data(), header.size());
  for (const Item &item : items)
    file.write(item.data.data(), static_cast<size_t>(item.data.numBytes()));
  file.commit();
}

//===--- Raw ---===//

Array readRaw(const fs::path &path, DType dtype, std::vector<int64_t> sizes) {
  InputFile file(path);
  std::string shown = std::string(name(dtype)) + Shape(sizes).str();
  std::optional<int64_t> bytes = byteSize(dtype);
  bool empty = false;
  for (int64_t size : sizes) {
    empty |= size == 0;
    bytes = bytes && size >= 0 ? checkedMul(*bytes, std::max<int64_t>(size, 1)) : std::nullopt;
  }
  if (!bytes)
    throw Error({.shapes = {Shape(sizes)}}, "the sizes for '" + path.string() + "' are no sizes");
  if (file.size() != (empty ? 0 : *bytes))
    malformedFile("'" + path.string() + "'",
                  shown + " takes " + std::to_string(empty ? 0 : *bytes) + " bytes, but it has " +
                      std::to_string(file.size()));
  Array array(dtype, std::move(sizes));
  file.read(0, array.data(), static_cast<size_t>(array.numBytes()));
  makeBoolsValid(array);
  return array;
}

void writeRaw(const fs::path &path, const Array &array) {
  Array data = array.contiguous();
  AtomicFile file(path);
  file.write(data.data(), static_cast<size_t>(data.numBytes()));
  file.commit();
}

//===--- By suffix ---===//

static bool isSafetensors(const fs::path &path) { return path.extension() == ".safetensors"; }

ArrayMap readArrays(const fs::path &path) {
  return isSafetensors(path) ? readSafetensors(path).arrays : readNpz(path);
}

void writeArrays(const fs::path &path, const ArrayMap &arrays) {
  if (isSafetensors(path))
    writeSafetensors(path, arrays);
  else
    writeNpz(path, arrays);
}

} // namespace sinter
