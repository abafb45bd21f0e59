// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/FileIo.h"
#include "sinter/ir/base/NpyFormat.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace sinter {

static_assert(std::endian::native == std::endian::little, "arrays are stored little-endian");

void malformedFile(const std::string &what, const std::string &why) {
  throw Error({.code = ErrorCode::Diagnostics}, what + " is malformed: " + why);
}

namespace {

struct Header {
  std::string descr;
  bool fortranOrder = false;
  std::vector<int64_t> sizes;
};

/// The header is a Python dictionary with three known keys; nothing else is accepted.
class HeaderParser {
public:
  HeaderParser(std::string_view text, const std::string &what) : text(text), what(what) {}

  Header parse() {
    Header header;
    bool hasDescr = false, hasOrder = false, hasShape = false;
    expect('{');
    while (!accept('}')) {
      std::string key = parseString();
      expect(':');
      bool *seen = key == "descr"           ? &hasDescr
                   : key == "fortran_order" ? &hasOrder
                   : key == "shape"         ? &hasShape
                                            : nullptr;
      if (!seen)
        malformedFile(what, "its header has an unknown key");
      if (*seen)
        malformedFile(what, "its header has '" + key + "' twice");
      *seen = true;
      if (seen == &hasDescr)
        parseDescr(header);
      else if (seen == &hasOrder)
        header.fortranOrder = parseBool();
      else
        header.sizes = parseTuple();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skipSpace();
    if (position != text.size())
      malformedFile(what, "its header continues after the dictionary");
    if (!hasDescr || !hasOrder || !hasShape)
      malformedFile(what, "its header lacks 'descr', 'fortran_order' or 'shape'");
    return header;
  }

private:
  void skipSpace() {
    while (position < text.size() && (text[position] == ' ' || text[position] == '\n' ||
                                      text[position] == '\t' || text[position] == '\r'))
      ++position;
  }
  bool accept(char c) {
    skipSpace();
    if (position == text.size() || text[position] != c)
      return false;
    ++position;
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      malformedFile(what, std::string("its header lacks a '") + c + "'");
  }
  std::string parseString() {
    char quote = accept('\'') ? '\'' : '"';
    if (quote == '"')
      expect('"');
    size_t end = text.find(quote, position);
    if (end == std::string_view::npos)
      malformedFile(what, "its header has an open string");
    std::string result(text.substr(position, end - position));
    position = end + 1;
    return result;
  }
  void parseDescr(Header &header) {
    skipSpace();
    if (position < text.size() && text[position] == '[')
      throw Error({.kind = ErrorKind::Unsupported},
                  what + " holds records; only plain arrays work");
    header.descr = parseString();
  }
  bool parseBool() {
    skipSpace();
    for (bool value : {true, false}) {
      std::string_view word = value ? "True" : "False";
      if (text.substr(position).starts_with(word)) {
        position += word.size();
        return value;
      }
    }
    malformedFile(what, "'fortran_order' in its header is neither True nor False");
  }
  std::vector<int64_t> parseTuple() {
    constexpr size_t maxRank = 64;
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skipSpace();
      const char *begin = text.data() + position, *end = text.data() + text.size();
      int64_t size = 0;
      auto [next, error] = std::from_chars(begin, end, size);
      if (error != std::errc{} || size < 0)
        malformedFile(what, "a size in its header is not a number that fits 63 bits");
      position += static_cast<size_t>(next - begin);
      sizes.push_back(size);
      if (sizes.size() > maxRank)
        malformedFile(what, "it has more than 64 axes");
      if (!accept(',')) {
        // (3) is a number in Python, not a tuple.
        if (sizes.size() == 1)
          malformedFile(what, "the shape in its header is not a tuple");
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view text;
  const std::string &what;
  size_t position = 0;
};

} // namespace

/// NumPy's kind and width. It has no bfloat16: ml_dtypes stores one as two bytes without a meaning.
static std::string_view descrOf(DType dtype) {
  static constexpr std::string_view texts[] = {"f4", "f8", "i4", "i8", "b1", "f2", "V2",
                                               "i1", "i2", "u1", "u2", "u4", "u8"};
  static_assert(std::size(texts) == std::size(allDTypes));
  return texts[static_cast<size_t>(dtype)];
}

static DType dtypeOfDescr(const std::string &descr, const std::string &what) {
  // '=' is this machine's order and '|' none; the order only matters for wider types.
  if (descr == "?")
    return boolean;
  if (descr.size() == 3 && std::strchr("<=|", descr[0]))
    for (DType dtype : allDTypes)
      if (descrOf(dtype) == std::string_view(descr).substr(1) &&
          (descr[0] != '|' || byteSize(dtype) == 1 || dtype == bf16))
        return dtype;
  bool plausible = !descr.empty() && descr.size() < 16 && std::strchr("<>=|", descr[0]);
  if (!plausible)
    malformedFile(what, "'descr' in its header is no element type");
  throw Error(
      {.kind = ErrorKind::Unsupported,
       .hint = "f2 to f8, i1 to i8, u1 to u8 (little-endian), b1, and V2 (bfloat16) can be read"},
      what + " has elements of type '" + descr + "'");
}

Array readNpyFrom(ByteSource &source, int64_t length, const std::string &what) {
  constexpr int64_t maxHeader = 1 << 16;
  unsigned char start[12];
  int64_t prefix = 10;
  if (length < prefix)
    malformedFile(what, "it is too short");
  source.read(start, 10);
  if (std::memcmp(start, "\x93NUMPY", 6) != 0)
    malformedFile(what, "it does not start with the magic of .npy");
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    malformedFile(what, "its format version is unknown");
  int64_t headerBytes = start[8] | start[9] << 8;
  if (start[6] > 1) {
    prefix = 12;
    if (length < prefix)
      malformedFile(what, "it is too short");
    source.read(start + 10, 2);
    headerBytes |= static_cast<int64_t>(start[10]) << 16 | static_cast<int64_t>(start[11]) << 24;
  }
  if (headerBytes > maxHeader || headerBytes > length - prefix)
    malformedFile(what, "its header is longer than the file or than 64 KiB");
  std::string text(static_cast<size_t>(headerBytes), '\0');
  source.read(text.data(), text.size());

  Header header = HeaderParser(text, what).parse();
  DType dtype = dtypeOfDescr(header.descr, what);
  std::optional<int64_t> expected = byteSize(dtype);
  bool empty = false;
  for (int64_t size : header.sizes) {
    empty |= size == 0;
    if (expected)
      expected = checkedMul(*expected, std::max<int64_t>(size, 1));
  }
  if (!expected)
    malformedFile(what, "the product of its sizes overflows");
  int64_t data = length - prefix - headerBytes;
  if ((empty ? 0 : *expected) != data)
    malformedFile(what, "its header promises " + std::to_string(empty ? 0 : *expected) +
                            " bytes of data, but there are " + std::to_string(data));

  if (header.fortranOrder)
    std::reverse(header.sizes.begin(), header.sizes.end());
  Array array(dtype, std::move(header.sizes));
  source.read(array.data(), static_cast<size_t>(data));
  if (dtype == boolean) {
    auto *bytes = static_cast<uint8_t *>(array.data());
    std::for_each(bytes, bytes + data, [](uint8_t &byte) { byte = byte != 0; });
  }
  return header.fortranOrder ? array.transpose().contiguous() : array;
}

std::string npyHeader(DType dtype, const std::vector<int64_t> &sizes) {
  std::string descr = (byteSize(dtype) == 1 ? "|" : "<") + std::string(descrOf(dtype));
  std::string text = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < sizes.size(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  text += sizes.size() == 1 ? ",), }" : "), }";
  // Version 1: any rank that readNpyFrom accepts stays far below 64 KiB.
  constexpr size_t prefix = 10, alignment = 64;
  size_t unpadded = prefix + text.size() + 1;
  text.append((alignment - unpadded % alignment) % alignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

namespace {
class FileSource : public ByteSource {
public:
  explicit FileSource(const InputFile &file) : file(file) {}
  void read(void *out, size_t count) override {
    file.read(offset, out, count);
    offset += static_cast<int64_t>(count);
  }

private:
  const InputFile &file;
  int64_t offset = 0;
};
} // namespace

Array readNpy(const std::filesystem::path &path) {
  InputFile file(path);
  FileSource source(file);
  return readNpyFrom(source, file.size(), "'" + path.string() + "'");
}

void writeNpy(const std::filesystem::path &path, const Array &array) {
  Array data = array.contiguous();
  std::string header = npyHeader(data.dtype(), data.sizes());
  AtomicFile file(path);
  file.write(header.data(), header.size());
  file.write(data.data(), static_cast<size_t>(data.numBytes()));
  file.commit();
}

} // namespace sinter
