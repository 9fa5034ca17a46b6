// SHA-256 (FIPS 180-4): messages that arrive piece by piece, dispatch, and the portable code, which is the meaning.
#include <string.h>

#include "sha256_kernels.h"

const _Alignas(16) uint32_t wb_sha256_constants[64] = {
  0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5, 0xD807AA98, 0x12835B01, 0x243185BE,
  0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174, 0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA,
  0x5CB0A9DC, 0x76F988DA, 0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967, 0x27B70A85,
  0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85, 0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3,
  0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070, 0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F,
  0x682E6FF3, 0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

static uint32_t rotated_right(uint32_t word, int count) { return word >> count | word << (32 - count); }

static uint32_t big_endian_word(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/// Takes one block into a state; the names are the standard's (6.2.2).
static void take_block(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (int t = 0; t < 16; t++) w[t] = big_endian_word(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotated_right(w[t - 15], 7) ^ rotated_right(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotated_right(w[t - 2], 17) ^ rotated_right(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    uint32_t sum1 = rotated_right(e, 6) ^ rotated_right(e, 11) ^ rotated_right(e, 25);
    uint32_t sum0 = rotated_right(a, 2) ^ rotated_right(a, 13) ^ rotated_right(a, 22);
    uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + wb_sha256_constants[t] + w[t];
    uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += sums[i];
}

static void take_one(uint32_t state[8], const uint8_t *blocks, size_t block_count) {
  for (; block_count > 0; block_count--, blocks += WB_SHA256_BLOCK) take_block(state, blocks);
}

static void take_two(uint32_t first[8], const uint8_t *first_blocks, uint32_t second[8], const uint8_t *second_blocks,
                     size_t block_count) {
  take_one(first, first_blocks, block_count);
  take_one(second, second_blocks, block_count);
}

static const wb_sha256_kernels portable_kernels = {take_one, take_two};

bool wb_sha256_is_accelerated(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
#else
  return false;
#endif
}

static const wb_sha256_kernels *kernels(const wb_sha256 *hash) {
#if defined(__x86_64__)
  if (hash->accelerated) return &wb_sha256_kernels_sha;
#else
  (void)hash;
#endif
  return &portable_kernels;
}

wb_sha256 wb_sha256_started(bool accelerated) {
  return (wb_sha256){
    .state = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19},
    .accelerated = accelerated};
}

/// What is left of a message's next bytes.
typedef struct {
  const uint8_t *bytes;
  size_t count;
} rest;

/// Fills up the block that has begun, if one has, and takes it if it is full.
static rest filled(wb_sha256 *hash, rest message) {
  size_t begun = hash->byte_count % WB_SHA256_BLOCK;
  if (begun == 0) return message;
  size_t count = WB_SHA256_BLOCK - begun < message.count ? WB_SHA256_BLOCK - begun : message.count;
  if (count == 0) return message;
  memcpy(hash->pending + begun, message.bytes, count);
  hash->byte_count += count;
  if (begun + count == WB_SHA256_BLOCK) kernels(hash)->one(hash->state, hash->pending, 1);
  return (rest){message.bytes + count, message.count - count};
}

/// Goes on after blocks that were taken from the message itself.
static rest passed(wb_sha256 *hash, rest message, size_t block_count) {
  size_t count = block_count * WB_SHA256_BLOCK;
  hash->byte_count += count;
  return (rest){message.bytes + count, message.count - count};
}

/// Takes all that is left, the last bytes as the beginning of a block.
static void take_rest(wb_sha256 *hash, rest message) {
  size_t block_count = message.count / WB_SHA256_BLOCK;
  if (block_count > 0) {
    kernels(hash)->one(hash->state, message.bytes, block_count);
    message = passed(hash, message, block_count);
  }
  if (message.count == 0) return;
  memcpy(hash->pending + hash->byte_count % WB_SHA256_BLOCK, message.bytes, message.count);
  hash->byte_count += message.count;
}

void wb_sha256_update(wb_sha256 *hash, const void *bytes, size_t count) {
  take_rest(hash, filled(hash, (rest){bytes, count}));
}

void wb_sha256_update_two(wb_sha256 *first, const void *first_bytes, size_t first_count, wb_sha256 *second,
                          const void *second_bytes, size_t second_count) {
  rest a = filled(first, (rest){first_bytes, first_count}), b = filled(second, (rest){second_bytes, second_count});
  size_t block_count = (a.count < b.count ? a.count : b.count) / WB_SHA256_BLOCK;
  if (block_count > 0 && first->accelerated == second->accelerated) {
    kernels(first)->two(first->state, a.bytes, second->state, b.bytes, block_count);
    a = passed(first, a, block_count);
    b = passed(second, b, block_count);
  }
  take_rest(first, a);
  take_rest(second, b);
}

void wb_sha256_digest(const wb_sha256 *hash, uint8_t digest[32]) {
  wb_sha256 last = *hash;
  // 5.1.1: a bit, zeros to the last 8 bytes of a block, and in these the message's length in bits.
  uint8_t padding[2 * WB_SHA256_BLOCK] = {0x80};
  size_t begun = hash->byte_count % WB_SHA256_BLOCK;
  size_t count = (begun < 56 ? 56 : 56 + WB_SHA256_BLOCK) - begun;
  for (int i = 0; i < 8; i++) padding[count + (size_t)i] = (uint8_t)(hash->byte_count * 8 >> (56 - 8 * i));
  wb_sha256_update(&last, padding, count + 8);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(last.state[i / 4] >> (24 - 8 * (i % 4)));
}
