// SPDX-License-Identifier: Apache-2.0
#include "Idx.h"

#include <zlib.h>

#include <memory>

using namespace sinter;

namespace examples {

namespace {

[[noreturn]] void malformed(const std::filesystem::path &path, const std::string &why) {
  throw Error({.kind = ErrorKind::User, .code = ErrorCode::Diagnostics},
              path.string() + ": " + why);
}

class GzipReader {
public:
  explicit GzipReader(const std::filesystem::path &path)
      : path(path), file(gzopen(path.c_str(), "rb"), &gzclose) {
    if (!file)
      throw Error({.kind = ErrorKind::User,
                   .code = ErrorCode::FileAccess,
                   .hint = "Debian's package dataset-fashion-mnist has the images; --data names "
                           "another folder"},
                  "cannot read " + path.string());
  }
  void read(uint8_t *to, size_t count) {
    while (count > 0) {
      int got = gzread(file.get(), to, static_cast<unsigned>(std::min<size_t>(count, 1u << 20)));
      if (got <= 0)
        malformed(path, "ends early or is not gzip");
      to += got;
      count -= static_cast<size_t>(got);
    }
  }
  int64_t bigEndian() {
    uint8_t b[4];
    read(b, 4);
    return int64_t{b[0]} << 24 | int64_t{b[1]} << 16 | int64_t{b[2]} << 8 | int64_t{b[3]};
  }

private:
  std::filesystem::path path;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file;
};

} // namespace

IdxFile readIdx(const std::filesystem::path &path, int64_t limit) {
  GzipReader reader(path);
  int64_t magic = reader.bigEndian();
  int64_t rank = magic & 0xff;
  if (magic >> 8 != 0x08 || (rank != 1 && rank != 3)) // 0x08: unsigned bytes
    malformed(path, "is not an IDX file of images or labels");
  IdxFile idx;
  int64_t each = 1;
  for (int64_t d = 0; d < rank; ++d) {
    idx.sizes.push_back(reader.bigEndian());
    if (idx.sizes.back() > (d == 0 ? 10'000'000 : 4096))
      malformed(path, "has an implausible size");
    if (d > 0)
      each *= idx.sizes.back();
  }
  if (limit >= 0)
    idx.sizes[0] = std::min(idx.sizes[0], limit);
  // Grows with what is really there, not with what the header claims.
  const auto item = static_cast<size_t>(each);
  for (int64_t i = 0; i < idx.sizes[0]; ++i) {
    idx.bytes.resize(idx.bytes.size() + item);
    reader.read(idx.bytes.data() + idx.bytes.size() - item, item);
  }
  return idx;
}

Images readImages(const std::filesystem::path &folder, const std::string &prefix, int64_t limit) {
  IdxFile pixels = readIdx(folder / (prefix + "-images-idx3-ubyte.gz"), limit);
  IdxFile labels = readIdx(folder / (prefix + "-labels-idx1-ubyte.gz"), limit);
  if (pixels.sizes.size() != 3 || labels.sizes.size() != 1 || pixels.sizes[0] != labels.sizes[0] ||
      pixels.sizes[1] * pixels.sizes[2] != 784)
    malformed(folder, "images and labels of '" + prefix + "' do not belong together");
  int64_t count = pixels.sizes[0];
  Images images{Array(f32, {count, 784}), Array(i32, {count})};
  for (int64_t i = 0; i < count * 784; ++i)
    images.pixels.as<float>()[i] =
        (static_cast<float>(pixels.bytes[static_cast<size_t>(i)]) / 255.0f - 0.286f) / 0.353f;
  for (int64_t i = 0; i < count; ++i)
    images.labels.as<int32_t>()[i] = labels.bytes[static_cast<size_t>(i)];
  return images;
}

} // namespace examples
