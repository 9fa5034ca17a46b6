// The casts for arm64, where NEON and its conversions of binary16 are always there.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "cast_bf16.h"

#pragma STDC FP_CONTRACT OFF

static void widen_f16(const uint16_t *src, float *dst, size_t count) {
  for (size_t i = 0; i < count; i += 4) {
    vst1q_f32(dst + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(src + i))));
  }
}

// The same steps as in cast_avx2.c, where they are explained.
static wb_narrow_summary narrow_f16(const float *src, uint16_t *dst, size_t count) {
  uint32x4_t unchanged = vdupq_n_u32(0), largest_magnitude = vdupq_n_u32(0);
  float32x4_t largest_error = vdupq_n_f32(0);
  for (size_t i = 0; i < count; i += 4) {
    float32x4_t exact = vld1q_f32(src + i);
    float16x4_t result = vcvt_f16_f32(exact);
    vst1_u16(dst + i, vreinterpret_u16_f16(result));

    float32x4_t rounded = vcvt_f32_f16(result);
    uint32x4_t bits = vreinterpretq_u32_f32(exact);
    uint32x4_t magnitude = vandq_u32(bits, vdupq_n_u32(0x7FFFFFFF));
    uint32x4_t exponent = vmaxq_u32(vshrq_n_u32(magnitude, 23), vdupq_n_u32(127 - 14));
    uint32x4_t inverse_spacing = vshlq_n_u32(vsubq_u32(vdupq_n_u32(127 + 10 + 127), exponent), 23);
    float32x4_t error = vmulq_f32(vabdq_f32(exact, rounded), vreinterpretq_f32_u32(inverse_spacing));
    // A NaN stays in the maximum, but then the tile holds a NaN or an infinity and the summary isn't used.
    largest_error = vmaxq_f32(error, largest_error);

    // The comparison gives all ones, which is -1.
    unchanged = vsubq_u32(unchanged, vceqq_u32(bits, vreinterpretq_u32_f32(rounded)));
    largest_magnitude = vmaxq_u32(magnitude, largest_magnitude);
  }
  return (wb_narrow_summary){
    .rounded_count = (uint32_t)count - vaddvq_u32(unchanged),
    .largest_error_ulp = (double)vmaxvq_f32(largest_error),
    .all_finite = vmaxvq_u32(largest_magnitude) < WB_F16_OVERFLOW,
  };
}

static void widen_bf16(const uint16_t *src, float *dst, size_t count) {
  widen_bf16_loop(src, dst, count);
}

static wb_narrow_summary narrow_bf16(const float *src, uint16_t *dst, size_t count) {
  return narrow_bf16_loop(src, dst, count);
}

const wb_cast_kernels wb_cast_kernels_neon = {widen_f16, widen_bf16, narrow_f16, narrow_bf16};

#endif
