// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/CheckedMath.h"
#include "sinter/ir/base/FileIo.h"
#include "sinter/ir/base/NpyFormat.h"

#include <algorithm>
#include <limits>
#include <zlib.h>

namespace sinter {
namespace {

constexpr uint32_t localSignature = 0x04034b50, centralSignature = 0x02014b50,
                   endSignature = 0x06054b50, end64Signature = 0x06064b50,
                   locator64Signature = 0x07064b50;
constexpr int64_t localBytes = 30, centralBytes = 46, endBytes = 22, end64Bytes = 56,
                  locator64Bytes = 20;
constexpr uint32_t in64 = 0xffffffff; ///< The true value is in a 64-bit record.

uint64_t load(const char *bytes, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
void store(std::string &out, uint64_t value, int count) {
  for (int i = 0; i < count; ++i, value >>= 8)
    out += static_cast<char>(value & 0xff);
}

struct Member {
  std::string name;
  int method = 0;
  uint32_t crc = 0;
  int64_t packed = 0; ///< Bytes in the file.
  int64_t plain = 0;  ///< Bytes after decompression.
  int64_t offset = 0; ///< Of the local header, later of the data.
};

/// The directory of a zip file, with every offset and size checked against the file's length.
class ZipDirectory {
public:
  ZipDirectory(const InputFile &file, const std::string &what) : file(file), what(what) {
    findDirectory();
    readMembers();
  }
  std::vector<Member> members;

private:
  [[noreturn]] void malformed(const char *why) const { malformedFile(what, why); }
  std::string bytesAt(int64_t offset, int64_t count) const {
    std::string bytes(static_cast<size_t>(count), '\0');
    file.read(offset, bytes.data(), bytes.size());
    return bytes;
  }
  int64_t sized(uint64_t value) const {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      malformed("a size in it overflows");
    return static_cast<int64_t>(value);
  }

  void findDirectory() {
    // The end record is last, but for a comment of at most 64 KiB.
    int64_t tail = std::min<int64_t>(file.size(), endBytes + 0xffff);
    if (tail < endBytes)
      malformed("it is too short");
    int64_t tailAt = file.size() - tail;
    std::string bytes = bytesAt(tailAt, tail);
    int64_t at = tail - endBytes;
    while (at >= 0 &&
           (load(&bytes[static_cast<size_t>(at)], 4) != endSignature ||
            at + endBytes + sized(load(&bytes[static_cast<size_t>(at) + 20], 2)) != tail))
      --at;
    if (at < 0)
      malformed("it has no zip directory");
    const char *end = &bytes[static_cast<size_t>(at)];
    if (load(end + 4, 2) != 0 || load(end + 6, 2) != 0)
      malformed("it is one part of several");
    count = sized(load(end + 10, 2));
    directoryBytes = sized(load(end + 12, 4));
    directoryAt = sized(load(end + 16, 4));
    directoryEnd = tailAt + at;
    if (count == 0xffff || directoryBytes == in64 || directoryAt == in64)
      findDirectory64();
    if (directoryAt > directoryEnd || directoryBytes > directoryEnd - directoryAt ||
        count > directoryBytes / centralBytes)
      malformed("its directory does not fit in the file");
  }

  void findDirectory64() {
    if (directoryEnd < locator64Bytes + end64Bytes)
      malformed("its 64-bit directory is missing");
    std::string locator = bytesAt(directoryEnd - locator64Bytes, locator64Bytes);
    if (load(locator.data(), 4) != locator64Signature)
      malformed("its 64-bit directory is missing");
    int64_t at = sized(load(&locator[8], 8));
    if (at > directoryEnd - locator64Bytes - end64Bytes)
      malformed("its 64-bit directory does not fit in the file");
    std::string end = bytesAt(at, end64Bytes);
    if (load(end.data(), 4) != end64Signature)
      malformed("its 64-bit directory is missing");
    count = sized(load(&end[32], 8));
    directoryBytes = sized(load(&end[40], 8));
    directoryAt = sized(load(&end[48], 8));
    directoryEnd = at;
  }

  void readMembers() {
    std::string bytes = bytesAt(directoryAt, directoryBytes);
    size_t at = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (bytes.size() - at < centralBytes || load(&bytes[at], 4) != centralSignature)
        malformed("its directory is damaged");
      const char *entry = &bytes[at];
      size_t nameBytes = load(entry + 28, 2), extraBytes = load(entry + 30, 2),
             commentBytes = load(entry + 32, 2);
      if (bytes.size() - at - centralBytes < nameBytes + extraBytes + commentBytes)
        malformed("its directory is damaged");
      Member member;
      if (load(entry + 8, 2) & 1)
        malformed("a member is encrypted");
      member.method = static_cast<int>(load(entry + 10, 2));
      member.crc = static_cast<uint32_t>(load(entry + 16, 4));
      member.packed = sized(load(entry + 20, 4));
      member.plain = sized(load(entry + 24, 4));
      member.offset = sized(load(entry + 42, 4));
      member.name = bytes.substr(at + centralBytes, nameBytes);
      readExtra64(member,
                  std::string_view(bytes).substr(at + centralBytes + nameBytes, extraBytes));
      locateData(member);
      members.push_back(std::move(member));
      at += centralBytes + nameBytes + extraBytes + commentBytes;
    }
  }

  /// Values that did not fit 32 bits follow, in this order, in the extra field 1.
  void readExtra64(Member &member, std::string_view extra) const {
    int64_t *wide[3] = {&member.plain, &member.packed, &member.offset};
    bool needed = std::any_of(wide, wide + 3, [](int64_t *value) { return *value == in64; });
    while (needed && extra.size() >= 4) {
      size_t length = load(extra.data() + 2, 2);
      if (length > extra.size() - 4)
        break;
      std::string_view field = extra.substr(4, length);
      if (load(extra.data(), 2) == 1) {
        for (int64_t *value : wide) {
          if (*value != in64)
            continue;
          if (field.size() < 8)
            malformed("a 64-bit size is missing");
          *value = sized(load(field.data(), 8));
          field.remove_prefix(8);
        }
        return;
      }
      extra.remove_prefix(4 + length);
    }
  }

  void locateData(Member &member) const {
    if (member.offset > directoryAt - localBytes)
      malformed("a member lies outside the file");
    std::string local = bytesAt(member.offset, localBytes);
    if (load(local.data(), 4) != localSignature)
      malformed("a member's header is damaged");
    auto nameBytes = static_cast<int64_t>(load(&local[26], 2));
    auto extraBytes = static_cast<int64_t>(load(&local[28], 2));
    int64_t nameAt = member.offset + localBytes;
    if (nameBytes + extraBytes > directoryAt - nameAt)
      malformed("a member lies outside the file");
    if (bytesAt(nameAt, nameBytes) != member.name)
      malformed("a member has two names");
    member.offset = nameAt + nameBytes + extraBytes;
    if (member.packed > directoryAt - member.offset)
      malformed("a member lies outside the file");
  }

  const InputFile &file;
  const std::string &what;
  int64_t count = 0, directoryAt = 0, directoryBytes = 0, directoryEnd = 0;
};

/// The plain bytes of one member; finish() checks that all were there and their checksum.
class MemberSource : public ByteSource {
public:
  MemberSource(const InputFile &file, const Member &member, const std::string &what)
      : file(file), what(what), member(member), packedLeft(member.packed) {
    if (member.method == 0)
      return;
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      throw Error({.kind = ErrorKind::Internal}, "zlib cannot start");
    input.resize(1 << 16);
  }
  ~MemberSource() override {
    if (member.method != 0)
      inflateEnd(&stream);
  }
  MemberSource(const MemberSource &) = delete;
  MemberSource &operator=(const MemberSource &) = delete;

  void read(void *out, size_t bytes) override {
    auto *to = static_cast<unsigned char *>(out);
    while (bytes > 0) {
      // zlib counts in 32 bits.
      auto part = static_cast<uInt>(std::min<size_t>(bytes, 1 << 30));
      if (member.method == 0)
        readStored(to, part);
      else
        inflateTo(to, part);
      crc = crc32(crc, to, part);
      to += part;
      bytes -= part;
    }
  }

  void finish() {
    if (member.method != 0) {
      unsigned char extra;
      stream.next_out = &extra;
      stream.avail_out = 1;
      int status = Z_OK;
      while (status == Z_OK && stream.avail_out == 1)
        status = step();
      if (status != Z_STREAM_END || stream.avail_out != 1)
        malformedFile(what, "its compressed data does not end where it should");
    }
    if (crc != member.crc)
      malformedFile(what, "its checksum is wrong");
  }

private:
  void readStored(unsigned char *to, uInt bytes) {
    if (static_cast<int64_t>(bytes) > packedLeft)
      malformedFile(what, "it ends too early");
    file.read(member.offset + member.packed - packedLeft, to, bytes);
    packedLeft -= bytes;
  }
  /// One call of inflate with input at hand. Z_BUF_ERROR: there is none left.
  int step() {
    if (stream.avail_in == 0 && packedLeft > 0) {
      auto part =
          static_cast<uInt>(std::min<int64_t>(packedLeft, static_cast<int64_t>(input.size())));
      readStored(input.data(), part);
      stream.next_in = input.data();
      stream.avail_in = part;
    }
    return inflate(&stream, Z_NO_FLUSH);
  }
  void inflateTo(unsigned char *to, uInt bytes) {
    stream.next_out = to;
    stream.avail_out = bytes;
    while (stream.avail_out > 0) {
      int status = step();
      if (status != Z_OK && !(status == Z_STREAM_END && stream.avail_out == 0))
        malformedFile(what, "its compressed data is damaged");
    }
  }

  const InputFile &file;
  const std::string &what;
  const Member &member;
  int64_t packedLeft;
  uLong crc = 0;
  z_stream stream = {};
  std::vector<unsigned char> input;
};

/// Decompression may grow a file by this factor, and small files to `freeBytes`.
constexpr int64_t maxGrowth = 100, freeBytes = 1 << 20;

} // namespace

ArrayMap readNpz(const std::filesystem::path &path) {
  InputFile file(path);
  std::string what = "'" + path.string() + "'";
  ZipDirectory directory(file, what);

  std::optional<int64_t> limit = checkedMul(file.size(), maxGrowth);
  int64_t left = limit ? std::max(*limit, freeBytes) : std::numeric_limits<int64_t>::max();
  for (const Member &member : directory.members) {
    if (member.plain > left)
      throw Error({.code = ErrorCode::Limit},
                  what + " would grow more than 100-fold when it is decompressed");
    left -= member.plain;
  }

  ArrayMap arrays;
  for (const Member &member : directory.members) {
    std::string inside = what + ": member '" + member.name + "'";
    if (member.method != 0 && member.method != Z_DEFLATED)
      throw Error({.kind = ErrorKind::Unsupported},
                  inside + " is compressed by method " + std::to_string(member.method));
    if (member.method == 0 && member.packed != member.plain)
      malformedFile(inside, "its two sizes differ");
    constexpr std::string_view suffix = ".npy";
    if (!member.name.ends_with(suffix))
      malformedFile(inside, "it is not named .npy");
    MemberSource source(file, member, inside);
    Array array = readNpyFrom(source, member.plain, inside);
    source.finish();
    std::string key = member.name.substr(0, member.name.size() - suffix.size());
    if (!arrays.emplace(key, std::move(array)).second)
      malformedFile(inside, "it is there twice");
  }
  return arrays;
}

//===--- Writing ---===//

/// The fields that the local header and the directory entry share, from "version needed" on.
static void storeCommon(std::string &out, uint32_t crc, int64_t bytes, size_t nameBytes,
                        size_t extraBytes) {
  bool wide = bytes >= in64;
  store(out, 45, 2);     // Version needed: 64-bit sizes.
  store(out, 0x0800, 2); // The name is UTF-8.
  store(out, 0, 2);      // Stored.
  store(out, 0, 2);      // Time: fixed, so that equal arrays give equal files.
  store(out, 0x21, 2);   // Date: 1980-01-01, the first there is.
  store(out, crc, 4);
  store(out, wide ? in64 : static_cast<uint64_t>(bytes), 4);
  store(out, wide ? in64 : static_cast<uint64_t>(bytes), 4);
  store(out, nameBytes, 2);
  store(out, extraBytes, 2);
}

static uint32_t checksum(uint32_t crc, const void *data, size_t bytes) {
  auto *from = static_cast<const unsigned char *>(data);
  uLong value = crc;
  while (bytes > 0) {
    auto part = static_cast<uInt>(std::min<size_t>(bytes, 1 << 30));
    value = crc32(value, from, part);
    from += part;
    bytes -= part;
  }
  return static_cast<uint32_t>(value);
}

void writeNpz(const std::filesystem::path &path, const ArrayMap &arrays) {
  AtomicFile file(path);
  std::string directory;
  int64_t offset = 0;
  for (const auto &[key, value] : arrays) {
    Array data = value.contiguous();
    std::string name = key + ".npy", header = npyHeader(data.dtype(), data.sizes());
    if (name.size() > 0xffff)
      throw Error({.code = ErrorCode::Limit}, "the name of an array is longer than 64 KiB");
    int64_t bytes = static_cast<int64_t>(header.size()) + data.numBytes();
    uint32_t crc = checksum(0, header.data(), header.size());
    crc = checksum(crc, data.data(), static_cast<size_t>(data.numBytes()));

    std::string sizes, local;
    if (bytes >= in64) {
      store(sizes, static_cast<uint64_t>(bytes), 8);
      store(sizes, static_cast<uint64_t>(bytes), 8);
    }
    std::string extra;
    if (!sizes.empty()) {
      store(extra, 1, 2);
      store(extra, sizes.size(), 2);
      extra += sizes;
    }
    store(local, localSignature, 4);
    storeCommon(local, crc, bytes, name.size(), extra.size());
    local += name + extra;
    file.write(local.data(), local.size());
    file.write(header.data(), header.size());
    file.write(data.data(), static_cast<size_t>(data.numBytes()));

    if (offset >= in64)
      store(sizes, static_cast<uint64_t>(offset), 8);
    extra.clear();
    if (!sizes.empty()) {
      store(extra, 1, 2);
      store(extra, sizes.size(), 2);
      extra += sizes;
    }
    store(directory, centralSignature, 4);
    store(directory, 45, 2);
    storeCommon(directory, crc, bytes, name.size(), extra.size());
    store(directory, 0, 2 + 2 + 2 + 4); // No comment, disk 0, attributes.
    store(directory, offset >= in64 ? in64 : static_cast<uint64_t>(offset), 4);
    directory += name + extra;
    offset += static_cast<int64_t>(local.size()) + bytes;
  }

  bool wide = arrays.size() >= 0xffff || offset >= in64 || directory.size() >= in64;
  std::string end;
  if (wide) {
    auto end64At = static_cast<uint64_t>(offset) + directory.size();
    store(end, end64Signature, 4);
    store(end, end64Bytes - 12, 8);
    store(end, 45, 2);
    store(end, 45, 2);
    store(end, 0, 8);
    store(end, arrays.size(), 8);
    store(end, arrays.size(), 8);
    store(end, directory.size(), 8);
    store(end, static_cast<uint64_t>(offset), 8);
    store(end, locator64Signature, 4);
    store(end, 0, 4);
    store(end, end64At, 8);
    store(end, 1, 4);
  }
  store(end, endSignature, 4);
  store(end, 0, 4);
  store(end, wide ? 0xffff : arrays.size(), 2);
  store(end, wide ? 0xffff : arrays.size(), 2);
  store(end, wide ? in64 : directory.size(), 4);
  store(end, wide ? in64 : static_cast<uint64_t>(offset), 4);
  store(end, 0, 2);
  file.write(directory.data(), directory.size());
  file.write(end.data(), end.size());
  file.commit();
}

} // namespace sinter
