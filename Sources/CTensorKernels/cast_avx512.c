// The casts for x86-64 processors with AVX-512 F, BW, VL and DQ.
#if defined(__x86_64__)
#include <immintrin.h>

#include "cast_bf16.h"

#pragma STDC FP_CONTRACT OFF

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c")))

AVX512 static void widen_f16(const uint16_t *src, float *dst, size_t count) {
  for (size_t i = 0; i < count; i += 16) {
    _mm512_storeu_ps(dst + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(src + i))));
  }
}

// The same steps as in cast_avx2.c, where they are explained.
AVX512 static wb_narrow_summary narrow_f16(const float *src, uint16_t *dst, size_t count) {
  const __m512i magnitude_mask = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i largest_magnitude = _mm512_setzero_si512();
  __m512 largest_error = _mm512_setzero_ps();
  wb_narrow_summary summary = {0};
  for (size_t i = 0; i < count; i += 16) {
    __m512 exact = _mm512_loadu_ps(src + i);
    __m256i result = _mm512_cvtps_ph(exact, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256((__m256i *)(dst + i), result);

    __m512 rounded = _mm512_cvtph_ps(result);
    __m512i bits = _mm512_castps_si512(exact);
    __m512i magnitude = _mm512_and_si512(bits, magnitude_mask);
    __m512i exponent = _mm512_max_epi32(_mm512_srli_epi32(magnitude, 23), _mm512_set1_epi32(127 - 14));
    __m512i inverse_spacing = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(127 + 10 + 127), exponent), 23);
    __m512 difference = _mm512_sub_ps(exact, rounded);
    __m512 error = _mm512_mul_ps(difference, _mm512_castsi512_ps(inverse_spacing));
    largest_error = _mm512_max_ps(_mm512_abs_ps(error), largest_error);

    __mmask16 changed = _mm512_cmpneq_epi32_mask(bits, _mm512_castps_si512(rounded));
    summary.rounded_count += (uint32_t)__builtin_popcount(changed);
    largest_magnitude = _mm512_max_epi32(magnitude, largest_magnitude);
  }
  summary.largest_error_ulp = _mm512_reduce_max_ps(largest_error);
  summary.all_finite = _mm512_reduce_max_epi32(largest_magnitude) < WB_F16_OVERFLOW;
  return summary;
}

AVX512 static void widen_bf16(const uint16_t *src, float *dst, size_t count) {
  widen_bf16_loop(src, dst, count);
}

AVX512 static wb_narrow_summary narrow_bf16(const float *src, uint16_t *dst, size_t count) {
  return narrow_bf16_loop(src, dst, count);
}

const wb_cast_kernels wb_cast_kernels_avx512 = {widen_f16, widen_bf16, narrow_f16, narrow_bf16};

#endif
