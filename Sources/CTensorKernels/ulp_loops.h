// The loops of ulp.c with vectors; included with TARGET and VECTOR_BYTES defined.
//
// The sign of an element, in all of its bits, is what an arithmetic shift gives; so key(u) = u ^ (sign | top), and back u = k ^ (~sign | top).
#include <string.h>

#include "ulp_kernels.h"

enum { UNROLLED = 2 };

#define VECTOR_ELEMENT(bits)                                                                                                      \
  typedef uint##bits##_t u##bits __attribute__((vector_size(VECTOR_BYTES)));                                                      \
  typedef int##bits##_t s##bits __attribute__((vector_size(VECTOR_BYTES)));                                                       \
  TARGET static inline __attribute__((always_inline)) u##bits signs_##bits(u##bits x) { return (u##bits)((s##bits)x >> (bits - 1)); } \
  TARGET static inline __attribute__((always_inline)) size_t encode_##bits(const uint8_t *fork, const uint8_t *base, uint8_t *z,  \
                                                                           size_t count, const bool is_float) {                   \
    const u##bits top = (u##bits){} + (uint##bits##_t)((uint##bits##_t)1 << (bits - 1));                                          \
    const size_t step = UNROLLED * VECTOR_BYTES, bytes = count * (bits / 8) / step * step;                                        \
    for (size_t i = 0; i < bytes; i += step) {                                                                                    \
      u##bits a[UNROLLED], b[UNROLLED];                                                                                           \
      memcpy(a, fork + i, step);                                                                                                  \
      memcpy(b, base + i, step);                                                                                                  \
      for (int j = 0; j < UNROLLED; j++) {                                                                                        \
        if (is_float) {                                                                                                           \
          a[j] ^= signs_##bits(a[j]) | top;                                                                                       \
          b[j] ^= signs_##bits(b[j]) | top;                                                                                       \
        }                                                                                                                         \
        a[j] -= b[j];                                                                                                             \
        a[j] = (a[j] + a[j]) ^ signs_##bits(a[j]);                                                                                \
      }                                                                                                                           \
      memcpy(z + i, a, step);                                                                                                     \
    }                                                                                                                             \
    return bytes / (bits / 8);                                                                                                    \
  }                                                                                                                               \
  TARGET static inline __attribute__((always_inline)) size_t decode_##bits(const uint8_t *z, const uint8_t *base, uint8_t *fork,  \
                                                                           size_t count, const bool is_float) {                   \
    const u##bits top = (u##bits){} + (uint##bits##_t)((uint##bits##_t)1 << (bits - 1));                                          \
    const u##bits one = (u##bits){} + 1;                                                                                          \
    const size_t step = UNROLLED * VECTOR_BYTES, bytes = count * (bits / 8) / step * step;                                        \
    for (size_t i = 0; i < bytes; i += step) {                                                                                    \
      u##bits d[UNROLLED], b[UNROLLED];                                                                                           \
      memcpy(d, z + i, step);                                                                                                     \
      memcpy(b, base + i, step);                                                                                                  \
      for (int j = 0; j < UNROLLED; j++) {                                                                                        \
        if (is_float) b[j] ^= signs_##bits(b[j]) | top;                                                                           \
        d[j] = b[j] + ((d[j] >> 1) ^ -(d[j] & one));                                                                              \
        if (is_float) d[j] ^= ~signs_##bits(d[j]) | top;                                                                          \
      }                                                                                                                           \
      memcpy(fork + i, d, step);                                                                                                  \
    }                                                                                                                             \
    return bytes / (bits / 8);                                                                                                    \
  }

VECTOR_ELEMENT(8)
VECTOR_ELEMENT(16)
VECTOR_ELEMENT(32)
VECTOR_ELEMENT(64)

#define EACH_KIND(function, bits, in) \
  (is_float ? function##_##bits(in, base, out, count, true) : function##_##bits(in, base, out, count, false))

TARGET static size_t encode(const uint8_t *fork, const uint8_t *base, uint8_t *out, size_t count, size_t size, bool is_float) {
  switch (size) {
  case 1: return EACH_KIND(encode, 8, fork);
  case 2: return EACH_KIND(encode, 16, fork);
  case 4: return EACH_KIND(encode, 32, fork);
  case 8: return EACH_KIND(encode, 64, fork);
  default: return 0;
  }
}

TARGET static size_t decode(const uint8_t *z, const uint8_t *base, uint8_t *out, size_t count, size_t size, bool is_float) {
  switch (size) {
  case 1: return EACH_KIND(decode, 8, z);
  case 2: return EACH_KIND(decode, 16, z);
  case 4: return EACH_KIND(decode, 32, z);
  case 8: return EACH_KIND(decode, 64, z);
  default: return 0;
  }
}
