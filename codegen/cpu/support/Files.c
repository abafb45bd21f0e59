/* SPDX-License-Identifier: Apache-2.0 */
/* Files through the system's own calls: no heap, no buffers. */
#include "sinter/codegen/cpu/support/Support.h"

void *sinterMap(uint64_t bytes) {
  if (bytes == 0 || bytes > INT64_MAX)
    return 0;
  void *memory = mmap(0, (size_t)bytes, mayRead | mayWrite, mapPrivateAnonymous, -1, 0);
  return memory == (void *)-1 ? 0 : memory;
}

void sinterUnmap(void *memory, uint64_t bytes) {
  if (memory)
    munmap(memory, (size_t)bytes);
}

int32_t sinterFailFile(SinterReport *report, int64_t error) {
  return sinterFailValue(report, SINTER_FILE, SINTER_PATH, 0, error, 0);
}

int32_t sinterReadAt(int file, uint64_t offset, void *to, uint64_t bytes, SinterReport *report) {
  if (lseek(file, (int64_t)offset, 0) < 0)
    return sinterFailFile(report, *__errno_location());
  char *next = to;
  while (bytes > 0) {
    long got = read(file, next, bytes);
    if (got < 0 && *__errno_location() == errorInterrupted)
      continue;
    if (got < 0)
      return sinterFailFile(report, *__errno_location());
    if (got == 0)
      return sinterFailFile(report, 0);
    next += got;
    bytes -= (uint64_t)got;
  }
  return SINTER_OK;
}

/* Copies a text into a path; false if it is too long. */
static int append(char *path, size_t capacity, const char *text, size_t length) {
  size_t used = strlen(path);
  if (length >= capacity - used)
    return 0;
  memcpy(path + used, text, length);
  path[used + length] = 0;
  return 1;
}

static size_t folderLength(const char *path) {
  size_t length = strlen(path);
  while (length > 0 && path[length - 1] != '/')
    --length;
  return length;
}

/* What a link points to is replaced, not the link. */
static int resolveLinks(OutputFile *out, const char *path) {
  char link[4096];
  out->path[0] = 0;
  if (!append(out->path, sizeof out->path, path, strlen(path)))
    return 0;
  for (int depth = 0; depth < 16; ++depth) {
    long length = readlink(out->path, link, sizeof link);
    if (length <= 0 || length >= (long)sizeof link)
      return 1;
    out->path[link[0] == '/' ? 0 : folderLength(out->path)] = 0;
    if (!append(out->path, sizeof out->path, link, (size_t)length))
      return 0;
  }
  return 1;
}

/* Opens a new file beside the path, under a name that nobody has. */
static int openTemporary(OutputFile *out) {
  static const char digits[] = "0123456789abcdef";
  int64_t now[2] = {0, 0};
  clock_gettime(monotonicClock, now);
  uint64_t mixed = ((uint64_t)getpid() << 40) ^ (uint64_t)now[0] << 30 ^ (uint64_t)now[1];
  for (int tries = 0; tries < 100; ++tries) {
    char name[8 + 16] = ".sinter-";
    mixed = (mixed ^ (uint64_t)(uintptr_t)out) * 0x9E3779B97F4A7C15 + 1;
    for (int i = 0; i < 16; ++i)
      name[8 + i] = digits[mixed >> (4 * i) & 15];
    out->temporary[0] = 0;
    if (!append(out->temporary, sizeof out->temporary, out->path, folderLength(out->path)) ||
        !append(out->temporary, sizeof out->temporary, name, sizeof name))
      return errorNameTooLong;
    out->file =
        open(out->temporary, openWrite | openCreate | openExclusive | openCloseOnExec, 0666);
    if (out->file >= 0)
      return 0;
    int error = *__errno_location();
    if (error != errorExists && error != errorInterrupted)
      return error;
  }
  return errorExists;
}

void sinterCreateFile(OutputFile *out, const char *path) {
  enum {
    modeAt = 28,
    kindMask = 0170000,
    folder = 0040000,
    regular = 0100000,
    currentFolder = -100
  };
  unsigned char info[256];
  uint16_t mode = 0;
  out->file = -1;
  out->temporary[0] = 0;
  out->error = resolveLinks(out, path) ? 0 : errorNameTooLong;
  if (out->error)
    return;
  memset(info, 0, sizeof info);
  /* statx(): one layout for every processor. */
  int exists = syscall(callStatx, (long)currentFolder, out->path, 0L, 1L | 2L, info) == 0;
  if (exists)
    memcpy(&mode, info + modeAt, sizeof mode);
  if (exists && (mode & kindMask) == folder) {
    out->error = errorIsFolder;
  } else if (exists && (mode & kindMask) != regular) { /* A device or a pipe. */
    out->file = open(out->path, openWrite | openCloseOnExec);
    if (out->file < 0)
      out->error = *__errno_location();
  } else if (exists && access(out->path, accessWrite) != 0) {
    out->error = *__errno_location(); /* What may not be written is not replaced either. */
  } else {
    out->error = openTemporary(out);
    if (out->error)
      out->temporary[0] = 0;
    else if (exists)
      fchmod(out->file, mode & 07777);
  }
}

void sinterWriteFile(OutputFile *out, const void *data, uint64_t bytes) {
  const char *next = data;
  while (bytes > 0 && !out->error) {
    long put = write(out->file, next, bytes);
    if (put < 0 && *__errno_location() == errorInterrupted)
      continue;
    if (put < 0) {
      out->error = *__errno_location();
      return;
    }
    next += put;
    bytes -= (uint64_t)put;
  }
}

int sinterCommitFile(OutputFile *out) {
  int isNew = out->temporary[0] != 0;
  if (!out->error && isNew && fsync(out->file) != 0)
    out->error = *__errno_location();
  if (out->file >= 0 && close(out->file) != 0 && !out->error)
    out->error = *__errno_location();
  if (!isNew)
    return out->error;
  if (!out->error && rename(out->temporary, out->path) != 0)
    out->error = *__errno_location();
  if (out->error) {
    unlink(out->temporary);
    return out->error;
  }
  /* The folder, so that the new name lasts; one that cannot be opened cannot be synced. */
  size_t length = folderLength(out->path);
  out->path[length] = 0;
  int folder = open(length > 0 ? out->path : ".", openRead | openCloseOnExec);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return 0;
}
