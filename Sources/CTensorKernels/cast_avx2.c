// The casts for x86-64 processors with AVX2 and F16C (2013 and later).
#if defined(__x86_64__)
#include <immintrin.h>

#include "cast_bf16.h"

#pragma STDC FP_CONTRACT OFF

#define AVX2 __attribute__((target("avx2,f16c")))

AVX2 static void widen_f16(const uint16_t *src, float *dst, size_t count) {
  for (size_t i = 0; i < count; i += 8) {
    _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src + i))));
  }
}

AVX2 static wb_narrow_summary narrow_f16(const float *src, uint16_t *dst, size_t count) {
  const __m256i magnitude_mask = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i unchanged = _mm256_setzero_si256(), largest_magnitude = _mm256_setzero_si256();
  __m256 largest_error = _mm256_setzero_ps();
  for (size_t i = 0; i < count; i += 8) {
    __m256 exact = _mm256_loadu_ps(src + i);
    __m128i result = _mm256_cvtps_ph(exact, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((__m128i *)(dst + i), result);

    // The error, |exact - rounded|, is exact in binary32: a multiple of the last bit of `exact` and no longer than it.
    // So is its product with a power of two; see `narrowed` in cast_portable.c for the spacing 2^(exponent - 10).
    __m256 rounded = _mm256_cvtph_ps(result);
    __m256i bits = _mm256_castps_si256(exact);
    __m256i magnitude = _mm256_and_si256(bits, magnitude_mask);
    __m256i exponent = _mm256_max_epi32(_mm256_srli_epi32(magnitude, 23), _mm256_set1_epi32(127 - 14));
    __m256i inverse_spacing = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(127 + 10 + 127), exponent), 23);
    __m256 difference = _mm256_sub_ps(exact, rounded);
    __m256 error = _mm256_mul_ps(difference, _mm256_castsi256_ps(inverse_spacing));
    largest_error = _mm256_max_ps(_mm256_and_ps(error, _mm256_castsi256_ps(magnitude_mask)), largest_error);

    unchanged = _mm256_sub_epi32(unchanged, _mm256_cmpeq_epi32(bits, _mm256_castps_si256(rounded)));
    largest_magnitude = _mm256_max_epi32(magnitude, largest_magnitude);
  }

  uint32_t unchanged_lanes[8], magnitude_lanes[8];
  float error_lanes[8];
  _mm256_storeu_si256((__m256i *)unchanged_lanes, unchanged);
  _mm256_storeu_si256((__m256i *)magnitude_lanes, largest_magnitude);
  _mm256_storeu_ps(error_lanes, largest_error);
  wb_narrow_summary summary = {.rounded_count = (uint32_t)count, .all_finite = true};
  for (int lane = 0; lane < 8; lane++) {
    summary.rounded_count -= unchanged_lanes[lane];
    if (error_lanes[lane] > summary.largest_error_ulp) summary.largest_error_ulp = error_lanes[lane];
    if (magnitude_lanes[lane] >= WB_F16_OVERFLOW) summary.all_finite = false;
  }
  return summary;
}

AVX2 static void widen_bf16(const uint16_t *src, float *dst, size_t count) {
  widen_bf16_loop(src, dst, count);
}

AVX2 static wb_narrow_summary narrow_bf16(const float *src, uint16_t *dst, size_t count) {
  return narrow_bf16_loop(src, dst, count);
}

const wb_cast_kernels wb_cast_kernels_avx2 = {widen_f16, widen_bf16, narrow_f16, narrow_bf16};

#endif
