// XXH3, 128 bits, without seed and with the standard secret, as https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md describes it.
//
// Up to 240 bytes have functions of their own. Longer inputs are stripes of 64 bytes that go into eight sums; 16 stripes are a block, after which the sums
// are scrambled. The last stripe is the input's last 64 bytes, whether or not some of them went in before.
#include <string.h>

#include "CTensorKernels.h"

enum { STRIPE = 64, STRIPES_PER_BLOCK = 16, BLOCK = STRIPE * STRIPES_PER_BLOCK, SHORT = 240, SECRET = 192 };

#define P32_1 0x9E3779B1U
#define P32_2 0x85EBCA77U
#define P32_3 0xC2B2AE3DU
#define P64_1 0x9E3779B185EBCA87ULL
#define P64_2 0xC2B2AE3D27D4EB4FULL
#define P64_3 0x165667B19E3779F9ULL
#define P64_4 0x85EBCA77C2B2AE63ULL
#define P64_5 0x27D4EB2F165667C5ULL
#define MIX_1 0x165667919E3779F9ULL
#define MIX_2 0x9FB21C651E98DF25ULL

static const uint8_t secret[SECRET] = {
  0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb,
  0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
  0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
  0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
  0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
  0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
  0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc,
  0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static uint64_t read64(const uint8_t *p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

static uint32_t read32(const uint8_t *p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

static wb_xxh3_digest product(uint64_t a, uint64_t b) {
  unsigned __int128 wide = (unsigned __int128)a * b;
  return (wb_xxh3_digest){(uint64_t)wide, (uint64_t)(wide >> 64)};
}

static uint64_t folded(uint64_t a, uint64_t b) {
  wb_xxh3_digest wide = product(a, b);
  return wide.low ^ wide.high;
}

static uint64_t avalanche(uint64_t h) {
  h ^= h >> 37;
  h *= MIX_1;
  return h ^ h >> 32;
}

/// That of XXH64.
static uint64_t avalanche64(uint64_t h) {
  h ^= h >> 33;
  h *= P64_2;
  h ^= h >> 29;
  h *= P64_3;
  return h ^ h >> 32;
}

// MARK: Short inputs

static wb_xxh3_digest of_1_to_3(const uint8_t *in, size_t count) {
  uint32_t low = (uint32_t)in[0] << 16 | (uint32_t)in[count >> 1] << 24 | in[count - 1] | (uint32_t)count << 8;
  uint32_t high = __builtin_bswap32(low);
  high = high << 13 | high >> 19;
  return (wb_xxh3_digest){avalanche64(low ^ (uint64_t)(read32(secret) ^ read32(secret + 4))),
                          avalanche64(high ^ (uint64_t)(read32(secret + 8) ^ read32(secret + 12)))};
}

static wb_xxh3_digest of_4_to_8(const uint8_t *in, size_t count) {
  uint64_t value = read32(in) + ((uint64_t)read32(in + count - 4) << 32);
  wb_xxh3_digest m = product(value ^ read64(secret + 16) ^ read64(secret + 24), P64_1 + (count << 2));
  m.high += m.low << 1;
  m.low ^= m.high >> 3;
  m.low ^= m.low >> 35;
  m.low *= MIX_2;
  m.low ^= m.low >> 28;
  m.high = avalanche(m.high);
  return m;
}

static wb_xxh3_digest of_9_to_16(const uint8_t *in, size_t count) {
  uint64_t low = read64(in), high = read64(in + count - 8);
  wb_xxh3_digest m = product(low ^ high ^ read64(secret + 32) ^ read64(secret + 40), P64_1);
  m.low += (uint64_t)(count - 1) << 54;
  high ^= read64(secret + 48) ^ read64(secret + 56);
  m.high += high + (uint64_t)(uint32_t)high * (P32_2 - 1);
  m.low ^= __builtin_bswap64(m.high);
  wb_xxh3_digest h = product(m.low, P64_2);
  h.high += m.high * P64_2;
  return (wb_xxh3_digest){avalanche(h.low), avalanche(h.high)};
}

static uint64_t mix16(const uint8_t *in, const uint8_t *key) {
  return folded(read64(in) ^ read64(key), read64(in + 8) ^ read64(key + 8));
}

static void mix32(wb_xxh3_digest *sum, const uint8_t *first, const uint8_t *second, const uint8_t *key) {
  sum->low += mix16(first, key);
  sum->low ^= read64(second) + read64(second + 8);
  sum->high += mix16(second, key + 16);
  sum->high ^= read64(first) + read64(first + 8);
}

static wb_xxh3_digest of_17_to_240(const uint8_t *in, size_t count) {
  wb_xxh3_digest sum = {count * P64_1, 0};
  if (count <= 128) {
    for (size_t i = (count - 1) / 32 + 1; i-- > 0;) mix32(&sum, in + 16 * i, in + count - 16 * (i + 1), secret + 32 * i);
  } else {
    for (size_t i = 0; i < 128; i += 32) mix32(&sum, in + i, in + i + 16, secret + i);
    sum = (wb_xxh3_digest){avalanche(sum.low), avalanche(sum.high)};
    for (size_t i = 160; i <= count; i += 32) mix32(&sum, in + i - 32, in + i - 16, secret + 3 + i - 160);
    mix32(&sum, in + count - 16, in + count - 32, secret + 136 - 17 - 16);
  }
  return (wb_xxh3_digest){avalanche(sum.low + sum.high), 0 - avalanche(sum.low * P64_1 + sum.high * P64_4 + count * P64_2)};
}

// MARK: Long inputs

static void accumulate(uint64_t sums[8], const uint8_t *in, const uint8_t *key) {
  for (int i = 0; i < 8; i++) {
    uint64_t value = read64(in + 8 * i), mixed = value ^ read64(key + 8 * i);
    sums[i ^ 1] += value;
    sums[i] += (uint64_t)(uint32_t)mixed * (mixed >> 32);
  }
}

static void take_block(wb_xxh3 *state, const uint8_t *in) {
  for (int i = 0; i < STRIPES_PER_BLOCK; i++) accumulate(state->sums, in + STRIPE * i, secret + 8 * i);
  for (int i = 0; i < 8; i++) {
    state->sums[i] ^= state->sums[i] >> 47;
    state->sums[i] ^= read64(secret + SECRET - STRIPE + 8 * i);
    state->sums[i] *= P32_1;
  }
  memcpy(state->tail, in + BLOCK - STRIPE, STRIPE);
}

static uint64_t merged(const uint64_t sums[8], const uint8_t *key, uint64_t start) {
  for (int i = 0; i < 4; i++) start += folded(sums[2 * i] ^ read64(key + 16 * i), sums[2 * i + 1] ^ read64(key + 16 * i + 8));
  return avalanche(start);
}

void wb_xxh3_begin(wb_xxh3 *state) {
  *state = (wb_xxh3){.sums = {P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1}};
}

void wb_xxh3_update(wb_xxh3 *state, const void *data, size_t byte_count) {
  const uint8_t *in = data;
  state->byte_count += byte_count;
  while (byte_count > 0) {
    // A block goes in when it is known that more follows it.
    if (state->waiting == BLOCK) {
      take_block(state, state->block);
      state->waiting = 0;
    }
    if (state->waiting == 0) {
      for (; byte_count > BLOCK; in += BLOCK, byte_count -= BLOCK) take_block(state, in);
    }
    size_t count = BLOCK - state->waiting < byte_count ? BLOCK - state->waiting : byte_count;
    memcpy(state->block + state->waiting, in, count);
    state->waiting += count, in += count, byte_count -= count;
  }
}

wb_xxh3_digest wb_xxh3_end(const wb_xxh3 *state) {
  const uint8_t *in = state->block;
  size_t count = state->waiting;
  if (state->byte_count <= SHORT) {
    if (count > 16) return of_17_to_240(in, count);
    if (count > 8) return of_9_to_16(in, count);
    if (count > 3) return of_4_to_8(in, count);
    if (count > 0) return of_1_to_3(in, count);
    return (wb_xxh3_digest){avalanche64(read64(secret + 64) ^ read64(secret + 72)),
                            avalanche64(read64(secret + 80) ^ read64(secret + 88))};
  }
  uint64_t sums[8];
  memcpy(sums, state->sums, sizeof sums);
  for (size_t i = 0; i < (count - 1) / STRIPE; i++) accumulate(sums, in + STRIPE * i, secret + 8 * i);
  uint8_t last[STRIPE];
  if (count >= STRIPE) {
    memcpy(last, in + count - STRIPE, STRIPE);
  } else {
    memcpy(last, state->tail + count, STRIPE - count);
    memcpy(last + STRIPE - count, in, count);
  }
  accumulate(sums, last, secret + SECRET - STRIPE - 7);
  return (wb_xxh3_digest){merged(sums, secret + 11, state->byte_count * P64_1),
                          merged(sums, secret + SECRET - STRIPE - 11, ~(state->byte_count * P64_2))};
}
