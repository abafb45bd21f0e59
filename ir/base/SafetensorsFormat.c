/* SPDX-License-Identifier: Apache-2.0 */
#include "sinter/ir/base/SafetensorsFormat.h"

/*===--- Strings ---===*/

/* What one step in a JSON string yields: up to four bytes of UTF-8. */
typedef struct {
  unsigned char bytes[4];
  unsigned count;
} Character;

static int hexValue(unsigned char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/* The four digits of \uXXXX at `at`, or -1. */
static int32_t parseHex4(const unsigned char *text, uint64_t length, uint64_t at) {
  int32_t value = 0;
  int i;
  if (length - at < 4)
    return -1;
  for (i = 0; i < 4; ++i) {
    int digit = hexValue(text[at + (uint64_t)i]);
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

static void encode(uint32_t code, Character *out) {
  if (code < 0x80) {
    out->bytes[0] = (unsigned char)code;
    out->count = 1;
  } else if (code < 0x800) {
    out->bytes[0] = (unsigned char)(0xc0 | code >> 6);
    out->bytes[1] = (unsigned char)(0x80 | (code & 0x3f));
    out->count = 2;
  } else if (code < 0x10000) {
    out->bytes[0] = (unsigned char)(0xe0 | code >> 12);
    out->bytes[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    out->bytes[2] = (unsigned char)(0x80 | (code & 0x3f));
    out->count = 3;
  } else {
    out->bytes[0] = (unsigned char)(0xf0 | code >> 18);
    out->bytes[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    out->bytes[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    out->bytes[3] = (unsigned char)(0x80 | (code & 0x3f));
    out->count = 4;
  }
}

/* An escape whose backslash is at `at`. Returns its length, or 0 when it is none; *status says
 * whether it is wrong as JSON or as a character. */
static unsigned decodeEscape(const unsigned char *text, uint64_t length, uint64_t at,
                             Character *out, int *status) {
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  int32_t first, second;
  unsigned i;
  *status = SINTER_SAFETENSORS_NOT_JSON;
  if (length - at < 2)
    return 0;
  if (text[at + 1] != 'u') {
    for (i = 0; escapes[i]; i += 2)
      if (text[at + 1] == (unsigned char)escapes[i]) {
        encode((unsigned char)escapes[i + 1], out);
        return 2;
      }
    return 0;
  }
  first = parseHex4(text, length, at + 2);
  if (first < 0)
    return 0;
  if (first < 0xd800 || first > 0xdfff) {
    encode((uint32_t)first, out);
    return 6;
  }
  *status = SINTER_SAFETENSORS_NOT_UTF8;
  if (first > 0xdbff || length - at < 12 || text[at + 6] != '\\' || text[at + 7] != 'u')
    return 0;
  second = parseHex4(text, length, at + 8);
  if (second < 0xdc00 || second > 0xdfff)
    return 0;
  encode(0x10000u + ((uint32_t)(first - 0xd800) << 10) + (uint32_t)(second - 0xdc00), out);
  return 12;
}

/* A character of UTF-8 at `at`: the shortest form of a code that is no surrogate. */
static unsigned decodeUtf8(const unsigned char *text, uint64_t length, uint64_t at,
                           Character *out) {
  unsigned char lead = text[at];
  unsigned count = lead < 0x80 ? 1u : lead < 0xc2 ? 0u : lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u;
  unsigned i;
  if (count == 0 || lead > 0xf4 || length - at < count)
    return 0;
  for (i = 0; i < count; ++i) {
    out->bytes[i] = text[at + i];
    if (i > 0 && (out->bytes[i] & 0xc0) != 0x80)
      return 0;
  }
  if ((lead == 0xe0 && out->bytes[1] < 0xa0) || (lead == 0xed && out->bytes[1] > 0x9f) ||
      (lead == 0xf0 && out->bytes[1] < 0x90) || (lead == 0xf4 && out->bytes[1] > 0x8f))
    return 0;
  out->count = count;
  return count;
}

/* The next character of a string's inside, and how many bytes it takes; 0 when it is wrong. */
static unsigned decodeNext(const unsigned char *text, uint64_t length, uint64_t at, Character *out,
                           int *status) {
  if (text[at] == '\\')
    return decodeEscape(text, length, at, out, status);
  *status = SINTER_SAFETENSORS_NOT_JSON;
  if (text[at] < 0x20)
    return 0;
  *status = SINTER_SAFETENSORS_NOT_UTF8;
  return decodeUtf8(text, length, at, out);
}

/* Reads a string that was checked, byte by byte of what it means. */
typedef struct {
  const unsigned char *text;
  uint64_t length, at;
  Character current;
  unsigned used;
} StringReader;

static void startString(StringReader *reader, const unsigned char *header,
                        const SinterSafetensorsSpan *span) {
  reader->text = header + span->offset;
  reader->length = span->length;
  reader->at = 0;
  reader->current.count = 0;
  reader->used = 0;
}

/* The next byte, or -1 at the end. */
static int nextByte(StringReader *reader) {
  if (reader->used == reader->current.count) {
    int status;
    unsigned taken;
    if (reader->at >= reader->length)
      return -1;
    taken = decodeNext(reader->text, reader->length, reader->at, &reader->current, &status);
    if (taken == 0)
      return -1;
    reader->at += taken;
    reader->used = 0;
  }
  return reader->current.bytes[reader->used++];
}

uint64_t sinterSafetensorsDecode(const unsigned char *header, const SinterSafetensorsSpan *span,
                                 char *out, uint64_t capacity) {
  StringReader reader;
  uint64_t count = 0;
  int byte;
  startString(&reader, header, span);
  while ((byte = nextByte(&reader)) >= 0) {
    if (count < capacity)
      out[count] = (char)byte;
    ++count;
  }
  return count;
}

int sinterSafetensorsEquals(const unsigned char *header, const SinterSafetensorsSpan *span,
                            const char *text, uint64_t length) {
  StringReader reader;
  uint64_t i;
  startString(&reader, header, span);
  for (i = 0; i < length; ++i)
    if (nextByte(&reader) != (unsigned char)text[i])
      return 0;
  return nextByte(&reader) < 0;
}

/*===--- Parsing ---===*/

static uint64_t textLength(const char *text) {
  uint64_t length = 0;
  while (text[length])
    ++length;
  return length;
}

typedef struct {
  const unsigned char *text;
  uint64_t length, at, data_bytes;
  int status;
} Parser;

/* Notes the first problem, where the parser stands. Always 0. */
static int fail(Parser *parser, int status) {
  if (parser->status == SINTER_SAFETENSORS_OK)
    parser->status = status;
  return 0;
}

static void skipSpace(Parser *parser) {
  while (parser->at < parser->length) {
    unsigned char c = parser->text[parser->at];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
      return;
    ++parser->at;
  }
}

static int accept(Parser *parser, unsigned char wanted) {
  skipSpace(parser);
  if (parser->at >= parser->length || parser->text[parser->at] != wanted)
    return 0;
  ++parser->at;
  return 1;
}

static int expect(Parser *parser, unsigned char wanted) {
  return accept(parser, wanted) || fail(parser, SINTER_SAFETENSORS_NOT_JSON);
}

static int parseString(Parser *parser, SinterSafetensorsSpan *span) {
  if (!expect(parser, '"'))
    return 0;
  span->offset = parser->at;
  while (parser->at < parser->length && parser->text[parser->at] != '"') {
    Character ignored;
    int status;
    unsigned taken = decodeNext(parser->text, parser->length, parser->at, &ignored, &status);
    if (taken == 0)
      return fail(parser, status);
    parser->at += taken;
  }
  span->length = parser->at - span->offset;
  return expect(parser, '"');
}

static int parseNumber(Parser *parser, uint64_t *value) {
  const uint64_t limit = (uint64_t)INT64_MAX;
  uint64_t start, number = 0;
  skipSpace(parser);
  start = parser->at;
  while (parser->at < parser->length && parser->text[parser->at] >= '0' &&
         parser->text[parser->at] <= '9') {
    unsigned digit = (unsigned)(parser->text[parser->at] - '0');
    if (number > (limit - digit) / 10)
      return fail(parser, SINTER_SAFETENSORS_BAD_NUMBER);
    number = number * 10 + digit;
    ++parser->at;
  }
  /* Nothing may follow that would make it another number, and no zero may lead. */
  if (parser->at == start || (parser->text[start] == '0' && parser->at - start > 1) ||
      (parser->at < parser->length &&
       (parser->text[parser->at] == '.' || parser->text[parser->at] == 'e' ||
        parser->text[parser->at] == 'E')))
    return fail(parser, SINTER_SAFETENSORS_BAD_NUMBER);
  *value = number;
  return 1;
}

static int parseDType(Parser *parser, SinterSafetensorsEntry *entry) {
  SinterSafetensorsSpan span;
  const char *known;
  uint32_t i;
  if (!parseString(parser, &span))
    return 0;
  for (i = 0; (known = sinterSafetensorsDTypeName(i)); ++i)
    if (sinterSafetensorsEquals(parser->text, &span, known, textLength(known))) {
      entry->dtype = i;
      return 1;
    }
  parser->at = span.offset;
  return fail(parser, SINTER_SAFETENSORS_UNKNOWN_DTYPE);
}

static int parseShape(Parser *parser, SinterSafetensorsEntry *entry) {
  entry->rank = 0;
  if (!expect(parser, '['))
    return 0;
  if (accept(parser, ']'))
    return 1;
  do {
    uint64_t size;
    if (!parseNumber(parser, &size))
      return 0;
    if (entry->rank == SINTER_SAFETENSORS_MAX_RANK)
      return fail(parser, SINTER_SAFETENSORS_RANK_TOO_HIGH);
    entry->sizes[entry->rank++] = (int64_t)size;
  } while (accept(parser, ','));
  return expect(parser, ']');
}

static int parseOffsets(Parser *parser, SinterSafetensorsEntry *entry) {
  return expect(parser, '[') && parseNumber(parser, &entry->begin) && expect(parser, ',') &&
         parseNumber(parser, &entry->end) && expect(parser, ']');
}

/* Bytes of a dense tensor. */
static int tensorBytes(uint32_t dtype, uint32_t rank, const int64_t *sizes, uint64_t *bytes) {
  uint64_t product = sinterSafetensorsElementBytes(dtype);
  uint32_t i;
  int empty = 0;
  /* Also where a zero makes the product zero, the other sizes must be sizes. */
  for (i = 0; i < rank; ++i) {
    if (sizes[i] < 0)
      return 0;
    if (sizes[i] == 0)
      empty = 1;
    else if (product > (uint64_t)INT64_MAX / (uint64_t)sizes[i])
      return 0;
    else
      product *= (uint64_t)sizes[i];
  }
  *bytes = empty ? 0 : product;
  return 1;
}

static int checkEntry(Parser *parser, const SinterSafetensorsEntry *entry) {
  uint64_t bytes;
  if (!tensorBytes(entry->dtype, entry->rank, entry->sizes, &bytes))
    return fail(parser, SINTER_SAFETENSORS_SIZE_OVERFLOW);
  if (entry->begin > entry->end || entry->end > parser->data_bytes)
    return fail(parser, SINTER_SAFETENSORS_BAD_OFFSETS);
  if (entry->end - entry->begin != bytes)
    return fail(parser, SINTER_SAFETENSORS_WRONG_LENGTH);
  return 1;
}

static int parseTensor(Parser *parser, SinterSafetensorsEntry *entry) {
  static const struct {
    const char *key;
    int (*parse)(Parser *, SinterSafetensorsEntry *);
  } fields[] = {{"dtype", parseDType}, {"shape", parseShape}, {"data_offsets", parseOffsets}};
  enum { FIELDS = sizeof fields / sizeof fields[0] };
  unsigned seen = 0;
  if (!expect(parser, '{'))
    return 0;
  do {
    SinterSafetensorsSpan key;
    unsigned i;
    if (!parseString(parser, &key) || !expect(parser, ':'))
      return 0;
    for (i = 0; i < FIELDS; ++i)
      if (sinterSafetensorsEquals(parser->text, &key, fields[i].key, textLength(fields[i].key)))
        break;
    if (i == FIELDS || (seen & 1u << i)) {
      parser->at = key.offset;
      return fail(parser,
                  i == FIELDS ? SINTER_SAFETENSORS_UNKNOWN_KEY : SINTER_SAFETENSORS_REPEATED_KEY);
    }
    seen |= 1u << i;
    if (!fields[i].parse(parser, entry))
      return 0;
  } while (accept(parser, ','));
  if (!expect(parser, '}'))
    return 0;
  if (seen != (1u << FIELDS) - 1)
    return fail(parser, SINTER_SAFETENSORS_MISSING_KEY);
  return checkEntry(parser, entry);
}

/* One pair of __metadata__. */
static int parsePair(Parser *parser, SinterSafetensorsSpan *key, SinterSafetensorsSpan *value) {
  return parseString(parser, key) && expect(parser, ':') && parseString(parser, value);
}

static int parseMetadata(Parser *parser, SinterSafetensorsHeader *result) {
  SinterSafetensorsSpan key, value;
  if (result->metadata.length != 0)
    return fail(parser, SINTER_SAFETENSORS_REPEATED_KEY);
  if (!expect(parser, '{'))
    return 0;
  result->metadata.offset = parser->at - 1;
  if (!accept(parser, '}')) {
    do
      if (!parsePair(parser, &key, &value))
        return 0;
    while (accept(parser, ','));
    if (!expect(parser, '}'))
      return 0;
  }
  result->metadata.length = parser->at - result->metadata.offset;
  return 1;
}

static int parseHeader(Parser *parser, SinterSafetensorsEntry *entries, uint64_t capacity,
                       SinterSafetensorsHeader *result) {
  /* The format wants the brace as the first byte. */
  if (parser->length == 0 || parser->text[0] != '{')
    return fail(parser, SINTER_SAFETENSORS_NOT_JSON);
  ++parser->at;
  if (!accept(parser, '}')) {
    do {
      SinterSafetensorsSpan name;
      SinterSafetensorsEntry ignored, *entry = &ignored;
      if (!parseString(parser, &name) || !expect(parser, ':'))
        return 0;
      if (sinterSafetensorsEquals(parser->text, &name, "__metadata__", 12)) {
        if (!parseMetadata(parser, result))
          return 0;
        continue;
      }
      if (entries) {
        if (result->tensors == capacity)
          return fail(parser, SINTER_SAFETENSORS_TOO_MANY);
        entry = &entries[result->tensors];
      }
      entry->name = name;
      if (!parseTensor(parser, entry))
        return 0;
      ++result->tensors;
    } while (accept(parser, ','));
    if (!expect(parser, '}'))
      return 0;
  }
  for (; parser->at < parser->length; ++parser->at)
    if (parser->text[parser->at] != ' ')
      return fail(parser, SINTER_SAFETENSORS_NOT_JSON);
  return 1;
}

/*===--- Names and ranges ---===*/

typedef int (*Comparison)(const unsigned char *header, const SinterSafetensorsEntry *,
                          const SinterSafetensorsEntry *);

static int compareNames(const unsigned char *header, const SinterSafetensorsEntry *a,
                        const SinterSafetensorsEntry *b) {
  StringReader left, right;
  int x, y;
  startString(&left, header, &a->name);
  startString(&right, header, &b->name);
  do {
    x = nextByte(&left);
    y = nextByte(&right);
  } while (x == y && x >= 0);
  return x < y ? -1 : x > y;
}

/* Empty tensors come before the one whose data starts where theirs would. */
static int compareRanges(const unsigned char *header, const SinterSafetensorsEntry *a,
                         const SinterSafetensorsEntry *b) {
  (void)header;
  if (a->begin != b->begin)
    return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

static void siftDown(const unsigned char *header, SinterSafetensorsEntry *entries, uint64_t root,
                     uint64_t count, Comparison compare) {
  uint64_t child;
  while ((child = 2 * root + 1) < count) {
    SinterSafetensorsEntry held;
    if (child + 1 < count && compare(header, &entries[child], &entries[child + 1]) < 0)
      ++child;
    if (compare(header, &entries[root], &entries[child]) >= 0)
      return;
    held = entries[root];
    entries[root] = entries[child];
    entries[child] = held;
    root = child;
  }
}

/* Heap sort: in place, and never slower than n log n whatever a file holds. */
static void sortEntries(const unsigned char *header, SinterSafetensorsEntry *entries,
                        uint64_t count, Comparison compare) {
  uint64_t i;
  for (i = count / 2; i-- > 0;)
    siftDown(header, entries, i, count, compare);
  for (i = count; i-- > 1;) {
    SinterSafetensorsEntry held = entries[0];
    entries[0] = entries[i];
    entries[i] = held;
    siftDown(header, entries, 0, i, compare);
  }
}

static int checkTogether(Parser *parser, SinterSafetensorsEntry *entries, uint64_t count) {
  uint64_t i, end = 0;
  sortEntries(parser->text, entries, count, compareNames);
  for (i = 1; i < count; ++i)
    if (compareNames(parser->text, &entries[i - 1], &entries[i]) == 0) {
      parser->at = entries[i].name.offset;
      return fail(parser, SINTER_SAFETENSORS_REPEATED_NAME);
    }
  sortEntries(parser->text, entries, count, compareRanges);
  for (i = 0; i < count; ++i) {
    parser->at = entries[i].name.offset;
    if (entries[i].begin != end)
      return fail(parser,
                  entries[i].begin < end ? SINTER_SAFETENSORS_OVERLAP : SINTER_SAFETENSORS_GAP);
    end = entries[i].end;
  }
  return end == parser->data_bytes || fail(parser, SINTER_SAFETENSORS_GAP);
}

int sinterSafetensorsHeaderLength(const unsigned char *prefix, uint64_t file_bytes,
                                  uint64_t *length) {
  uint64_t value = 0;
  int i;
  if (file_bytes < SINTER_SAFETENSORS_PREFIX_BYTES)
    return SINTER_SAFETENSORS_TOO_SHORT;
  for (i = SINTER_SAFETENSORS_PREFIX_BYTES; i-- > 0;)
    value = value << 8 | prefix[i];
  if (value > SINTER_SAFETENSORS_MAX_HEADER)
    return SINTER_SAFETENSORS_HEADER_TOO_LONG;
  if (value > file_bytes - SINTER_SAFETENSORS_PREFIX_BYTES)
    return SINTER_SAFETENSORS_TOO_SHORT;
  *length = value;
  return SINTER_SAFETENSORS_OK;
}

int sinterSafetensorsParse(const unsigned char *header, uint64_t length, uint64_t data_bytes,
                           SinterSafetensorsEntry *entries, uint64_t capacity,
                           SinterSafetensorsHeader *result) {
  Parser parser;
  parser.text = header;
  parser.length = length;
  parser.at = 0;
  parser.data_bytes = data_bytes;
  parser.status = SINTER_SAFETENSORS_OK;
  result->tensors = 0;
  result->metadata.offset = 0;
  result->metadata.length = 0;
  if (parseHeader(&parser, entries, capacity, result) && (entries || result->tensors == 0))
    checkTogether(&parser, entries, result->tensors);
  result->offset = parser.at;
  return parser.status;
}

int sinterSafetensorsNextMetadata(const unsigned char *header,
                                  const SinterSafetensorsHeader *parsed, uint64_t *cursor,
                                  SinterSafetensorsSpan *key, SinterSafetensorsSpan *value) {
  Parser parser;
  if (parsed->metadata.length == 0)
    return 0;
  parser.text = header;
  parser.length = parsed->metadata.offset + parsed->metadata.length;
  parser.at = *cursor ? *cursor : parsed->metadata.offset + 1;
  parser.data_bytes = 0;
  parser.status = SINTER_SAFETENSORS_OK;
  if (*cursor)
    accept(&parser, ',');
  if (!parsePair(&parser, key, value))
    return 0;
  *cursor = parser.at;
  return 1;
}
