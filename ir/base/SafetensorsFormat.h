/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a .safetensors file: parsed strictly, and written. Freestanding C99 without
 * allocation, so that Sinter and the libraries that it generates share one implementation.
 *
 * A file is eight bytes (the length of the header, little-endian), the header (UTF-8 JSON, padded
 * with spaces), and the data, which the tensors tile without gap or overlap.
 *
 * Accepted is what the format allows and nothing else: no unknown or repeated key, no tensor named
 * twice, valid UTF-8, whole numbers that do not overflow, sizes that agree with the data's. That no
 * key of __metadata__ is there twice is left to those who read it. */
#ifndef SINTER_IR_BASE_SAFETENSORS_FORMAT_H
#define SINTER_IR_BASE_SAFETENSORS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  SINTER_SAFETENSORS_PREFIX_BYTES = 8,
  SINTER_SAFETENSORS_MAX_HEADER = 100000000,
  SINTER_SAFETENSORS_MAX_RANK = 16
};

enum {
  SINTER_SAFETENSORS_OK = 0,
  SINTER_SAFETENSORS_TOO_SHORT,       /* The file ends before its header does. */
  SINTER_SAFETENSORS_HEADER_TOO_LONG, /* Above SINTER_SAFETENSORS_MAX_HEADER. */
  SINTER_SAFETENSORS_NOT_JSON,        /* Syntax; `offset` is where. */
  SINTER_SAFETENSORS_NOT_UTF8,        /* Bytes or an escape that are no character. */
  SINTER_SAFETENSORS_UNKNOWN_KEY,     /* Of a tensor: not dtype, shape or data_offsets. */
  SINTER_SAFETENSORS_REPEATED_KEY,
  SINTER_SAFETENSORS_MISSING_KEY,
  SINTER_SAFETENSORS_UNKNOWN_DTYPE, /* One that Sinter does not have; `offset` is its string. */
  SINTER_SAFETENSORS_BAD_NUMBER,    /* Negative, not whole, or above 2^63 - 1. */
  SINTER_SAFETENSORS_RANK_TOO_HIGH,
  SINTER_SAFETENSORS_SIZE_OVERFLOW,
  SINTER_SAFETENSORS_BAD_OFFSETS,  /* Begin after end, or end after the data's. */
  SINTER_SAFETENSORS_WRONG_LENGTH, /* The range is not as long as dtype and shape say. */
  SINTER_SAFETENSORS_REPEATED_NAME,
  SINTER_SAFETENSORS_OVERLAP,
  SINTER_SAFETENSORS_GAP,
  SINTER_SAFETENSORS_TOO_MANY /* More tensors than there is room for. */
};

/* Bytes of the header, by their position in it. */
typedef struct {
  uint64_t offset;
  uint64_t length;
} SinterSafetensorsSpan;

typedef struct {
  SinterSafetensorsSpan name; /* Between the quotes, escapes not yet decoded. */
  uint64_t begin, end;        /* In the data, which starts after the header. */
  uint32_t dtype;             /* A value of sinter::DType. */
  uint32_t rank;
  int64_t sizes[SINTER_SAFETENSORS_MAX_RANK];
} SinterSafetensorsEntry;

typedef struct {
  uint64_t tensors;               /* How many the header names. */
  SinterSafetensorsSpan metadata; /* The object __metadata__ with its braces; length 0: none. */
  uint64_t offset;                /* Of a problem in the header. */
} SinterSafetensorsHeader;

/* From the first eight bytes of a file of `file_bytes`: the header's length. Nothing has to be
 * allocated to call this, and what it allows is no longer than the file. */
int sinterSafetensorsHeaderLength(const unsigned char *prefix, uint64_t file_bytes,
                                  uint64_t *length);

/* Parses the `length` bytes of a header in front of `data_bytes` of data. `entries` has room for
 * `capacity` tensors and comes back in the order of the data; with NULL the header's syntax and
 * each tensor alone are checked and the tensors counted, but neither names nor ranges compared. */
int sinterSafetensorsParse(const unsigned char *header, uint64_t length, uint64_t data_bytes,
                           SinterSafetensorsEntry *entries, uint64_t capacity,
                           SinterSafetensorsHeader *result);

/* Goes through the pairs of __metadata__ of a header that parsed: *cursor is 0 at first. False: no
 * further pair. */
int sinterSafetensorsNextMetadata(const unsigned char *header,
                                  const SinterSafetensorsHeader *parsed, uint64_t *cursor,
                                  SinterSafetensorsSpan *key, SinterSafetensorsSpan *value);

/* Decodes a string of a header that parsed to UTF-8. Returns its length, which is at most the
 * span's; only what fits `capacity` is written. */
uint64_t sinterSafetensorsDecode(const unsigned char *header, const SinterSafetensorsSpan *span,
                                 char *out, uint64_t capacity);

/* Whether a string of a header that parsed is `text`. */
int sinterSafetensorsEquals(const unsigned char *header, const SinterSafetensorsSpan *span,
                            const char *text, uint64_t length);

/* What a status means, as an English clause. */
const char *sinterSafetensorsText(int status);

/* "F32" for a value of sinter::DType, or NULL. */
const char *sinterSafetensorsDTypeName(uint32_t dtype);

/* Bytes of an element of a sinter::DType, or 0. */
uint64_t sinterSafetensorsElementBytes(uint32_t dtype);

/* A string to write: UTF-8, not terminated. */
typedef struct {
  const char *text;
  uint64_t length;
} SinterSafetensorsString;

typedef struct {
  SinterSafetensorsString name;
  uint32_t dtype;
  uint32_t rank;
  const int64_t *sizes;
} SinterSafetensorsTensor;

/* The order in which the reference implementation writes tensors, and so does Sinter: by falling
 * element size (each is then aligned for its type), type, and name. Negative: `a` comes first. */
int sinterSafetensorsCompare(const SinterSafetensorsTensor *a, const SinterSafetensorsTensor *b);

/* The first bytes of a file whose data is that of `tensors` one after another: prefix and header,
 * together a multiple of eight bytes. Writes what fits `capacity` and returns the length of it all,
 * or 0 when sizes overflow, a dtype is unknown, or the header would be too long. `metadata` is keys
 * and values in turn, 2 * `pairs` of them. */
uint64_t sinterSafetensorsWriteHeader(const SinterSafetensorsTensor *tensors, uint64_t count,
                                      const SinterSafetensorsString *metadata, uint64_t pairs,
                                      char *out, uint64_t capacity);

#ifdef __cplusplus
}
#endif

#endif
