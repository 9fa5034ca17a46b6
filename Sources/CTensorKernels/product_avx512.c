// The products for x86-64 processors with AVX-512 F, BW, VL and DQ.
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c")))

typedef __m512 vector;
enum { WIDTH = 16, ROWS = 8 };

TARGET static inline __attribute__((always_inline)) vector load_f32(const float *src) { return _mm512_loadu_ps(src); }

TARGET static inline __attribute__((always_inline)) void store_f32(float *dst, vector value) { _mm512_storeu_ps(dst, value); }

TARGET static inline __attribute__((always_inline)) vector load_f16(const uint16_t *src) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)src));
}

TARGET static inline __attribute__((always_inline)) vector load_bf16(const uint16_t *src) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)src)), 16));
}

#include "product_loops.h"

const wb_product_kernels wb_product_kernels_avx512 = {matvec, vecmat};

#endif
