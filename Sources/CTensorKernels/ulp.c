// Differences between two tensors of one dtype as small unsigned integers, in which most bits are zero where most values moved little.
//
// Of floats with their sign in the highest bit: key(u) = ~u where the sign is set, else u with the top bit set. Keys are in the order of the values,
// with -0 next to +0 and NaNs at the ends; every bit pattern has one of its own. The distance d = key(fork) - key(base), modulo 2^width, is a number of
// units in the last place. Of integers d = fork - base. Stored is z = (d << 1) ^ (d >> (width - 1)), the zigzag of d, small for d of either sign.
//
// The scalar functions are the specification; the loops of ulp_loops.h do the same with vectors.
#include <string.h>

#include "ulp_kernels.h"

// memcpy is a plain load or store that needs no alignment.
#define SCALAR_ELEMENT(bits)                                                                                                      \
  static inline uint##bits##_t key_##bits(uint##bits##_t u, bool is_float) {                                                      \
    const uint##bits##_t top = (uint##bits##_t)((uint##bits##_t)1 << (bits - 1));                                                 \
    return !is_float ? u : u & top ? (uint##bits##_t)~u : (uint##bits##_t)(u | top);                                              \
  }                                                                                                                               \
  static inline uint##bits##_t of_key_##bits(uint##bits##_t k, bool is_float) {                                                   \
    const uint##bits##_t top = (uint##bits##_t)((uint##bits##_t)1 << (bits - 1));                                                 \
    return !is_float ? k : k & top ? (uint##bits##_t)(k ^ top) : (uint##bits##_t)~k;                                              \
  }                                                                                                                               \
  static void encode_##bits(const uint8_t *fork, const uint8_t *base, uint8_t *z, size_t count, bool is_float) {                  \
    for (size_t i = 0; i < count; i++) {                                                                                          \
      uint##bits##_t a, b;                                                                                                        \
      memcpy(&a, fork + i * sizeof a, sizeof a);                                                                                  \
      memcpy(&b, base + i * sizeof b, sizeof b);                                                                                  \
      uint##bits##_t d = (uint##bits##_t)(key_##bits(a, is_float) - key_##bits(b, is_float));                                     \
      uint##bits##_t sign = (uint##bits##_t)(0 - (d >> (bits - 1)));                                                              \
      d = (uint##bits##_t)((uint##bits##_t)(d << 1) ^ sign);                                                                      \
      memcpy(z + i * sizeof d, &d, sizeof d);                                                                                     \
    }                                                                                                                             \
  }                                                                                                                               \
  static void decode_##bits(const uint8_t *z, const uint8_t *base, uint8_t *fork, size_t count, bool is_float) {                  \
    for (size_t i = 0; i < count; i++) {                                                                                          \
      uint##bits##_t d, b;                                                                                                        \
      memcpy(&d, z + i * sizeof d, sizeof d);                                                                                     \
      memcpy(&b, base + i * sizeof b, sizeof b);                                                                                  \
      d = (uint##bits##_t)((d >> 1) ^ (uint##bits##_t)(0 - (d & 1)));                                                             \
      uint##bits##_t u = of_key_##bits((uint##bits##_t)(key_##bits(b, is_float) + d), is_float);                                  \
      memcpy(fork + i * sizeof u, &u, sizeof u);                                                                                  \
    }                                                                                                                             \
  }

SCALAR_ELEMENT(8)
SCALAR_ELEMENT(16)
SCALAR_ELEMENT(32)
SCALAR_ELEMENT(64)

static size_t encode_portable(const uint8_t *fork, const uint8_t *base, uint8_t *z, size_t count, size_t size, bool is_float) {
  switch (size) {
  case 1: encode_8(fork, base, z, count, is_float); break;
  case 2: encode_16(fork, base, z, count, is_float); break;
  case 4: encode_32(fork, base, z, count, is_float); break;
  case 8: encode_64(fork, base, z, count, is_float); break;
  default: __builtin_trap();
  }
  return count;
}

static size_t decode_portable(const uint8_t *z, const uint8_t *base, uint8_t *fork, size_t count, size_t size, bool is_float) {
  switch (size) {
  case 1: decode_8(z, base, fork, count, is_float); break;
  case 2: decode_16(z, base, fork, count, is_float); break;
  case 4: decode_32(z, base, fork, count, is_float); break;
  case 8: decode_64(z, base, fork, count, is_float); break;
  default: __builtin_trap();
  }
  return count;
}

static const wb_ulp_kernels portable = {encode_portable, decode_portable};

static const wb_ulp_kernels *kernels_at(wb_level level) {
  switch (level) {
#if defined(__x86_64__)
  case WB_AVX2:
  case WB_AVX512:
    return &wb_ulp_kernels_avx2;
#elif defined(__aarch64__)
  case WB_NEON:
    return &wb_ulp_kernels_neon;
#endif
  default:
    return &portable;
  }
}

void wb_ulp_encode_at(wb_level level, const void *fork, const void *base, void *z, size_t count, size_t size, bool is_float) {
  size_t done = kernels_at(level)->encode(fork, base, z, count, size, is_float);
  size_t bytes = done * size;
  if (done < count)
    encode_portable((const uint8_t *)fork + bytes, (const uint8_t *)base + bytes, (uint8_t *)z + bytes, count - done, size, is_float);
}

void wb_ulp_decode_at(wb_level level, const void *z, const void *base, void *fork, size_t count, size_t size, bool is_float) {
  size_t done = kernels_at(level)->decode(z, base, fork, count, size, is_float);
  size_t bytes = done * size;
  if (done < count)
    decode_portable((const uint8_t *)z + bytes, (const uint8_t *)base + bytes, (uint8_t *)fork + bytes, count - done, size, is_float);
}

void wb_ulp_encode(const void *fork, const void *base, void *z, size_t count, size_t size, bool is_float) {
  wb_ulp_encode_at(wb_best_level(), fork, base, z, count, size, is_float);
}

void wb_ulp_decode(const void *z, const void *base, void *fork, size_t count, size_t size, bool is_float) {
  wb_ulp_decode_at(wb_best_level(), z, base, fork, count, size, is_float);
}

bool wb_is_zero(const void *data, size_t byte_count) {
  const uint8_t *bytes = data;
  // Each byte is the next one's, and the first is zero.
  return byte_count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, byte_count - 1) == 0);
}

void wb_xor(const void *left, const void *right, void *result, size_t byte_count) {
  const uint8_t *a = left, *b = right;
  uint8_t *out = result;
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= byte_count; i += sizeof(uint64_t)) {
    uint64_t x, y;
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    x ^= y;
    memcpy(out + i, &x, sizeof x);
  }
  for (; i < byte_count; i++) out[i] = a[i] ^ b[i];
}
