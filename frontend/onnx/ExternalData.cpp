// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/ExternalData.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sinter::onnx {

[[noreturn]] static void fail(ErrorCode code, const std::string &location, const std::string &why) {
  throw Error({.code = code}, "external data '" + location + "': " + why);
}

std::optional<std::vector<std::string>> confinedParts(std::string_view path) {
  std::vector<std::string> parts;
  while (true) {
    size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      return std::nullopt;
    parts.emplace_back(part);
    if (slash == std::string_view::npos)
      return parts;
    path.remove_prefix(slash + 1);
  }
}

int openConfined(int folder, const std::string &path, OpenWay way) {
  constexpr int fileFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  std::optional<std::vector<std::string>> parts = confinedParts(path);
  if (!parts) {
    errno = EXDEV;
    return -1;
  }
  if (way == OpenWay::OpenAt2) {
    struct open_how how = {};
    how.flags = fileFlags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
  }
  int current = folder;
  for (size_t i = 0; i < parts->size(); ++i) {
    bool last = i + 1 == parts->size();
    int next = openat(current, (*parts)[i].c_str(),
                      (last ? fileFlags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
    int problem = errno;
    if (current != folder)
      close(current);
    errno = problem;
    if (next < 0 || last)
      return next;
    current = next;
  }
  return -1;
}

ExternalFolder::~ExternalFolder() {
  for (auto &[location, file] : files)
    close(file.descriptor);
  if (folderDescriptor >= 0)
    close(folderDescriptor);
}

int ExternalFolder::openBeneath(const std::string &location) {
  if (folderDescriptor < 0) {
    folderDescriptor = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folderDescriptor < 0)
      fail(ErrorCode::FileAccess, location,
           "cannot open the model's folder: " + std::string(std::strerror(errno)));
  }
  int descriptor = -1;
  for (int attempt = 0; attempt < 8; ++attempt) { // A rename elsewhere may get in the way.
    descriptor = openConfined(folderDescriptor, location, OpenWay::OpenAt2);
    if (descriptor >= 0 || errno != EAGAIN)
      break;
  }
  if (descriptor < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
    descriptor = openConfined(folderDescriptor, location, OpenWay::PartByPart);
  return descriptor;
}

const ExternalFolder::File &ExternalFolder::open(const std::string &location) {
  if (auto found = files.find(location); found != files.end())
    return found->second;
  if (!confinedParts(location))
    fail(ErrorCode::Diagnostics, location,
         "must be a relative path without '.' or '..' below the model's folder");
  if (files.size() >= 1024)
    fail(ErrorCode::Limit, location, "the model names more than 1024 files");
  int descriptor = openBeneath(location);
  if (descriptor < 0)
    fail(ErrorCode::FileAccess, location,
         errno == ELOOP || errno == EXDEV
             ? "leads out of the model's folder or over a symbolic link"
             : std::strerror(errno));
  struct stat status = {};
  std::string why;
  if (fstat(descriptor, &status) != 0)
    why = std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    why = "is not a regular file";
  else if (status.st_nlink != 1)
    why = "has more than one hard link";
  if (!why.empty()) {
    close(descriptor);
    fail(ErrorCode::FileAccess, location, why);
  }
  return files.emplace(location, File{descriptor, static_cast<int64_t>(status.st_size)})
      .first->second;
}

void ExternalFolder::check(const std::string &location, int64_t offset,
                           std::optional<int64_t> length, int64_t count) {
  const File &file = open(location);
  if (offset < 0 || offset > file.size)
    fail(ErrorCode::Diagnostics, location,
         "offset " + std::to_string(offset) + " lies outside of its " + std::to_string(file.size) +
             " bytes");
  int64_t available = length.value_or(file.size - offset);
  if (available < 0 || available > file.size - offset)
    fail(ErrorCode::Diagnostics, location,
         "length " + std::to_string(available) + " from offset " + std::to_string(offset) +
             " on exceeds its " + std::to_string(file.size) + " bytes");
  if (available != count)
    fail(ErrorCode::Diagnostics, location,
         "holds " + std::to_string(available) + " bytes for a tensor of " + std::to_string(count));
  if (count > left)
    fail(ErrorCode::Limit, location, "the model's external data exceeds the limit");
}

void ExternalFolder::read(const std::string &location, int64_t offset, void *out, int64_t count) {
  const File &file = open(location);
  left -= count;
  auto *bytes = static_cast<char *>(out);
  while (count > 0) {
    ssize_t got = pread(file.descriptor, bytes, static_cast<size_t>(count), offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      fail(ErrorCode::FileAccess, location, got < 0 ? std::strerror(errno) : "became shorter");
    bytes += got;
    offset += got;
    count -= got;
  }
}

} // namespace sinter::onnx
