// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/FileIo.h"

#include "sinter/ir/base/Array.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <random>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace sinter {

namespace fs = std::filesystem;

[[noreturn]] static void failedTo(const char *what, const fs::path &path, int error) {
  throw Error({.code = ErrorCode::FileAccess},
              std::string("cannot ") + what + " '" + path.string() + "': " + std::strerror(error));
}

static int openRetrying(const fs::path &path, int flags, mode_t mode = 0) {
  int descriptor;
  do
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

/// The system would take the part before the zero.
static void requireName(const char *what, const fs::path &path) {
  if (path.native().find('\0') != std::string::npos)
    failedTo(what, path, EINVAL);
}

//===--- Reading ---===//

/// Nothing but a regular file: what a pipe gives cannot be read twice, and a device may have no
/// end. Does not wait for a pipe's other side.
static int openFile(const fs::path &path, struct stat &info) {
  requireName("read", path);
  int descriptor = openRetrying(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0)
    failedTo("read", path, errno);
  if (::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode))
    return descriptor;
  ::close(descriptor);
  if (S_ISDIR(info.st_mode))
    failedTo("read", path, EISDIR);
  throw Error({.code = ErrorCode::FileAccess}, "cannot read '" + path.string() + "': it is a " +
                                                   (S_ISFIFO(info.st_mode) ? "pipe" : "device") +
                                                   ", not a file");
}

InputFile::InputFile(const fs::path &path) : name(path) {
  struct stat info {};
  descriptor = openFile(path, info);
  bytes = info.st_size;
}

InputFile::~InputFile() { ::close(descriptor); }

void InputFile::read(int64_t offset, void *out, size_t count) const {
  auto *to = static_cast<char *>(out);
  while (count > 0) {
    ssize_t got = ::pread(descriptor, to, count, offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      failedTo("read", name, errno);
    if (got == 0)
      throw Error({.code = ErrorCode::FileAccess},
                  "cannot read '" + name.string() + "': it is shorter than it was");
    to += got;
    offset += got;
    count -= static_cast<size_t>(got);
  }
}

namespace {

struct ReadLimits {
  int64_t bytes;          ///< Of a file.
  int64_t unboundedBytes; ///< Of what does not say how long it is.
  bool isText;
};

std::string readAll(int descriptor, const fs::path &path, const ReadLimits &limits) {
  std::string text;
  constexpr size_t chunk = 1 << 16;
  struct stat info;
  const bool isFile = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
  const int64_t most = isFile ? limits.bytes : limits.unboundedBytes;
  if (isFile && info.st_size <= most)
    text.reserve(static_cast<size_t>(info.st_size) + chunk);
  while (true) {
    size_t filled = text.size();
    text.resize(filled + chunk);
    ssize_t got = ::read(descriptor, text.data() + filled, chunk);
    int error = errno;
    text.resize(filled + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && error == EINTR)
      continue;
    if (got < 0)
      failedTo("read", path, error);
    if (got == 0)
      return text;
    if (limits.isText && text.find('\0', filled) != text.npos)
      throw Error({.kind = ErrorKind::User}, "'" + path.string() + "' is no text: it holds zeros");
    if (static_cast<int64_t>(text.size()) > most)
      throw Error({.code = ErrorCode::Limit},
                  "'" + path.string() + "' is larger than " + std::to_string(most) + " bytes");
  }
}

/// Takes `descriptor` over.
std::string readAndClose(int descriptor, const fs::path &path, const ReadLimits &limits) {
  if (descriptor < 0)
    failedTo("read", path, errno);
  std::unique_ptr<int, void (*)(int *)> closer(&descriptor, [](int *fd) { ::close(*fd); });
  return readAll(descriptor, path, limits);
}

} // namespace

std::string readFile(const fs::path &path, int64_t maxBytes) {
  struct stat info {};
  const int descriptor = openFile(path, info);
  return readAndClose(descriptor, path,
                      {.bytes = maxBytes, .unboundedBytes = maxBytes, .isText = false});
}

std::string readTextFile(const fs::path &path) {
  constexpr ReadLimits limits{
      .bytes = int64_t{2} << 30, .unboundedBytes = int64_t{256} << 20, .isText = true};
  if (path == "-")
    return readAll(STDIN_FILENO, "<stdin>", limits);
  requireName("read", path);
  // Pipes and devices are welcome here, so the size is found by reading.
  return readAndClose(openRetrying(path, O_RDONLY), path, limits);
}

//===--- Writing ---===//

static fs::path randomNameIn(const fs::path &folder) {
  std::random_device random;
  std::string name = ".sinter-";
  for (int i = 0; i < 16; ++i)
    name += "0123456789abcdef"[random() % 16];
  return folder / name;
}

fs::path behindLinks(fs::path path) {
  constexpr int mostLinks = 40; // As many as Linux follows.
  const fs::path asked = path;
  std::error_code problem;
  for (int links = 0; fs::is_symlink(path, problem); ++links) {
    if (links == mostLinks)
      failedTo("write", asked, ELOOP);
    path = path.parent_path() / fs::read_symlink(path, problem);
  }
  return path;
}

AtomicFile::AtomicFile(const fs::path &path) : target(path) {
  requireName("write", path);
  struct stat info, behind;
  const bool exists = ::stat(target.c_str(), &info) == 0;
  const fs::path resolved = behindLinks(target);
  // Links to what a process has open may lead to it, and tell a name that it has no more.
  const bool isNamed = exists && ::stat(resolved.c_str(), &behind) == 0 &&
                       info.st_dev == behind.st_dev && info.st_ino == behind.st_ino;
  if (exists && S_ISDIR(info.st_mode))
    failedTo("write", path, EISDIR);
  if (exists && !(S_ISREG(info.st_mode) && isNamed)) {
    descriptor = openRetrying(target, O_WRONLY | (S_ISREG(info.st_mode) ? O_TRUNC : 0));
    if (descriptor < 0)
      failedTo("write", path, errno);
    return;
  }
  target = resolved;
  // A file that may not be written is not to be replaced either.
  if (exists && ::access(target.c_str(), W_OK) != 0)
    failedTo("write", path, errno);
  fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  do {
    temporary = randomNameIn(folder);
    descriptor = openRetrying(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
  } while (descriptor < 0 && errno == EEXIST);
  if (descriptor < 0) {
    int error = errno;
    temporary.clear();
    failedTo("write", path, error);
  }
  // Best effort: a file system without modes is no reason to fail.
  if (exists && ::fchmod(descriptor, info.st_mode & 07777) != 0)
    errno = 0;
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

void AtomicFile::write(const void *data, size_t count) {
  auto *from = static_cast<const char *>(data);
  while (count > 0) {
    ssize_t put = ::write(descriptor, from, count);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      failedTo("write", target, errno);
    from += put;
    count -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  if (!temporary.empty() && ::fsync(descriptor) != 0)
    failedTo("write", target, errno);
  if (::close(std::exchange(descriptor, -1)) != 0)
    failedTo("write", target, errno);
  if (temporary.empty())
    return;
  if (::rename(temporary.c_str(), target.c_str()) != 0)
    failedTo("write", target, errno);
  temporary.clear();
  fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  int directory = openRetrying(folder, O_RDONLY | O_DIRECTORY);
  if (directory < 0)
    return; // Renamed all the same; a folder that cannot be opened cannot be synced.
  ::fsync(directory);
  ::close(directory);
}

void writeFileAtomically(const fs::path &path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

} // namespace sinter
