// SHA-256 with the SHA extensions of x86-64, for one message or for two side by side.
//
// Each instruction that does two rounds waits for the one before it: one message keeps the unit busy for half of the time, or
// less. A second message that doesn't depend on the first fills the gaps, and costs next to nothing.
#include "sha256_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1")))

/// Returns the next four words of the schedule, made of the last sixteen; FIPS 180-4, 6.2.2, step 1.
SHA static inline __m128i next_words(__m128i w0, __m128i w4, __m128i w8, __m128i w12) {
  __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4));
  return _mm_sha256msg2_epu32(sum, w12);
}

/// Takes as many blocks of each of one or two messages into its state.
SHA static inline __attribute__((always_inline)) void take_blocks(uint32_t *const states[], const uint8_t *const messages[],
                                                                  size_t block_count, const int message_count) {
  const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  // The unit wants the variables a to h as (a, b, e, f) and (c, d, g, h), highest first.
  __m128i abef[2], cdgh[2];
  for (int i = 0; i < message_count; i++) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)states[i]), hgfe = _mm_loadu_si128((const __m128i *)states[i] + 1);
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1), efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    abef[i] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[i] = _mm_blend_epi16(efgh, cdab, 0xF0);
  }
  for (size_t block = 0; block < block_count; block++) {
    __m128i old_abef[2], old_cdgh[2], w[2][4];
    for (int i = 0; i < message_count; i++) {
      old_abef[i] = abef[i];
      old_cdgh[i] = cdgh[i];
    }
#pragma clang loop unroll(full)
    for (int step = 0; step < 16; step++) {
      __m128i words[2];
      for (int i = 0; i < message_count; i++) {
        const __m128i *src = (const __m128i *)(messages[i] + block * WB_SHA256_BLOCK);
        w[i][step % 4] = step < 4 ? _mm_shuffle_epi8(_mm_loadu_si128(src + step), big_endian)
          : next_words(w[i][step % 4], w[i][(step + 1) % 4], w[i][(step + 2) % 4], w[i][(step + 3) % 4]);
        words[i] = _mm_add_epi32(w[i][step % 4], _mm_load_si128((const __m128i *)wb_sha256_constants + step));
        cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], words[i]);
      }
      for (int i = 0; i < message_count; i++) {
        abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32(words[i], 0x0E));
      }
    }
    for (int i = 0; i < message_count; i++) {
      abef[i] = _mm_add_epi32(abef[i], old_abef[i]);
      cdgh[i] = _mm_add_epi32(cdgh[i], old_cdgh[i]);
    }
  }
  for (int i = 0; i < message_count; i++) {
    __m128i feba = _mm_shuffle_epi32(abef[i], 0x1B), dchg = _mm_shuffle_epi32(cdgh[i], 0xB1);
    _mm_storeu_si128((__m128i *)states[i], _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)states[i] + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
}

SHA static void take_one(uint32_t state[8], const uint8_t *blocks, size_t block_count) {
  take_blocks((uint32_t *const[]){state}, (const uint8_t *const[]){blocks}, block_count, 1);
}

SHA static void take_two(uint32_t first[8], const uint8_t *first_blocks, uint32_t second[8], const uint8_t *second_blocks,
                         size_t block_count) {
  take_blocks((uint32_t *const[]){first, second}, (const uint8_t *const[]){first_blocks, second_blocks}, block_count, 2);
}

const wb_sha256_kernels wb_sha256_kernels_sha = {take_one, take_two};
#endif
