/* SPDX-License-Identifier: Apache-2.0 */
/* First values of variables: the bits that sinter::State draws (ir/base/Philox.cpp). Compiled
 * without contraction, so that products and sums round as they do there. */
#include "sinter/codegen/cpu/support/Support.h"

typedef struct {
  uint32_t key[2], stream[2];
} Stream;

enum { pairsAtOnce = 8 };

/* Elements of the stream from 2 * `pair` on, uniform in [0, 1); two share a block of 128 bits. The
 * loops over several blocks become vector code. */
static void drawPairs(const Stream *stream, uint64_t pair, double *values) {
  uint32_t c0[pairsAtOnce], c1[pairsAtOnce], c2[pairsAtOnce], c3[pairsAtOnce];
  for (int i = 0; i < pairsAtOnce; ++i) {
    c0[i] = (uint32_t)(pair + (uint64_t)i);
    c1[i] = (uint32_t)((pair + (uint64_t)i) >> 32);
    c2[i] = stream->stream[0];
    c3[i] = stream->stream[1];
  }
  uint32_t key0 = stream->key[0], key1 = stream->key[1];
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < pairsAtOnce; ++i) {
      uint64_t p0 = (uint64_t)0xD2511F53 * c0[i], p1 = (uint64_t)0xCD9E8D57 * c2[i];
      c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ key0;
      c1[i] = (uint32_t)p1;
      c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ key1;
      c3[i] = (uint32_t)p0;
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  for (int i = 0; i < pairsAtOnce; ++i) {
    values[2 * i] = (double)(int64_t)((c0[i] | (uint64_t)c1[i] << 32) >> 11) * 0x1p-53;
    values[2 * i + 1] = (double)(int64_t)((c2[i] | (uint64_t)c3[i] << 32) >> 11) * 0x1p-53;
  }
}

/* Box and Muller: two uniform numbers become two normal ones. */
static void makeNormal(const Math *math, double *values) {
  double radius = __builtin_sqrt(-2 * math->log(1 - values[0]));
  double angle = 6.283185307179586 * values[1];
  values[0] = radius * math->cos(angle);
  values[1] = radius * math->sin(angle);
}

/* The nearest number with `mantissaBits` and 15 - mantissaBits bits of exponent, ties to even, of a
 * finite value. */
static uint16_t roundTo16(double value, int mantissaBits) {
  int exponentBits = 15 - mantissaBits, bias = (1 << (exponentBits - 1)) - 1;
  int dropped = 52 - mantissaBits;
  uint64_t infinity = (uint64_t)((1 << exponentBits) - 1) << mantissaBits, bits;
  memcpy(&bits, &value, sizeof bits);
  uint64_t sign = bits >> 63 << 15, magnitude = bits << 1 >> 1;
  uint64_t mantissa = magnitude & (((uint64_t)1 << 52) - 1);
  int exponent = (int)(magnitude >> 52) - 1023;
  if (exponent > bias)
    return (uint16_t)(sign | infinity);
  int isNormal = exponent >= 1 - bias;
  int shift = isNormal ? dropped : dropped + 1 - bias - exponent;
  if (shift > 53)
    return (uint16_t)sign;
  uint64_t significand = mantissa | (uint64_t)1 << 52;
  uint64_t kept = significand >> shift, rest = significand & (((uint64_t)1 << shift) - 1);
  uint64_t half = (uint64_t)1 << (shift - 1);
  kept += rest > half || (rest == half && kept % 2 != 0);
  if (isNormal)
    kept += (uint64_t)(exponent + bias - 1) << mantissaBits;
  return (uint16_t)(sign | kept);
}

static float extendFrom16(uint16_t bits, int mantissaBits) {
  int exponentBits = 15 - mantissaBits, bias = (1 << (exponentBits - 1)) - 1;
  uint32_t sign = (uint32_t)(bits >> 15) << 31;
  uint32_t exponent = bits >> mantissaBits & ((1u << exponentBits) - 1);
  uint32_t mantissa = bits & ((1u << mantissaBits) - 1), pattern;
  float value;
  if (exponent == 0 && bias < 127) {
    uint32_t unitBits = (uint32_t)(128 - bias - mantissaBits) << 23;
    float unit;
    memcpy(&unit, &unitBits, sizeof unit);
    value = (float)mantissa * unit;
    return sign != 0 ? -value : value;
  }
  pattern =
      exponent == (1u << exponentBits) - 1
          ? sign | 0x7f800000 | mantissa << (23 - mantissaBits)
          : sign | (exponent + (uint32_t)(127 - bias)) << 23 | mantissa << (23 - mantissaBits);
  memcpy(&value, &pattern, sizeof value);
  return value;
}

/* The next smaller number. */
static float floatBefore(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = value > 0 ? bits - 1 : value == 0 ? 0x80000001 : bits + 1;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static double doubleBefore(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = value > 0 ? bits - 1 : value == 0 ? 0x8000000000000001 : bits + 1;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Stores a value, rounded; a uniform one that rounding took to the excluded end `limit` becomes the
 * number before it. */
static void store(void *data, int64_t dtype, int64_t i, double value, const double *limit) {
  switch (dtype) {
  case SINTER_F64:
    ((double *)data)[i] = limit && value >= *limit ? doubleBefore(*limit) : value;
    break;
  case SINTER_F32: {
    float rounded = (float)value;
    ((float *)data)[i] = limit && rounded >= (float)*limit ? floatBefore((float)*limit) : rounded;
    break;
  }
  case SINTER_F16:
  case SINTER_BF16: {
    int mantissaBits = dtype == SINTER_F16 ? 10 : 7;
    uint16_t bits = roundTo16(value, mantissaBits);
    if (limit) {
      uint16_t endBits = roundTo16(*limit, mantissaBits);
      float end = extendFrom16(endBits, mantissaBits);
      if (extendFrom16(bits, mantissaBits) >= end)
        bits = (uint16_t)(end > 0 ? endBits - 1 : end == 0 ? 0x8001 : endBits + 1);
    }
    ((uint16_t *)data)[i] = bits;
    break;
  }
  default: /* Only floats are drawn: the compiler sees to it. */
    break;
  }
}

void sinterDraw(const Descriptor *program, const Place *variable, uint64_t seed, void *data,
                int64_t count) {
  if (variable->init == initZeros)
    return;
  if (variable->init == initConstant) {
    int64_t bytes = sinterElementBytes(variable->dtype);
    for (int64_t i = 0; i < count; ++i)
      memcpy((char *)data + i * bytes, &variable->pattern, (size_t)bytes);
    return;
  }
  uint64_t hash = 0xcbf29ce484222325;
  for (const char *name = variable->name; *name; ++name)
    hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
  Stream stream = {{(uint32_t)seed, (uint32_t)(seed >> 32)},
                   {(uint32_t)hash, (uint32_t)(hash >> 32)}};
  double a = variable->initA, b = variable->initB;
  int isUniform = variable->init == initUniform;
  const double *limit = isUniform && a < b ? &b : 0;
  for (int64_t i = 0; i < count; i += 2 * pairsAtOnce) {
    double values[2 * pairsAtOnce];
    int64_t rest = count - i, here = rest < 2 * pairsAtOnce ? rest : 2 * pairsAtOnce;
    drawPairs(&stream, (uint64_t)i / 2, values);
    for (int64_t j = 0; j < here && !isUniform; j += 2)
      makeNormal(program->math, values + j);
    for (int64_t j = 0; j < here; ++j)
      store(data, variable->dtype, i + j, isUniform ? a + (b - a) * values[j] : a + b * values[j],
            limit);
  }
}
