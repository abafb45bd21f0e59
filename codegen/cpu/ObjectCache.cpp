// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ObjectCache.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <random>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace sinter::cpu {

namespace {

// -- The file's form: Header, Slot[count], objects ------------------------------------------------

using Digest = std::array<uint8_t, 32>;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t count;
};
struct Slot {
  KernelKey key;
  uint64_t offset;
  uint64_t size;
  Digest checksum; ///< Of the object and its key.
};
static_assert(sizeof(Header) == 16 && sizeof(Slot) == 80);

constexpr char magic[8] = {'S', 'I', 'N', 'T', 'E', 'R', 'K', 'C'};
constexpr uint32_t formVersion = 1;
constexpr uint32_t mostSlots = 1 << 14;             // Below the links that a file may have.
constexpr uint64_t mostBytes = uint64_t{256} << 20; ///< Of one object.
constexpr time_t touchedAfter = 600;                ///< Seconds between two notes of a use.
constexpr time_t prunedAfter = 600;                 ///< Seconds between two looks at all files.
constexpr time_t abandonedAfter = 3600;             ///< A temporary file of a process that died.
constexpr const char *stampName = "pruned";
constexpr std::string_view temporaryPrefix = "tmp-";

Digest checksumOf(const KernelKey &key, std::string_view object) {
  llvm::BLAKE3 hash;
  hash.update(key);
  hash.update(llvm::StringRef(object));
  return hash.final();
}

std::string nameOf(const KernelKey &key) { return llvm::toHex(key, /*LowerCase=*/true); }

bool isEntryName(std::string_view name) {
  return name.size() == 2 * sizeof(KernelKey) &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// -- Files ----------------------------------------------------------------------------------------

class File {
public:
  explicit File(int number) : number(number) {}
  ~File() {
    if (number >= 0)
      close(number);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  operator int() const { return number; }

private:
  int number;
};

std::string problem(const std::string &what) { return what + ": " + std::strerror(errno); }

/// Whether only this user can have written it.
bool isPrivate(const struct stat &info) {
  return info.st_uid == geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool readAt(int file, void *data, size_t bytes, uint64_t offset) {
  char *cursor = static_cast<char *>(data);
  while (bytes > 0) {
    ssize_t count = pread(file, cursor, bytes, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    cursor += count;
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

bool writeAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

} // namespace

// -- The folder -----------------------------------------------------------------------------------

ObjectCache::ObjectCache(const CacheOptions &options) : maxBytes(options.maxBytes) {
  if (options.enabled.value_or(false) && !open(options)) {
    if (folder >= 0)
      close(folder);
    folder = -1;
  }
}

ObjectCache::~ObjectCache() {
  if (folder >= 0)
    close(folder);
}

bool ObjectCache::open(const CacheOptions &options) {
  const std::filesystem::path &path = options.folder;
  std::string name = "the cache folder '" + path.string() + "'";
  if (path.empty() || maxBytes <= 0) {
    note(path.empty()
             ? "there is no folder for the cache: none of SINTER_CACHE_DIR, XDG_CACHE_HOME "
               "and HOME names one"
             : "the cache may hold nothing");
    return false;
  }
  std::error_code ignored;
  if (path.has_parent_path())
    std::filesystem::create_directories(path.parent_path(), ignored);
  if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    note(problem("cannot create " + name));
    return false;
  }
  // From here on the folder is its descriptor: no other one can be put in its place.
  folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat info {};
  if (folder < 0 || fstat(folder, &info) != 0) {
    note(problem("cannot open " + name));
    return false;
  }
  if (!isPrivate(info)) {
    note(name + " is not used: it must belong to you, and others must not be able to write to it");
    return false;
  }
  return true;
}

// -- Reading --------------------------------------------------------------------------------------

std::optional<std::string> ObjectCache::load(const KernelKey &key) {
  if (!isOpen())
    return std::nullopt;
  bool isDamaged = false;
  std::optional<std::string> object = read(key, isDamaged);
  if (isDamaged)
    unlinkat(folder, nameOf(key).c_str(), 0);
  std::lock_guard lock(mutex);
  ++(object ? counts.hits : counts.misses);
  counts.dropped += isDamaged;
  return object;
}

std::optional<std::string> ObjectCache::read(const KernelKey &key, bool &isDamaged) {
  File file(openat(folder, nameOf(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file < 0) {
    isDamaged = errno == ELOOP; // A link is nothing that store() made.
    return std::nullopt;
  }
  isDamaged = true;
  struct stat info {};
  Header header{};
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || !isPrivate(info) ||
      !readAt(file, &header, sizeof(header), 0) ||
      std::memcmp(header.magic, magic, sizeof(magic)) != 0 || header.version != formVersion ||
      header.count > mostSlots)
    return std::nullopt;
  std::vector<Slot> slots(header.count);
  if (!readAt(file, slots.data(), slots.size() * sizeof(Slot), sizeof(Header)))
    return std::nullopt;
  auto slot = std::find_if(slots.begin(), slots.end(), [&](const Slot &s) { return s.key == key; });
  const auto fileBytes = static_cast<uint64_t>(info.st_size);
  if (slot == slots.end() || slot->size > mostBytes || slot->offset > fileBytes ||
      slot->size > fileBytes - slot->offset)
    return std::nullopt;
  std::string object(slot->size, '\0');
  if (!readAt(file, object.data(), object.size(), slot->offset) ||
      checksumOf(key, object) != slot->checksum)
    return std::nullopt;
  isDamaged = false;
  if (std::time(nullptr) - info.st_mtime > touchedAfter)
    futimens(file, nullptr); // Only the order of removal depends on it.
  return object;
}

void ObjectCache::drop(const KernelKey &key) {
  if (!isOpen())
    return;
  unlinkat(folder, nameOf(key).c_str(), 0);
  std::lock_guard lock(mutex);
  --counts.hits;
  ++counts.misses;
  ++counts.dropped;
}

// -- Writing --------------------------------------------------------------------------------------

void ObjectCache::store(const std::vector<Entry> &entries) {
  if (!isOpen() || entries.empty())
    return;
  size_t bytes = 0, names = 0;
  for (const Entry &entry : entries) {
    bytes += entry.object.size();
    names += 1 + entry.others.size();
  }
  // No more than a quarter at once, or the rest of the cache would have to go.
  if (bytes > static_cast<size_t>(maxBytes) / 4 || names > mostSlots) {
    if (entries.size() == 1)
      return note("a kernel is too large for the cache");
    auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
    store({entries.begin(), middle});
    return store({middle, entries.end()});
  }
  if (!storeTogether(entries))
    return;
  {
    std::lock_guard lock(mutex);
    counts.stored += static_cast<int64_t>(names);
  }
  prune(static_cast<int64_t>(bytes));
}

bool ObjectCache::storeTogether(const std::vector<Entry> &entries) {
  size_t count = 0;
  for (const Entry &entry : entries)
    count += 1 + entry.others.size();
  std::string bytes(sizeof(Header) + count * sizeof(Slot), '\0');
  Header header{{}, formVersion, static_cast<uint32_t>(count)};
  std::memcpy(header.magic, magic, sizeof(magic));
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::vector<std::string> names;
  for (const Entry &entry : entries) {
    auto addSlot = [&](const KernelKey &key) {
      Slot slot{key, bytes.size(), entry.object.size(), checksumOf(key, entry.object)};
      std::memcpy(bytes.data() + sizeof(Header) + names.size() * sizeof(Slot), &slot, sizeof(slot));
      names.push_back(nameOf(key));
    };
    addSlot(entry.key);
    llvm::for_each(entry.others, addSlot);
    bytes += entry.object;
  }

  std::random_device random;
  std::string temporary = std::string(temporaryPrefix) + std::to_string(getpid()) + "-" +
                          std::to_string(random()) + std::to_string(random());
  File file(openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   S_IRUSR | S_IWUSR));
  if (file < 0) {
    note(problem("nothing is added to the cache"));
    return false;
  }
  bool isWritten = writeAll(file, bytes) && fdatasync(file) == 0;
  if (!isWritten)
    note(problem("nothing is added to the cache"));
  bool isNamed = isWritten;
  for (size_t i = 0; isNamed && i < names.size(); ++i) {
    const std::string &name = names[i];
    // Another process may have been first: its object is as good.
    isNamed = linkat(folder, temporary.c_str(), folder, name.c_str(), 0) == 0 || errno == EEXIST ||
              // No hard links here: one file for one kernel.
              (names.size() == 1 && renameat(folder, temporary.c_str(), folder, name.c_str()) == 0);
  }
  unlinkat(folder, temporary.c_str(), 0);
  if (isNamed || !isWritten)
    return isNamed;
  if (names.size() == 1) {
    note(problem("nothing is added to the cache"));
    return false;
  }
  return llvm::all_of(entries, [&](const Entry &entry) {
    auto storeAs = [&](const KernelKey &key) {
      return storeTogether(std::vector<Entry>{Entry{key, entry.object}});
    };
    return storeAs(entry.key) && llvm::all_of(entry.others, storeAs);
  });
}

void ObjectCache::prune(int64_t stored) {
  struct stat stamp {};
  const time_t now = std::time(nullptr);
  if (fstatat(folder, stampName, &stamp, AT_SYMLINK_NOFOLLOW) == 0 &&
      now - stamp.st_mtime < prunedAfter && stored <= maxBytes / 16)
    return;
  File file(
      openat(folder, stampName, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file >= 0)
    futimens(file, nullptr);

  DIR *listing = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing)
    return;
  struct Used {
    timespec last = {};
    int64_t bytes = 0;
    std::vector<std::string> names;
  };
  std::map<ino_t, Used> files;
  int64_t total = 0;
  while (const dirent *item = readdir(listing)) {
    std::string name = item->d_name;
    const bool isTemporary = name.starts_with(temporaryPrefix);
    struct stat info {};
    if ((!isTemporary && !isEntryName(name)) ||
        fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (isTemporary) {
      if (now - info.st_mtime > abandonedAfter)
        unlinkat(folder, name.c_str(), 0);
      continue;
    }
    Used &used = files[info.st_ino];
    if (used.names.empty())
      total += used.bytes = (info.st_size + 4095) / 4096 * 4096;
    used.last = info.st_mtim;
    used.names.push_back(std::move(name));
  }
  closedir(listing);
  if (total <= maxBytes)
    return;
  std::vector<const Used *> oldest;
  for (const auto &[inode, used] : files)
    oldest.push_back(&used);
  auto time = [](const Used *used) { return std::pair(used->last.tv_sec, used->last.tv_nsec); };
  std::sort(oldest.begin(), oldest.end(),
            [&](const Used *a, const Used *b) { return time(a) < time(b); });
  for (const Used *used : oldest) {
    if (total <= maxBytes - maxBytes / 8) // Some room, so that this does not start anew at once.
      return;
    for (const std::string &name : used->names)
      unlinkat(folder, name.c_str(), 0);
    total -= used->bytes;
  }
}

void ObjectCache::note(const std::string &notice) {
  std::lock_guard lock(mutex);
  if (counts.notice.empty())
    counts.notice = notice;
}

CacheReport ObjectCache::report() const {
  std::lock_guard lock(mutex);
  return counts;
}

} // namespace sinter::cpu
