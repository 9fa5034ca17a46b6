// CRC-32 of zip and gzip: polynomial 0x04C11DB7, bits reflected (0xEDB88320), register inverted before and after (RFC 1952, 8).
#include <string.h>

#include "CTensorKernels.h"
#include "crc_tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

/// Advances the register over `count` bytes, by table.
static uint32_t advanced_by_table(uint32_t crc, const uint8_t *bytes, size_t count) {
  return crc_advanced_by_table(crc32_tables, crc, bytes, count);
}

#if defined(__x86_64__)

/// Returns 16 bytes that leave the same register as `vector` does when the distance that `constants` stand for lies between.
__attribute__((target("pclmul"))) static inline __m128i moved(__m128i vector, __m128i constants) {
  return _mm_xor_si128(_mm_clmulepi64_si128(vector, constants, 0x00), _mm_clmulepi64_si128(vector, constants, 0x11));
}

/// Advances the register over `count` bytes, 64 or more, by carry-less multiplication.
///
/// Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. Its last steps, from
/// 16 bytes to 4, are left to the table.
__attribute__((target("pclmul"))) static uint32_t advanced_by_pclmul(uint32_t crc, const uint8_t *bytes, size_t count) {
  // For a distance of n bits: x^(n + 32) and x^(n - 32) modulo the polynomial, bits reflected, shifted left by one.
  const __m128i past_512_bits = _mm_set_epi64x(0x1C6E41596, 0x154442BD4);
  const __m128i past_128_bits = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
  const __m128i *src = (const __m128i *)bytes;

  __m128i a = _mm_xor_si128(_mm_loadu_si128(src), _mm_cvtsi32_si128((int)crc));
  __m128i b = _mm_loadu_si128(src + 1);
  __m128i c = _mm_loadu_si128(src + 2);
  __m128i d = _mm_loadu_si128(src + 3);
  for (src += 4, count -= 64; count >= 64; src += 4, count -= 64) {
    a = _mm_xor_si128(moved(a, past_512_bits), _mm_loadu_si128(src));
    b = _mm_xor_si128(moved(b, past_512_bits), _mm_loadu_si128(src + 1));
    c = _mm_xor_si128(moved(c, past_512_bits), _mm_loadu_si128(src + 2));
    d = _mm_xor_si128(moved(d, past_512_bits), _mm_loadu_si128(src + 3));
  }
  b = _mm_xor_si128(moved(a, past_128_bits), b);
  c = _mm_xor_si128(moved(b, past_128_bits), c);
  d = _mm_xor_si128(moved(c, past_128_bits), d);
  for (; count >= 16; src++, count -= 16) d = _mm_xor_si128(moved(d, past_128_bits), _mm_loadu_si128(src));

  uint8_t last[16];
  _mm_storeu_si128((__m128i *)last, d);
  return advanced_by_table(advanced_by_table(0, last, 16), (const uint8_t *)src, count);
}

#elif defined(__ARM_FEATURE_CRC32)

/// Advances the register over `count` bytes with the CRC32 instructions of Armv8.
static uint32_t advanced_by_crc32x(uint32_t crc, const uint8_t *bytes, size_t count) {
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    crc = __crc32d(crc, word);
  }
  for (; count > 0; bytes++, count--) crc = __crc32b(crc, *bytes);
  return crc;
}

#endif

uint32_t wb_crc32_at(wb_level level, uint32_t crc, const void *data, size_t count) {
#if defined(__x86_64__)
  if (level != WB_PORTABLE && count >= 64) return ~advanced_by_pclmul(~crc, data, count);
#elif defined(__ARM_FEATURE_CRC32)
  if (level != WB_PORTABLE) return ~advanced_by_crc32x(~crc, data, count);
#else
  (void)level;
#endif
  return ~advanced_by_table(~crc, data, count);
}

uint32_t wb_crc32(uint32_t crc, const void *data, size_t count) {
  return wb_crc32_at(wb_best_level(), crc, data, count);
}
