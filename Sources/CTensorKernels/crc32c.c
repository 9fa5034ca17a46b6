// CRC-32C of iSCSI (RFC 3720, 12.1) and of LevelDB's tables: Castagnoli's polynomial 0x1EDC6F41, bits reflected (0x82F63B78),
// register inverted before and after.
#include "CTensorKernels.h"
#include "crc_tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#if defined(__x86_64__)

/// Bytes of each of the three runs that are taken at once: an instruction takes three cycles, but one can begin in each.
#define RUN 4096
/// x^(8 * RUN - 33) modulo the polynomial, bits reflected: what moves a register past `RUN` zero bytes.
#define PAST_ONE_RUN 0x82F89C77
/// x^(16 * RUN - 33), past two runs.
#define PAST_TWO_RUNS 0x54A86326

/// Returns what a register becomes after the zero bytes that `power` stands for.
///
/// The product of two reflected registers is short of one bit, and the instruction multiplies by x^32 as it reduces: 33 in all.
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t moved(uint64_t crc, uint64_t power) {
  __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi64_si128((long long)power), 0);
  return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/// Advances the register over `count` bytes with the CRC32 instruction of SSE4.2.
__attribute__((target("sse4.2,pclmul"))) static uint32_t advanced_by_instruction(uint32_t crc, const uint8_t *bytes,
                                                                                 size_t count) {
  uint64_t a = crc;
  for (; count >= 3 * RUN; bytes += 3 * RUN, count -= 3 * RUN) {
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < RUN; i += 8) {
      uint64_t words[3];
      memcpy(&words[0], bytes + i, 8);
      memcpy(&words[1], bytes + RUN + i, 8);
      memcpy(&words[2], bytes + 2 * RUN + i, 8);
      a = _mm_crc32_u64(a, words[0]);
      b = _mm_crc32_u64(b, words[1]);
      c = _mm_crc32_u64(c, words[2]);
    }
    a = moved(a, PAST_TWO_RUNS) ^ moved(b, PAST_ONE_RUN) ^ c;
  }
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    a = _mm_crc32_u64(a, word);
  }
  for (; count > 0; bytes++, count--) a = _mm_crc32_u8((uint32_t)a, *bytes);
  return (uint32_t)a;
}

#elif defined(__aarch64__)

/// Returns whether this processor has the CRC32 instructions, which Armv8.0 leaves to its makers.
static bool has_instruction(void) {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & 1 << 7) != 0;  // HWCAP_CRC32
#else
  return true;
#endif
}

/// Advances the register over `count` bytes with the CRC32C instructions of Armv8.
__attribute__((target("crc"))) static uint32_t advanced_by_instruction(uint32_t crc, const uint8_t *bytes, size_t count) {
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    crc = __crc32cd(crc, word);
  }
  for (; count > 0; bytes++, count--) crc = __crc32cb(crc, *bytes);
  return crc;
}

#endif

uint32_t wb_crc32c_at(wb_level level, uint32_t crc, const void *data, size_t count) {
#if defined(__x86_64__)
  if (level != WB_PORTABLE) return ~advanced_by_instruction(~crc, data, count);
#elif defined(__aarch64__)
  if (level != WB_PORTABLE && has_instruction()) return ~advanced_by_instruction(~crc, data, count);
#else
  (void)level;
#endif
  return ~crc_advanced_by_table(crc32c_tables, ~crc, data, count);
}

uint32_t wb_crc32c(uint32_t crc, const void *data, size_t count) {
  return wb_crc32c_at(wb_best_level(), crc, data, count);
}

/// Returns the product of two registers modulo the polynomial, bits reflected: the highest bit stands for x^0.
static uint32_t product(uint32_t a, uint32_t b) {
  uint32_t sum = 0;
  for (int bit = 31; bit >= 0; bit--) {
    if (a >> bit & 1) sum ^= b;
    b = b >> 1 ^ (b & 1 ? 0x82F63B78 : 0);
  }
  return sum;
}

uint32_t wb_crc32c_joined(uint32_t first, uint32_t second, uint64_t second_count) {
  // The first register goes past as many zero bytes, which multiplies it by x^8 for each.
  uint32_t power = 1u << 23;
  for (uint64_t rest = second_count; rest > 0; rest >>= 1) {
    if (rest & 1) first = product(first, power);
    power = product(power, power);
  }
  return first ^ second;
}
