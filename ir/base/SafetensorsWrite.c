/* SPDX-License-Identifier: Apache-2.0 */
#include "sinter/ir/base/SafetensorsFormat.h"

int sinterSafetensorsCompare(const SinterSafetensorsTensor *a, const SinterSafetensorsTensor *b) {
  /* F32, F64, I32, I64, BOOL, F16, BF16, I8, I16, U8, U16, U32, U64 among the format's types. */
  static const unsigned char ranks[] = {9, 10, 7, 11, 0, 5, 6, 2, 3, 1, 4, 8, 12};
  unsigned left = a->dtype < sizeof ranks ? ranks[a->dtype] : 0;
  unsigned right = b->dtype < sizeof ranks ? ranks[b->dtype] : 0;
  uint64_t i;
  if (left != right)
    return left > right ? -1 : 1;
  for (i = 0; i < a->name.length && i < b->name.length; ++i)
    if (a->name.text[i] != b->name.text[i])
      return (unsigned char)a->name.text[i] < (unsigned char)b->name.text[i] ? -1 : 1;
  return a->name.length < b->name.length ? -1 : a->name.length > b->name.length;
}

/* Counts everything, and keeps what fits. */
typedef struct {
  char *out;
  uint64_t capacity, count;
} Sink;

static void putByte(Sink *sink, char c) {
  if (sink->count < sink->capacity)
    sink->out[sink->count] = c;
  ++sink->count;
}

static void putText(Sink *sink, const char *text) {
  while (*text)
    putByte(sink, *text++);
}

static void putNumber(Sink *sink, uint64_t value) {
  char digits[20];
  int count = 0;
  do
    digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  while (count > 0)
    putByte(sink, digits[--count]);
}

static void putString(Sink *sink, const SinterSafetensorsString *string) {
  static const char hex[] = "0123456789abcdef";
  uint64_t i;
  putByte(sink, '"');
  for (i = 0; i < string->length; ++i) {
    unsigned char c = (unsigned char)string->text[i];
    char letter = c == '\b'   ? 'b'
                  : c == '\f' ? 'f'
                  : c == '\n' ? 'n'
                  : c == '\r' ? 'r'
                  : c == '\t' ? 't'
                  : c == '"'  ? '"'
                  : c == '\\' ? '\\'
                              : '\0';
    if (letter) {
      putByte(sink, '\\');
      putByte(sink, letter);
    } else if (c < 0x20) {
      putText(sink, "\\u00");
      putByte(sink, hex[c >> 4]);
      putByte(sink, hex[c & 15]);
    } else {
      putByte(sink, (char)c);
    }
  }
  putByte(sink, '"');
}

/* Moves *offset past the tensor; 0 when its size overflows. */
static int advance(const SinterSafetensorsTensor *tensor, uint64_t *offset) {
  uint64_t bytes = sinterSafetensorsElementBytes(tensor->dtype);
  uint32_t i;
  if (bytes == 0 || tensor->rank > SINTER_SAFETENSORS_MAX_RANK)
    return 0;
  for (i = 0; i < tensor->rank; ++i)
    if (tensor->sizes[i] < 0)
      return 0;
    else if (tensor->sizes[i] == 0)
      return 1;
  for (i = 0; i < tensor->rank; ++i) {
    if (bytes > (uint64_t)INT64_MAX / (uint64_t)tensor->sizes[i])
      return 0;
    bytes *= (uint64_t)tensor->sizes[i];
  }
  if (bytes > (uint64_t)INT64_MAX - *offset)
    return 0;
  *offset += bytes;
  return 1;
}

static int putTensor(Sink *sink, const SinterSafetensorsTensor *tensor, uint64_t *offset) {
  uint64_t begin = *offset;
  uint32_t i;
  if (!advance(tensor, offset))
    return 0;
  putString(sink, &tensor->name);
  putText(sink, ":{\"dtype\":\"");
  putText(sink, sinterSafetensorsDTypeName(tensor->dtype));
  putText(sink, "\",\"shape\":[");
  for (i = 0; i < tensor->rank; ++i) {
    if (i > 0)
      putByte(sink, ',');
    putNumber(sink, (uint64_t)tensor->sizes[i]);
  }
  putText(sink, "],\"data_offsets\":[");
  putNumber(sink, begin);
  putByte(sink, ',');
  putNumber(sink, *offset);
  putText(sink, "]}");
  return 1;
}

uint64_t sinterSafetensorsWriteHeader(const SinterSafetensorsTensor *tensors, uint64_t count,
                                      const SinterSafetensorsString *metadata, uint64_t pairs,
                                      char *out, uint64_t capacity) {
  Sink sink;
  uint64_t i, offset = 0, length;
  sink.out = out;
  sink.capacity = capacity;
  sink.count = 0;
  /* The length comes first and is known last. */
  for (i = 0; i < SINTER_SAFETENSORS_PREFIX_BYTES; ++i)
    putByte(&sink, 0);
  putByte(&sink, '{');
  if (pairs > 0) {
    putText(&sink, "\"__metadata__\":{");
    for (i = 0; i < pairs; ++i) {
      if (i > 0)
        putByte(&sink, ',');
      putString(&sink, &metadata[2 * i]);
      putByte(&sink, ':');
      putString(&sink, &metadata[2 * i + 1]);
    }
    putByte(&sink, '}');
  }
  for (i = 0; i < count; ++i) {
    if (i > 0 || pairs > 0)
      putByte(&sink, ',');
    if (!putTensor(&sink, &tensors[i], &offset))
      return 0;
  }
  putByte(&sink, '}');
  while (sink.count % 8 != 0)
    putByte(&sink, ' ');
  length = sink.count - SINTER_SAFETENSORS_PREFIX_BYTES;
  if (length > SINTER_SAFETENSORS_MAX_HEADER)
    return 0;
  for (i = 0; i < SINTER_SAFETENSORS_PREFIX_BYTES && i < capacity; ++i)
    out[i] = (char)(length >> 8 * i & 0xff);
  return sink.count;
}
