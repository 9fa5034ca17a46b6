// The products for x86-64 processors with AVX2 and F16C.
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx2,f16c")))

typedef __m256 vector;
enum { WIDTH = 8, ROWS = 2 };

TARGET static inline __attribute__((always_inline)) vector load_f32(const float *src) { return _mm256_loadu_ps(src); }

TARGET static inline __attribute__((always_inline)) void store_f32(float *dst, vector value) { _mm256_storeu_ps(dst, value); }

TARGET static inline __attribute__((always_inline)) vector load_f16(const uint16_t *src) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)src));
}

TARGET static inline __attribute__((always_inline)) vector load_bf16(const uint16_t *src) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)src)), 16));
}

#include "product_loops.h"

const wb_product_kernels wb_product_kernels_avx2 = {matvec, vecmat};

#endif
