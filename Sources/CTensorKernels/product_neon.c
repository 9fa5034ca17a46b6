// The products for arm64.
#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

#define TARGET

typedef float32x4_t vector;
enum { WIDTH = 4, ROWS = 2 };

static inline __attribute__((always_inline)) vector load_f32(const float *src) { return vld1q_f32(src); }

static inline __attribute__((always_inline)) void store_f32(float *dst, vector value) { vst1q_f32(dst, value); }

static inline __attribute__((always_inline)) vector load_f16(const uint16_t *src) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(src)));
}

static inline __attribute__((always_inline)) vector load_bf16(const uint16_t *src) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(src), 16));
}

#include "product_loops.h"

const wb_product_kernels wb_product_kernels_neon = {matvec, vecmat};

#endif
