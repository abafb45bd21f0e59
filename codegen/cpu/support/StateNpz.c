/* SPDX-License-Identifier: Apache-2.0 */
/* States out of .npz files as numpy.savez writes them: a zip archive of .npy members, stored. */
#include "sinter/codegen/cpu/support/Support.h"

static uint64_t little(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;)
    value = value << 8 | at[i];
  return value;
}

static int32_t damaged(SinterReport *report) {
  return sinterFail(report, SINTER_BAD_FORMAT, SINTER_PATH, 0);
}

static uint32_t crc32(const unsigned char *bytes, uint64_t count) {
  static const uint32_t nibbles[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t crc = 0xffffffff;
  for (uint64_t i = 0; i < count; ++i) {
    crc ^= bytes[i];
    crc = crc >> 4 ^ nibbles[crc & 15];
    crc = crc >> 4 ^ nibbles[crc & 15];
  }
  return ~crc;
}

/* -- .npy -- */

/* A cursor over the text of an .npy header. */
typedef struct {
  const char *at, *end;
} Cursor;

static void skipBlanks(Cursor *text) {
  while (text->at < text->end && *text->at == ' ')
    ++text->at;
}

static int accept(Cursor *text, const char *token) {
  size_t length = strlen(token);
  skipBlanks(text);
  if ((size_t)(text->end - text->at) < length || memcmp(text->at, token, length) != 0)
    return 0;
  text->at += length;
  return 1;
}

/* Any other string that NumPy writes for a type, as '>f4' (big-endian), '<c8' or '<U10'. */
static int acceptOtherDType(Cursor *text) {
  const char *at;
  skipBlanks(text);
  at = text->at;
  if (text->end - at < 4 || at[0] != '\'' || !(at[1] == '<' || at[1] == '>' || at[1] == '|') ||
      !((at[2] >= 'a' && at[2] <= 'z') || (at[2] >= 'A' && at[2] <= 'Z')))
    return 0;
  for (at += 3; at < text->end && *at >= '0' && *at <= '9';)
    ++at;
  if (at == text->end || *at != '\'')
    return 0;
  text->at = at + 1;
  return 1;
}

enum { otherDType = -1, noDType = -2 };

static int64_t parseDType(Cursor *text) {
  static const struct {
    char text[8];
    int64_t dtype;
  } names[] = {{"'<f4'", SINTER_F32},  {"'<f8'", SINTER_F64},  {"'<f2'", SINTER_F16},
               {"'|V2'", SINTER_BF16}, {"'<V2'", SINTER_BF16}, {"'<i2'", SINTER_I16},
               {"'<i4'", SINTER_I32},  {"'<i8'", SINTER_I64},  {"'|i1'", SINTER_I8},
               {"'|u1'", SINTER_U8},   {"'<u2'", SINTER_U16},  {"'<u4'", SINTER_U32},
               {"'<u8'", SINTER_U64},  {"'|b1'", SINTER_BOOL}};
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
    if (accept(text, names[i].text))
      return names[i].dtype;
  return acceptOtherDType(text) ? otherDType : noDType;
}

enum { maxNpyRank = 32 };
typedef struct {
  int64_t dtype, rank, isFortran;
  int64_t sizes[maxNpyRank];
} NpyHeader;

static int parseShape(Cursor *text, NpyHeader *header) {
  if (!accept(text, "("))
    return 0;
  while (!accept(text, ")")) {
    int64_t size = 0, digits = 0;
    skipBlanks(text);
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; ++text->at, ++digits)
      if (__builtin_mul_overflow(size, 10, &size) ||
          __builtin_add_overflow(size, *text->at - '0', &size))
        return 0;
    if (digits == 0 || header->rank == maxNpyRank)
      return 0;
    header->sizes[header->rank++] = size;
    if (!accept(text, ",")) {
      if (header->rank < 2) /* (3) is no tuple. */
        return 0;
      return accept(text, ")");
    }
  }
  return 1;
}

static int parseNpyHeader(Cursor text, NpyHeader *header) {
  int seen = 0;
  header->rank = 0;
  header->isFortran = 0;
  if (!accept(&text, "{"))
    return 0;
  while (!accept(&text, "}")) {
    int key;
    if (accept(&text, "'descr':")) {
      key = 1;
      header->dtype = parseDType(&text);
      if (header->dtype == noDType)
        return 0;
    } else if (accept(&text, "'fortran_order':")) {
      key = 2;
      header->isFortran = accept(&text, "True");
      if (!header->isFortran && !accept(&text, "False"))
        return 0;
    } else if (accept(&text, "'shape':")) {
      key = 4;
      if (!parseShape(&text, header))
        return 0;
    } else {
      return 0;
    }
    if (seen & key)
      return 0;
    seen |= key;
    if (!accept(&text, ",")) {
      if (!accept(&text, "}"))
        return 0;
      break;
    }
  }
  skipBlanks(&text);
  return seen == 7 && text.end - text.at == 1 && *text.at == '\n';
}

/* Copies column-major elements to row-major ones. */
static void transpose(const NpyHeader *header, const char *from, char *to, int64_t elementBytes,
                      int64_t count) {
  int64_t index[maxNpyRank] = {0};
  for (int64_t i = 0; i < count; ++i) {
    int64_t source = 0;
    for (int64_t axis = header->rank; axis-- > 0;)
      source = source * header->sizes[axis] + index[axis];
    memcpy(to + i * elementBytes, from + source * elementBytes, (size_t)elementBytes);
    for (int64_t axis = header->rank; axis-- > 0;) {
      if (++index[axis] < header->sizes[axis])
        break;
      index[axis] = 0;
    }
  }
}

/* A whole member in memory, for the variable the walk is at. */
static int32_t takeMember(const unsigned char *member, uint64_t bytes, const StateWalk *walk,
                          char *staging, SinterReport *report) {
  NpyHeader header;
  if (bytes < 10 || memcmp(member, "\x93NUMPY", 6) != 0 || member[6] < 1 || member[6] > 3)
    return damaged(report);
  uint64_t start = member[6] == 1 ? 10 : 12;
  if (bytes < start)
    return damaged(report);
  uint64_t length = little(member + 8, member[6] == 1 ? 2 : 4);
  if (length > bytes - start)
    return damaged(report);
  Cursor text = {(const char *)member + start, (const char *)member + start + length};
  if (!parseNpyHeader(text, &header))
    return damaged(report);
  int32_t code = sinterCheckLoaded(walk, header.dtype, header.rank, header.sizes, report);
  if (code != SINTER_OK)
    return code;
  const SinterTensor *tensor = &walk->tensor;
  int64_t needed = 0, elementBytes = sinterElementBytes(tensor->dtype);
  sinterTensorBytes(tensor->dtype, tensor->rank, tensor->sizes, &needed);
  const unsigned char *data = member + start + length;
  if (bytes - start - length != (uint64_t)needed)
    return damaged(report);
  if (header.isFortran && header.rank > 1 && needed > 0)
    transpose(&header, (const char *)data, staging + walk->dataAt, elementBytes,
              needed / elementBytes);
  else
    memcpy(staging + walk->dataAt, data, (size_t)needed);
  sinterTidyLoaded(walk, staging + walk->dataAt, (uint64_t)needed);
  return SINTER_OK;
}

/* -- zip -- */

typedef struct {
  const unsigned char *name;
  uint64_t nameBytes, method, crc, packed, bytes, at;
} Member;

/* The entry of the central directory at *at, which then is that of the next. */
static int nextMember(const unsigned char *directory, uint64_t end, uint64_t *at, Member *member) {
  const unsigned char *entry = directory + *at;
  if (end - *at < 46 || little(entry, 4) != 0x02014b50)
    return 0;
  uint64_t extra = little(entry + 30, 2), comment = little(entry + 32, 2);
  member->method = little(entry + 10, 2);
  member->crc = little(entry + 16, 4);
  member->packed = little(entry + 20, 4);
  member->bytes = little(entry + 24, 4);
  member->nameBytes = little(entry + 28, 2);
  member->at = little(entry + 42, 4);
  member->name = entry + 46;
  if (end - *at - 46 < member->nameBytes + extra + comment)
    return 0;
  const unsigned char *field = member->name + member->nameBytes;
  while (extra >= 4) {
    uint64_t length = little(field + 2, 2), used = 0;
    if (length > extra - 4)
      return 0;
    if (little(field, 2) == 1) { /* 64-bit values in place of those that are all ones. */
      uint64_t *values[] = {&member->bytes, &member->packed, &member->at};
      for (int i = 0; i < 3; ++i)
        if (*values[i] == 0xffffffff) {
          if (length - used < 8)
            return 0;
          *values[i] = little(field + 4 + used, 8);
          used += 8;
        }
    }
    field += 4 + length;
    extra -= 4 + length;
  }
  *at = (uint64_t)(member->name - directory) + member->nameBytes + little(entry + 30, 2) + comment;
  return 1;
}

static int32_t loadMember(int file, uint64_t fileBytes, const Member *member, int64_t number,
                          StateHeader *state, char *staging, unsigned char *found,
                          SinterReport *report) {
  unsigned char local[30];
  uint64_t nameBytes = member->nameBytes;
  if (nameBytes > 4 && memcmp(member->name + nameBytes - 4, ".npy", 4) == 0)
    nameBytes -= 4;
  StateWalk walk = {.state = state};
  do
    if (!sinterNextVariable(&walk))
      return sinterFailValue(report, SINTER_UNKNOWN, SINTER_PATH, 0, number, 0);
  while (!sinterIsVariable(&walk, (const char *)member->name, nameBytes));
  if (found[walk.index])
    return damaged(report);
  if (member->method != 0)
    return sinterFail(report, SINTER_COMPRESSED, SINTER_PATH, 0);
  if (member->at > fileBytes || fileBytes - member->at < sizeof local ||
      member->packed != member->bytes || member->bytes == 0)
    return damaged(report);
  int32_t code = sinterReadAt(file, member->at, local, sizeof local, report);
  if (code != SINTER_OK)
    return code;
  uint64_t start = member->at + sizeof local + little(local + 26, 2) + little(local + 28, 2);
  if (little(local, 4) != 0x04034b50 || little(local + 6, 2) & 1 || start > fileBytes ||
      fileBytes - start < member->bytes)
    return damaged(report);
  unsigned char *bytes = sinterMap(member->bytes);
  if (!bytes)
    return sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  code = sinterReadAt(file, start, bytes, member->bytes, report);
  if (code == SINTER_OK && crc32(bytes, member->bytes) != member->crc)
    code = damaged(report);
  if (code == SINTER_OK)
    code = takeMember(bytes, member->bytes, &walk, staging, report);
  if (code == SINTER_OK)
    found[walk.index] = 1;
  sinterUnmap(bytes, member->bytes);
  return code;
}

/* Where the central directory is, and how many entries it has: from the last bytes of the file. */
static int32_t findDirectory(int file, uint64_t fileBytes, uint64_t *at, uint64_t *bytes,
                             uint64_t *count, SinterReport *report) {
  enum { endBytes = 22, mostComment = 65535 };
  uint64_t tailBytes = fileBytes < endBytes + mostComment ? fileBytes : endBytes + mostComment;
  if (tailBytes < endBytes)
    return damaged(report);
  unsigned char *tail = sinterMap(tailBytes);
  if (!tail)
    return sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  int32_t code = sinterReadAt(file, fileBytes - tailBytes, tail, tailBytes, report);
  uint64_t i = tailBytes - endBytes;
  int isFound = 0;
  for (; code == SINTER_OK; --i) {
    isFound =
        little(tail + i, 4) == 0x06054b50 && little(tail + i + 20, 2) == tailBytes - endBytes - i;
    if (isFound || i == 0)
      break;
  }
  if (code == SINTER_OK && isFound) {
    *count = little(tail + i + 10, 2);
    *bytes = little(tail + i + 12, 4);
    *at = little(tail + i + 16, 4);
    unsigned char wide[56];
    if (*count == 0xffff || *bytes == 0xffffffff || *at == 0xffffffff) { /* zip64 */
      uint64_t where = i >= 20 ? little(tail + i - 12, 8) : fileBytes;
      if (i < 20 || little(tail + i - 20, 4) != 0x07064b50 || where > fileBytes ||
          fileBytes - where < sizeof wide)
        code = damaged(report);
      else
        code = sinterReadAt(file, where, wide, sizeof wide, report);
      if (code == SINTER_OK && little(wide, 4) != 0x06064b50)
        code = damaged(report);
      if (code == SINTER_OK) {
        *count = little(wide + 32, 8);
        *bytes = little(wide + 40, 8);
        *at = little(wide + 48, 8);
      }
    }
  } else if (code == SINTER_OK) {
    code = damaged(report);
  }
  sinterUnmap(tail, tailBytes);
  if (code == SINTER_OK && (*at > fileBytes || *bytes > fileBytes - *at))
    code = damaged(report);
  return code;
}

int32_t sinterLoadNpz(int file, uint64_t fileBytes, StateHeader *state, char *staging,
                      unsigned char *found, SinterReport *report) {
  uint64_t at, bytes, count, next = 0;
  int32_t code = findDirectory(file, fileBytes, &at, &bytes, &count, report);
  if (code != SINTER_OK || count == 0)
    return code;
  unsigned char *directory = bytes > 0 ? sinterMap(bytes) : 0;
  if (!directory)
    return bytes > 0 ? sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0) : damaged(report);
  code = sinterReadAt(file, at, directory, bytes, report);
  for (uint64_t i = 0; i < count && code == SINTER_OK; ++i) {
    Member member;
    code = nextMember(directory, bytes, &next, &member)
               ? loadMember(file, fileBytes, &member, (int64_t)i, state, staging, found, report)
               : damaged(report);
  }
  if (code == SINTER_OK && next != bytes)
    code = damaged(report);
  sinterUnmap(directory, bytes);
  return code;
}
