// The casts of bfloat16 to and from binary32 as loops over integers that a compiler vectorises; not part of the module.
//
// bfloat16 is the upper half of binary32 with the same exponents, subnormals included, so rounding to it is rounding an integer
// to a multiple of 2^16, and the lower half IS the error, in units of 2^-16 of a spacing. Each vector level includes this file
// and compiles these functions into its own for its instruction set.
#ifndef WB_CAST_BF16_H
#define WB_CAST_BF16_H

#include "cast_kernels.h"

static inline __attribute__((always_inline)) void widen_bf16_loop(const uint16_t *restrict src, float *restrict dst,
                                                                  size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)src[i] << 16;
    uint32_t quiet = (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x400000 : 0;
    dst[i] = wb_float_of_bits(bits | quiet);
  }
}

static inline __attribute__((always_inline)) wb_narrow_summary narrow_bf16_loop(const float *restrict src,
                                                                                uint16_t *restrict dst, size_t count) {
  uint32_t rounded_count = 0, largest_error = 0, largest_magnitude = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = wb_bits_of_float(src[i]);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    uint32_t odd = bits >> 16 & 1;
    // To nearest; exactly half-way, up only from an odd result.
    dst[i] = (uint16_t)((bits + 0x7FFF + odd) >> 16);

    uint32_t below = bits & 0xFFFF, above = 0x10000 - below;
    uint32_t error = below < above ? below : above;
    rounded_count += below != 0;
    largest_error = error > largest_error ? error : largest_error;
    largest_magnitude = magnitude > largest_magnitude ? magnitude : largest_magnitude;
  }
  return (wb_narrow_summary){
    .rounded_count = rounded_count,
    .largest_error_ulp = largest_error * 0x1p-16,
    // 0x7F7F8000 is half-way from the largest bfloat16 to 2^128; from there on come overflows, infinity and NaNs.
    .all_finite = largest_magnitude < 0x7F7F8000,
  };
}

#endif
