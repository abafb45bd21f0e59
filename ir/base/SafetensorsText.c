/* SPDX-License-Identifier: Apache-2.0 */
#include "sinter/ir/base/SafetensorsFormat.h"

typedef struct {
  const char *name;
  unsigned bytes;
} ElementType;

/* By the values of sinter::DType. */
static const ElementType element_types[] = {
    {"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"BOOL", 1}, {"F16", 2}, {"BF16", 2},
    {"I8", 1},  {"I16", 2}, {"U8", 1},  {"U16", 2}, {"U32", 4},  {"U64", 8}};
enum { ELEMENT_TYPES = sizeof element_types / sizeof element_types[0] };

const char *sinterSafetensorsDTypeName(uint32_t dtype) {
  return dtype < ELEMENT_TYPES ? element_types[dtype].name : NULL;
}

uint64_t sinterSafetensorsElementBytes(uint32_t dtype) {
  return dtype < ELEMENT_TYPES ? element_types[dtype].bytes : 0;
}

const char *sinterSafetensorsText(int status) {
  switch (status) {
  case SINTER_SAFETENSORS_OK:
    return "no error";
  case SINTER_SAFETENSORS_TOO_SHORT:
    return "the file ends before its header does";
  case SINTER_SAFETENSORS_HEADER_TOO_LONG:
    return "the header is longer than 100 MB";
  case SINTER_SAFETENSORS_NOT_JSON:
    return "the header is not the JSON that the format allows";
  case SINTER_SAFETENSORS_NOT_UTF8:
    return "the header has text that is not valid UTF-8";
  case SINTER_SAFETENSORS_UNKNOWN_KEY:
    return "a tensor has a key other than dtype, shape and data_offsets";
  case SINTER_SAFETENSORS_REPEATED_KEY:
    return "a key occurs twice";
  case SINTER_SAFETENSORS_MISSING_KEY:
    return "a tensor lacks dtype, shape or data_offsets";
  case SINTER_SAFETENSORS_UNKNOWN_DTYPE:
    return "a tensor has a dtype that Sinter does not know";
  case SINTER_SAFETENSORS_BAD_NUMBER:
    return "a size or offset is not a whole number in range";
  case SINTER_SAFETENSORS_RANK_TOO_HIGH:
    return "a tensor has more than 16 dimensions";
  case SINTER_SAFETENSORS_SIZE_OVERFLOW:
    return "a tensor's size overflows";
  case SINTER_SAFETENSORS_BAD_OFFSETS:
    return "a tensor's data is not inside of the file";
  case SINTER_SAFETENSORS_WRONG_LENGTH:
    return "a tensor's data is not as long as its dtype and shape say";
  case SINTER_SAFETENSORS_REPEATED_NAME:
    return "two tensors have one name";
  case SINTER_SAFETENSORS_OVERLAP:
    return "the data of two tensors overlaps";
  case SINTER_SAFETENSORS_GAP:
    return "some of the data belongs to no tensor";
  case SINTER_SAFETENSORS_TOO_MANY:
    return "there are more tensors than expected";
  default:
    return "unknown error";
  }
}
